"""Snapshots: points in time of machines and volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from hybridge.core import volume_plan
from hybridge.core.errors import CloudError, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, Power
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, Snapshot, SnapshotSource, SnapshotSpec, SnapshotTraits, SourceKind
from hybridge.core.volume import Volume, VolumeSpec
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import GIB, Bed, Requests
from tests.contract.clouds import POINTS
from tests.contract.eye import error_of
from tests.contract.points import Points
from tests.contract.snapshot_eye import SnapshotEye, complete, snapshot_eye
from tests.contract.volume_eye import VolumeEye

pytestmark = pytest.mark.parametrize("shared_bed", sorted(POINTS), indirect=True)


@pytest.fixture(scope="session")
def shared_points(shared_bed: Bed) -> Points:
    return POINTS[shared_bed.kind](shared_bed)


@pytest.fixture
def points(shared_points: Points, bed: Bed) -> Iterator[Points]:
    yield shared_points
    bed.proxy.clear()
    shared_points.tidy()
    bed.tidy()


@pytest.fixture
def eye(bed: Bed, driver: Driver) -> SnapshotEye:
    """All sweeps of these tests look at snapshots, too."""
    eye = snapshot_eye(bed, driver)
    eye.eye.settle()
    return eye


@pytest.fixture
def machine(bed: Bed, eye: SnapshotEye) -> Machine:
    """A machine that is off."""
    return eye.eye.make(bed.spec(power=Power.STOPPED), bed.marker())


def taken(eye: SnapshotEye, points: Points, machine: Machine | None, spec: SnapshotSpec | None = None) -> Snapshot:
    """A snapshot as its spec says."""
    spec = spec or points.spec(machine)
    return complete(eye, spec, eye.create(spec, points.marker()))


# ------------------------------------------------------------------ being made


def test_a_snapshot_is_taken_as_the_spec_says(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    marker, spec = points.marker(), points.spec(machine, tags={"team": "shop"})

    snapshot = complete(eye, spec, eye.create(spec, marker))

    owned = [one for one in points.shown().values() if one.owner == marker.owner]
    assert snapshot.id in {one.id for one in owned}
    assert {one.id for one in owned} <= {snapshot.id, *snapshot.parts.values()}
    assert snapshot.marker is not None
    assert (snapshot.marker.owner, snapshot.source_id, snapshot.unfit) == (marker.owner, machine.id, "")
    assert snapshot.consistency is Consistency.CRASH
    assert snapshot.created_at
    assert not points.tags or dict(snapshot.tags) == {"team": "shop"}


def test_repeating_a_create_takes_no_second_snapshot(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    marker, spec = points.marker(), eye.part.normalize(points.spec(machine))
    intent = eye.intent(spec, marker)
    snapshot = eye.create(spec, marker, intent)
    before = points.shown()

    again = error_of(lambda: eye.eye.end(eye.part.create(intent, spec, marker)))

    assert again is None or eye.part.traits.token_lifetime == 0
    assert points.shown().keys() == before.keys()
    assert [one.id for one in eye.part.find(marker, intent)] == [snapshot.id]


def test_a_create_whose_answer_was_lost_is_found(bed: Bed, points: Points, eye: SnapshotEye, machine: Machine) -> None:
    marker, spec = points.marker(), eye.part.normalize(points.spec(machine))
    intent = eye.intent(spec, marker)
    bed.proxy.inject(Rule(points.create_call, LoseAnswer(), times=1))

    error = error_of(lambda: eye.eye.end(eye.part.create(intent, spec, marker)))

    assert error is not None
    assert error.took_effect_possible

    def found() -> list[Snapshot]:
        return eye.insist(lambda: eye.part.find(marker, intent))

    eye.eye.until(lambda: bool(found()), "the snapshot of the lost answer")
    (snapshot,) = found()
    started = eye.insist(lambda: eye.part.create(intent, spec, marker))
    assert started.id == snapshot.id


def test_nothing_is_found_of_a_marker_that_nothing_carries(points: Points, eye: SnapshotEye) -> None:
    assert eye.part.find(points.marker(), None) == []


def test_what_is_found_is_what_is_seen(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    snapshot = taken(eye, points, machine)
    assert snapshot.marker is not None

    assert eye.part.find(snapshot.marker, None) == [snapshot] == [eye.part.get(snapshot.id)]


def test_what_does_not_exist_is_known_not_to(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    snapshot = taken(eye, points, machine)
    points.destroy(snapshot.id)

    for one in (snapshot.id, points.missing):
        found = eye.part.get(one)
        assert found is None or found.gone


def test_what_the_cloud_cannot_do_is_refused_in_words(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    for spec in points.impossible(machine):
        with pytest.raises(Refused) as refusal:
            eye.part.prepare(eye.part.normalize(spec), ())
        assert refusal.value.reason in {Reason.UNSUPPORTED, Reason.INVALID_SPEC, Reason.NOT_FOUND}
        assert "spec." in refusal.value.message


def test_a_machine_that_is_not_there_yet_is_waited_for(points: Points, eye: SnapshotEye) -> None:
    with pytest.raises(CloudError) as error:
        eye.part.prepare(eye.part.normalize(points.spec(None)), ())

    assert error.value.reason is Reason.DEPENDENCY_NOT_READY


# --------------------------------------------------------------- what they hold


def test_the_running_guest_is_kept_where_that_is_asked_for(bed: Bed, points: Points, eye: SnapshotEye) -> None:
    machine = eye.eye.make(bed.spec(), bed.marker())
    spec = points.spec(machine, memory=True)
    if not points.memory:
        with pytest.raises(Refused, match=r"spec\.memory"):
            eye.part.prepare(eye.part.normalize(spec), ())
        return

    snapshot = taken(eye, points, machine, spec)

    assert snapshot.consistency is Consistency.MEMORY
    assert eye.eye.see(machine.id).power is Power.RUNNING


def test_what_was_achieved_is_told(bed: Bed, points: Points, eye: SnapshotEye, machine: Machine) -> None:
    running = eye.eye.make(bed.spec(), bed.marker())
    eye.eye.see(running.id, lambda seen: bool(seen.addresses))

    quiet = taken(eye, points, running, points.spec(running, quiesce=True))
    off = taken(eye, points, machine, points.spec(machine, quiesce=True, memory=points.memory))

    assert quiet.consistency is (Consistency.QUIESCED if points.quiesces else Consistency.CRASH)
    assert off.consistency is Consistency.CRASH


def test_snapshots_build_on_each_other(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    first, second, third = (taken(eye, points, machine) for _ in range(3))
    if not points.chains:
        assert (first.depth, third.depth, third.parent) == (None, None, None)
        return
    assert [(one.depth, one.parent) for one in (first, second, third)] == [(0, None), (1, first.id), (2, second.id)]

    eye.delete(second)

    assert eye.see(third.id, lambda seen: seen.parent == first.id).depth == 1
    assert {first.id, third.id} <= points.shown().keys()


# ------------------------------------------------------------------- of volumes


def volume_eye(eye: SnapshotEye) -> VolumeEye:
    """Looks at volumes through the same sweeps."""
    other = VolumeEye(eye.bed, eye.driver)
    eye.eye.kinds = (CloudKind.MACHINE, CloudKind.VOLUME, CloudKind.SNAPSHOT)
    other.eye = eye.eye
    return other


def completed(volumes: VolumeEye, spec: VolumeSpec, volume: Volume, marker: Marker) -> Volume:
    """Brings a volume to its spec, as a plan does."""
    spec = volumes.volumes.normalize(spec)
    for _ in range(6):
        fields = {one.field for one in volume_plan.differences(spec, volume, volumes.volumes.traits, named=True)}
        if not fields:
            return volume
        volumes.configure(volume, spec, fields, marker)
        volume = volumes.see(volume.id)
    raise AssertionError(f"it never comes to its spec: {volume}")


def of_a_volume(points: Points, volume: Volume) -> SnapshotSpec:
    """A snapshot of a volume that can be taken."""
    return points.spec(None, source=SnapshotSource(SourceKind.VOLUME, "data", volume.id))


def test_a_snapshot_of_a_volume_is_taken(bed: Bed, points: Points, eye: SnapshotEye) -> None:
    volumes = volume_eye(eye)
    if not points.of_volumes:
        with pytest.raises(Refused, match=r"spec\.sourceRef"):
            eye.part.prepare(eye.part.normalize(of_a_volume(points, Volume("x", "x"))), ())
        return
    volume = volumes.make(bed.volume_spec(), bed.volume_marker())
    marker, spec = points.marker(), eye.part.normalize(of_a_volume(points, volume))
    intent = eye.intent(spec, marker)

    snapshot = complete(eye, spec, eye.create(spec, marker, intent))

    assert (snapshot.source_id, snapshot.consistency, snapshot.name) == (volume.id, Consistency.CRASH, spec.name)
    assert snapshot.marker == marker
    assert eye.part.find(marker, intent) == [snapshot] == [eye.part.get(snapshot.id)]
    assert eye.part.find(marker, None) == [snapshot]
    assert eye.part.create(intent, spec, marker).id == snapshot.id
    with pytest.raises(NotProven):
        eye.part.delete(replace(snapshot, marker=points.marker()))
    eye.delete(snapshot)
    assert snapshot.id not in points.shown()
    found = eye.part.get(snapshot.id)
    assert found is None or found.gone
    assert volumes.see(volume.id).size == volume.size


def test_a_volume_is_made_from_a_snapshot(bed: Bed, points: Points, eye: SnapshotEye) -> None:
    if not points.of_volumes:
        return
    volumes = volume_eye(eye)
    origin = volumes.make(bed.volume_spec(), bed.volume_marker())
    snapshot = taken(eye, points, None, of_a_volume(points, origin))
    spec = bed.volume_spec(size=3 * GIB, snapshot=snapshot.id, tags={"team": "shop"})
    marker = bed.volume_marker()

    volume = completed(volumes, spec, volumes.make(spec, marker), marker)

    (shown,) = [one for one in bed.volumes().values() if one.owner == marker.owner]
    assert (shown.id, shown.size) == (volume.id, 3 * GIB)
    assert (volume.name, volume.marker) == (spec.name, marker)
    assert not bed.tags_volumes or dict(volume.tags) == {"team": "shop"}
    eye.delete(snapshot)
    assert volumes.see(volume.id).size == 3 * GIB
    volumes.delete(volume)


def test_a_volume_from_a_snapshot_whose_answer_was_lost_is_found(bed: Bed, points: Points, eye: SnapshotEye) -> None:
    if not points.of_volumes:
        return
    volumes = volume_eye(eye)
    origin = volumes.make(bed.volume_spec(), bed.volume_marker())
    snapshot = taken(eye, points, None, of_a_volume(points, origin))
    spec, marker = volumes.volumes.normalize(bed.volume_spec(snapshot=snapshot.id)), bed.volume_marker()
    intent = bed.volume_intent(eye.driver, spec, marker)
    bed.proxy.inject(Rule(points.restore_call or bed.calls.create_volume, LoseAnswer(), times=1))

    error = error_of(lambda: eye.eye.end(volumes.volumes.create(intent, spec, marker)))

    assert error is not None
    assert error.took_effect_possible
    eye.eye.until(lambda: bool(volumes.volumes.find(marker, intent)), "the volume of the lost answer")
    (found,) = volumes.volumes.find(marker, intent)
    again = eye.insist(lambda: volumes.volumes.create(intent, spec, marker))
    assert again.id == found.id or volumes.volumes.traits.token_lifetime
    completed(volumes, spec, volumes.see(found.id), marker)
    assert [one.id for one in bed.volumes().values() if one.owner == marker.owner] == [found.id]


# ------------------------------------------------------------------ going back


def test_a_machine_goes_back_to_its_snapshot(bed: Bed, points: Points, eye: SnapshotEye, machine: Machine) -> None:
    machines = eye.driver.machines
    if not machines.traits.reverts:
        with pytest.raises(Refused):
            machines.revert(machine, points.missing)
        return
    assert machine.marker is not None
    snapshot = taken(eye, points, machine)
    grown = eye.eye.configure(machine, bed.spec(cpus=4), {"cpus"}, machine.marker)
    assert grown.cpus == 4

    for _ in range(2):  # what had no answer is asked for again
        eye.eye.finish(machines.revert(grown, snapshot.id))

    back = eye.eye.see(machine.id, lambda seen: seen.cpus == machine.cpus)
    assert (back.marker, back.power, back.uuid) == (machine.marker, Power.STOPPED, machine.uuid)
    assert eye.see(snapshot.id).source_id == machine.id


def test_a_machine_runs_on_where_its_snapshot_holds_the_guest(bed: Bed, points: Points, eye: SnapshotEye) -> None:
    spec = bed.spec()
    if not (eye.driver.machines.traits.reverts and points.memory):
        return
    machine = eye.eye.make(spec, bed.marker())
    snapshot = taken(eye, points, machine, points.spec(machine, memory=True))
    stopped = eye.eye.stop(machine, spec)

    eye.eye.finish(eye.driver.machines.revert(stopped, snapshot.id))

    eye.eye.see(machine.id, lambda seen: seen.power is Power.RUNNING)


def test_a_machine_does_not_go_where_it_would_not_be_itself(
    bed: Bed, points: Points, eye: SnapshotEye, machine: Machine
) -> None:
    """Not to a snapshot of another, not to one that is not there, and not to a time when it was nobody's."""
    machines = eye.driver.machines
    if not machines.traits.reverts:
        return
    other = eye.eye.make(bed.spec(power=Power.STOPPED), bed.marker())
    foreign = taken(eye, points, other)
    for one in (foreign.id, points.missing):
        with pytest.raises(Refused) as refusal:
            machines.revert(machine, one)
        assert refusal.value.reason is Reason.NOT_FOUND
    eye.eye.finish(machines.mark(machine, None))
    nobodys = eye.eye.see(machine.id, lambda seen: seen.marker is None)
    early = points.stranger(nobodys, "early")
    eye.see(early)
    eye.eye.finish(machines.mark(nobodys, machine.marker))
    again = eye.eye.see(machine.id, lambda seen: seen.marker == machine.marker)
    if not points.marker_of_then:
        eye.eye.finish(machines.revert(again, early))
        assert eye.eye.see(machine.id).marker == machine.marker
        return

    with pytest.raises(Refused) as refusal:
        machines.revert(again, early)

    assert refusal.value.reason is Reason.IDENTITY_MISMATCH


