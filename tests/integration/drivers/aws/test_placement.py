"""Zones and subnets of EC2: where an instance goes, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Refused
from hybridge.core.identity import token
from hybridge.core.machine import Nic
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from lab.aws import REGION, AwsCloud
from tests.integration.drivers.aws.bench import SPEC, Bench


def test_a_zone_means_its_default_subnet(bench: Bench, cloud: AwsCloud) -> None:
    found = bench.driver.machines.prepare(replace(SPEC, placement={"zone": f"{cloud.region}b"}), ()).parameters
    subnets = cloud.client().describe_subnets(SubnetIds=[found["SubnetId"]])["Subnets"]
    assert [(subnet["AvailabilityZone"], subnet["DefaultForAz"]) for subnet in subnets] == [(f"{cloud.region}b", True)]


GROUP = replace(SPEC, group="db")


@pytest.fixture
def tuned(cloud: AwsCloud) -> Iterator[AwsCloud]:
    """The cloud, whose zones and capacity are as before at the end."""
    yield cloud
    cloud.tune(zone_states={}, no_capacity=[])


def test_a_group_is_spread_over_the_zones_and_told_why(bench: Bench) -> None:
    zones: list[str] = []
    for _ in range(6):
        placed = bench.prepare(GROUP, *zones).placed
        assert placed.zone
        zones.append(placed.zone.removeprefix(REGION))
    assert sorted(zones) == ["a", "a", "b", "b", "c", "c"]
    assert bench.prepare(GROUP, "a", "a", "b").placed.why == (
        f"{REGION}c: fewest machines of the group db in 3 zones that fit ({REGION}a: 2, {REGION}b: 1, {REGION}c: 0)"
    )


def test_a_machine_of_a_group_lands_where_it_was_prepared(bench: Bench) -> None:
    prepared = bench.prepare(GROUP, "a", "b")
    machine = bench.make(replace(GROUP, placement={"zone": prepared.placed.zone or ""}))
    assert machine.zone == prepared.placed.zone == f"{REGION}c"


def test_without_a_group_ec2_chooses_the_zone(bench: Bench) -> None:
    prepared = bench.prepare()
    assert "SubnetId" not in prepared.parameters
    assert prepared.placed == Placed(why="EC2 chooses the zone")
    assert bench.requests["DescribeAvailabilityZones"] == 0


def test_a_zone_that_is_down_is_passed_over_and_refused_where_it_is_asked_for(bench: Bench, tuned: AwsCloud) -> None:
    tuned.tune(zone_states={f"{REGION}a": "unavailable"})
    placed = bench.prepare(GROUP, "b").placed
    assert placed.zone == f"{REGION}c"
    assert placed.why.endswith(f"; {REGION}a is unavailable in EC2")
    with pytest.raises(Refused, match=f"asks for {REGION}a, which is unavailable") as refused:
        bench.prepare(replace(SPEC, placement={"zone": f"{REGION}a"}))
    assert refused.value.reason is Reason.CAPACITY


def test_no_zone_at_all_is_told_with_the_reason_of_each(bench: Bench, tuned: AwsCloud) -> None:
    tuned.tune(zone_states={f"{REGION}{zone}": "impaired" for zone in "abc"})
    with pytest.raises(Refused) as refused:
        bench.prepare(GROUP)
    assert refused.value.reason is Reason.CAPACITY
    assert all(f"{REGION}{zone} is impaired in EC2" in refused.value.message for zone in "abc")


def test_a_zone_that_had_no_room_is_passed_over_for_a_while(bench: Bench, tuned: AwsCloud) -> None:
    tuned.tune(no_capacity=[{"type": "t3.medium", "zone": f"{REGION}c"}])
    marker, apart = bench.marker(), [Placed(zone=f"{REGION}{zone}") for zone in "ab"]
    prepared = bench.driver.machines.prepare(GROUP, (), apart)
    intent = Intent(1, token(marker.uid, 1), "web", "", "aws", 0.0, parameters=prepared.parameters)
    with pytest.raises(CloudError) as error:
        bench.driver.machines.create(intent, GROUP, marker)
    assert error.value.reason is Reason.CAPACITY
    again = bench.prepare(GROUP, "a", "b").placed
    assert again.zone in {f"{REGION}a", f"{REGION}b"}
    assert f"{REGION}c has no room for t3.medium now" in again.why


def test_a_zone_that_does_not_exist_is_answered_with_near_ones(bench: Bench) -> None:
    with pytest.raises(Refused, match=f"{REGION}a") as refused:
        bench.prepare(replace(SPEC, placement={"zone": f"{REGION}z"}))
    assert refused.value.reason is Reason.NOT_FOUND


def test_a_subnet_decides_the_zone(bench: Bench, cloud: AwsCloud) -> None:
    spec = replace(SPEC, networks=(Nic("nic0", "lab-b"),))
    assert bench.prepare(spec).placed == Placed(zone=f"{REGION}b")
    with pytest.raises(Refused, match=rf"zone is {REGION}a, but spec.networks lead to {cloud.subnets[1]} in zone"):
        bench.prepare(replace(spec, placement={"zone": f"{REGION}a"}))


def test_networks_of_two_zones_cannot_be_one_machines(bench: Bench) -> None:
    with pytest.raises(Refused, match=f"a machine is in one zone, but lab-a is in {REGION}a; lab-b is in"):
        bench.prepare(replace(SPEC, networks=(Nic("nic0", "lab-a"), Nic("nic1", "lab-b"))))


def test_a_name_that_subnets_of_several_zones_share_is_one_network(bench: Bench, cloud: AwsCloud) -> None:
    ec2 = cloud.client()
    vpc = ec2.describe_subnets(SubnetIds=cloud.subnets[:1])["Subnets"][0]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.64.{192 + number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("ab")
    ]
    ids = [subnet["Subnet"]["SubnetId"] for subnet in made]
    ec2.create_tags(Resources=ids, Tags=[{"Key": "Name", "Value": "shared"}])
    spec = replace(GROUP, networks=(Nic("nic0", "shared"),))

    assert bench.prepare(spec, "a").parameters["SubnetId"] == ids[1]
    assert bench.prepare(spec, "a", "b", "b").parameters["SubnetId"] == ids[0]
    assert bench.prepare(replace(spec, placement={"zone": f"{REGION}b"}), "b").parameters["SubnetId"] == ids[1]
    machine = bench.make(replace(spec, placement={"zone": f"{REGION}b"}))
    assert machine.ports is not None
    assert machine.ports[0].network == (ids[1], "shared")
