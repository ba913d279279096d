"""Machines that go back to their snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hybridge.core.errors import Busy, NotProven, Refused
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, Power
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot, SnapshotSpec
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import Bed
from tests.contract.clouds import POINTS
from tests.contract.eye import error_of
from tests.contract.object_eye import ObjectEye
from tests.contract.points import Points

pytestmark = pytest.mark.parametrize("shared_bed", sorted(POINTS), indirect=True)

SnapshotEye = ObjectEye[SnapshotSpec, Snapshot]


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
    """Of a cloud that has machines go back."""
    assert driver.snapshots is not None
    if not driver.machines.traits.reverts:
        pytest.skip("machines of this cloud do not go back")
    eye: SnapshotEye = ObjectEye(bed, driver, CloudKind.SNAPSHOT, driver.snapshots)
    eye.eye.settle()
    return eye


@pytest.fixture
def machine(bed: Bed, eye: SnapshotEye) -> Machine:
    """A machine that is off."""
    return eye.eye.make(bed.spec(power=Power.STOPPED, cpus=2), bed.marker())


def test_a_cloud_that_cannot_says_what_helps(bed: Bed, driver: Driver) -> None:
    if driver.machines.traits.reverts:
        pytest.skip("machines of this cloud go back")
    with pytest.raises(Refused) as refusal:
        driver.machines.revert(Machine("1", "web", Power.STOPPED), "snapshot")
    assert refusal.value.reason is Reason.UNSUPPORTED


def test_a_machine_goes_back_with_its_configuration_and_keeps_what_was_taken(
    bed: Bed, points: Points, eye: SnapshotEye, machine: Machine
) -> None:
    spec, marker = bed.spec(power=Power.STOPPED, cpus=2), machine.marker
    assert marker is not None
    first = eye.create(points.spec(machine), points.marker())
    second = eye.create(points.spec(machine), points.marker())
    larger = eye.eye.configure(machine, replace(spec, cpus=4), {"cpus"}, marker)
    assert larger.cpus == 4

    eye.eye.finish(eye.driver.machines.revert(larger, first.id))

    back = eye.eye.see(machine.id, lambda seen: seen.cpus == 2)
    assert (back.power, back.marker, back.uuid) == (Power.STOPPED, marker, machine.uuid)
    assert {first.id, second.id} <= points.shown().keys()


def test_it_may_go_back_again(bed: Bed, points: Points, eye: SnapshotEye, machine: Machine) -> None:
    snapshot = eye.create(points.spec(machine), points.marker())
    for _ in range(2):
        eye.eye.finish(eye.driver.machines.revert(machine, snapshot.id))

    assert eye.eye.see(machine.id).power is Power.STOPPED


def test_the_running_guest_comes_back_with_it(bed: Bed, points: Points, eye: SnapshotEye) -> None:
    if not points.memory:
        pytest.skip("snapshots of this cloud hold no memory")
    spec = bed.spec()
    running = eye.eye.make(spec, bed.marker())
    snapshot = eye.create(points.spec(running, memory=True), points.marker())
    stopped = eye.eye.stop(running, spec)

    eye.eye.finish(eye.driver.machines.revert(stopped, snapshot.id))

    assert eye.eye.see(running.id, lambda seen: seen.power is Power.RUNNING).marker == running.marker


def test_a_machine_that_runs_does_not_go_back(bed: Bed, points: Points, eye: SnapshotEye) -> None:
    """It was started since: what it has written nobody has given up."""
    running = eye.eye.make(bed.spec(), bed.marker())
    snapshot = eye.create(points.spec(running), points.marker())

    with pytest.raises(Busy):
        eye.driver.machines.revert(replace(running, power=Power.STOPPED), snapshot.id)

    assert eye.eye.see(running.id).power is Power.RUNNING


def test_an_answer_that_is_lost_may_have_taken_effect(
    bed: Bed, points: Points, eye: SnapshotEye, machine: Machine
) -> None:
    snapshot = eye.create(points.spec(machine), points.marker())
    bed.proxy.inject(Rule(points.revert_call, LoseAnswer(), times=1))

    error = error_of(lambda: eye.eye.end(eye.driver.machines.revert(machine, snapshot.id)))

    assert error is not None
    assert error.took_effect_possible
    eye.eye.finish(eye.insist(lambda: eye.driver.machines.revert(machine, snapshot.id)))


def test_only_to_a_snapshot_of_its_own(bed: Bed, points: Points, eye: SnapshotEye, machine: Machine) -> None:
    other = eye.eye.make(bed.spec(power=Power.STOPPED), bed.marker())
    theirs = eye.create(points.spec(other), points.marker())

    for snapshot_id in (theirs.id, points.missing):
        with pytest.raises(Refused) as refusal:
            eye.driver.machines.revert(machine, snapshot_id)
        assert refusal.value.reason is Reason.NOT_FOUND


def test_not_to_where_it_was_somebody_elses(bed: Bed, points: Points, eye: SnapshotEye, machine: Machine) -> None:
    """It would carry another marker then, or none, and nobody could prove any more whose it is."""
    snapshot = eye.create(points.spec(machine), points.marker())
    marker = bed.marker()
    eye.eye.finish(eye.driver.machines.mark(machine, marker))
    now = eye.eye.see(machine.id, lambda seen: seen.marker == marker)

    with pytest.raises(NotProven):
        eye.driver.machines.revert(machine, snapshot.id)
    if points.keeps_marker:
        eye.eye.finish(eye.driver.machines.revert(now, snapshot.id))
    else:
        with pytest.raises(Refused) as refusal:
            eye.driver.machines.revert(now, snapshot.id)
        assert refusal.value.reason is Reason.IDENTITY_MISMATCH

    assert eye.eye.see(machine.id).marker == marker
