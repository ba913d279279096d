"""The lab's security groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from lab.aws import AwsCloud
from lab.aws_groups import MOST
from tests.integration.lab.aws.calls import Launch, eventually, refusal, state


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(refusal(error)[1])


def vpc(ec2: Any, cloud: AwsCloud) -> str:
    return str(ec2.describe_subnets(SubnetIds=[cloud.subnets[0]])["Subnets"][0]["VpcId"])


def group(ec2: Any, vpc_id: str) -> str:
    return str(
        ec2.create_security_group(GroupName=f"g-{uuid4().hex[:8]}", Description="of a test", VpcId=vpc_id)["GroupId"]
    )


def regroup(ec2: Any, cloud: AwsCloud, machine: str, groups: list[str]) -> None:
    (nic,) = cloud.interfaces(machine)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=nic["NetworkInterfaceId"], Groups=groups)


@pytest.fixture
def machine(ec2: Any, launch: Launch) -> str:
    made = str(launch()["InstanceId"])
    eventually(lambda: state(ec2, made) == "running")
    return made


def test_what_is_in_use_is_not_deleted(ec2: Any, cloud: AwsCloud, machine: str) -> None:
    network = vpc(ec2, cloud)
    first, second = group(ec2, network), group(ec2, network)
    regroup(ec2, cloud, machine, [first])
    pair = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": second}]}]
    ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=pair)
    assert code(lambda: ec2.delete_security_group(GroupId=first)) == "DependencyViolation"
    assert code(lambda: ec2.delete_security_group(GroupId=second)) == "DependencyViolation"
    regroup(ec2, cloud, machine, [cloud.security_groups["default"]])
    ec2.delete_security_group(GroupId=first)
    ec2.delete_security_group(GroupId=second)


def test_an_interface_has_so_many_groups_of_its_own_vpc(ec2: Any, cloud: AwsCloud, machine: str) -> None:
    network = vpc(ec2, cloud)
    groups = [group(ec2, network) for _ in range(MOST + 1)]
    regroup(ec2, cloud, machine, groups[:MOST])
    assert code(lambda: regroup(ec2, cloud, machine, groups)) == "SecurityGroupsPerInterfaceLimitExceeded"
    other = group(ec2, ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"])
    assert code(lambda: regroup(ec2, cloud, machine, [other])) == "InvalidParameter"


def test_a_name_is_had_once_in_a_vpc_and_all_may_leave_at_first(ec2: Any, cloud: AwsCloud) -> None:
    network, name = vpc(ec2, cloud), f"g-{uuid4().hex[:8]}"
    words = {"GroupName": name, "Description": "of a test", "VpcId": network}
    made = ec2.create_security_group(**words)["GroupId"]
    assert code(lambda: ec2.create_security_group(**words)) == "InvalidGroup.Duplicate"
    (found,) = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"]
    assert [one["IpRanges"] for one in found["IpPermissionsEgress"]] == [[{"CidrIp": "0.0.0.0/0"}]]
    assert found["IpPermissions"] == []


def test_what_is_new_is_not_shown_at_once(ec2: Any, cloud: AwsCloud) -> None:
    network = vpc(ec2, cloud)
    cloud.tune(consistency_lag=1.0)
    made = group(ec2, network)
    assert code(lambda: ec2.describe_security_groups(GroupIds=[made])) == "InvalidGroup.NotFound"
    eventually(lambda: made in {one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]})
