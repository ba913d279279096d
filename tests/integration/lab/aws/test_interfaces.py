"""The lab's network interfaces."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import AwsCloud
from lab.aws_names import GROUPS
from tests.integration.lab.aws.calls import Launch, eventually, refusal


def interface_of(cloud: AwsCloud, instance_id: str, number: int) -> dict[str, Any]:
    return cloud.interfaces(instance_id)[number]


@pytest.fixture
def plugged(cloud: AwsCloud, launch: Launch) -> tuple[str, str]:
    """An instance, and the interface that was attached to it."""
    instance_id = launch(InstanceType="t3.medium")["InstanceId"]
    return instance_id, cloud.plug(instance_id, "lab-a-storage")


def test_an_interface_takes_its_time_to_leave_and_is_not_deleted_before(
    cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]
) -> None:
    instance_id, interface = plugged
    cloud.tune(transition_seconds=3.0)
    cloud.unplug(instance_id)
    assert interface_of(cloud, instance_id, 1)["Attachment"]["Status"] == "detaching"
    with pytest.raises(ClientError, match="currently in use") as error:
        ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert refusal(error) == (400, "InvalidParameterValue")

    eventually(lambda: len(cloud.interfaces(instance_id)) == 1)
    ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_the_first_interface_is_never_detached(cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]) -> None:
    attachment = interface_of(cloud, plugged[0], 0)["Attachment"]["AttachmentId"]
    with pytest.raises(ClientError) as error:
        ec2.detach_network_interface(AttachmentId=attachment)
    assert refusal(error) == (400, "OperationNotPermitted")


def test_what_came_with_an_instance_goes_with_it_and_what_came_later_only_if_it_was_told(
    cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]
) -> None:
    instance_id, kept = plugged
    told = cloud.plug(instance_id, "lab-a")
    attachment = interface_of(cloud, instance_id, 2)["Attachment"]["AttachmentId"]
    words = {"AttachmentId": attachment, "DeleteOnTermination": True}
    ec2.modify_network_interface_attribute(NetworkInterfaceId=told, Attachment=words)
    first = interface_of(cloud, instance_id, 0)["NetworkInterfaceId"]

    cloud.terminate(instance_id)

    found = {nic["NetworkInterfaceId"]: nic["Status"] for nic in ec2.describe_network_interfaces()["NetworkInterfaces"]}
    assert found.get(kept) == "available"
    assert not found.keys() & {first, told}


def test_an_interface_fits_into_its_zone_its_place_and_its_type(
    cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]
) -> None:
    def attach(subnet: str, index: int) -> Any:
        made = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
        with pytest.raises(ClientError) as error:
            ec2.attach_network_interface(NetworkInterfaceId=made, InstanceId=plugged[0], DeviceIndex=index)
        return refusal(error)[1]

    assert attach(cloud.subnets[1], 2) == "InvalidParameterCombination"
    assert attach(cloud.subnets[0], 1) == "InvalidParameterValue"
    cloud.plug(plugged[0], "lab-a")
    assert attach(cloud.subnets[0], 3) == "AttachmentLimitExceeded"


def test_an_interface_is_made_once_for_a_token(ec2: Any, cloud: AwsCloud) -> None:
    words = {"SubnetId": cloud.subnets[0], "ClientToken": "an-interface"}
    made = [ec2.create_network_interface(**words)["NetworkInterface"]["NetworkInterfaceId"] for _ in range(2)]
    assert made[0] == made[1]
    with pytest.raises(ClientError) as error:
        ec2.create_network_interface(**{**words, "SubnetId": cloud.subnets[1]})
    assert refusal(error) == (400, "IdempotentParameterMismatch")


def test_groups_belong_to_interfaces_and_have_to_exist(cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]) -> None:
    instance_id, interface = plugged
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[GROUPS["db"]])
    assert [group["GroupId"] for group in interface_of(cloud, instance_id, 1)["Groups"]] == [GROUPS["db"]]
    assert GROUPS["db"] not in {group["GroupId"] for group in interface_of(cloud, instance_id, 0)["Groups"]}
    with pytest.raises(ClientError) as error:
        ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=["sg-0123456789abcdef0"])
    assert refusal(error) == (400, "InvalidGroup.NotFound")
    with pytest.raises(ClientError, match="multiple interfaces"):
        ec2.modify_instance_attribute(InstanceId=instance_id, Groups=[GROUPS["web"]])


def test_an_instance_that_is_terminated_is_described_still_and_in_no_subnet(
    cloud: AwsCloud, ec2: Any, launch: Launch
) -> None:
    instance_id = launch(InstanceType="t3.medium")["InstanceId"]

    def described() -> dict[str, Any]:
        found: dict[str, Any] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return found

    assert described()["SubnetId"] == cloud.subnets[0]

    cloud.terminate(instance_id)

    eventually(lambda: described()["State"]["Name"] == "terminated")
    assert not {"SubnetId", "VpcId"} & {key for key, value in described().items() if value}
    assert described()["NetworkInterfaces"] == []
