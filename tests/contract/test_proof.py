"""Identity: what is not provably the machine that was seen is not touched. Ids come again on one cloud only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hybridge.core.errors import NotProven
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.drivers.base import Driver, Started
from tests.contract.bed import Bed
from tests.contract.eye import Eye, error_of

Change = Callable[[Driver, Machine, MachineSpec], Started[Machine]]


def _configure(driver: Driver, machine: Machine, spec: MachineSpec) -> Started[Machine]:
    assert machine.marker is not None
    wanted = replace(spec, cpus=4, tags={"stolen": "yes"})
    return driver.machines.configure(machine, wanted, {"cpus", "tags"}, None, machine.marker)


def _start(driver: Driver, machine: Machine, spec: MachineSpec) -> Started[Machine]:
    return driver.machines.set_power(machine, spec, Power.RUNNING)


def _delete(driver: Driver, machine: Machine, spec: MachineSpec) -> Started[Machine]:
    return driver.machines.delete(machine)


def _mark(driver: Driver, machine: Machine, spec: MachineSpec) -> Started[Machine]:
    return driver.machines.mark(machine, machine.marker)


CHANGES = [
    pytest.param(_configure, id="configure"),
    pytest.param(_start, id="set_power"),
    pytest.param(_delete, id="delete"),
    pytest.param(_mark, id="mark"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_stranger_in_the_machines_place_is_not_touched(bed: Bed, driver: Driver, eye: Eye, change: Change) -> None:
    """A person deleted the machine and made another, with its id where ids come again, since the last sweep."""
    spec = bed.spec(power=Power.STOPPED)
    machine = eye.make(spec, bed.marker())
    bed.destroy(machine.id)
    stranger = bed.stranger("stranger", machine.id if bed.reuses_ids else None)
    before = bed.machines()[stranger]

    error = error_of(lambda: eye.end(change(driver, machine, spec)))

    assert error is None or not error.took_effect_possible
    assert isinstance(error, NotProven) or not bed.reuses_ids
    assert bed.machines()[stranger] == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_in_the_machines_place_is_not_touched(bed: Bed, driver: Driver, eye: Eye, change: Change) -> None:
    """The same, but what has the id now carries the machine's own marker: only the UUID tells."""
    if not bed.reuses_ids:
        pytest.skip("ids never come again on this cloud")
    spec = bed.spec(power=Power.STOPPED)
    machine = eye.make(spec, bed.marker())
    copy = bed.copy(machine.id)
    bed.destroy(machine.id)
    bed.copy_to(copy, machine.id)
    before = bed.machines()[machine.id]

    with pytest.raises(NotProven):
        change(driver, machine, spec)

    assert bed.machines()[machine.id] == before


@pytest.mark.parametrize("change", CHANGES)
def test_what_lost_its_marker_meanwhile_is_left_alone(bed: Bed, driver: Driver, eye: Eye, change: Change) -> None:
    if not bed.reuses_ids:
        pytest.skip("the id is proof on this cloud")
    spec = bed.spec(power=Power.STOPPED)
    machine = eye.make(spec, bed.marker())
    with bed.connected() as other:
        Eye(bed, other).finish(other.machines.mark(machine, None))
    before = bed.machines()[machine.id]

    with pytest.raises(NotProven):
        change(driver, machine, spec)

    assert bed.machines()[machine.id] == before


def _detach(bed: Bed, driver: Driver, machine: Machine) -> None:
    driver.machines.mark(machine, None)


def _adopt(bed: Bed, driver: Driver, machine: Machine) -> None:
    driver.machines.mark(machine, bed.marker())


def _destroy(bed: Bed, driver: Driver, machine: Machine) -> None:
    driver.machines.delete(machine)


@pytest.mark.parametrize("last", [_detach, _adopt, _destroy])
@pytest.mark.parametrize("another", [False, True], ids=["none", "another"])
def test_what_lost_its_marker_meanwhile_is_neither_deleted_nor_given_another(
    bed: Bed, driver: Driver, eye: Eye, last: Callable[[Bed, Driver, Machine], None], *, another: bool
) -> None:
    """On no cloud: whoever takes the marker off, or puts another on, takes the machine from its object at once."""
    machine = eye.make(bed.spec(power=Power.STOPPED), bed.marker())
    with bed.connected() as other:
        Eye(bed, other).finish(other.machines.mark(machine, bed.marker() if another else None))
    before = bed.machines()[machine.id]

    with pytest.raises(NotProven, match="now carries"):
        last(bed, driver, machine)

    assert bed.machines()[machine.id] == before
