"""Subnets of the lab's EC2, in the hands of a person."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast
from uuid import uuid4

from hybridge.core.identity import OWNER
from hybridge.core.network import Network, NetworkSpec
from lab.aws import REGION, AwsCloud
from tests.contract.segments import Segments, ShownNetwork

_NUMBERS = itertools.count()
_VPC = "10.200.0.0/16"


class AwsSegments(Segments):
    """A plain network is a subnet in a VPC that there is already; a rich one has its own, and a way to the internet."""

    create_call = "ec2:Create[SV]*"
    part_calls = (
        "ec2:CreateSubnet",
        "ec2:CreateInternetGateway",
        "ec2:AttachInternetGateway",
        "ec2:CreateRouteTable",
        "ec2:CreateRoute",
        "ec2:AssociateRouteTable",
        "ec2:ModifySubnetAttribute",
    )
    missing = "subnet-0123456789abcdef0"
    impossible = (
        {"vlan": 7},
        {"cidr": "10.200.0.0/29"},
        {"cidr": "fd00::/64"},
        {"options": {"vpcID": "vpc-0123456789abcdef0"}},
        {"options": {"vpcCIDR": "10.250.0.0/16"}, "cidr": "10.251.0.0/24"},
        {"options": {"switch": "dvs"}},
        {"tags": {"aws:team": "shop"}},
    )
    sweep_cost = 3
    life_cost = 40

    @cached_property
    def _ec2(self) -> Any:
        return cast("AwsCloud", self.bed.cloud).client()

    @cached_property
    def _vpc(self) -> str:
        """A VPC of the account, in which networks are made."""
        return str(self._ec2.create_vpc(CidrBlock=_VPC)["Vpc"]["VpcId"])

    def words(self) -> Mapping[str, object]:
        return {"cidr": self._free(), "options": {"vpcID": self._vpc}}

    def rich(self, **overrides: Any) -> NetworkSpec:
        options = {"vpcCIDR": "10.250.0.0/16", "zone": f"{REGION}b", "internet": True, "publicAddresses": True}
        return self.spec(**{"cidr": "10.250.7.0/24", "options": options, **overrides})

    def others(self, spec: NetworkSpec) -> Sequence[tuple[str, NetworkSpec]]:
        closed = replace(spec, options={**spec.options, "internet": False})
        private = replace(closed, options={**closed.options, "publicAddresses": False})
        return ("aws.internet", closed), ("aws.publicAddresses", private)

    def shown(self) -> dict[str, ShownNetwork]:
        found = [
            *((one["VpcId"], one) for one in self._ec2.describe_vpcs()["Vpcs"] if _marks(one).get(OWNER)),
            *((one["SubnetId"], one) for one in self._ec2.describe_subnets()["Subnets"]),
        ]
        return {known: _shown(known, one) for known, one in found}

    def leftovers(self) -> set[str]:
        tables = [
            one["RouteTableId"] for one in self._ec2.describe_route_tables()["RouteTables"] if OWNER in _marks(one)
        ]
        gateways = self._ec2.describe_internet_gateways()["InternetGateways"]
        return {*tables, *(one["InternetGatewayId"] for one in gateways if OWNER in _marks(one))}

    def stranger(self, name: str) -> str:
        return self._make({"Name": name})

    def destroy(self, network_id: str) -> None:
        if network_id.startswith("subnet-"):
            found = self._ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [network_id]}])["Subnets"]
            if found:
                self._ec2.delete_subnet(SubnetId=network_id)
                self._cut(found[0]["VpcId"], lambda one: OWNER in _marks(one))
            return
        inside = [{"Name": "vpc-id", "Values": [network_id]}]
        for one in self._ec2.describe_subnets(Filters=inside)["Subnets"]:
            self._ec2.delete_subnet(SubnetId=one["SubnetId"])
        self._cut(network_id, lambda one: not any(at.get("Main") for at in one.get("Associations", [])))
        self._ec2.delete_vpc(VpcId=network_id)

    def copy(self, network_id: str) -> str | None:
        (found,) = self._ec2.describe_subnets(SubnetIds=[network_id])["Subnets"]
        return self._make(_marks(found))

    def tag(self, network_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[network_id], Tags=[{"Key": key, "Value": value}])

    def rename(self, network_id: str, name: str) -> None:
        self.tag(network_id, "Name", name)

    def damage(self, network: Network) -> str:
        for one in self._ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [network.id]}])["RouteTables"]:
            if OWNER in _marks(one):
                self._ec2.delete_route(RouteTableId=one["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")
        return "route"

    def _cut(self, vpc: str, meant: Callable[[Mapping[str, Any]], bool]) -> None:
        """Deletes such tables and gateways of this VPC, and gateways that are nowhere."""
        inside = [{"Name": "vpc-id", "Values": [vpc]}]
        for table in filter(meant, self._ec2.describe_route_tables(Filters=inside)["RouteTables"]):
            for one in table["Associations"]:
                self._ec2.disassociate_route_table(AssociationId=one["RouteTableAssociationId"])
            self._ec2.delete_route_table(RouteTableId=table["RouteTableId"])
        for gateway in filter(meant, self._ec2.describe_internet_gateways()["InternetGateways"]):
            known, places = gateway["InternetGatewayId"], [at["VpcId"] for at in gateway["Attachments"]]
            if set(places) <= {vpc}:
                for one in places:
                    self._ec2.detach_internet_gateway(InternetGatewayId=known, VpcId=one)
                self._ec2.delete_internet_gateway(InternetGatewayId=known)

    def _make(self, tags: Mapping[str, str]) -> str:
        words = [{"Key": key, "Value": value} for key, value in (tags or {"Name": uuid4().hex}).items()]
        made = self._ec2.create_subnet(
            VpcId=self._vpc,
            CidrBlock=self._free(),
            AvailabilityZone=f"{REGION}a",
            TagSpecifications=[{"ResourceType": "subnet", "Tags": words}],
        )
        return str(made["Subnet"]["SubnetId"])

    @staticmethod
    def _free() -> str:
        return f"10.200.{next(_NUMBERS) % 256}.0/24"


def _marks(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}


def _shown(known: str, found: Mapping[str, Any]) -> ShownNetwork:
    tags = _marks(found)
    return ShownNetwork(known, tags.get("Name", ""), tags.get(OWNER), tags)
