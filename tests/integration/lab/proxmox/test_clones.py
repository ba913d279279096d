"""Clones of the lab's Proxmox VE, from the task to their destruction."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from proxmoxer.core import ResourceException  # type: ignore[import-untyped]  # as above

from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import IDS, listed, named, outcome, qemu


def test_a_clone_has_an_identity_of_its_own_and_the_notes_of_its_template(pve: Any, guest: int) -> None:
    template, clone = qemu(pve, 9000).config.get(), qemu(pve, guest).config.get()

    assert clone["description"] == template["description"]
    assert "template" not in clone
    for key in ("smbios1", "vmgenid", "net0", "scsi0", "ide2"):
        assert clone[key] != template[key]


def test_notes_given_with_the_clone_replace_the_templates(pve: Any) -> None:
    vmid = next(IDS)
    qemu(pve, 9000).clone.post(newid=vmid, description="mine")

    assert qemu(pve, vmid).config.get()["description"] == "mine\n"


def test_a_vmid_is_given_once(pve: Any, guest: int) -> None:
    with pytest.raises(ResourceException, match="config file already exists") as error:
        qemu(pve, 9000).clone.post(newid=guest)

    assert error.value.status_code == 500


def test_of_many_clones_to_one_vmid_one_succeeds(connect: Callable[..., Any], cloud: ProxmoxCloud) -> None:
    vmid = next(IDS)

    def clone(index: int) -> bool:
        try:
            qemu(connect(), 9000).clone.post(newid=vmid, name=f"racer-{index}")
        except ResourceException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(clone, range(8)))

    assert sum(won) == 1
    assert cloud.machine(vmid).name == f"racer-{won.index(True)}"


def test_a_clone_under_way_shows_a_lock_and_no_marker(cloud: ProxmoxCloud, pve: Any) -> None:
    cloud.tune(task_seconds=3600.0)
    vmid = next(IDS)
    qemu(pve, 9000).clone.post(newid=vmid, name="slow", description="marker")

    config = qemu(pve, vmid).config.get()
    resource = listed(pve, vmid)
    running = [task["id"] for task in pve.cluster.tasks.get() if "endtime" not in task and task["type"] == "qmclone"]

    assert config["lock"] == "clone"
    assert "marker" not in config["description"]
    assert "smbios1" not in config
    assert resource is not None
    assert resource["lock"] == "clone"
    assert "9000" in running
    with pytest.raises(ResourceException, match="locked"):
        qemu(pve, vmid).config.put(cores=2)


def test_a_slow_clone_ends_whole(cloud: ProxmoxCloud, pve: Any) -> None:
    cloud.tune(task_seconds=0.05)
    vmid = next(IDS)
    upid = qemu(pve, 9000).clone.post(newid=vmid, name="slow", description="marker")

    assert outcome(pve, upid) == "OK"
    machine = cloud.machine(vmid)
    assert (machine.name, machine.description, machine.lock) == ("slow", "marker", None)


def test_a_missing_machine_has_no_configuration_file(pve: Any) -> None:
    vmid = next(IDS)
    with pytest.raises(ResourceException) as error:
        qemu(pve, vmid).config.get()

    assert error.value.status_code == 500
    assert f"Configuration file 'nodes/pve1/qemu-server/{vmid}.conf' does not exist" in str(error.value)


def test_a_destroyed_machine_leaves_no_disk_and_takes_no_iso(pve: Any, guest: int, cloud: ProxmoxCloud) -> None:
    pve.nodes("pve1").storage("local").upload.post(content="iso", filename=named("kept.iso", b"iso"))
    qemu(pve, guest).config.put(ide0="local:iso/kept.iso,media=cdrom")

    qemu(pve, guest).delete(purge=1)

    assert guest not in [machine.vmid for machine in cloud.machines()]
    assert not pve.nodes("pve1").storage("ceph").content.get(vmid=guest)
    assert "local:iso/kept.iso" in cloud.isos()
