"""Instances from their creation to their end, and what they cost in requests."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from hybridge.core.errors import Refused, TokenMismatch
from hybridge.core.identity import OWNER
from hybridge.core.machine import CloudInit, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.driver import connect
from hybridge.drivers.base import SweepRequest
from lab.aws import AwsCloud
from tests.integration.drivers.aws.bench import GIB, SPEC, Bench, settings
from tests.sweeps import machines


def test_many_machines_from_one_image_cost_little_more_than_a_request_each(bench: Bench) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: bench.driver.machines.prepare(SPEC, ()), range(8)))
    assert bench.requests == {"DescribeImages": 1, "DescribeInstanceTypes": 1}
    for _ in range(10):
        marker = bench.marker()
        bench.driver.machines.create(bench.intent(SPEC, marker), SPEC, marker)
    assert bench.requests == {"DescribeImages": 1, "DescribeInstanceTypes": 1, "RunInstances": 10}


def test_a_sweep_costs_a_request_a_page_and_disks_are_read_once_in_a_while(bench: Bench) -> None:
    machine = bench.make()
    first, second = bench.driver.sweep(SweepRequest()), bench.driver.sweep(SweepRequest())
    seen = machines(second)
    assert machines(first).objects[machine.id] == seen.objects[machine.id] == machine
    assert (second.requests, seen.full, seen.settled) == (1, True, True)
    third = bench.driver.sweep(SweepRequest(refresh=[machine.id]))
    assert third.requests == 2


@pytest.mark.parametrize("found_by", ["sweep", "search"])
def test_the_disk_of_a_machine_whose_create_had_no_answer_is_known(
    bench: Bench, cloud: AwsCloud, found_by: str
) -> None:
    """A disk of unknown size differs from nothing: a wish to grow it would be told as fulfilled."""
    marker = bench.marker()
    intent = bench.intent(SPEC, marker)
    bench.driver.sweep(SweepRequest())
    unheard = connect(settings(cloud, Counter()))
    made = unheard.machines.create(intent, SPEC, marker)
    unheard.close()
    assert made.id

    if found_by == "search":
        (found,) = bench.driver.machines.find(marker, intent)
    else:
        found = machines(bench.driver.sweep(SweepRequest())).objects[made.id]

    assert found.root_disk == 20 * GIB
    assert bench.driver.sweep(SweepRequest()).requests == 1


def test_a_machine_is_the_smallest_that_fits_with_everything_said_in_one_call(bench: Bench, cloud: AwsCloud) -> None:
    marker = bench.marker()
    machine = bench.make(replace(SPEC, cloud_init=CloudInit(user_data="#!/bin/sh\n")), marker)
    assert (machine.instance_type, machine.cpus, machine.memory) == ("t3.medium", 2, 4 * GIB)
    assert (machine.root_disk, machine.marker, machine.tags) == (20 * GIB, marker, {"team": "shop"})
    seen = next(found for found in cloud.machines(user_data=True) if found.id == machine.id)
    assert seen.user_data == "#!/bin/sh\n"


def test_a_repeated_create_makes_nothing_new_and_changed_words_are_told_apart(bench: Bench) -> None:
    marker = bench.marker()
    intent = bench.intent(SPEC, marker)
    create = bench.driver.machines.create
    assert create(intent, SPEC, marker).id == create(intent, SPEC, marker).id
    with pytest.raises(TokenMismatch):
        create(intent, replace(SPEC, cloud_init=CloudInit(user_data="#!/bin/bash\n")), marker)
    assert len(bench.driver.machines.find(marker, intent)) == 1


def test_a_search_finds_what_lost_its_marker_and_what_is_terminated(bench: Bench, cloud: AwsCloud) -> None:
    marker = bench.marker()
    intent = bench.intent(SPEC, marker)
    made = bench.driver.machines.create(intent, SPEC, marker)
    assert made.id
    bench.driver.machines.mark(bench.look(made.id), None)
    assert bench.driver.machines.find(marker, None) == []
    cloud.terminate(made.id)  # a person has to: without the marker it is none of ours
    assert [(found.id, found.power) for found in bench.driver.machines.find(marker, intent)] == [(made.id, Power.GONE)]


def test_a_mark_goes_to_the_machine_and_to_the_volumes_that_had_the_one_before(bench: Bench, cloud: AwsCloud) -> None:
    machine, after = bench.make(), bench.marker()

    def owners() -> set[str | None]:
        filters = [{"Name": "attachment.instance-id", "Values": [machine.id]}]
        volumes = cloud.client().describe_volumes(Filters=filters)["Volumes"]
        tags = [{tag["Key"]: tag["Value"] for tag in volume.get("Tags", [])} for volume in volumes]
        return {given.get(OWNER) for given in tags}

    assert machine.marker
    assert owners() == {machine.marker.owner}
    bench.driver.machines.mark(machine, after)
    assert (bench.look(machine.id).marker, owners()) == (after, {after.owner})
    bench.driver.machines.mark(bench.look(machine.id), None)
    assert (bench.look(machine.id).marker, owners()) == (None, {None})
    assert bench.look(machine.id).tags == {"team": "shop"}


def test_what_is_gone_is_no_error_to_delete_and_none_to_get(bench: Bench) -> None:
    unknown = replace(bench.make(), id="i-0123456789abcdef0")
    assert bench.driver.machines.delete(unknown).found is None
    assert bench.driver.machines.get(unknown.id) is None


def test_near_names_come_from_our_own_images(bench: Bench) -> None:
    with pytest.raises(Refused, match="debian-12") as refused:
        bench.driver.machines.prepare(replace(SPEC, image="debain-12"), ())
    assert refused.value.reason is Reason.IMAGE_NOT_FOUND
