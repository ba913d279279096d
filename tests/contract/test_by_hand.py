"""Machines that people made, copied, renamed and protected: shown as they are, and taken over without harm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError, Refused
from hybridge.core.machine import Machine, MachineSpec, Nic, Port, Power
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import GIB, ODD_NAME, Bed
from tests.contract.clouds import BEDS
from tests.contract.eye import Eye, error_of

CASES = [(kind, odd) for kind, bed in sorted(BEDS.items()) for odd in bed.oddities]
#: Each cloud with each kind of machine that people make there.
each_oddity = pytest.mark.parametrize(
    ("shared_bed", "odd"), CASES, ids=[f"{kind}-{odd}" for kind, odd in CASES], indirect=["shared_bed"]
)


def everything(bed: Bed, machine: Machine) -> MachineSpec:
    """A spec with an opinion on all that every cloud has."""
    return bed.spec(
        name=f"{machine.name}-not",
        root_disk=20 * GIB,
        networks=(Nic("a", bed.networks[0]), Nic("b", bed.networks[1])),
        tags={"team": "shop"},
    )


@each_oddity
def test_what_people_made_is_shown_by_every_sweep(bed: Bed, eye: Eye, odd: str) -> None:
    eye.settle()
    made = bed.handmade(odd)

    machine = eye.see(made)

    assert (machine.id, machine.marker, machine.detailed) == (made, None, True)
    assert machine.name == ODD_NAME or odd != "odd name"
    assert machine.template == (odd == "template")
    assert all(isinstance(port, Port) for port in machine.ports or ())
    with bed.connected() as other:
        whole = Eye(bed, other)
        whole.settle()
        seen = whole.see(made)
        assert replace(seen, addresses=()) == replace(machine, addresses=())


@each_oddity
def test_what_people_made_is_read_by_its_id(bed: Bed, driver: Driver, eye: Eye, odd: str) -> None:
    made = bed.handmade(odd)

    found = driver.machines.get(made)

    assert found is not None
    assert found.ports == eye.see(made).ports


@each_oddity
def test_what_people_made_can_be_compared_with_any_spec(bed: Bed, driver: Driver, eye: Eye, odd: str) -> None:
    machine = eye.see(bed.handmade(odd))
    spec = driver.machines.normalize(everything(bed, machine))

    found = differences(spec, machine, driver.machines.traits, named=True)

    fields = {change.field for change in found}
    assert "tags.team" in fields
    assert "name" in fields


@each_oddity
def test_what_people_made_can_be_taken_over_and_let_go(bed: Bed, driver: Driver, eye: Eye, odd: str) -> None:
    if odd == "template":
        pytest.skip("a template is an image and no machine")
    marker = bed.marker()
    machine = eye.see(bed.handmade(odd))
    before = bed.machines()[machine.id]

    eye.finish(driver.machines.mark(machine, marker))
    marked = eye.see(machine.id, lambda seen: seen.marker == marker)
    assert [shown.id for shown in bed.owned(marker)] == [machine.id]
    assert [found.id for found in driver.machines.find(marker, None)] == [machine.id]

    eye.finish(driver.machines.mark(marked, None))
    freed = eye.see(machine.id, lambda seen: seen.marker is None)
    assert (freed.ports, freed.settings, freed.tags) == (machine.ports, machine.settings, machine.tags)
    assert bed.machines()[machine.id] == before


def test_a_copy_with_all_marks_is_shown_as_what_it_is(bed: Bed, driver: Driver, eye: Eye) -> None:
    """The plan has to see two that say the same of themselves, and what tells them apart."""
    marker = bed.marker()
    machine = eye.make(bed.spec(), marker)

    copy = eye.see(bed.copy(machine.id), lambda seen: seen.marker is not None)

    assert (copy.marker, copy.id != machine.id) == (marker, True)
    assert copy.uuid is None or copy.uuid != machine.uuid
    assert {found.id for found in driver.machines.find(marker, None)} == {machine.id, copy.id}


@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_a_machine_gets_another_name(bed: Bed, eye: Eye, power: Power) -> None:
    spec, marker = bed.spec(power=power), bed.marker()
    machine = eye.make(spec, marker)
    wanted = replace(spec, name=f"{spec.name}-new")

    for _ in range(2):
        renamed = eye.configure(machine, wanted, {"name"}, marker)
        assert (renamed.name, renamed.id, renamed.marker) == (wanted.name, machine.id, marker)
        assert (renamed.power, renamed.pending) == (power, {})

    assert bed.machines()[machine.id].name == wanted.name


def test_a_name_comes_together_with_other_changes(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(power=Power.STOPPED), bed.marker()
    machine = eye.make(spec, marker)
    wanted = driver.machines.normalize(replace(spec, name=f"{spec.name}-new", cpus=4, memory=16 * GIB))

    machine = eye.configure(machine, wanted, {"name", "cpus", "memory"}, marker)

    assert differences(wanted, machine, driver.machines.traits, named=True) == ()


def test_another_name_without_an_answer_is_simply_given_again(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()
    machine = eye.make(spec, marker)
    wanted = replace(spec, name=f"{spec.name}-new")
    bed.proxy.inject(Rule("mutating", LoseAnswer("reset"), times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.configure(machine, wanted, {"name"}, None, marker)
    renamed = eye.configure(machine, wanted, {"name"}, marker)

    assert caught.value.took_effect_possible
    assert (renamed.name, renamed.marker) == (wanted.name, marker)


def test_a_name_that_a_person_changed_is_seen_where_it_counts(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()
    machine = eye.make(spec, marker)

    bed.rename(machine.id, "somebodys-pet")
    machine = eye.see(machine.id, lambda seen: seen.name == "somebodys-pet")

    traits = driver.machines.traits
    assert differences(spec, machine, traits) == ()
    (change,) = differences(spec, machine, traits, named=True)
    assert (change.field, change.before, change.after) == ("name", "somebodys-pet", spec.name)


def test_a_name_that_is_taken_is_told(bed: Bed, driver: Driver, eye: Eye) -> None:
    if not bed.unique_names:
        pytest.skip("names may be given twice on this cloud")
    spec, marker = bed.spec(), bed.marker()
    machine = eye.make(spec, marker)
    bed.stranger("occupied")
    wanted = replace(spec, name="occupied")

    failed = eye.end(driver.machines.configure(machine, wanted, {"name"}, None, marker))

    assert failed is not None
    assert (failed.reason, "occupied" in failed.error) == (Reason.NAME_TAKEN, True)
    assert eye.see(machine.id).name == spec.name


def test_a_machine_that_the_cloud_protects_is_not_deleted(bed: Bed, driver: Driver, eye: Eye) -> None:
    """It says who forbids it in the cloud, and where to allow it; nothing is forced."""
    spec, marker = bed.spec(), bed.marker()
    machine = eye.make(spec, marker)
    if driver.machines.traits.delete_needs_stop:
        machine = eye.stop(machine, spec)
    bed.protect(machine.id)
    machine = eye.see(machine.id)

    error = error_of(lambda: driver.machines.delete(machine))

    assert isinstance(error, Refused)
    assert error.reason is Reason.DELETION_PROTECTED
    assert len(error.message) > 40
    assert [shown.id for shown in bed.owned(marker)] == [machine.id]
