"""The lab's volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import REGION, AwsCloud
from tests.integration.lab.aws.calls import Launch, eventually, refusal, state

Make = Callable[..., str]
ZONE = f"{REGION}a"


@pytest.fixture
def make(ec2: Any) -> Make:
    def call(**wanted: Any) -> str:
        words = {"AvailabilityZone": ZONE, "Size": 10, "VolumeType": "gp3", **wanted}
        made = str(ec2.create_volume(**words)["VolumeId"])
        if not wanted.get("DryRun"):
            eventually(lambda: volume(ec2, made)["State"] == "available")
        return made

    return call


@pytest.fixture
def machine(ec2: Any, launch: Launch) -> str:
    instance_id = str(launch()["InstanceId"])
    eventually(lambda: state(ec2, instance_id) == "running")
    return instance_id


def volume(ec2: Any, volume_id: str) -> dict[str, Any]:
    found: dict[str, Any] = ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]
    return found


def disks(ec2: Any, instance_id: str) -> dict[str, str]:
    """The states of an instance's volumes, as the instance shows them."""
    (group,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    found = group["Instances"][0]["BlockDeviceMappings"]
    return {one["Ebs"]["VolumeId"]: one["Ebs"]["Status"] for one in found}


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(refusal(error)[1])


def test_a_volume_is_made_once_for_a_token_and_takes_its_time(ec2: Any, cloud: AwsCloud) -> None:
    cloud.tune(transition_seconds=1.0)
    words = {"AvailabilityZone": ZONE, "Size": 10, "VolumeType": "gp3", "ClientToken": "a-volume"}
    made = [ec2.create_volume(**words) for _ in range(2)]
    assert made[0]["VolumeId"] == made[1]["VolumeId"]
    assert (made[0]["State"], made[0]["Iops"], made[0]["Throughput"]) == ("creating", 3000, 125)
    assert code(lambda: ec2.create_volume(**{**words, "Size": 11})) == "IdempotentParameterMismatch"
    eventually(lambda: volume(ec2, made[0]["VolumeId"])["State"] == "available")


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ({"AvailabilityZone": f"{REGION}z"}, "InvalidZone.NotFound"),
        ({"VolumeType": "gp9"}, "UnknownVolumeType"),
        ({"VolumeType": "st1"}, "InvalidParameterValue"),
        ({"Size": 70000}, "InvalidParameterValue"),
    ],
)
def test_zone_type_and_size_of_a_volume_have_to_be(make: Make, words: dict[str, Any], refused: str) -> None:
    assert code(lambda: make(**words)) == refused


def test_an_account_may_have_all_volumes_encrypted(ec2: Any, make: Make, cloud: AwsCloud) -> None:
    assert not volume(ec2, make())["Encrypted"]
    cloud.tune(encrypt_volumes=True)
    made = volume(ec2, make())
    cloud.tune(encrypt_volumes=False)
    assert made["Encrypted"]
    assert made["KmsKeyId"].startswith("arn:aws:kms:")


def test_a_new_volume_is_unknown_to_others_for_a_while(ec2: Any, cloud: AwsCloud) -> None:
    cloud.tune(consistency_lag=2.0)
    made = ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]
    assert code(lambda: ec2.describe_volumes(VolumeIds=[made])) == "InvalidVolume.NotFound"
    assert code(lambda: ec2.delete_volume(VolumeId=made)) == "InvalidVolume.NotFound"
    assert made not in {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]}
    assert volume(cloud.client(), made)["Size"] == 1
    eventually(lambda: made in {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]})


