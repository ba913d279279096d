"""Exactly one: a create whose answer was lost, that is repeated, or that meets something else."""

from __future__ import annotations

import pytest

from hybridge.core.errors import CloudError, Disposition, Unreachable
from hybridge.core.identity import Marker
from hybridge.core.machine import Intent, Machine, MachineSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.faultproxy import Answer, LoseAnswer, Loss, Reset, Rule
from tests.contract.bed import Bed
from tests.contract.eye import Eye, error_of


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


def test_several_machines_of_one_image_at_once(bed: Bed, driver: Driver, eye: Eye) -> None:
    specs = [(bed.spec(), bed.marker()) for _ in range(3)]
    intents = [bed.intent(driver, spec, marker) for spec, marker in specs]
    started = [
        driver.machines.create(intent, spec, marker) for intent, (spec, marker) in zip(intents, specs, strict=True)
    ]
    for one in started:
        eye.finish(one)

    assert [len(bed.owned(marker)) for _, marker in specs] == [1, 1, 1]
