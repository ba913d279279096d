"""Security groups of the lab's EC2, in the hands of a person."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast
from uuid import uuid4

from hybridge.core.firewall import Direction, Protocol, Rule
from hybridge.core.identity import OWNER
from lab.aws import AwsCloud
from tests.contract.walls import ShownFirewall, Walls

_HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}


class AwsWalls(Walls):
    """In the VPC of the Provider's default network."""

    create_call = "ec2:CreateSecurityGroup"
    allow_call = "ec2:AuthorizeSecurityGroup*"
    missing = "sg-0123456789abcdef0"
    impossible = (
        {"name": "sg-mine"},
        {"name": "default"},
        {"tags": {"aws:team": "shop"}},
        {"rules": (Rule("r", Direction.INGRESS, Protocol.TCP, ("somebody",)),)},
    )
    setting = "aws.securityGroupIDs"
    too_many = 61
    sweep_cost = 1
    life_cost = 22

    @cached_property
    def _ec2(self) -> Any:
        return self._aws.client()

    @property
    def _aws(self) -> AwsCloud:
        return cast("AwsCloud", self.bed.cloud)

    @cached_property
    def _vpc(self) -> str:
        return str(self._ec2.describe_subnets(SubnetIds=[self._aws.subnets[0]])["Subnets"][0]["VpcId"])

    def shown(self) -> dict[str, ShownFirewall]:
        having: dict[str, set[str]] = {}
        for nic in self._ec2.describe_network_interfaces()["NetworkInterfaces"]:
            for group in nic["Groups"]:
                if instance := nic.get("Attachment", {}).get("InstanceId"):
                    having.setdefault(group["GroupId"], set()).add(instance)
        found = self._ec2.describe_security_groups()["SecurityGroups"]
        return {
            one["GroupId"]: _shown(one, tuple(sorted(having.get(one["GroupId"], ()))))
            for one in found
            if one["GroupName"] != "default"
        }

    def stranger(self, name: str) -> str:
        return self._make(name, {})

    def destroy(self, firewall_id: str) -> None:
        self._ec2.delete_security_group(GroupId=firewall_id)

    def allow(self, firewall_id: str) -> None:
        words = {**_HTTPS, "FromPort": 22, "ToPort": 22}
        self._ec2.authorize_security_group_ingress(GroupId=firewall_id, IpPermissions=[words])

    def forbid(self, firewall_id: str) -> None:
        self._ec2.revoke_security_group_ingress(GroupId=firewall_id, IpPermissions=[_HTTPS])

    def oddity(self, firewall_id: str) -> None:
        esp = {"IpProtocol": "50", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ping = {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self._ec2.authorize_security_group_ingress(GroupId=firewall_id, IpPermissions=[esp, ping])

    def part(self, firewall_id: str, machine_id: str) -> None:
        for nic in self._aws.interfaces(machine_id):
            kept = [one["GroupId"] for one in nic["Groups"] if one["GroupId"] != firewall_id]
            self._ec2.modify_network_interface_attribute(NetworkInterfaceId=nic["NetworkInterfaceId"], Groups=kept)

    def copy(self, firewall_id: str) -> str | None:
        (found,) = self._ec2.describe_security_groups(GroupIds=[firewall_id])["SecurityGroups"]
        return self._make(f"copy-{uuid4().hex[:6]}", _marks(found))

    def tag(self, firewall_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[firewall_id], Tags=[{"Key": key, "Value": value}])

    def _make(self, name: str, tags: Mapping[str, str]) -> str:
        marks = [
            {"ResourceType": "security-group", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ]
        words = {"TagSpecifications": marks} if tags else {}
        return str(
            self._ec2.create_security_group(GroupName=name, Description="by hand", VpcId=self._vpc, **words)["GroupId"]
        )


def _marks(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}


def _shown(found: Mapping[str, Any], machines: tuple[str, ...]) -> ShownFirewall:
    tags = _marks(found)
    return ShownFirewall(found["GroupId"], found["GroupName"], tags.get(OWNER), machines, tags)