def test_lists_have_pages(ec2: Any, make: Make) -> None:
    made = {make() for _ in range(3)}
    pages = [*ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": 5})]
    assert all(len(page["Volumes"]) <= 5 for page in pages)
    assert made <= {one["VolumeId"] for page in pages for one in page["Volumes"]}


def test_a_volume_comes_and_leaves_in_its_time(ec2: Any, cloud: AwsCloud, make: Make, machine: str) -> None:
    made = make()
    cloud.tune(transition_seconds=1.0)
    assert ec2.attach_volume(VolumeId=made, InstanceId=machine, Device="/dev/sdf")["State"] == "attaching"
    assert disks(ec2, machine)[made] == volume(ec2, made)["Attachments"][0]["State"] == "attaching"
    assert code(lambda: ec2.delete_volume(VolumeId=made)) == "VolumeInUse"
    eventually(lambda: disks(ec2, machine)[made] == "attached")
    assert volume(ec2, made)["State"] == "in-use"
    assert ec2.detach_volume(VolumeId=made, InstanceId=machine)["State"] == "detaching"
    assert disks(ec2, machine)[made] == volume(ec2, made)["Attachments"][0]["State"] == "detaching"
    assert code(lambda: ec2.delete_volume(VolumeId=made)) == "VolumeInUse"
    eventually(lambda: made not in disks(ec2, machine))
    assert code(lambda: ec2.detach_volume(VolumeId=made)) == "IncorrectState"
    ec2.delete_volume(VolumeId=made)
    assert volume(ec2, made)["State"] == "deleting"
    eventually(lambda: made not in {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]})


def test_a_volume_is_attached_once_in_its_zone_under_a_free_name(ec2: Any, make: Make, machine: str) -> None:
    def attach(volume_id: str, device: str) -> None:
        ec2.attach_volume(VolumeId=volume_id, InstanceId=machine, Device=device)

    first, second, far = make(), make(), make(AvailabilityZone=f"{REGION}b")
    attach(first, "/dev/sdf")
    assert code(lambda: attach(first, "/dev/sdg")) == "VolumeInUse"
    assert code(lambda: attach(second, "/dev/sdf")) == "InvalidParameterValue"
    assert code(lambda: attach(far, "/dev/sdg")) == "InvalidVolume.ZoneMismatch"


def test_the_root_of_a_running_instance_is_never_detached(ec2: Any, cloud: AwsCloud, machine: str) -> None:
    (root,) = disks(ec2, machine)
    assert code(lambda: ec2.detach_volume(VolumeId=root, InstanceId=machine)) == "OperationNotPermitted"


def test_what_was_attached_outlives_the_instance_unless_somebody_said_otherwise(
    ec2: Any, cloud: AwsCloud, make: Make, machine: str
) -> None:
    kept, told = make(), make()
    for volume_id, device in ((kept, "/dev/sdf"), (told, "/dev/sdg")):
        ec2.attach_volume(VolumeId=volume_id, InstanceId=machine, Device=device)
    words = [{"DeviceName": "/dev/sdg", "Ebs": {"DeleteOnTermination": True}}]
    ec2.modify_instance_attribute(InstanceId=machine, BlockDeviceMappings=words)

    cloud.terminate(machine)

    assert volume(ec2, kept)["State"] == "available"
    assert code(lambda: volume(ec2, told)) == "InvalidVolume.NotFound"


def test_a_change_takes_its_time_and_the_next_one_waits(ec2: Any, cloud: AwsCloud, make: Make) -> None:
    def modification() -> tuple[str, int]:
        (found,) = ec2.describe_volumes_modifications(VolumeIds=[made])["VolumesModifications"]
        return found["ModificationState"], found["Progress"]

    made = make()
    cloud.tune(transition_seconds=1.0, modification_seconds=60.0)
    ec2.modify_volume(VolumeId=made, Size=20, Iops=4000)
    assert modification() == ("modifying", 0)
    assert (volume(ec2, made)["Size"], volume(ec2, made)["Iops"]) == (10, 3000)
    assert code(lambda: ec2.modify_volume(VolumeId=made, Size=30)) == "IncorrectModificationState"
    eventually(lambda: volume(ec2, made)["Size"] == 20)
    assert (modification(), volume(ec2, made)["Iops"]) == (("completed", 100), 4000)
    assert code(lambda: ec2.modify_volume(VolumeId=made, Size=30)) == "VolumeModificationRateExceeded"
    cloud.tune(modification_seconds=0.0, transition_seconds=0.0)
    assert code(lambda: ec2.modify_volume(VolumeId=made, Size=5)) == "InvalidParameterValue"
    ec2.modify_volume(VolumeId=made, VolumeType="gp2")
    eventually(lambda: volume(ec2, made)["VolumeType"] == "gp2")
    assert volume(ec2, made)["Iops"] == 100
    assert code(lambda: ec2.modify_volume(VolumeId=made, Iops=500)) == "InvalidParameterCombination"
