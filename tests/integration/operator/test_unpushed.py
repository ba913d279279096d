"""What a vCenter does not push, storage policies and disks of other controllers, is read again after a change of ours."""

from __future__ import annotations

import pytest

from lab.bed import Lab
from lab.vsphere_sdk import vim
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene, unique
from tests.operator_bed import condition_of

#: The longest intervals that the API accepts: nothing is read because time goes by.
NEVER, LATER = {"sweepInterval": "24h"}, {"syncInterval": "168h"}
GIB = 2**30


def test_another_storage_policy_is_one_change(make_scene: MakeScene) -> None:
    scene = make_scene("vsphere", **NEVER)
    machine_id = scene.make(vsphere={"storagePolicy": "silver"}, **LATER)["status"]["id"]
    scene.forget_requests()

    scene.change(vsphere={"storagePolicy": "gold"})

    scene.wait("web", "Synced", "True")
    assert_undisputed(scene)
    assert set(scene.bed.lab.vsphere.storage_policies.of(machine_id).values()) == {"gold"}


def test_a_root_disk_of_another_controller_grows_by_one_change(
    make_scene: MakeScene, request: pytest.FixtureRequest
) -> None:
    scene = make_scene("vsphere", imports="Managed", **NEVER)
    lab = scene.bed.lab
    machine_id = on_sata(lab)
    request.addfinalizer(lambda: scene.person.machine(machine_id) and scene.person.destroy(machine_id))
    scene.take(wanted={"import": {"id": machine_id}}, rootDisk={"size": "4Gi"}, powerState="Stopped", **LATER)
    scene.ready()
    scene.forget_requests()

    scene.change(rootDisk={"size": "6Gi"})

    scene.wait("web", "Synced", "True")
    assert_undisputed(scene)
    assert scene.machine().disk == 6 * GIB


def assert_undisputed(scene: Scene) -> None:
    """One call was enough, and nobody is said to have undone it."""
    assert scene.mutations() == ["ReconfigVM_Task"]
    assert "Contested" not in {reason for reason, _ in scene.events()}
    assert condition_of(scene.body(), "Ready")["status"] == "True"


def on_sata(lab: Lab) -> str:
    """A machine with one disk of 4 GiB, which is not the first of a SCSI controller."""
    device = vim.vm.device
    backing = device.VirtualDisk.FlatVer2BackingInfo(
        fileName=f"[{lab.vsphere.datastores[0]}]", diskMode="persistent", thinProvisioned=True
    )
    disk = device.VirtualDisk(key=16000, controllerKey=15000, unitNumber=0, backing=backing, capacityInKB=4 * 2**20)
    return lab.vsphere.create(unique("on-sata"), [device.VirtualAHCIController(key=15000, busNumber=0), disk])
