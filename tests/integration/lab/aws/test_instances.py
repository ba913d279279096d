"""The lab's instances: launched, described and found as on EC2."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import AwsCloud
from tests.integration.lab.aws.calls import Launch, all_ids, refusal


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "t9.huge"}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        (
            {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4}}]},
            "InvalidBlockDeviceMapping",
        ),
    ],
)
def test_an_impossible_launch_leaves_nothing(
    ec2: Any, cloud: AwsCloud, launch: Launch, wanted: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as error:
        launch(ClientToken=f"impossible-{code}", **wanted)

    assert refusal(error) == (400, code)
    assert f"impossible-{code}" not in {machine.client_token for machine in cloud.machines(terminated=True)}


def test_the_root_disk_comes_from_the_image_and_grows_on_request(ec2: Any, launch: Launch) -> None:
    wanted = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": False}},
    ]
    plain, grown = launch()["InstanceId"], launch(BlockDeviceMappings=wanted)["InstanceId"]

    def sizes(made: str) -> dict[str, int]:
        found = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [made]}])["Volumes"]
        return {volume["Attachments"][0]["Device"]: volume["Size"] for volume in found}

    assert sizes(plain) == {"/dev/xvda": 8}
    assert sizes(grown) == {"/dev/xvda": 20, "/dev/sdf": 5}


def test_user_data_and_tags_are_kept(cloud: AwsCloud, launch: Launch) -> None:
    tags = [{"Key": "Name", "Value": "web-1"}, {"Key": "team", "Value": "shop"}]
    made = launch(UserData="#cloud-config\n", TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])

    machine = next(item for item in cloud.machines(user_data=True) if item.id == made["InstanceId"])

    assert (machine.name, machine.tags["team"], machine.user_data) == ("web-1", "shop", "#cloud-config\n")


def test_instances_are_found_by_tag_and_by_token(ec2: Any, launch: Launch) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "hybridge.io/owner", "Value": "c/1"}]}]
    made = launch(ClientToken="found", TagSpecifications=tags)["InstanceId"]

    for name, value in [("client-token", "found"), ("tag:hybridge.io/owner", "c/1")]:
        found = ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])["Reservations"]
        assert [item["Instances"][0]["InstanceId"] for item in found] == [made]


def test_pages_hold_every_instance_once(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    made = {launch()["InstanceId"] for _ in range(7)}

    found = all_ids(ec2, page=5)

    assert len(found) == len(set(found))
    assert made <= set(found)


def test_a_description_shows_each_change_at_once(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(transition_seconds=0.0)
    made = launch()["InstanceId"]

    def described() -> Any:
        return ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]

    assert "Tags" not in described()
    ec2.create_tags(Resources=[made], Tags=[{"Key": "a", "Value": "b"}])
    assert described()["Tags"] == [{"Key": "a", "Value": "b"}]
    volume = ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1)["VolumeId"]
    ec2.attach_volume(InstanceId=made, VolumeId=volume, Device="/dev/sdg")
    assert {disk["DeviceName"] for disk in described()["BlockDeviceMappings"]} == {"/dev/xvda", "/dev/sdg"}


def test_a_person_launches_and_terminates_behind_the_operators_back(cloud: AwsCloud) -> None:
    made = cloud.launch_by_hand({"Name": "by-hand"})
    assert made in [machine.id for machine in cloud.machines()]

    cloud.terminate(made)

    assert made not in [machine.id for machine in cloud.machines()]
    assert made in [machine.id for machine in cloud.machines(terminated=True)]