# ------------------------------------------------------- what there is already


def test_a_snapshot_that_people_took_is_seen(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    stranger = points.stranger(machine, "by-hand")

    found = eye.see(stranger)

    assert found.marker is None
    assert eye.part.get(stranger) == found


def test_a_snapshot_that_people_took_can_be_taken_over_and_let_go(
    points: Points, eye: SnapshotEye, machine: Machine
) -> None:
    found, marker = eye.see(points.stranger(machine, "to-be-adopted")), points.marker()
    if not points.marks:
        assert found.unfit
        with pytest.raises(Refused):
            eye.part.mark(found, marker)
        return

    taken_over = eye.mark(found, marker)
    eye.mark(taken_over, None)

    assert points.shown()[found.id].owner is None


def test_what_people_change_is_seen_and_made_good(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    spec = points.spec(machine, tags={"team": "shop"})
    snapshot = taken(eye, points, machine, spec)

    if points.tags:
        points.tag(snapshot.id, "team", "thieves")
        snapshot = eye.see(snapshot.id, lambda seen: seen.tags.get("team") == "thieves")
    if points.renames:
        points.rename(snapshot.id, f"{spec.name}-stolen")
        snapshot = eye.see(snapshot.id, lambda seen: seen.name == f"{spec.name}-stolen")

    complete(eye, spec, snapshot)


# -------------------------------------------------------------------- deletion


def test_a_snapshot_is_deleted_and_may_be_deleted_again(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    before = points.shown()
    snapshot = taken(eye, points, machine)

    eye.delete(snapshot)

    assert points.shown().keys() == before.keys()
    eye.eye.end(eye.part.delete(snapshot))
    found = eye.part.get(snapshot.id)
    assert found is None or found.gone


def test_what_becomes_of_a_snapshot_with_its_machine(
    bed: Bed, points: Points, eye: SnapshotEye, machine: Machine
) -> None:
    snapshot = taken(eye, points, machine)
    traits = cast("SnapshotTraits", eye.part.traits)
    assert (SourceKind.MACHINE in traits.outlives) is not points.goes_along, "by that the engine keeps the machine"

    eye.eye.delete(machine, bed.spec(power=Power.STOPPED))

    if points.goes_along:
        eye.eye.until(lambda: eye.is_gone(snapshot.id), "the snapshot to be gone")
        assert eye.part.get(snapshot.id) is None
        assert snapshot.marker is not None
        assert eye.part.find(snapshot.marker, None) == []
    else:
        assert eye.see(snapshot.id).source_id == machine.id


def test_a_copy_of_a_marker_is_no_proof_for_another(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    """A copy is found beside the snapshot, so that the plan sees two; what is deleted is the one that is named."""
    snapshot = taken(eye, points, machine)
    assert snapshot.marker is not None
    copy = points.copy(snapshot.id)
    if copy is None:
        return
    eye.see(copy)

    assert {one.id for one in eye.part.find(snapshot.marker, None)} == {snapshot.id, copy}
    eye.delete(snapshot)

    assert copy in points.shown()


def test_what_carries_another_marker_is_not_touched(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    snapshot = taken(eye, points, machine)
    other = points.marker()
    before = points.shown()[snapshot.id]

    with pytest.raises(NotProven):
        eye.part.delete(replace(snapshot, marker=other))
    with pytest.raises(NotProven):
        eye.part.mark(replace(snapshot, marker=other), points.marker())

    assert points.shown()[snapshot.id] == before


def test_a_stranger_is_not_deleted(points: Points, eye: SnapshotEye, machine: Machine) -> None:
    found = eye.see(points.stranger(machine, "precious"))

    with pytest.raises(NotProven):
        eye.part.delete(replace(found, marker=points.marker()))

    assert found.id in points.shown()


# ----------------------------------------------------------------------- costs


def test_a_settled_sweep_of_snapshots_costs_little(
    bed: Bed, points: Points, eye: SnapshotEye, machine: Machine, requests: Requests
) -> None:
    """However many there are, and nothing is asked of each; and nothing is changed."""
    for _ in range(3):
        taken(eye, points, machine)
    for _ in range(3):
        eye.eye.look(wait=0.0)
    bed.proxy.reset_counts()
    before = len(requests.metered)

    quiet = [eye.eye.look(wait=0.0) for _ in range(4)]

    assert bed.proxy.total() <= 4 * (bed.sweep_cost + points.sweep_cost)
    assert bed.proxy.mutating() == 0
    assert sum(sweep.requests for sweep in quiet) == len(requests.metered) - before == bed.proxy.total()


def test_few_requests_take_a_snapshot_and_delete_it(
    points: Points, eye: SnapshotEye, machine: Machine, requests: Requests
) -> None:
    before, swept = len(requests.metered), len(eye.eye.sweeps)

    eye.delete(taken(eye, points, machine))

    spent = len(requests.metered) - before - sum(sweep.requests for sweep in eye.eye.sweeps[swept:])
    assert spent <= points.life_cost
