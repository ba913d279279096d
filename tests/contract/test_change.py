"""Changes: sizes, disks, tags, power and markers, each of which may be repeated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError
from hybridge.core.machine import Machine, Power, PowerOff
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import GIB, Bed
from tests.contract.eye import Eye, error_of


def test_a_stopped_machine_takes_other_sizes(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(power=Power.STOPPED), bed.marker()
    machine = eye.make(spec, marker)
    wanted = replace(spec, cpus=4, memory=16 * GIB)

    machine = eye.configure(machine, wanted, {"cpus", "memory"}, marker)

    shown = bed.machines()[machine.id]
    assert (machine.cpus, machine.memory, machine.pending) == (4, 16 * GIB, {})
    assert (shown.cpus, shown.memory, shown.running) == (4, 16 * GIB, False)


def test_a_running_machine_takes_what_it_can_and_nothing_by_force(bed: Bed, driver: Driver, eye: Eye) -> None:
    """Either the change is in effect at once, or it waits for the next start, or it is refused; the machine runs on."""
    spec, marker = bed.spec(), bed.marker()
    machine = eye.make(spec, marker)
    wanted = replace(spec, cpus=4, memory=16 * GIB)

    error = error_of(lambda: eye.end(driver.machines.configure(machine, wanted, {"cpus", "memory"}, None, marker)))

    assert error is None or not error.took_effect_possible
    machine = eye.see(machine.id)
    assert machine.power is Power.RUNNING
    assert bed.machines()[machine.id].running
    if not (machine.hot_add_cpus and machine.hot_add_memory):
        assert (machine.cpus, machine.memory) in {(2, 4 * GIB), (2, 16 * GIB), (4, 4 * GIB)}


def test_a_running_machine_grows_where_its_hardware_can(bed: Bed, eye: Eye) -> None:
    if not bed.hot_add:
        pytest.skip("nothing is added to running machines on this cloud")
    spec, marker = bed.spec(options=bed.hot_add), bed.marker()
    machine = eye.make(spec, marker)

    assert machine.hot_add_cpus
    assert machine.hot_add_memory
    machine = eye.configure(machine, replace(spec, cpus=4, memory=16 * GIB), {"cpus", "memory"}, marker)

    assert (machine.cpus, machine.memory, machine.power) == (4, 16 * GIB, Power.RUNNING)
    assert bed.machines()[machine.id].cpus == 4


def test_a_pending_change_arrives_with_the_next_start(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()
    machine = eye.make(spec, marker)
    wanted = replace(spec, cpus=4, memory=16 * GIB)

    machine = eye.stop(machine, wanted)
    machine = eye.configure(machine, wanted, {"cpus", "memory"}, marker)
    machine = eye.start(machine, wanted)

    assert (machine.cpus, machine.memory, machine.pending) == (4, 16 * GIB, {})
    assert bed.machines()[machine.id].cpus == 4


@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_a_root_disk_grows(bed: Bed, eye: Eye, power: Power) -> None:
    spec, marker = bed.spec(power=power), bed.marker()
    machine = eye.make(spec, marker)

    machine = eye.configure(machine, replace(spec, root_disk=32 * GIB), {"rootDisk"}, marker)

    assert machine.power is power
    assert machine.root_disk == 32 * GIB
    assert bed.machines()[machine.id].root_disk == 32 * GIB


def test_a_root_disk_never_shrinks(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(root_disk=32 * GIB), bed.marker()
    machine = eye.make(spec, marker)

    smaller = replace(spec, root_disk=16 * GIB)

    error = error_of(lambda: eye.end(driver.machines.configure(machine, smaller, {"rootDisk"}, None, marker)))

    assert error is None or not error.took_effect_possible
    assert bed.machines()[machine.id].root_disk == 32 * GIB


def test_tags_are_set_and_others_are_kept(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(tags={"team": "shop", "tier": "web"}), bed.marker()
    machine = eye.make(spec, marker)

    machine = eye.configure(machine, replace(spec, tags={"team": "bank", "zone": "blue"}), {"tags"}, marker)

    assert machine.marker == marker
    assert machine.name == spec.name
    assert {**machine.tags} == {"team": "bank", "tier": "web", "zone": "blue"}


@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_a_repeated_change_has_no_second_effect(bed: Bed, driver: Driver, eye: Eye, power: Power) -> None:
    spec, marker = bed.spec(power=power, tags={"team": "shop"}, root_disk=20 * GIB), bed.marker()
    machine = eye.make(spec, marker)
    fields = {"cpus", "memory", "tags", "rootDisk"}
    before = bed.machines()[machine.id]

    for _ in range(2):
        machine = eye.configure(machine, spec, fields, marker)

    assert bed.machines()[machine.id] == before
    assert machine.power is power
    assert machine.pending == {}


def test_an_initialization_may_be_repeated(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(power=Power.STOPPED, tags={"team": "shop"}, root_disk=20 * GIB), bed.marker()
    intent = bed.intent(driver, spec, marker)
    machine = eye.make(spec, marker, intent)
    before = bed.machines()[machine.id]

    machine = eye.configure(machine, spec, {"initialize"}, marker, intent)

    assert bed.machines()[machine.id] == before
    assert (machine.marker, machine.tags["team"], machine.root_disk) == (marker, "shop", 20 * GIB)


def test_a_change_without_an_answer_is_simply_repeated(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(power=Power.STOPPED), bed.marker()
    machine = eye.make(spec, marker)
    wanted = replace(spec, cpus=4, memory=16 * GIB)
    bed.proxy.inject(Rule(bed.calls.resize, LoseAnswer("reset"), times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.configure(machine, wanted, {"cpus", "memory"}, None, marker)
    machine = eye.configure(machine, wanted, {"cpus", "memory"}, marker)

    assert caught.value.took_effect_possible
    assert (machine.cpus, machine.memory) == (4, 16 * GIB)
    assert len(bed.owned(marker)) == 1


@pytest.mark.parametrize("mode", list(PowerOff))
def test_a_machine_is_stopped_and_started(bed: Bed, driver: Driver, eye: Eye, mode: PowerOff) -> None:
    spec, marker = bed.spec(power_off=mode), bed.marker()
    machine = eye.make(spec, marker)
    if mode is not PowerOff.HARD:
        machine = eye.see(machine.id, lambda seen: bool(seen.addresses))  # its guest is up, and can be asked

    eye.finish(driver.machines.set_power(machine, spec, Power.STOPPED))
    machine = eye.see(machine.id, lambda seen: seen.power is Power.STOPPED)
    assert not bed.machines()[machine.id].running

    machine = eye.start(machine, spec)
    assert bed.machines()[machine.id].running
    assert machine.marker == marker


def test_power_that_is_so_already_is_fine(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec = bed.spec()
    machine = eye.make(spec, bed.marker())

    eye.finish(driver.machines.set_power(machine, spec, Power.RUNNING))
    machine = eye.stop(machine, spec)
    for hard in (False, True):
        eye.finish(driver.machines.set_power(machine, spec, Power.STOPPED, hard=hard))

    assert not bed.machines()[machine.id].running


def test_power_changed_meanwhile_by_a_person_is_fine(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec = bed.spec()
    machine = eye.make(spec, bed.marker())
    bed.power(machine.id, on=False)

    eye.finish(driver.machines.set_power(machine, spec, Power.STOPPED, hard=True))

    assert not bed.machines()[machine.id].running


def test_a_marker_is_taken_away_and_nothing_else(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(tags={"team": "shop"}), bed.marker()
    machine = eye.make(spec, marker)

    eye.finish(driver.machines.mark(machine, None))
    seen = eye.see(machine.id, lambda seen: seen.marker is None)

    assert bed.owned(marker) == []
    assert driver.machines.find(marker, None) == []
    assert unmarked(seen) == unmarked(machine)


def test_a_marker_is_replaced_and_nothing_else(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker, other = bed.spec(tags={"team": "shop"}), bed.marker(), bed.marker()
    machine = eye.make(spec, marker)

    for _ in range(2):
        eye.finish(driver.machines.mark(machine, other))
    seen = eye.see(machine.id, lambda seen: seen.marker == other)

    assert bed.owned(marker) == []
    assert [shown.id for shown in bed.owned(other)] == [machine.id]
    assert unmarked(seen) == unmarked(machine)


def unmarked(machine: Machine) -> Machine:
    """What a marker has nothing to do with; addresses come in their own time."""
    return replace(machine, marker=None, addresses=(), reports_addresses=True)


def test_who_may_only_read_changes_nothing(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(power=Power.STOPPED, tags={"team": "shop"}), bed.marker()
    machine = eye.make(spec, marker)
    wanted = replace(spec, cpus=4, tags={"team": "bank"})
    before = bed.machines()[machine.id]

    with bed.connected(credentials=bed.readonly_credentials) as reader:
        reader.check()
        Eye(bed, reader).settle()
        errors = [
            error_of(lambda: reader.machines.configure(machine, wanted, {"cpus", "tags"}, None, marker)),
            error_of(lambda: reader.machines.set_power(machine, spec, Power.RUNNING)),
            error_of(lambda: reader.machines.mark(machine, None)),
            error_of(lambda: reader.machines.delete(machine)),
        ]

    assert [error and error.reason for error in errors] == [Reason.NOT_PERMITTED] * 4
    assert not any(error and error.took_effect_possible for error in errors)
    assert bed.machines()[machine.id] == before
