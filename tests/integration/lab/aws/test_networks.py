"""The lab's VPCs, subnets, gateways and route tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import AwsCloud
from tests.integration.lab.aws.calls import Launch, eventually, refusal, state

_NUMBERS = itertools.count()


@pytest.fixture
def vpc(ec2: Any, cloud: AwsCloud) -> str:
    return str(ec2.create_vpc(CidrBlock="10.201.0.0/16")["Vpc"]["VpcId"])


@pytest.fixture
def subnet(ec2: Any, vpc: str) -> str:
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.201.{next(_NUMBERS)}.0/24")["Subnet"]["SubnetId"])


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(refusal(error)[1])


def gateway(ec2: Any, vpc: str) -> str:
    made = str(ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"])
    ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
    return made


def table(ec2: Any, vpc: str, subnet: str) -> tuple[str, str]:
    made = str(ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"])
    return made, str(ec2.associate_route_table(RouteTableId=made, SubnetId=subnet)["AssociationId"])


def test_what_is_in_use_is_not_deleted(ec2: Any, vpc: str, subnet: str, launch: Launch) -> None:
    machine = str(launch(SubnetId=subnet)["InstanceId"])
    known = gateway(ec2, vpc)
    made, association = table(ec2, vpc, subnet)
    for call in (
        lambda: ec2.delete_subnet(SubnetId=subnet),
        lambda: ec2.delete_vpc(VpcId=vpc),
        lambda: ec2.delete_internet_gateway(InternetGatewayId=known),
        lambda: ec2.delete_route_table(RouteTableId=made),
    ):
        assert code(call) == "DependencyViolation"
    ec2.terminate_instances(InstanceIds=[machine])
    eventually(lambda: state(ec2, machine) == "terminated")
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=made)
    ec2.delete_subnet(SubnetId=subnet)
    assert code(lambda: ec2.delete_vpc(VpcId=vpc)) == "DependencyViolation"
    ec2.detach_internet_gateway(InternetGatewayId=known, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)


def test_a_subnet_takes_its_association_along(ec2: Any, vpc: str, subnet: str) -> None:
    made, _ = table(ec2, vpc, subnet)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_route_table(RouteTableId=made)


def test_a_route_to_a_gateway_that_is_detached_leads_nowhere(ec2: Any, vpc: str, subnet: str) -> None:
    known = gateway(ec2, vpc)
    made, _ = table(ec2, vpc, subnet)
    ec2.create_route(RouteTableId=made, DestinationCidrBlock="0.0.0.0/0", GatewayId=known)

    def states() -> list[str]:
        (found,) = ec2.describe_route_tables(RouteTableIds=[made])["RouteTables"]
        return [route["State"] for route in found["Routes"] if route["DestinationCidrBlock"] == "0.0.0.0/0"]

    assert states() == ["active"]
    ec2.detach_internet_gateway(InternetGatewayId=known, VpcId=vpc)
    assert states() == ["blackhole"]


def test_a_vpc_has_one_gateway_and_a_subnet_one_table(ec2: Any, vpc: str, subnet: str) -> None:
    gateway(ec2, vpc)
    assert code(lambda: gateway(ec2, vpc)) == "InvalidParameterValue"
    table(ec2, vpc, subnet)
    assert code(lambda: table(ec2, vpc, subnet)) == "Resource.AlreadyAssociated"


def test_a_range_is_had_once(ec2: Any, vpc: str, subnet: str) -> None:
    (found,) = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    assert code(lambda: ec2.create_subnet(VpcId=vpc, CidrBlock=found["CidrBlock"])) == "InvalidSubnet.Conflict"


def test_what_is_new_is_not_shown_at_once(ec2: Any, vpc: str, cloud: AwsCloud) -> None:
    cloud.tune(consistency_lag=1.0)
    eventually(lambda: vpc in {one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]})
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.201.255.0/24")["Subnet"]["SubnetId"]
    assert code(lambda: ec2.describe_subnets(SubnetIds=[made])) == "InvalidSubnetID.NotFound"
    assert code(lambda: ec2.delete_subnet(SubnetId=made)) == "InvalidSubnetID.NotFound"
    assert made not in {one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]}
    eventually(lambda: made in {one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]})


def test_lists_have_pages(ec2: Any, vpc: str) -> None:
    for number in range(7):
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.201.{100 + number}.0/24")
    pages = list(ec2.get_paginator("describe_subnets").paginate(PaginationConfig={"PageSize": 5}))
    ids = [one["SubnetId"] for page in pages for one in page["Subnets"]]
    assert len(pages) > 1
    assert len(ids) == len(set(ids)) == len(ec2.describe_subnets()["Subnets"])
