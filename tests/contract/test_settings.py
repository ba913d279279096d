"""Fields beyond sizes: each is shown, changed in place where the cloud can, and seen when a person changed it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from hybridge.core.cloudinit import HOSTNAME, USER_DATA
from hybridge.core.difference import driver_field
from hybridge.core.errors import Busy, CloudError
from hybridge.core.identity import Marker
from hybridge.core.machine import Change, Machine, MachineSpec, Nic, Power, Traits
from hybridge.core.machine_diff import FIRST_NETWORK, MAC, NETWORKS, differences
from hybridge.core.plan import Action, Verb
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import Bed, with_choice
from tests.contract.clouds import BEDS
from tests.contract.eye import PATIENCE, Eye, error_of


@dataclass(frozen=True)
class Case:
    """One field: a spec with its first value and a spec with its second, and what it takes to change it."""

    path: str
    change: Change
    before: MachineSpec
    after: MachineSpec


CASES = [(kind, path) for kind, bed in sorted(BEDS.items()) for path in sorted(bed.choices)]
#: Each cloud with each of its own fields.
each_field = pytest.mark.parametrize(
    ("shared_bed", "path"), CASES, ids=[f"{kind}-{path}" for kind, path in CASES], indirect=["shared_bed"]
)


@pytest.fixture
def case(bed: Bed, driver: Driver, path: str) -> Case:
    return _case(bed, driver, path)


def _case(bed: Bed, driver: Driver, path: str, **words: object) -> Case:
    change = change_of(driver.machines.traits, path)
    power = Power.STOPPED if change is Change.STOPPED else Power.RUNNING
    plain = bed.spec(networks=(Nic("nic0", bed.networks[0]),), **{"power": power, **words})
    first, second = bed.choices[path]
    normal = driver.machines.normalize
    return Case(path, change, normal(with_choice(plain, path, first)), normal(with_choice(plain, path, second)))


def change_of(traits: Traits, path: str) -> Change:
    """What changing a field takes."""
    if path == FIRST_NETWORK:
        return traits.changes.get(FIRST_NETWORK, traits.changes.get(NETWORKS, Change.ONLINE))
    return traits.changes.get(path, Change.ONLINE if path == NETWORKS else Change.REPLACE)


def left(driver: Driver, spec: MachineSpec, machine: Machine) -> tuple[Action, ...]:
    """The differences of a machine."""
    return differences(spec, machine, driver.machines.traits, named=True)


def bring(eye: Eye, machine: Machine, spec: MachineSpec, marker: Marker) -> Machine:
    """Changes all that differs, kind by kind and as soon as nothing else holds the machine, as a plan does."""
    deadline = time.monotonic() + PATIENCE
    while found := left(eye.driver, spec, machine):
        assert time.monotonic() < deadline, found
        now = {driver_field(action.field) for action in found if action.verb is found[0].verb}
        try:
            machine = eye.configure(machine, spec, now, marker)
        except Busy:
            machine = eye.see(machine.id)
    return machine


def test_every_field_that_can_be_changed_is_tried_here(bed: Bed, driver: Driver) -> None:
    assert driver.machines.traits.changes.keys() - bed.one_way <= {*bed.choices, MAC, HOSTNAME, USER_DATA}


@each_field
def test_a_field_is_as_the_spec_wants_it_from_the_start(driver: Driver, eye: Eye, bed: Bed, case: Case) -> None:
    machine = eye.make(case.before, bed.marker())

    assert left(driver, case.before, machine) == ()
    found = left(driver, case.after, machine)
    assert {driver_field(action.field) for action in found} <= {case.path, driver_field(case.path)}
    assert found
    assert all((action.verb is Verb.REPLACE) is (case.change is Change.REPLACE) for action in found)


@each_field
def test_a_field_is_changed_in_place(bed: Bed, driver: Driver, eye: Eye, case: Case) -> None:
    if case.change is Change.REPLACE:
        pytest.skip("it takes another machine")
    marker = bed.marker()
    machine = eye.make(case.before, marker)

    changed = bring(eye, machine, case.after, marker)

    assert (changed.id, changed.uuid, changed.marker, changed.pending) == (machine.id, machine.uuid, marker, {})
    assert changed.power is machine.power
    with bed.connected() as other:
        whole = Eye(bed, other)
        whole.settle()
        assert left(other, case.after, whole.see(machine.id)) == ()


@each_field
def test_a_change_may_be_repeated(bed: Bed, driver: Driver, eye: Eye, case: Case) -> None:
    if case.change is Change.REPLACE:
        pytest.skip("it takes another machine")
    marker = bed.marker()
    machine = bring(eye, eye.make(case.before, marker), case.after, marker)

    again = eye.configure(machine, case.after, {driver_field(case.path)}, marker)

    assert (again.ports, again.settings, again.pending) == (machine.ports, machine.settings, {})
    assert again.power is machine.power


@each_field
def test_a_change_without_an_answer_is_simply_repeated(bed: Bed, driver: Driver, eye: Eye, case: Case) -> None:
    if case.change is Change.REPLACE:
        pytest.skip("it takes another machine")
    marker = bed.marker()
    machine = eye.make(case.before, marker)
    bed.proxy.inject(Rule("mutating", LoseAnswer("reset"), times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.configure(machine, case.after, {driver_field(case.path)}, None, marker)

    assert caught.value.took_effect_possible
    bed.proxy.clear()
    changed = bring(eye, eye.see(machine.id), case.after, marker)
    assert (changed.id, changed.power, changed.pending) == (machine.id, machine.power, {})
    assert len(changed.ports or ()) == len(case.after.networks)


@each_field
def test_what_a_person_changed_is_seen_and_put_back(bed: Bed, driver: Driver, eye: Eye, case: Case) -> None:
    if case.path in bed.fixed:
        pytest.skip("nobody can change it on this cloud")
    marker = bed.marker()
    machine = eye.make(case.before, marker)

    bed.by_hand(machine.id, case.path, bed.choices[case.path][1])

    drifted = eye.see(machine.id, lambda seen: bool(left(driver, case.before, seen)))
    assert {driver_field(action.field) for action in left(driver, case.before, drifted)} == {driver_field(case.path)}
    if case.change is not Change.REPLACE:
        assert left(driver, case.before, bring(eye, drifted, case.before, marker)) == ()


@each_field
def test_a_running_machine_keeps_what_only_a_stopped_one_can_change(
    bed: Bed, driver: Driver, eye: Eye, path: str
) -> None:
    """The cloud refuses, or holds the change back until the machine is started again, and both are told."""
    case = _case(bed, driver, path, power=Power.RUNNING)
    if case.change is not Change.STOPPED:
        pytest.skip("it is changed while the machine runs, or never")
    marker = bed.marker()
    machine = eye.make(case.before, marker)

    error = error_of(lambda: eye.end(driver.machines.configure(machine, case.after, {path}, None, marker)))

    machine = eye.see(machine.id)
    assert machine.power is Power.RUNNING
    assert left(driver, case.before, machine) == () or path in machine.pending
    assert all(action.disruptive for action in left(driver, case.after, machine))
    if error is not None:
        assert not error.took_effect_possible
        return
    (held,) = left(driver, case.after, machine)
    assert machine.pending == {path: held.after}
    machine = eye.start(eye.stop(machine, case.after), case.after)
    assert (left(driver, case.after, machine), machine.pending) == ((), {})


@each_field
def test_what_is_held_back_can_be_taken_back(bed: Bed, driver: Driver, eye: Eye, path: str) -> None:
    case = _case(bed, driver, path, power=Power.RUNNING)
    if case.change is not Change.STOPPED:
        pytest.skip("it is changed while the machine runs, or never")
    marker = bed.marker()
    machine = eye.make(case.before, marker)
    if error_of(lambda: eye.end(driver.machines.configure(machine, case.after, {path}, None, marker))):
        pytest.skip("this cloud holds nothing back: it refuses")

    machine = eye.see(machine.id, lambda seen: bool(left(driver, case.before, seen)))
    machine = bring(eye, machine, case.before, marker)

    assert (machine.pending, machine.power) == ({}, Power.RUNNING)


def test_several_fields_of_a_machine_are_changed_together(bed: Bed, driver: Driver, eye: Eye) -> None:
    """What is not moved to another place takes as few calls as the cloud allows."""
    traits, marker = driver.machines.traits, bed.marker()
    paths = [path for path in sorted(bed.choices) if change_of(traits, path) is Change.STOPPED]
    before = after = bed.spec(networks=(Nic("nic0", bed.networks[0]),), power=Power.STOPPED)
    for path in paths:
        before, after = (
            with_choice(spec, path, value) for spec, value in zip((before, after), bed.choices[path], strict=True)
        )
    before, after = driver.machines.normalize(before), driver.machines.normalize(after)
    machine = eye.make(before, marker)
    bed.proxy.reset_counts()

    machine = eye.configure(machine, after, {driver_field(path) for path in paths}, marker)

    assert left(driver, after, machine) == ()
    assert bed.proxy.mutating() <= bed.changes_cost
