"""Moves of guests and disks on Proxmox VE."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from hybridge.core.errors import Refused
from hybridge.core.machine import Power
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.core.task import TaskState
from hybridge.drivers.base import SweepRequest
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker


def test_a_guest_of_the_ha_manager_is_held_until_that_has_moved_it(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"node": "pve1"})
    machine, _ = bench.make(spec, owner)
    lab.guest(machine.id).ha_state = "started"
    lab.pve.task_seconds = 0.3

    there = replace(spec, placement={"node": "pve2"})
    started = bench.driver.machines.configure(machine, there, {"placement.node"}, None, owner)

    assert bench.after(started).lock == "migrate"
    deadline = time.monotonic() + 10
    while (seen := bench.look(machine.id)).lock:
        assert time.monotonic() < deadline
    assert (seen.host, seen.power) == ("pve2", Power.RUNNING)


def test_a_guest_with_local_media_is_not_sent_away(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"node": "pve1"})
    machine, _ = bench.make(spec, owner)
    lab.guest(machine.id).config["ide0"] = "local:iso/debian.iso,media=cdrom"

    with pytest.raises(Refused) as caught:
        bench.driver.machines.configure(
            machine, replace(spec, placement={"node": "pve2"}), {"placement.node"}, None, owner
        )

    assert caught.value.reason is Reason.UNSUPPORTED
    assert "local:iso/debian.iso" in caught.value.message


def test_local_disks_go_with_a_running_guest(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"storage": "local-lvm"})
    machine, _ = bench.make(spec, owner)

    there = replace(spec, placement={**spec.placement, "node": "pve3"})
    moved = bench.after(bench.driver.machines.configure(machine, there, {"placement.node"}, None, owner))

    assert (moved.host, moved.power) == ("pve3", Power.RUNNING)
    assert differences(there, moved, bench.driver.machines.traits) == ()


def test_a_migration_that_fails_tells_what_its_log_says(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"node": "pve1"})
    machine, _ = bench.make(spec, owner)
    lab.pve.fail("POST", f"/qemu/{machine.id}/migrate", error="migration_aborted")

    there = replace(spec, placement={"node": "pve2"})
    started = bench.driver.machines.configure(machine, there, {"placement.node"}, None, owner)
    assert started.task is not None
    ended = bench.driver.sweep(SweepRequest(tasks=[started.task])).tasks[started.task.id]

    assert ended.state is TaskState.FAILED
    assert "migration aborted" in ended.error
    assert bench.look(machine.id).host == "pve1"


def test_all_disks_move_one_after_the_other_and_none_is_left_behind(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"storage": "ceph"})
    machine, _ = bench.make(spec, owner)
    guest = lab.guest(machine.id)
    guest.config["efidisk0"] = f"{lab.pve._qm_alloc('ceph', guest.vmid, None, 2**20)[0]},size=1M"
    machine = bench.look(machine.id, refresh=True)
    there = replace(spec, placement={"storage": "nfs"})

    for _ in range(2):
        machine = bench.after(bench.driver.machines.configure(machine, there, {"placement.storage"}, None, owner))

    assert differences(there, machine, bench.driver.machines.traits) == ()
    volumes = lab.pve.storages["ceph"]["volumes"]
    assert not [name for name, volume in volumes.items() if volume["vmid"] == guest.vmid and "disk" in name]
