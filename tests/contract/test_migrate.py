"""Machines on the move to another host: alive while they run, once when an answer is lost, and refused in time."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError, Refused
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.machine_diff import differences
from hybridge.core.plan import Verb
from hybridge.core.reasons import Reason
from hybridge.core.task import TaskState
from hybridge.drivers.base import Driver
from lab.faultproxy import Answer, LoseAnswer, Rule
from tests.contract.bed import Bed, with_choice
from tests.contract.clouds import BEDS
from tests.contract.eye import PATIENCE, Eye, error_of

NODE = "placement.node"
#: Clouds that show their hosts.
pytestmark = pytest.mark.parametrize(
    "shared_bed", [kind for kind, bed in sorted(BEDS.items()) if bed.place == "node"], indirect=True
)


def placed(bed: Bed, driver: Driver, which: int, **words: object) -> MachineSpec:
    """A machine on one of two hosts."""
    return driver.machines.normalize(with_choice(bed.spec(**words), NODE, bed.places[which]))


def moved(bed: Bed, driver: Driver, spec: MachineSpec) -> MachineSpec:
    """The same machine on the other host."""
    return driver.machines.normalize(with_choice(spec, NODE, bed.places[1]))


@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_a_machine_moves_to_another_host(bed: Bed, driver: Driver, eye: Eye, power: Power) -> None:
    spec, marker = placed(bed, driver, 0, power=power), bed.marker()
    machine = eye.make(spec, marker)
    there = moved(bed, driver, spec)
    (move,) = differences(there, machine, driver.machines.traits, named=True)
    assert (move.verb, move.field, move.before, move.after) == (Verb.MIGRATE, NODE, *bed.places[:2])
    assert not move.disruptive

    after = eye.configure(machine, there, {NODE}, marker)

    assert after.host == bed.places[1]
    assert differences(there, after, driver.machines.traits, named=True) == ()
    assert replace(after, host=None, settings={}, addresses=(), agent=None) == replace(
        machine, host=None, settings={}, addresses=(), agent=None
    )
    assert [shown.id for shown in bed.owned(marker)] == [machine.id]


def test_a_machine_is_never_out_of_sight_while_it_moves(bed: Bed, driver: Driver, eye: Eye) -> None:
    """It runs all the time, on its old host or on the new one, and is neither gone nor somebody else's."""
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    bed.pace(0.5)
    seen: list[Machine | None] = []

    task = driver.machines.configure(machine, moved(bed, driver, spec), {NODE}, None, marker).task
    assert task is not None
    deadline = time.monotonic() + PATIENCE
    while eye.look(tasks=[task], refresh=[machine.id], wait=0.0).tasks.get(task.id, task).state is TaskState.RUNNING:
        seen.append(eye.machines.get(machine.id))
        assert time.monotonic() < deadline
        time.sleep(0.02)

    after = eye.see(machine.id, lambda now: now.host == bed.places[1])
    for now in (*seen, after):
        assert now is not None
        assert now.host in bed.places[:2]
        assert now.marker == marker or not now.detailed or now.lock
        assert now.power in {Power.RUNNING, Power.UNKNOWN}


def test_a_move_without_an_answer_is_simply_repeated(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    there = moved(bed, driver, spec)
    bed.proxy.inject(Rule(bed.calls.migrate, LoseAnswer("reset"), times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.configure(machine, there, {NODE}, None, marker)
    after = eye.configure(eye.see(machine.id), there, {NODE}, marker)

    assert caught.value.took_effect_possible
    assert (after.host, after.power) == (bed.places[1], Power.RUNNING)
    assert [shown.id for shown in bed.owned(marker)] == [machine.id]


def test_a_machine_that_is_there_stays(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    bed.proxy.reset_counts()

    after = eye.configure(machine, spec, {NODE}, marker)

    assert (after.host, after.power) == (machine.host, Power.RUNNING)
    assert bed.proxy.mutating() == 0


@pytest.mark.parametrize("trouble", ["maintain", "fail"])
def test_nothing_moves_to_a_host_that_is_away(bed: Bed, driver: Driver, eye: Eye, trouble: str) -> None:
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    target = bed.places[1]
    getattr(bed, trouble)(target)
    eye.settle()

    with pytest.raises(Refused) as caught:
        driver.machines.configure(machine, moved(bed, driver, spec), {NODE}, None, marker)

    assert caught.value.reason is Reason.CAPACITY
    assert target in caught.value.message
    assert eye.see(machine.id).host == machine.host


def test_an_unknown_host_is_refused_with_those_that_there_are(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    nowhere = driver.machines.normalize(with_choice(spec, NODE, f"{bed.places[0]}0"))

    with pytest.raises(Refused) as caught:
        driver.machines.configure(machine, nowhere, {NODE}, None, marker)

    assert caught.value.reason is Reason.NOT_FOUND
    assert bed.places[0] in caught.value.message
    assert eye.see(machine.id).host == machine.host


def test_a_refused_move_leaves_the_machine_where_it_is(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    bed.proxy.inject(Rule(bed.calls.migrate, bed.refusal, times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.configure(machine, moved(bed, driver, spec), {NODE}, None, marker)

    assert not caught.value.took_effect_possible
    after = eye.see(machine.id)
    assert (after.host, after.power) == (machine.host, Power.RUNNING)


def test_a_cloud_that_is_too_busy_for_a_move_says_so(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    bed.proxy.inject(Rule(bed.calls.migrate, Answer(429, body="Too Many Requests"), times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.configure(machine, moved(bed, driver, spec), {NODE}, None, marker)

    assert caught.value.reason is Reason.THROTTLED


def test_what_a_person_moved_is_seen_and_still_ours(bed: Bed, driver: Driver, eye: Eye) -> None:
    """Nothing that was asked for names a host, so that the machine may be on any; it is changed where it is."""
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    bed.by_hand(machine.id, NODE, bed.places[1])

    anywhere = replace(spec, placement={}, tags={"team": "shop"})
    after = eye.see(machine.id, lambda seen: seen.host == bed.places[1])
    assert {action.verb for action in differences(anywhere, after, driver.machines.traits)} == {Verb.RETAG}
    after = eye.configure(machine, anywhere, {"tags"}, marker)

    assert (after.host, after.tags["team"], after.marker) == (bed.places[1], "shop", marker)


def test_a_machine_can_be_changed_and_deleted_after_its_move(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    there = moved(bed, driver, spec)
    machine = eye.configure(machine, there, {NODE}, marker)

    machine = eye.configure(machine, replace(there, tags={"team": "shop"}), {"tags"}, marker)
    assert machine.tags["team"] == "shop"
    eye.delete(machine, there)

    assert bed.owned(marker) == []


def test_what_is_on_the_move_is_not_changed_by_two_at_once(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = placed(bed, driver, 0), bed.marker()
    machine = eye.make(spec, marker)
    bed.pace(0.4)
    started = driver.machines.configure(machine, moved(bed, driver, spec), {NODE}, None, marker)

    tagged = replace(spec, tags={"team": "shop"})
    error = error_of(lambda: eye.end(driver.machines.configure(machine, tagged, {"tags"}, None, marker)))
    eye.finish(started)

    assert error is None or not error.took_effect_possible
    bed.pace(0.0)
    after = eye.configure(eye.see(machine.id), tagged, {"tags"}, marker)
    assert (after.host, after.tags["team"]) == (bed.places[1], "shop")
