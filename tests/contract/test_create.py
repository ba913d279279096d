"""Exactly one: a create whose answer was lost, that is repeated, or that meets something else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Disposition, Unreachable
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.reasons import Reason
from hybridge.core.task import TaskState
from hybridge.drivers.base import Driver, Started
from lab.faultproxy import Answer, LoseAnswer, Loss, Reset, Rule
from tests.contract.bed import Bed
from tests.contract.eye import PATIENCE, Eye, error_of


def test_a_repeated_create_makes_nothing_more(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)
    eye.make(spec, marker, intent)

    for _ in range(2):
        started = driver.machines.create(intent, spec, marker)
        eye.finish(started)

    (shown,) = bed.owned(marker)
    assert started.id in {None, shown.id}


def test_a_create_repeated_at_once_makes_nothing_more(bed: Bed, driver: Driver, eye: Eye) -> None:
    """As after a crash between the call and the record of its answer: by another process, which has seen nothing."""
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)
    driver.machines.create(intent, spec, marker)

    with bed.connected() as restarted:
        other = Eye(bed, restarted)
        found = found_by_repetition(other, spec, intent, marker)
        other.complete(found.id, spec, marker, intent)

    assert len(bed.owned(marker)) == 1


@pytest.mark.parametrize("how", ["reset", "500", "503"])
def test_a_create_without_an_answer_is_found_again(bed: Bed, driver: Driver, eye: Eye, how: Loss) -> None:
    lose_and_find(bed, driver, eye, how)


@pytest.mark.usefixtures("short_deadlines")
def test_a_create_whose_answer_takes_too_long_is_found_again(bed: Bed, driver: Driver, eye: Eye) -> None:
    lose_and_find(bed, driver, eye, "timeout")


def lose_and_find(bed: Bed, driver: Driver, eye: Eye, how: Loss) -> None:
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)
    bed.proxy.inject(Rule(bed.calls.create, LoseAnswer(how), times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.create(intent, spec, marker)

    assert caught.value.took_effect_possible
    assert caught.value.disposition is Disposition.RETRY
    found = found_by_repetition(eye, spec, intent, marker)
    machine = eye.complete(found.id, spec, marker, intent)
    assert [shown.id for shown in bed.owned(marker)] == [machine.id]
    assert [found.id for found in driver.machines.find(marker, intent)] == [machine.id]


def found_by_repetition(eye: Eye, spec: MachineSpec, intent: Intent, marker: Marker) -> Machine:
    """What a plan does next: it looks until it sees the machine, and repeats the create where that is safe."""
    machines, owner = eye.driver.machines, marker.owner
    if intent.id is None and machines.traits.token_lifetime:
        eye.finish(machines.create(intent, spec, marker))

    def seen() -> list[Machine]:
        return [
            machine
            for machine in eye.machines.values()
            if machine.id == intent.id or (machine.marker is not None and machine.marker.owner == owner)
        ]

    eye.until(
        lambda: bool(seen()), "the machine of a create without an answer", refresh=[intent.id] if intent.id else ()
    )
    (machine,) = seen()
    return machine


def test_a_lost_request_is_simply_sent_again(bed: Bed, driver: Driver, eye: Eye) -> None:
    """The connection broke before the cloud got the request, which only the cloud could tell."""
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)
    bed.proxy.inject(Rule(bed.calls.create, Reset(), times=1))

    with pytest.raises(Unreachable) as caught:
        driver.machines.create(intent, spec, marker)

    assert caught.value.took_effect_possible
    assert driver.machines.find(marker, intent) == []
    eye.make(spec, marker, intent)
    assert len(bed.owned(marker)) == 1


def test_a_create_that_cannot_connect_took_no_effect(bed: Bed, driver: Driver) -> None:
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)

    with bed.connected() as other:
        bed.proxy.dark("refuse")
        with pytest.raises(Unreachable) as caught:
            other.machines.create(intent, spec, marker)

    assert not caught.value.took_effect_possible


def test_a_refused_create_took_no_effect(bed: Bed, driver: Driver) -> None:
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)
    bed.proxy.inject(Rule(bed.calls.create, bed.refusal, times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.create(intent, spec, marker)

    assert not caught.value.took_effect_possible
    assert caught.value.disposition is Disposition.STOP


def test_a_throttled_create_took_no_effect(bed: Bed, driver: Driver) -> None:
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)
    bed.proxy.inject(Rule(bed.calls.create, bed.throttle, times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.create(intent, spec, marker)

    assert caught.value.reason is Reason.THROTTLED
    assert caught.value.disposition is Disposition.RETRY
    assert not caught.value.took_effect_possible


def test_a_missing_permission_is_named(bed: Bed, driver: Driver) -> None:
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)

    with bed.connected(credentials=bed.readonly_credentials) as reader, pytest.raises(CloudError) as caught:
        Eye(bed, reader).finish(reader.machines.create(intent, spec, marker))

    assert caught.value.reason is Reason.NOT_PERMITTED
    assert not caught.value.took_effect_possible
    assert any(word in caught.value.message for word in bed.permissions)
    assert bed.owned(marker) == []


def test_an_error_of_the_cloud_is_told_in_its_own_words(bed: Bed, driver: Driver) -> None:
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)
    bed.proxy.inject(Rule(bed.calls.create, Answer(500, message="the disk is on fire"), times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.create(intent, spec, marker)

    assert "the disk is on fire" in caught.value.message
    assert caught.value.took_effect_possible


def test_something_else_of_the_same_name_is_never_ours(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()
    stranger = bed.stranger(spec.name)
    eye.settle()
    intent = bed.intent(driver, spec, marker)

    error = error_of(lambda: eye.end(driver.machines.create(intent, spec, marker)))

    assert error is None or (error.reason is Reason.NAME_TAKEN and not error.took_effect_possible)

    assert stranger not in {machine.id for machine in driver.machines.find(marker, intent)}
    assert stranger not in {shown.id for shown in bed.owned(marker)}
    assert bed.machines()[stranger].name == spec.name


def test_several_machines_at_once(bed: Bed, driver: Driver, eye: Eye) -> None:
    """Methods are called from the threads of a pool."""
    wanted = [(bed.spec(), bed.marker()) for _ in range(8)]

    def create(one: tuple[MachineSpec, Marker]) -> Started[Machine]:
        return driver.machines.create(bed.intent(driver, *one), *one)

    with ThreadPoolExecutor(4) as pool:
        for started in pool.map(create, wanted):
            eye.finish(started)

    assert [[shown.name for shown in bed.owned(marker)] for _, marker in wanted] == [[spec.name] for spec, _ in wanted]


def test_a_machine_in_the_making_is_never_shown_as_somebody_elses(bed: Bed, driver: Driver, eye: Eye) -> None:
    """Until its marker can be read it is locked, unread or not in sight."""
    spec, marker = bed.spec(), bed.marker()
    eye.settle()
    before = set(eye.machines)
    intent = bed.intent(driver, spec, marker)
    bed.pace(0.4)

    task = driver.machines.create(intent, spec, marker).task
    deadline = time.monotonic() + PATIENCE
    while not bed.owned(marker) or (task and eye.sweeps[-1].tasks.get(task.id, task).state is TaskState.RUNNING):
        eye.look(tasks=[task] if task else (), wait=0.0, refresh=[intent.id] if intent.id else ())
        for machine in (machine for machine in eye.machines.values() if machine.id not in before):
            assert machine.marker == marker or not machine.detailed or machine.lock is not None
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert eye.find(marker).marker == marker


def test_a_task_is_followed_by_another_process(bed: Bed, driver: Driver) -> None:
    """A task stands in the object's status, so that whoever comes after a restart waits for it."""
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)
    bed.pace(0.3)
    started = driver.machines.create(intent, spec, marker)
    if started.task is None:
        pytest.skip("nothing is done by tasks on this cloud")

    with bed.connected() as restarted:
        other = Eye(bed, restarted)
        other.finish(started)
        found = other.find(marker)

    assert [shown.id for shown in bed.owned(marker)] == [found.id]


def test_a_task_that_the_cloud_does_not_know(bed: Bed, driver: Driver, eye: Eye) -> None:
    """It is neither running for ever nor a success."""
    spec = bed.spec()
    machine = eye.make(spec, bed.marker())
    task = driver.machines.set_power(machine, spec, Power.STOPPED, hard=True).task
    if task is None:
        pytest.skip("nothing is done by tasks on this cloud")
    eye.finish(Started(task=task))
    unknown = replace(task, id=bed.unknown_task(task.id))

    ended = eye.end(Started(task=unknown))

    assert ended is not None
    assert ended.state in {TaskState.UNKNOWN, TaskState.FAILED}
