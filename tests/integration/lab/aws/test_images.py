"""The lab's AMIs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from lab.aws import REGION, AwsCloud
from tests.integration.lab.aws.calls import Launch, eventually, refusal, state

MARKS = [{"Key": "team", "Value": "shop"}]


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(refusal(error)[1])


def copy(ec2: Any, cloud: AwsCloud, **words: Any) -> str:
    tags = [{"ResourceType": kind, "Tags": MARKS} for kind in ("image", "snapshot")]
    made = ec2.copy_image(
        **{
            "SourceImageId": cloud.images["debian-12"],
            "SourceRegion": REGION,
            "Name": f"copy-{uuid4().hex[:8]}",
            "TagSpecifications": tags,
            **words,
        }
    )
    return str(made["ImageId"])


def image(ec2: Any, image_id: str) -> dict[str, Any]:
    (found,) = ec2.describe_images(ImageIds=[image_id])["Images"]
    return dict(found)


def parts(ec2: Any, image_id: str) -> list[str]:
    return [disk["Ebs"]["SnapshotId"] for disk in image(ec2, image_id)["BlockDeviceMappings"]]


def test_a_copy_takes_its_time_and_is_tagged_with_its_snapshot(ec2: Any, cloud: AwsCloud) -> None:
    cloud.tune(transition_seconds=1.0)
    made = copy(ec2, cloud)
    assert image(ec2, made)["State"] == "pending"
    assert image(ec2, made)["Tags"] == MARKS
    (part,) = ec2.describe_snapshots(SnapshotIds=parts(ec2, made))["Snapshots"]
    assert part["Tags"] == MARKS
    eventually(lambda: image(ec2, made)["State"] == "available")


def test_a_token_makes_one_copy_and_a_name_one_image(ec2: Any, cloud: AwsCloud) -> None:
    words = {"ClientToken": uuid4().hex, "Name": f"copy-{uuid4().hex[:8]}"}
    made = copy(ec2, cloud, **words)
    assert copy(ec2, cloud, **words) == made
    assert code(lambda: copy(ec2, cloud, Name=words["Name"])) == "InvalidAMIName.Duplicate"


def test_an_image_of_a_machine_has_its_disk(ec2: Any, launch: Launch) -> None:
    machine = str(launch()["InstanceId"])
    eventually(lambda: state(ec2, machine) == "running")
    tags = [{"ResourceType": "snapshot", "Tags": MARKS}]
    made = ec2.create_image(InstanceId=machine, Name=f"of-{machine}", NoReboot=True, TagSpecifications=tags)["ImageId"]
    eventually(lambda: image(ec2, made)["State"] == "available")
    (disk,) = image(ec2, made)["BlockDeviceMappings"]
    assert disk["Ebs"]["VolumeSize"] == 8
    assert code(lambda: ec2.create_image(InstanceId=machine, Name=f"of-{machine}")) == "InvalidAMIName.Duplicate"
    assert str(launch(ImageId=made)["InstanceId"]).startswith("i-")


def with_disks(ec2: Any, launch: Launch) -> str:
    """A running machine with two disks besides the one that it boots from, of 3 and 4 GiB."""
    disks = [{"DeviceName": name, "Ebs": {"VolumeSize": size}} for name, size in (("/dev/sdf", 3), ("/dev/sdg", 4))]
    machine = str(launch(BlockDeviceMappings=disks)["InstanceId"])
    eventually(lambda: state(ec2, machine) == "running")
    return machine


def sizes(ec2: Any, image_id: str) -> dict[str, int]:
    return {disk["DeviceName"]: disk["Ebs"]["VolumeSize"] for disk in image(ec2, image_id)["BlockDeviceMappings"]}


def test_an_image_of_a_machine_has_all_its_disks_and_so_have_machines_from_it(ec2: Any, launch: Launch) -> None:
    machine = with_disks(ec2, launch)
    tags = [{"ResourceType": "snapshot", "Tags": MARKS}]
    made = ec2.create_image(InstanceId=machine, Name=f"of-{machine}", TagSpecifications=tags)["ImageId"]
    eventually(lambda: image(ec2, made)["State"] == "available")
    assert sizes(ec2, made) == {"/dev/xvda": 8, "/dev/sdf": 3, "/dev/sdg": 4}
    found = ec2.describe_snapshots(SnapshotIds=parts(ec2, made))["Snapshots"]
    assert [(one["Tags"], made in one["Description"]) for one in found] == [(MARKS, True)] * 3

    other = str(launch(ImageId=made)["InstanceId"])

    filters = [{"Name": "attachment.instance-id", "Values": [other]}]
    volumes = ec2.describe_volumes(Filters=filters)["Volumes"]
    assert {one["Attachments"][0]["Device"]: one["Size"] for one in volumes} == sizes(ec2, made)
    assert {one["SnapshotId"] for one in volumes} == {*parts(ec2, made)}


def test_a_disk_may_be_left_out_of_an_image_but_not_the_root(ec2: Any, launch: Launch) -> None:
    machine = with_disks(ec2, launch)
    words = {"InstanceId": machine, "Name": f"without-{machine}"}
    made = ec2.create_image(**words, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "NoDevice": ""}])["ImageId"]
    assert sizes(ec2, made) == {"/dev/xvda": 8, "/dev/sdg": 4}
    root = [{"DeviceName": "/dev/xvda", "NoDevice": ""}]
    words["Name"] = f"rootless-{machine}"
    assert code(lambda: ec2.create_image(**words, BlockDeviceMappings=root)) == "InvalidBlockDeviceMapping"


def test_a_copy_has_all_disks_and_deregistered_each_takes_its_own_snapshots_along(
    ec2: Any, cloud: AwsCloud, launch: Launch
) -> None:
    machine = with_disks(ec2, launch)
    made = ec2.create_image(InstanceId=machine, Name=f"of-{machine}")["ImageId"]
    eventually(lambda: image(ec2, made)["State"] == "available")
    other = copy(ec2, cloud, SourceImageId=made)
    assert sizes(ec2, other) == sizes(ec2, made)
    of_first, of_other = parts(ec2, made), parts(ec2, other)
    assert not {*of_first} & {*of_other}

    ec2.deregister_image(ImageId=made, DeleteAssociatedSnapshots=True)

    left = {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert ({*of_first} & left, {*of_other} - left) == (set(), set())


def points(ec2: Any, machine: str) -> dict[str, str]:
    """Snapshots of all disks of a machine, by the device."""
    filters = [{"Name": "attachment.instance-id", "Values": [machine]}]
    places = {
        one["VolumeId"]: one["Attachments"][0]["Device"] for one in ec2.describe_volumes(Filters=filters)["Volumes"]
    }
    made = ec2.create_snapshots(InstanceSpecification={"InstanceId": machine})["Snapshots"]
    ids = [one["SnapshotId"] for one in made]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=ids, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    return {places[one["VolumeId"]]: one["SnapshotId"] for one in made}


def test_an_image_is_registered_of_snapshots_which_stay_as_long_as_it_does(ec2: Any, launch: Launch) -> None:
    machine = with_disks(ec2, launch)
    taken = points(ec2, machine)
    tags = [{"ResourceType": "image", "Tags": MARKS}]
    disks = [{"DeviceName": name, "Ebs": {"SnapshotId": taken[name]}} for name in ("/dev/sdf", "/dev/xvda")]
    boots = {"Architecture": "arm64", "BootMode": "uefi", "VirtualizationType": "hvm"}
    words = {"Name": f"of-{machine}", "RootDeviceName": "/dev/xvda", "EnaSupport": True, **boots}
    words["TagSpecifications"] = tags

    made = ec2.register_image(**words, BlockDeviceMappings=disks)["ImageId"]

    eventually(lambda: image(ec2, made)["State"] == "available")
    assert (sizes(ec2, made), image(ec2, made)["Tags"]) == ({"/dev/xvda": 8, "/dev/sdf": 3}, MARKS)
    assert {name: image(ec2, made)[name] for name in boots} == boots
    assert code(lambda: ec2.register_image(**words, BlockDeviceMappings=disks)) == "InvalidAMIName.Duplicate"
    needed = [{"Name": "block-device-mapping.snapshot-id", "Values": [taken["/dev/sdf"], taken["/dev/sdg"]]}]
    assert [one["ImageId"] for one in ec2.describe_images(Owners=["self"], Filters=needed)["Images"]] == [made]
    assert code(lambda: ec2.delete_snapshot(SnapshotId=taken["/dev/sdf"])) == "InvalidSnapshot.InUse"
    ec2.delete_snapshot(SnapshotId=taken["/dev/sdg"])
    ec2.deregister_image(ImageId=made)
    for name in ("/dev/sdf", "/dev/xvda"):
        ec2.delete_snapshot(SnapshotId=taken[name])


def test_an_image_is_registered_of_whole_snapshots_with_its_root_and_tagged_alone(ec2: Any, launch: Launch) -> None:
    taken = points(ec2, with_disks(ec2, launch))
    disk = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": taken["/dev/xvda"]}}]
    words = {"Name": f"of-{uuid4().hex[:8]}", "RootDeviceName": "/dev/xvda", "BlockDeviceMappings": disk}
    gone = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-0123456789abcdef0"}}]
    parts = [{"ResourceType": "snapshot", "Tags": MARKS}]

    def refused(**others: Any) -> str:
        return code(lambda: ec2.register_image(**{**words, **others}))

    assert refused(RootDeviceName="/dev/sda1") == "InvalidBlockDeviceMapping"
    assert refused(BlockDeviceMappings=gone) == "InvalidSnapshot.NotFound"
    assert refused(TagSpecifications=parts) == "InvalidParameterValue"


def test_a_machine_shows_how_it_boots(ec2: Any, launch: Launch) -> None:
    made = str(launch()["InstanceId"])
    (found,) = ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"]
    shown = {name: found[name] for name in ("Architecture", "BootMode", "EnaSupport", "UsageOperation")}
    assert shown == {"Architecture": "x86_64", "BootMode": "uefi", "EnaSupport": True, "UsageOperation": "RunInstances"}


def test_what_is_imported_is_named_by_its_task_and_not_tagged(ec2: Any) -> None:
    disk = {"Format": "raw", "UserBucket": {"S3Bucket": "images", "S3Key": "debian.raw"}}
    tags = [{"ResourceType": "import-image-task", "Tags": MARKS}]
    words = {"ClientToken": uuid4().hex, "DiskContainers": [disk], "TagSpecifications": tags, "Description": "mine"}
    first, again = (ec2.import_image(**words)["ImportTaskId"] for _ in range(2))
    assert first == again

    def task() -> dict[str, Any]:
        return next(
            one for one in ec2.describe_import_image_tasks()["ImportImageTasks"] if one["ImportTaskId"] == first
        )

    eventually(lambda: task()["Status"] == "completed")
    assert (task()["Description"], task()["Tags"]) == ("mine", MARKS)
    made = image(ec2, task()["ImageId"])
    assert (made["Name"], made.get("Tags", [])) == (first, [])


def test_an_import_may_fail(ec2: Any) -> None:
    disk = {"Format": "raw", "UserBucket": {"S3Bucket": "images", "S3Key": "broken.raw"}}
    made = ec2.import_image(DiskContainers=[disk])["ImportTaskId"]

    def status() -> str:
        found = ec2.describe_import_image_tasks()["ImportImageTasks"]
        return str(next(one["Status"] for one in found if one["ImportTaskId"] == made))

    eventually(lambda: status() == "deleted")


def test_what_is_deregistered_is_not_listed_and_takes_its_snapshots_along(ec2: Any, cloud: AwsCloud) -> None:
    made = copy(ec2, cloud)
    (part,) = parts(ec2, made)
    assert code(lambda: ec2.delete_snapshot(SnapshotId=part)) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=made, DeleteAssociatedSnapshots=True)
    assert ec2.describe_images(ImageIds=[made])["Images"] == []
    assert code(lambda: ec2.describe_image_attribute(ImageId=made, Attribute="description")) == (
        "InvalidAMIID.Unavailable"
    )
    assert code(lambda: ec2.describe_snapshots(SnapshotIds=[part])) == "InvalidSnapshot.NotFound"


def test_what_is_new_is_not_shown_at_once(ec2: Any, cloud: AwsCloud) -> None:
    cloud.tune(consistency_lag=1.0)
    made = copy(ec2, cloud)
    assert code(lambda: ec2.describe_images(ImageIds=[made])) == "InvalidAMIID.NotFound"
    eventually(lambda: made in {one["ImageId"] for one in ec2.describe_images(Owners=["self"])["Images"]})


def test_what_is_disabled_is_shown_on_request_alone(ec2: Any, cloud: AwsCloud) -> None:
    made = copy(ec2, cloud)
    eventually(lambda: image(ec2, made)["State"] == "available")
    ec2.disable_image(ImageId=made)
    for words in ({"ImageIds": [made]}, {"Owners": ["self"]}):
        assert made not in {one["ImageId"] for one in ec2.describe_images(**words)["Images"]}
        (found,) = [
            one for one in ec2.describe_images(**words, IncludeDisabled=True)["Images"] if one["ImageId"] == made
        ]
        assert found["State"] == "disabled"
    ec2.deregister_image(ImageId=made)


def test_what_became_of_the_snapshots_is_told(ec2: Any, cloud: AwsCloud) -> None:
    first, second, third = (copy(ec2, cloud) for _ in range(3))
    eventually(lambda: all(image(ec2, one)["State"] == "available" for one in (first, second, third)))
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": parts(ec2, second)[0]}}
    words = {"Name": f"of-{second}", "RootDeviceName": "/dev/xvda", "BlockDeviceMappings": [disk]}
    user = ec2.register_image(**words)["ImageId"]

    def codes(image_id: str) -> dict[str, str]:
        told = ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]
        return {one["SnapshotId"]: one["ReturnCode"] for one in told}

    (of_first,), (of_second,), (of_third,) = (parts(ec2, one) for one in (first, second, third))
    assert codes(first) == {of_first: "success"}
    assert codes(second) == {of_second: "skipped"}
    cloud.tune(snapshots_kept="internal-error")
    assert codes(third) == {of_third: "internal-error"}
    ec2.deregister_image(ImageId=user)
    for kept in (of_second, of_third):
        ec2.delete_snapshot(SnapshotId=kept)
