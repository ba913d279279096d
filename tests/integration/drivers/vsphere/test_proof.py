"""Only a vCenter's own word about a machine proves that it is gone: no empty answer, and no absence of something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError, Disposition
from hybridge.core.identity import Marker
from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.faultproxy import Answer, Rule
from lab.vsphere import VsphereCloud
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye, error_of
from tests.sweeps import machines

READ = "RetrievePropertiesEx"
#: What is not found is another machine.
FAULTS = {"empty": Answer(200), "something else": Answer(500, code="ManagedObjectNotFound")}


@pytest.fixture(params=sorted(FAULTS))
def answer(request: pytest.FixtureRequest) -> Answer:
    return FAULTS[request.param]


def test_by_id(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker, answer: Answer) -> None:
    machine = eye.make(bed.spec(), marker)
    bed.proxy.inject(Rule(READ, answer, times=1))

    error = error_of(lambda: driver.machines.get(machine.id))

    assert error is not None
    assert (error.reason, error.disposition) == (Reason.PROVIDER_DOWN, Disposition.WAIT)
    assert machine.id in error.message
    assert driver.machines.get(machine.id) is not None


def test_by_marker(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    spec = bed.spec()
    intent = bed.intent(driver, spec, marker)
    machine = eye.make(spec, marker, intent)
    bed.proxy.inject(Rule(READ, Answer(200), times=1))
    assert [found.id for found in driver.machines.find(marker, intent)] == [machine.id]

    bed.proxy.inject(Rule(READ, Answer(200)))
    with pytest.raises(CloudError) as caught:
        driver.machines.find(marker, intent)
    bed.proxy.clear()

    assert caught.value.disposition is Disposition.WAIT


def test_by_a_sweep(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    machine = eye.make(bed.spec(), marker)
    for answers in ([Answer(200), Answer(200)], [Answer(200), FAULTS["something else"]]):
        for answer in answers:
            bed.proxy.inject(Rule(READ, answer, times=1))

        sweep = eye.look(refresh=[machine.id])

        assert (set(machines(sweep).gone), machine.id in eye.machines) == (set(), True)
        bed.proxy.clear()


def test_a_sweep_tells_what_the_vcenter_says_is_gone(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(power=Power.STOPPED), marker)

    sweep = eye.look(refresh=[machine.id, bed.missing_id, "vm-999998"])

    assert set(machines(sweep).gone) == {bed.missing_id, "vm-999998"}
    assert machine.id in eye.machines


def test_a_deletion_that_misses_something_else(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    machine = eye.make(bed.spec(power=Power.STOPPED), marker)
    bed.proxy.inject(Rule(bed.calls.delete, FAULTS["something else"], times=1))

    assert error_of(lambda: driver.machines.delete(machine)) is not None
    assert machine.id in bed.machines()
    gone = driver.machines.delete(replace(machine, id=bed.missing_id))
    assert gone.found is not None
    assert gone.found.power is Power.GONE


def test_a_change_that_sees_nothing_of_its_machine(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    spec = bed.spec()
    machine = eye.make(spec, marker)
    wanted = replace(spec, root_disk=(machine.root_disk or 0) * 2)
    bed.proxy.inject(Rule(READ, Answer(200), times=1))

    error = error_of(lambda: driver.machines.configure(machine, wanted, {"rootDisk"}, None, marker))

    assert error is not None
    assert error.disposition is Disposition.WAIT
    assert eye.configure(machine, wanted, {"rootDisk"}, marker).root_disk == wanted.root_disk
