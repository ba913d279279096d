"""What the lab's EC2 refuses for want of room: request limits, capacity, quotas."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import AwsCloud
from lab.process import LabError
from tests.integration.lab.aws.calls import Launch, refusal


@pytest.mark.parametrize("name", ["describe", "mutate", "run"])
def test_each_class_of_requests_has_a_bucket_of_its_own(cloud: AwsCloud, ec2: Any, launch: Launch, name: str) -> None:
    calls = {
        "describe": ec2.describe_instances,
        "mutate": lambda: ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1),
        "run": launch,
    }
    cloud.tune(limits={name: {"rate": 0.0, "burst": 0}})

    with pytest.raises(ClientError) as error:
        calls.pop(name)()

    assert refusal(error) == (503, "RequestLimitExceeded")
    for call in calls.values():
        call()


def test_a_bucket_is_full_at_first(cloud: AwsCloud, ec2: Any) -> None:
    cloud.tune(limits={"describe": {"rate": 0.0, "burst": 2}})
    ec2.describe_instances()
    ec2.describe_instances()

    with pytest.raises(ClientError, match="Request limit exceeded"):
        ec2.describe_instances()


def test_a_zone_may_have_no_capacity_for_a_type(cloud: AwsCloud, launch: Launch) -> None:
    cloud.tune(no_capacity=[{"type": "t3.micro", "zone": "eu-central-1a"}])

    with pytest.raises(ClientError) as error:
        launch(SubnetId=cloud.subnets[0])

    assert refusal(error) == (500, "InsufficientInstanceCapacity")
    assert launch(SubnetId=cloud.subnets[1])["Placement"]["AvailabilityZone"] == "eu-central-1b"


def test_the_quota_of_vcpus_holds(cloud: AwsCloud, launch: Launch) -> None:
    cloud.tune(vcpu_limit=1)

    with pytest.raises(ClientError) as error:
        launch()

    assert refusal(error) == (400, "VcpuLimitExceeded")


def test_a_turn_that_does_not_exist_is_an_error(cloud: AwsCloud) -> None:
    with pytest.raises(LabError, match="unknown: speed"):
        cloud.tune(speed=3)


def test_a_zone_that_failed_takes_no_machines(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(zone_states={"eu-central-1b": "unavailable"})
    zones = {zone["ZoneName"]: zone["State"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    with pytest.raises(ClientError) as error:
        launch(SubnetId=cloud.subnets[1])

    assert zones["eu-central-1b"] == "unavailable"
    assert zones["eu-central-1a"] == "available"
    assert refusal(error)[1] == "InsufficientInstanceCapacity"
