"""What the lab's account has, and who may log in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import AwsCloud
from lab.aws_names import GROUPS, KEY_PAIRS, PROFILES, SUBNETS
from lab.process import LabError
from tests.integration.lab.aws.calls import refusal


def test_the_account_has_images_with_a_disk_of_known_size(cloud: AwsCloud, ec2: Any) -> None:
    images = ec2.describe_images(Owners=["self"])["Images"]

    assert {image["Name"]: image["ImageId"] for image in images} == cloud.images
    assert all(image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 8 and image["EnaSupport"] for image in images)


def test_the_subnets_are_in_two_zones_of_the_region(cloud: AwsCloud, ec2: Any) -> None:
    subnets = ec2.describe_subnets(SubnetIds=cloud.subnets)["Subnets"]

    assert {subnet["AvailabilityZone"] for subnet in subnets} == {"eu-central-1a", "eu-central-1b"}


def test_names_and_ids_are_the_same_in_every_lab(cloud: AwsCloud, ec2: Any) -> None:
    assert cloud.subnet_names == list(SUBNETS)
    assert cloud.security_groups.items() >= GROUPS.items()
    assert {pair["KeyName"] for pair in ec2.describe_key_pairs()["KeyPairs"]} == set(KEY_PAIRS) == set(cloud.key_pairs)
    assert set(cloud.instance_profiles) == set(PROFILES)


def test_the_caller_is_told_who_he_is(cloud: AwsCloud) -> None:
    identity = cloud.client("sts", cloud.credentials).get_caller_identity()

    assert identity["Account"] == cloud.account
    assert identity["Arn"].endswith(":user/operator")


@pytest.mark.parametrize("change", [{"accessKeyID": "AKIA0000000000000000"}, {"secretAccessKey": "wrong"}])
@pytest.mark.parametrize(("service", "call"), [("ec2", "describe_instances"), ("sts", "get_caller_identity")])
def test_an_unknown_key_or_a_wrong_secret_is_no_login(
    cloud: AwsCloud, change: dict[str, str], service: str, call: str
) -> None:
    stranger = cloud.client(service, {**cloud.credentials, **change})

    with pytest.raises(ClientError) as error:
        getattr(stranger, call)()

    assert refusal(error) == (401, "AuthFailure")


def test_a_read_only_key_may_look_and_not_touch(cloud: AwsCloud, ec2: Any) -> None:
    reader = cloud.client(credentials=cloud.readonly_credentials)
    reader.describe_instances()

    with pytest.raises(ClientError, match=r"ec2:TerminateInstances.*Encoded authorization failure message") as error:
        reader.terminate_instances(InstanceIds=["i-0123456789abcdef0"])

    assert refusal(error) == (403, "UnauthorizedOperation")


def test_nothing_can_be_read_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="wait"):
        _ = AwsCloud(tmp_path).images
