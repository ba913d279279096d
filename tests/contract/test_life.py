"""A machine from its creation to its end, as the cloud itself shows it."""

from __future__ import annotations

import json

import pytest

from hybridge.core.machine import Power
from hybridge.drivers.base import Driver
from tests.contract.bed import GIB, SECRET, Bed, Requests, cloud_init
from tests.contract.eye import Eye


def test_a_machine_is_made_as_the_spec_says(bed: Bed, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()

    machine = eye.make(spec, marker)

    (shown,) = bed.owned(marker)
    assert (shown.id, shown.name, shown.running) == (machine.id, spec.name, True)
    assert (shown.cpus, shown.memory) == (2, 4 * GIB)
    assert (machine.cpus, machine.memory, machine.marker) == (2, 4 * GIB, marker)
    assert machine.name == spec.name
    assert machine.pending == {}


def test_a_machine_can_be_made_to_stay_off(bed: Bed, eye: Eye) -> None:
    spec, marker = bed.spec(power=Power.STOPPED), bed.marker()

    eye.make(spec, marker)

    (shown,) = bed.owned(marker)
    assert not shown.running


def test_the_uuid_of_the_attempt_is_the_machines(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(), bed.marker()
    intent = bed.intent(driver, spec, marker)

    machine = eye.make(spec, marker, intent)

    wanted = intent.uuid if driver.machines.traits.chooses_uuid else None
    assert machine.uuid == wanted
    assert bed.machines()[machine.id].uuid == wanted


def test_cloud_init_reaches_the_guest(bed: Bed, eye: Eye) -> None:
    wanted = cloud_init("web-1")

    machine = eye.make(bed.spec(cloud_init=wanted), bed.marker())

    given = bed.given(machine.id)
    for words in ("web-1", wanted.ssh_keys[0], SECRET):
        assert words in given


def test_ssh_keys_alone_reach_the_guest(bed: Bed, eye: Eye) -> None:
    wanted = cloud_init()
    keys = type(wanted)(ssh_keys=wanted.ssh_keys)

    machine = eye.make(bed.spec(cloud_init=keys), bed.marker())

    assert wanted.ssh_keys[0] in bed.given(machine.id)


def test_the_root_disk_has_the_size_of_the_spec(bed: Bed, eye: Eye) -> None:
    machine = eye.make(bed.spec(root_disk=24 * GIB), bed.marker())

    assert machine.root_disk == 24 * GIB
    assert bed.machines()[machine.id].root_disk == 24 * GIB


def test_parameters_survive_their_record(bed: Bed, driver: Driver) -> None:
    """What is prepared stands in the object's status between the record and the call."""
    spec = bed.spec(root_disk=20 * GIB, tags={"team": "shop"})

    prepared = bed.prepared(driver, spec)

    assert json.loads(json.dumps(prepared.parameters)) == prepared.parameters


def test_what_a_sweep_shows_equals_the_normalized_spec(bed: Bed, driver: Driver, eye: Eye) -> None:
    rough = bed.spec(
        memory=4 * GIB + 1, root_disk=20 * GIB + 1, tags={"team": "shop", "Cost-Center": "A 42", "empty": ""}
    )
    spec = driver.machines.normalize(rough)
    exact = driver.machines.traits.exact_sizes

    machine = eye.make(spec, bed.marker())

    assert driver.machines.normalize(spec) == spec
    assert machine.memory is not None
    assert machine.memory == spec.memory if exact else machine.memory >= (spec.memory or 0)
    assert machine.root_disk == spec.root_disk
    assert {key: machine.tags.get(key) for key in spec.tags} == dict(spec.tags)


def test_deletion_leaves_nothing(bed: Bed, eye: Eye) -> None:
    before = bed.leftovers()
    spec, marker = bed.spec(cloud_init=cloud_init(), root_disk=20 * GIB), bed.marker()
    machine = eye.make(spec, marker)

    eye.delete(machine, spec)

    assert machine.id not in bed.machines()
    assert bed.leftovers() <= before


def test_what_is_deleted_may_be_deleted_again(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec = bed.spec()
    machine = eye.make(spec, bed.marker())
    eye.delete(machine, spec)

    eye.end(driver.machines.delete(machine))

    assert machine.id not in bed.machines()


def test_a_running_machine_is_deleted_only_where_that_needs_no_stop(bed: Bed, driver: Driver, eye: Eye) -> None:
    if driver.machines.traits.delete_needs_stop:
        pytest.skip("this cloud wants machines stopped first, which is a step of its own in the plan")
    machine = eye.make(bed.spec(), bed.marker())

    eye.finish(driver.machines.delete(machine))

    eye.until(lambda: eye.is_gone(machine.id), "gone")


def test_few_requests_make_a_machine(bed: Bed, driver: Driver, eye: Eye, requests: Requests) -> None:
    """Sweeps and what is looked up once for many machines left out."""
    bed.prepared(driver, bed.spec())
    eye.settle()
    before, swept = len(requests.metered), len(eye.sweeps)

    eye.make(bed.spec(), bed.marker())

    spent = len(requests.metered) - before - sum(sweep.requests for sweep in eye.sweeps[swept:])
    assert spent <= bed.create_cost
