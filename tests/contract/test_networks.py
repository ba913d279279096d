"""Interfaces of machines that exist: more of them, fewer, others; nothing leaks, nothing doubles, nobody stops."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from functools import partial

import pytest

from hybridge.core.difference import driver_field
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.identity import Marker
from hybridge.core.machine import Change, Machine, MachineSpec, Nic, Power
from hybridge.core.machine_diff import differences
from hybridge.core.plan import Action, Verb
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Reset, Rule
from tests.contract.bed import Bed
from tests.contract.eye import PATIENCE, Eye, error_of

#: More calls than any change of interfaces takes.
_MOST_CALLS = 12


def nics(bed: Bed, *which: int) -> tuple[Nic, ...]:
    """Interfaces in the first or the second network of the bed."""
    return tuple(Nic(f"nic{index}", bed.networks[one]) for index, one in enumerate(which))


def in_networks(machine: Machine) -> list[str]:
    """Where the interfaces of a machine are, in order."""
    assert machine.ports is not None
    return [port.network[0] for port in machine.ports]


def changes(driver: Driver, spec: MachineSpec, machine: Machine) -> tuple[Action, ...]:
    wanted = driver.machines.normalize(spec)
    return tuple(
        change for change in differences(wanted, machine, driver.machines.traits) if change.field.startswith("networks")
    )


def settle(driver: Driver, eye: Eye, machine: Machine, spec: MachineSpec, marker: Marker) -> Machine:
    """Changes interfaces until nothing differs any more, as a plan does, whatever is lost on the way."""
    wanted, deadline = driver.machines.normalize(spec), time.monotonic() + PATIENCE
    machine = eye.see(machine.id)
    while found := changes(driver, spec, machine):
        assert time.monotonic() < deadline, found
        assert not any(change.disruptive for change in found), found
        fields = {driver_field(change.field) for change in found}
        error = error_of(partial(change_once, driver, eye, machine, wanted, fields, marker))
        assert error is None or error.disposition is not Disposition.STOP, error
        machine = eye.see(machine.id)
    return machine


def change_once(
    driver: Driver, eye: Eye, machine: Machine, spec: MachineSpec, fields: Collection[str], marker: Marker
) -> None:
    eye.end(driver.machines.configure(machine, spec, fields, None, marker))


def online(driver: Driver) -> None:
    if driver.machines.traits.changes.get("networks", Change.ONLINE) is not Change.ONLINE:
        pytest.skip("interfaces of running machines cannot be changed on this cloud")


@pytest.mark.parametrize(
    ("before", "after"),
    [((0,), (0, 1)), ((0, 1), (0,)), ((0, 1), (0, 0)), ((0, 1, 0), (0, 0)), ((0, 0), (0, 0, 1)), ((0, 1), (0, 0, 1))],
    ids=["one more", "one fewer", "another", "one in the middle less", "a third", "one in the middle more"],
)
@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_interfaces_follow_the_spec(
    bed: Bed, driver: Driver, eye: Eye, before: tuple[int, ...], after: tuple[int, ...], power: Power
) -> None:
    online(driver)
    leftovers, marker = bed.leftovers(), bed.marker()
    spec = bed.spec(networks=nics(bed, *before), power=power)
    machine = eye.make(spec, marker)
    first = machine.ports[0] if machine.ports else None

    machine = settle(driver, eye, machine, replace(spec, networks=nics(bed, *after)), marker)

    wanted = driver.machines.normalize(replace(spec, networks=nics(bed, *after)))
    assert machine.ports is not None
    assert len(machine.ports) == len(after)
    assert all(nic.network in port.network for nic, port in zip(wanted.networks, machine.ports, strict=True))
    assert machine.ports[0] == first
    assert (machine.power, machine.marker) == (power, marker)
    assert bed.leftovers() == leftovers


def test_what_is_so_already_is_left_alone(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(networks=nics(bed, 0, 1)), bed.marker()
    machine = eye.make(spec, marker)
    before = machine.ports

    for _ in range(2):
        eye.finish(driver.machines.configure(machine, driver.machines.normalize(spec), {"networks"}, None, marker))

    assert eye.see(machine.id).ports == before
    assert bed.machines()[machine.id].running


@pytest.mark.parametrize("lost", range(_MOST_CALLS))
def test_a_change_that_is_interrupted_after_any_call_is_taken_up(bed: Bed, driver: Driver, eye: Eye, lost: int) -> None:
    """The cloud did what it was asked, and nobody heard of it: a crash, for all that the next process knows."""
    interrupted(bed, driver, eye, Rule("mutating", LoseAnswer("reset"), times=1, after=lost))


@pytest.mark.parametrize("lost", range(_MOST_CALLS))
def test_a_change_that_is_interrupted_before_any_call_is_taken_up(
    bed: Bed, driver: Driver, eye: Eye, lost: int
) -> None:
    interrupted(bed, driver, eye, Rule("mutating", Reset(), times=1, after=lost))


def interrupted(bed: Bed, driver: Driver, eye: Eye, rule: Rule) -> None:
    """Adds an interface and takes another away; another process takes up what one call interrupted."""
    online(driver)
    leftovers, marker = bed.leftovers(), bed.marker()
    spec = bed.spec(networks=nics(bed, 0, 1))
    machine = eye.make(spec, marker)
    wanted = driver.machines.normalize(replace(spec, networks=nics(bed, 0, 0, 0)))
    bed.proxy.inject(rule)
    bed.proxy.reset_counts()

    with bed.connected() as other:
        taken = Eye(bed, other)
        taken.settle()
        machine = settle(other, taken, machine, wanted, marker)
    hit = any(active.hit for active in bed.proxy.faults())
    calls = bed.proxy.mutating()
    bed.proxy.clear()

    assert hit or rule.after >= calls
    assert in_networks(machine) == in_networks(machine)[:1] * 3
    assert bed.leftovers() == leftovers
    assert [shown.id for shown in bed.owned(marker)] == [machine.id]
    eye.delete(eye.see(machine.id), spec)
    eye.until(lambda: bed.leftovers() == leftovers, "nothing left over")


def test_a_machine_goes_with_all_its_interfaces(bed: Bed, driver: Driver, eye: Eye) -> None:
    online(driver)
    leftovers, marker = bed.leftovers(), bed.marker()
    spec = bed.spec(networks=nics(bed, 0, 1))
    machine = eye.make(spec, marker)
    machine = settle(driver, eye, machine, replace(spec, networks=nics(bed, 0, 1, 1)), marker)

    eye.delete(machine, spec)

    eye.until(lambda: bed.leftovers() == leftovers, "nothing left over")


def test_an_interface_plugged_in_by_hand_is_seen_and_taken_away(bed: Bed, driver: Driver, eye: Eye) -> None:
    online(driver)
    spec, marker = bed.spec(networks=nics(bed, 0)), bed.marker()
    machine = eye.make(spec, marker)

    bed.plug(machine.id, bed.networks[1])

    machine = eye.see(machine.id, lambda seen: len(seen.ports or ()) == 2)
    (change,) = changes(driver, spec, machine)
    assert (change.verb, change.field, change.after) == (Verb.CONNECT, "networks[1]", "")
    assert len(in_networks(settle(driver, eye, machine, spec, marker))) == 1


def test_an_interface_unplugged_by_hand_is_seen_and_comes_back(bed: Bed, driver: Driver, eye: Eye) -> None:
    online(driver)
    spec, marker = bed.spec(networks=nics(bed, 0, 1)), bed.marker()
    machine = eye.make(spec, marker)

    bed.unplug(machine.id)

    machine = eye.see(machine.id, lambda seen: len(seen.ports or ()) == 1)
    (change,) = changes(driver, spec, machine)
    assert (change.field, change.before, change.after) == ("networks.nic1", "", bed.networks[1])
    machine = settle(driver, eye, machine, spec, marker)
    assert len(in_networks(machine)) == 2
    assert bed.networks[1] in (machine.ports or ())[1].network


def test_a_spec_without_networks_leaves_them_alone(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()
    machine = eye.make(spec, marker)

    bed.plug(machine.id, bed.networks[1])

    machine = eye.see(machine.id, lambda seen: len(seen.ports or ()) == 2)
    assert changes(driver, spec, machine) == ()


def test_the_first_interface_moves_to_another_network_or_never(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(networks=nics(bed, 0)), bed.marker()
    machine = eye.make(spec, marker)
    wanted = driver.machines.normalize(replace(spec, networks=nics(bed, 1)))

    (change,) = changes(driver, wanted, machine)

    traits = driver.machines.traits.changes
    takes = traits.get("networks.first", traits.get("networks", Change.ONLINE))
    if takes is Change.REPLACE:
        assert change.verb is Verb.REPLACE
        before = machine.ports
        eye.finish(driver.machines.configure(machine, wanted, {"networks"}, None, marker))
        assert eye.see(machine.id).ports == before
        return
    assert change.disruptive == (takes is Change.STOPPED)
    machine = settle(driver, eye, machine, wanted, marker)
    assert bed.networks[1] in (machine.ports or ())[0].network
    assert machine.power is Power.RUNNING


def test_a_mac_address_is_given_to_an_interface_that_comes_later(bed: Bed, driver: Driver, eye: Eye) -> None:
    if not bed.takes_macs:
        pytest.skip("the cloud chooses MAC addresses itself")
    online(driver)
    spec, marker = bed.spec(networks=nics(bed, 0)), bed.marker()
    machine = eye.make(spec, marker)
    second = Nic("nic1", bed.networks[1], "02:48:59:42:00:0B")

    machine = settle(driver, eye, machine, replace(spec, networks=(*spec.networks, second)), marker)

    assert machine.ports is not None
    assert machine.ports[1].mac == "02:48:59:42:00:0b"


def test_an_unknown_network_is_refused_and_nothing_is_touched(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(networks=nics(bed, 0)), bed.marker()
    machine = eye.make(spec, marker)
    wanted = replace(spec, networks=(*spec.networks, Nic("nic1", "no-such-network")))
    before = machine.ports

    with pytest.raises(CloudError, match="no-such-network") as caught:
        eye.finish(driver.machines.configure(machine, wanted, {"networks"}, None, marker))

    assert caught.value.disposition is Disposition.STOP
    assert eye.see(machine.id).ports == before
