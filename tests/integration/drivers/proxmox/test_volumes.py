"""Volumes on Proxmox VE: the VMID that owns them, storages of single nodes, formats, rights, and what it all costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Refused
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from hybridge.core.volume import Volume, VolumeSpec
from hybridge.drivers.base import Portion, SweepRequest
from hybridge.drivers.proxmox.driver import connect
from hybridge.drivers.proxmox.guest import LENDER
from lab.permissions import Grant
from lab.proxmox_estate import GRANTS, OPERATOR
from tests.integration.drivers.proxmox.bench import GIB, Bench, Lab, marker, settings
from tests.sweeps import volumes

BOTH = (CloudKind.MACHINE, CloudKind.VOLUME)
SPEC = VolumeSpec("db", size=GIB, class_="ceph")


def owner() -> Marker:
    return Marker("cluster", str(uuid4()), "Volume", "shop", "db")


def intent(bench: Bench, spec: VolumeSpec) -> Intent:
    prepared = bench.driver.volumes.prepare(bench.driver.volumes.normalize(spec), ())
    return Intent(1, "token", spec.name, "", "here", 0.0, prepared.parameters, prepared.id)


def make(bench: Bench, spec: VolumeSpec = SPEC, whose: Marker | None = None) -> Volume:
    """A volume, as the next sweep shows it."""
    started = bench.driver.volumes.create(intent(bench, spec), spec, whose or owner())
    assert started.id
    return seen(bench).objects[started.id]


def seen(bench: Bench) -> Portion[Volume]:
    return volumes(bench.driver.sweep(SweepRequest(kinds=BOTH)))


def images(lab: Lab, storage: str) -> dict[str, Any]:
    found = cast("dict[str, Any]", lab.pve.storages[storage]["volumes"])
    return {name: one for name, one in found.items() if one.get("vmid") == LENDER}


def test_nothing_is_made_or_deleted_while_a_guest_has_the_vmid(lab: Lab, bench: Bench) -> None:
    """Whoever destroys that guest with its unreferenced disks destroys all volumes."""
    volume = make(bench)
    lab.pve.add_vm(LENDER, "thief", node="pve2")

    for call in (lambda: make(bench), lambda: bench.driver.volumes.delete(volume)):
        with pytest.raises(Refused, match="999999999") as refusal:
            call()
        assert refusal.value.reason is Reason.REJECTED

    assert len(images(lab, "ceph")) == 1


def test_a_volume_of_a_node_stays_there(lab: Lab, bench: Bench) -> None:
    spec = replace(SPEC, class_="local-lvm", placement={"node": "pve2"})
    volume = make(bench, spec)
    here, there = (bench.make(bench.spec(placement={"node": node}), marker())[0] for node in ("pve2", "pve1"))

    assert volume.id.startswith("pve2/local-lvm:vm-999999999-db_")
    assert volume.settings["placement.node"] == ("pve2",)
    with pytest.raises(Refused, match="on node pve2 alone"):
        bench.driver.machines.attach(there, volume.id)
    machine = bench.after(bench.driver.machines.attach(here, volume.id))

    assert [disk.id for disk in machine.disks or ()] == [volume.id]
    assert [one.machine_id for one in seen(bench).objects[volume.id].attachments] == [here.id]
    assert bench.driver.volumes.get(volume.id) == seen(bench).objects[volume.id]


def test_a_machine_with_a_volume_of_its_node_does_not_leave_it(lab: Lab, bench: Bench) -> None:
    whose, spec = marker(), bench.spec(placement={"node": "pve2"})
    machine, _ = bench.make(spec, whose)
    volume = make(bench, replace(SPEC, class_="local-lvm", placement={"node": "pve2"}))
    machine = bench.after(bench.driver.machines.attach(machine, volume.id))
    there = replace(spec, placement={"node": "pve1"})

    with pytest.raises(Refused, match="cannot leave") as refusal:
        bench.driver.machines.configure(machine, there, {"placement.node"}, None, whose)

    assert refusal.value.reason is Reason.UNSUPPORTED
    assert lab.guest(machine.id).node == "pve2"


def test_disks_of_a_machine_move_without_its_volumes(lab: Lab, bench: Bench) -> None:
    whose, spec = marker(), bench.spec()
    machine, _ = bench.make(spec, whose)
    volume = make(bench)
    machine = bench.after(bench.driver.machines.attach(machine, volume.id))
    there = replace(spec, placement={"storage": "nfs"})

    machine = bench.after(bench.driver.machines.configure(machine, there, {"placement.storage"}, None, whose))
    machine = bench.look(machine.id, refresh=True)

    assert machine.settings["placement.storage"] == ("nfs",)
    assert [disk.id for disk in machine.disks or ()] == [volume.id]
    assert volume.id.startswith("ceph:")
    assert list(images(lab, "ceph")) == [volume.id.removeprefix("ceph:")]


def test_a_node_that_is_down_is_no_proof_of_absence(lab: Lab, bench: Bench) -> None:
    volume = make(bench, replace(SPEC, class_="local-lvm", placement={"node": "pve2"}))
    lab.pve.nodes["pve2"]["online"] = False

    with pytest.raises(CloudError) as error:
        bench.driver.volumes.get(volume.id)

    assert error.value.reason is Reason.PROVIDER_DOWN
    assert volume.id not in seen(bench).objects


def test_what_the_account_may_not_see_is_not_absent(lab: Lab, bench: Bench) -> None:
    """PVE leaves it out of its lists without a word."""
    volume = make(bench)
    kept = [grant for grant in GRANTS[OPERATOR] if grant.place != "/storage/ceph" and grant.right != "VM.Config.Disk"]
    lab.pve.allot(OPERATOR, [*kept, Grant("/storage/ceph", "Datastore.Audit")])

    assert volume.id not in seen(bench).objects
    with pytest.raises(Refused) as refusal:
        bench.driver.volumes.get(volume.id)

    assert refusal.value.reason is Reason.NOT_PERMITTED


def test_a_storage_that_cannot_be_read_hides_and_does_not_take_away(lab: Lab, bench: Bench) -> None:
    volume = make(bench)
    assert seen(bench).settled
    lab.pve.ceph["down"] = True

    portion = seen(bench)
    lab.pve.ceph["down"] = False

    assert (portion.full, portion.settled, volume.id in portion.objects) == (False, True, False)
    assert seen(bench).full
    assert volume.id in seen(bench).objects


def test_nothing_is_settled_before_every_storage_was_read(lab: Lab, bench: Bench) -> None:
    lab.pve.ceph["down"] = True
    assert not seen(bench).settled

    lab.pve.ceph["down"] = False

    assert seen(bench).settled


@pytest.mark.parametrize(
    ("words", "last"),
    [({}, ".raw"), ({"format": "qcow2"}, ".qcow2"), ({"format": "vmdk"}, ".vmdk")],
    ids=["its own", "qcow2", "vmdk"],
)
def test_a_storage_of_files_has_formats(lab: Lab, bench: Bench, words: dict[str, object], last: str) -> None:
    volume = make(bench, replace(SPEC, class_="nfs", options=words))

    assert volume.id.endswith(last)
    assert volume.settings["proxmox.format"] == (last[1:],)
    assert list(images(lab, "nfs")) == [volume.id.removeprefix("nfs:")]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (replace(SPEC, class_="cehp"), Reason.NOT_FOUND),
        (replace(SPEC, class_="local"), Reason.INVALID_SPEC),
        (replace(SPEC, options={"format": "qcow2"}), Reason.UNSUPPORTED),
        (replace(SPEC, placement={"node": "pve9"}), Reason.NOT_FOUND),
        (replace(SPEC, snapshot="nightly"), Reason.UNSUPPORTED),
    ],
)
def test_what_there_is_not_is_refused_before_anything_is_made(bench: Bench, spec: VolumeSpec, reason: Reason) -> None:
    with pytest.raises(Refused) as refusal:
        bench.driver.volumes.prepare(spec, ())

    assert refusal.value.reason is reason


def test_where_nothing_is_named_a_storage_that_all_nodes_share_is_taken(bench: Bench) -> None:
    prepared = bench.driver.volumes.prepare(VolumeSpec("db", size=GIB), ())

    assert prepared.parameters["storage"] in {"ceph", "nfs"}
    assert "node" not in prepared.parameters


def test_disks_of_guests_are_seen_and_cannot_be_taken_over(bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())

    disk = next(one for one in seen(bench).objects.values() if one.id == f"ceph:vm-{machine.id}-disk-0")

    assert [one.machine_id for one in disk.attachments] == [machine.id]
    assert f"a disk of guest {machine.id}" in disk.unfit


def test_a_volume_that_waits_for_a_start_is_shown_and_one_that_stays_plugged_too(lab: Lab, bench: Bench) -> None:
    volume = make(bench)
    machine, _ = bench.make(bench.spec(), marker())
    lab.guest(machine.id).config["hotplug"] = "network"

    machine = bench.after(bench.driver.machines.attach(machine, volume.id))
    assert [disk.id for disk in machine.disks or ()] == [volume.id]
    assert machine.pending == {f"volumes[{volume.id}]": volume.id}
    assert machine.power is Power.RUNNING
    bench.driver.machines.set_power(machine, bench.spec(), Power.STOPPED, hard=True)
    machine = bench.look(machine.id, refresh=True)
    assert machine.pending == {}
    bench.driver.machines.set_power(machine, bench.spec(), Power.RUNNING)
    machine = bench.after(bench.driver.machines.detach(bench.look(machine.id, refresh=True), volume.id))

    assert [disk.id for disk in machine.disks or ()] == [volume.id]
    assert machine.pending == {f"volumes[{volume.id}]": ""}
    with pytest.raises(Refused) as refusal:
        bench.driver.volumes.delete(volume)
    assert refusal.value.reason is Reason.HAS_DEPENDANTS


def test_nobody_is_given_a_volume_before_all_guests_were_read(lab: Lab, bench: Bench) -> None:
    """A driver that has just started does not know yet who has it."""
    volume = make(bench)
    holder, other = (bench.make(bench.spec(), marker())[0] for _ in range(2))
    bench.after(bench.driver.machines.attach(holder, volume.id))
    fresh = connect(settings(lab, bench.requests))
    try:
        for call in (lambda: fresh.machines.attach(other, volume.id), lambda: fresh.volumes.delete(volume)):
            with pytest.raises(CloudError, match="not all guests were read"):
                call()
    finally:
        fresh.close()


def test_what_volumes_cost(bench: Bench) -> None:
    bench.driver.check()
    machine, _ = bench.make(bench.spec(), marker())
    bench.look(machine.id, refresh=True)
    bench.requests.clear()

    seen(bench)
    assert bench.requests == {"Resources": 1, "Images": 5}
    bench.requests.clear()

    wanted = intent(bench, SPEC)
    whose = owner()
    volume_id = bench.driver.volumes.create(wanted, SPEC, whose).id
    assert volume_id
    assert bench.requests == {"FreeId": 1, "Allocate": 1}
    bench.requests.clear()

    bench.driver.machines.attach(machine, volume_id)
    assert bench.requests == {"ReadGuest": 2, "Resources": 1, "Images": 1, "Configure": 1}
    bench.requests.clear()

    volume = seen(bench).objects[volume_id]
    bench.requests.clear()
    bench.driver.volumes.configure(volume, replace(SPEC, size=2 * GIB), {"size"}, None, whose)
    assert bench.requests == {"Images": 1, "ReadGuest": 1, "Resize": 1}
    bench.requests.clear()

    bench.driver.machines.detach(machine, volume_id)
    assert bench.requests == {"ReadGuest": 2, "Configure": 1}
    bench.requests.clear()

    bench.driver.volumes.delete(volume)
    assert bench.requests == {"Resources": 1, "Images": 1, "FreeId": 1, "DeleteVolume": 1}
