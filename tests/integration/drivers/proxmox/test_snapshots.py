"""Snapshots on Proxmox VE: parts of their guests, and what going back to one would do besides."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, IdTaken, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, Power
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, Snapshot, SnapshotSource, SnapshotSpec, SourceKind
from hybridge.core.task import TaskState
from hybridge.drivers.base import Portion, SweepRequest
from lab import permissions
from lab.proxmox_estate import OPERATOR
from tests.integration.drivers.proxmox.bench import GIB, Bench, Lab, marker

BOTH = (CloudKind.MACHINE, CloudKind.SNAPSHOT)


def owner() -> Marker:
    return Marker("cluster", str(uuid4()), "Snapshot", "shop", "before")


def spec(machine: Machine, name: str = "before", *, memory: bool = False, quiesce: bool = False) -> SnapshotSpec:
    source = SnapshotSource(SourceKind.MACHINE, "web", machine.id)
    return SnapshotSpec(name, source=source, memory=memory, quiesce=quiesce)


def intent(bench: Bench, wanted: SnapshotSpec) -> Intent:
    normal = bench.driver.snapshots.normalize(wanted)
    prepared = bench.driver.snapshots.prepare(normal, ())
    return Intent(1, "token", normal.name, "", "here", 0.0, prepared.parameters, prepared.id)


def seen(bench: Bench, *refresh: str) -> Portion[Snapshot]:
    found: Portion[Snapshot] = bench.driver.sweep(SweepRequest(kinds=BOTH, refresh=refresh)).portions[
        CloudKind.SNAPSHOT
    ]  # type: ignore[assignment]
    return found


def take(bench: Bench, wanted: SnapshotSpec, whose: Marker | None = None) -> Snapshot:
    started = bench.driver.snapshots.create(intent(bench, wanted), wanted, whose or owner())
    assert started.id
    if started.task is not None:
        tasks = bench.driver.sweep(SweepRequest(kinds=BOTH, tasks=[started.task])).tasks
        assert tasks[started.task.id].state is TaskState.SUCCEEDED
    return seen(bench, started.id).objects[started.id]


def off(bench: Bench) -> Machine:
    machine, _ = bench.make(bench.spec(power=Power.STOPPED), marker())
    return machine


# ----------------------------------------------------------------------- reading


def test_guests_without_snapshots_are_not_read(bench: Bench) -> None:
    machines = [off(bench) for _ in range(3)]
    take(bench, spec(machines[0]))
    seen(bench)
    bench.requests.clear()

    sweep = bench.driver.sweep(SweepRequest(kinds=BOTH))

    assert (sweep.requests, sum(bench.requests.values())) == (1, 1)


def test_who_comes_next_finds_those_of_guests_that_build_on_one(lab: Lab, bench: Bench) -> None:
    whose = owner()
    snapshot = take(bench, spec(off(bench)), whose)
    fresh = Bench(bench.driver.__class__(bench.driver._settings), bench.requests)

    assert not seen(fresh).settled or seen(fresh).objects
    assert seen(fresh).objects == {snapshot.id: snapshot}
    assert fresh.driver.snapshots.find(whose, None) == [snapshot]
    fresh.driver.close()


def test_one_that_a_person_takes_is_seen(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    lab.guest(machine.id).snapshots["mine"] = {"snaptime": 7, "description": "by hand"}
    lab.guest(machine.id).config["parent"] = "mine"

    bench.look(machine.id, refresh=True)

    assert seen(bench).objects[f"{machine.id}/mine"].created_at == 7.0


def test_one_that_nothing_builds_on_is_seen_by_its_record(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    snapshot = take(bench, spec(machine))
    del lab.guest(machine.id).config["parent"]
    fresh = Bench(bench.driver.__class__(bench.driver._settings), bench.requests)

    found = fresh.driver.sweep(SweepRequest(kinds=BOTH, max_age={snapshot.id: 60.0})).portions[CloudKind.SNAPSHOT]

    assert list(found.objects) == [snapshot.id]
    fresh.driver.close()


# ------------------------------------------------------------------------ taking


def test_a_name_can_be_had_once_in_a_guest(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    take(bench, spec(machine))

    with pytest.raises(IdTaken, match="before"):
        bench.driver.snapshots.create(intent(bench, spec(machine)), spec(machine), owner())
    with pytest.raises(Refused, match="another object"):
        bench.driver.snapshots.prepare(spec(machine), [f"{machine.id}/before"])


def test_a_guest_that_is_not_ours_is_not_touched(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    wanted = intent(bench, spec(machine))
    lab.guest(machine.id).config["description"] = "a stranger's"

    with pytest.raises(NotProven):
        bench.driver.snapshots.create(wanted, spec(machine), owner())


def test_a_locked_guest_is_waited_for(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    wanted = intent(bench, spec(machine))
    lab.guest(machine.id).lock = lab.guest(machine.id).config["lock"] = "backup"

    with pytest.raises(Busy):
        bench.driver.snapshots.create(wanted, spec(machine), owner())


def test_a_guest_whose_agent_does_not_answer_is_not_told_as_quiet(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    assert take(bench, spec(machine, "quiet", quiesce=True)).consistency is Consistency.QUIESCED
    lab.guest(machine.id).config["agent"] = "0"

    assert take(bench, spec(machine, "loud", quiesce=True)).consistency is Consistency.CRASH


def test_a_storage_that_cannot_is_told(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    lab.guest(machine.id).config["scsi0"] = "nfs:1000/vm-1000-disk-9.raw,size=8G"

    started = bench.driver.snapshots.create(intent(bench, spec(machine)), spec(machine), owner())

    assert started.task is not None
    ended = bench.driver.sweep(SweepRequest(tasks=[started.task])).tasks[started.task.id]
    assert (ended.state, ended.reason) == (TaskState.FAILED, Reason.UNSUPPORTED)


# -------------------------------------------------------------------- going back


def revert(bench: Bench, machine: Machine, snapshot: Snapshot) -> Machine:
    started = bench.driver.machines.revert(machine, snapshot.id)
    return bench.after(started)


def test_a_machine_goes_back(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    snapshot = take(bench, spec(machine))
    lab.guest(machine.id).config["cores"] = 7

    back = revert(bench, bench.look(machine.id, refresh=True), snapshot)

    assert (back.cpus, back.power) == (machine.cpus, Power.STOPPED)
    assert back.marker == machine.marker
    assert bench.driver.machines.traits.reverts


def test_a_machine_whose_memory_was_kept_runs_again(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    snapshot = take(bench, spec(machine, memory=True))
    assert snapshot.consistency is Consistency.MEMORY
    lab.guest(machine.id).status = "stopped"

    assert revert(bench, bench.look(machine.id, refresh=True), snapshot).power is Power.RUNNING


def test_other_volumes_than_then_keep_it_from_going_back(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    snapshot = take(bench, spec(machine))
    volume = "vm-999999999-data_x"
    lab.pve.storages["ceph"]["volumes"][volume] = {"content": "images", "size": GIB, "vmid": 999999999, "ctime": 0}
    lab.guest(machine.id).config["scsi5"] = f"ceph:{volume},size=1G"

    with pytest.raises(Refused) as refusal:
        bench.driver.machines.revert(bench.look(machine.id, refresh=True), snapshot.id)

    assert refusal.value.reason is Reason.HAS_DEPENDANTS


def test_what_was_another_machine_then_is_no_way_back(lab: Lab, bench: Bench) -> None:
    machine = off(bench)
    snapshot = take(bench, spec(machine))
    lab.guest(machine.id).snapshots["before"]["smbios1"] = "uuid=00000000-0000-4000-8000-000000000001"

    with pytest.raises(Refused) as refusal:
        bench.driver.machines.revert(bench.look(machine.id, refresh=True), snapshot.id)

    assert refusal.value.reason is Reason.IDENTITY_MISMATCH


@pytest.mark.parametrize("known_id", ["none", "1000/none", "999/before"])
def test_there_is_no_way_back_to_what_is_not_there(bench: Bench, known_id: str) -> None:
    machine = off(bench)
    take(bench, spec(machine))

    with pytest.raises(Refused) as refusal:
        bench.driver.machines.revert(machine, known_id)

    assert refusal.value.reason is Reason.NOT_FOUND


# ----------------------------------------------------------------------- rights


def test_without_the_right_it_is_refused_and_named(lab: Lab, bench: Bench) -> None:
    lab.pve.allot(OPERATOR, permissions.proxmox())
    machine = off(bench)
    snapshot = take(bench, spec(machine))
    revert(bench, bench.look(machine.id, refresh=True), snapshot)
    bench.driver.snapshots.delete(seen(bench, snapshot.id).objects[snapshot.id])
    lab.pve.allot(OPERATOR, [grant for grant in permissions.proxmox() if grant.right != "VM.Snapshot"])

    with pytest.raises(Refused) as refusal:
        take(bench, replace(spec(machine), name="again"))

    assert refusal.value.reason is Reason.NOT_PERMITTED
    assert "VM.Snapshot on /vms (snapshots)" in [str(one) for one in bench.driver.check().optional]
