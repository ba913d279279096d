"""The lab's EBS snapshots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import REGION, AwsCloud
from tests.integration.lab.aws.calls import Launch, eventually, refusal, state

MARKS = [{"Key": "team", "Value": "shop"}]


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(refusal(error)[1])


def volume(ec2: Any) -> str:
    made = str(ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=2, VolumeType="gp3")["VolumeId"])
    ec2.get_waiter("volume_available").wait(VolumeIds=[made], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    return made


def shown(ec2: Any, snapshot_id: str) -> dict[str, Any]:
    (found,) = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    return dict(found)


def test_taking_one_takes_its_time(ec2: Any, cloud: AwsCloud) -> None:
    of = volume(ec2)
    cloud.tune(transition_seconds=1.0)
    made = ec2.create_snapshot(VolumeId=of, TagSpecifications=[{"ResourceType": "snapshot", "Tags": MARKS}])
    assert (made["State"], made["Tags"]) == ("pending", MARKS)
    assert shown(ec2, made["SnapshotId"])["Progress"] == "45%"
    eventually(lambda: shown(ec2, made["SnapshotId"])["State"] == "completed")
    assert shown(ec2, made["SnapshotId"])["Progress"] == "100%"


def test_it_stays_as_large_as_its_volume_was(ec2: Any, cloud: AwsCloud) -> None:
    of = volume(ec2)
    made = ec2.create_snapshot(VolumeId=of)["SnapshotId"]
    ec2.modify_volume(VolumeId=of, Size=5)
    eventually(lambda: bool(ec2.describe_volumes(VolumeIds=[of])["Volumes"][0]["Size"] == 5))
    assert shown(ec2, made)["VolumeSize"] == 2


def test_a_machine_has_one_of_each_volume(ec2: Any, launch: Launch) -> None:
    disks = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}]
    machine = str(launch(BlockDeviceMappings=disks)["InstanceId"])
    eventually(lambda: state(ec2, machine) == "running")
    tags = [{"ResourceType": "snapshot", "Tags": MARKS}]
    made = ec2.create_snapshots(InstanceSpecification={"InstanceId": machine}, TagSpecifications=tags)["Snapshots"]
    assert len({one["VolumeId"] for one in made}) == 2
    assert {one["State"] for one in made} <= {"pending", "completed"}
    assert [shown(ec2, one["SnapshotId"])["Tags"] for one in made] == [MARKS, MARKS]


def test_lists_are_of_one_owner(ec2: Any) -> None:
    every = ec2.describe_snapshots()["Snapshots"]
    own = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert 0 < len(own) < len(every)
    assert len({one["OwnerId"] for one in own}) == 1


def test_what_is_new_is_not_shown_at_once(ec2: Any, cloud: AwsCloud) -> None:
    of = volume(ec2)
    cloud.tune(consistency_lag=1.0)
    eventually(lambda: of in {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]})
    made = ec2.create_snapshot(VolumeId=of)["SnapshotId"]
    assert code(lambda: ec2.describe_snapshots(SnapshotIds=[made])) == "InvalidSnapshot.NotFound"
    assert code(lambda: ec2.delete_snapshot(SnapshotId=made)) == "InvalidSnapshot.NotFound"
    eventually(lambda: made in {one["SnapshotId"] for one in ec2.describe_snapshots()["Snapshots"]})
