"""Reading by id and by marker: what is there, what is gone, and what is somebody else's."""

from __future__ import annotations

import pytest

from hybridge.core.errors import CloudError, Unreachable
from hybridge.core.machine import Power
from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
from tests.contract.eye import Eye


@pytest.mark.parametrize("swept", [False, True])
def test_a_marker_finds_its_machine_and_no_other(bed: Bed, eye: Eye, swept: bool) -> None:
    marker, other = bed.marker(), bed.marker()
    machine = eye.make(bed.spec(), marker)
    bed.stranger("bystander")

    with bed.connected() as fresh:
        if swept:
            Eye(bed, fresh).settle()
        found = fresh.machines.find(marker, None)
        nothing = fresh.machines.find(other, None)

    assert [(one.id, one.marker) for one in found] == [(machine.id, marker)]
    assert nothing == []


def test_a_copy_with_the_marker_is_found_too(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()
    machine = eye.make(spec, marker)
    eye.stop(machine, spec)

    copy = bed.copy(machine.id)

    eye.until(lambda: {machine.id, copy} == {found.id for found in driver.machines.find(marker, None)}, "both found")
    seen = eye.see(copy)
    assert seen.marker == marker
    assert not driver.machines.traits.chooses_uuid or seen.uuid != machine.uuid


def test_get_shows_a_machine_in_detail(bed: Bed, eye: Eye) -> None:
    spec, marker = bed.spec(tags={"team": "shop"}), bed.marker()
    machine = eye.make(spec, marker)

    with bed.connected() as fresh:
        found = fresh.machines.get(machine.id)

    assert found is not None
    assert found.detailed
    assert (found.id, found.name, found.marker, found.uuid) == (machine.id, spec.name, marker, machine.uuid)
    assert (found.cpus, found.memory, found.root_disk) == (machine.cpus, machine.memory, machine.root_disk)
    assert found.power is Power.RUNNING
    assert found.tags["team"] == "shop"


def test_get_of_what_never_was(bed: Bed, driver: Driver) -> None:
    assert driver.machines.get(bed.missing_id) is None


def test_get_of_what_a_person_deleted(bed: Bed, driver: Driver, eye: Eye) -> None:
    machine = eye.make(bed.spec(), bed.marker())

    bed.destroy(machine.id)

    eye.until(lambda: is_gone(driver, machine.id), "gone by id")
    eye.until(lambda: eye.is_gone(machine.id), "gone from the picture")


def is_gone(driver: Driver, machine_id: str) -> bool:
    machine = driver.machines.get(machine_id)
    return machine is None or machine.power is Power.GONE


def test_darkness_is_no_absence(bed: Bed, driver: Driver, eye: Eye) -> None:
    marker = bed.marker()
    machine = eye.make(bed.spec(), marker)
    bed.proxy.dark("refuse")

    with pytest.raises(Unreachable):
        driver.machines.get(machine.id)
    with pytest.raises(Unreachable):
        driver.machines.find(marker, None)
    with pytest.raises(Unreachable):
        eye.look()


def test_a_refused_read_is_no_absence(bed: Bed, driver: Driver, eye: Eye) -> None:
    machine = eye.make(bed.spec(), bed.marker())

    with bed.connected(credentials=bed.wrong_credentials) as stranger, pytest.raises(CloudError):
        stranger.machines.get(machine.id)


def test_a_template_is_told_from_a_machine(bed: Bed, driver: Driver, eye: Eye) -> None:
    templates = [shown.id for shown in bed.machines().values() if shown.template]
    if not templates:
        pytest.skip("images are no machines on this cloud")
    machine = eye.make(bed.spec(), bed.marker())

    found = [driver.machines.get(machine_id) for machine_id in (*templates, machine.id)]

    assert [one and one.template for one in found] == [True] * len(templates) + [False]
