"""What a person sees of networks in each cloud, and does to them there behind the operator's back."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from hybridge.core.identity import OWNER, read_notes
from hybridge.drivers.proxmox import aliases
from lab.aws import REGION, AwsCloud
from lab.bed import SimulatedCloud
from lab.process import LabError
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud
from lab.vsphere_networks import PortGroups

_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network as its cloud itself shows it.

    ``word``: what machines that are in it have among their networks; empty while they cannot be. ``owner``: the marker's.
    ``internet``: whether its route leads there; ``public``: whether machines get public addresses.
    """

    id: str
    name: str
    word: str
    owner: str
    vlan: int | None = None
    internet: bool = False
    public: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class NetworkPerson(ABC):
    """One cloud's networks."""

    #: Whether networks have tags.
    tags: ClassVar[bool] = True

    @abstractmethod
    def all(self) -> list[NetworkFacts]:
        """All of them."""

    @abstractmethod
    def make(self, name: str) -> str:
        """Makes one by hand, without any marker; its id."""

    @abstractmethod
    def destroy(self, network_id: str) -> None:
        """Destroys one in which nothing is, and all that was made with it. An error of the lab or the cloud otherwise."""

    @abstractmethod
    def rename(self, network_id: str, name: str) -> None:
        """Gives one another name."""

    @abstractmethod
    def tag(self, network_id: str, key: str, value: str) -> None:
        """Sets a tag, where networks have tags."""

    @abstractmethod
    def spoil(self, network_id: str) -> None:
        """Takes its route to the internet from one that has it, or gives it another VLAN."""

    @abstractmethod
    def rich(self) -> Mapping[str, Any]:
        """What a spec says of one that has all that the cloud can give it: no other one can have the same."""

    @abstractmethod
    def retuned(self) -> Mapping[str, Any]:
        """Other values of that."""

    def get(self, network_id: str) -> NetworkFacts | None:
        """The one of this id."""
        return next((one for one in self.all() if one.id == network_id), None)


class AwsNetworkPerson(NetworkPerson):
    """Subnets, and VPCs that were made for one each."""

    def __init__(self, cloud: AwsCloud) -> None:
        self._aws = cloud
        self._ec2 = cloud.client()

    def all(self) -> list[NetworkFacts]:
        subnets, tables = self._ec2.describe_subnets()["Subnets"], self._ec2.describe_route_tables()["RouteTables"]
        found = []
        for vpc in self._ec2.describe_vpcs()["Vpcs"]:
            owner = _pairs(vpc).get(OWNER, "")
            inside = [one for one in subnets if one["VpcId"] == vpc["VpcId"]]
            own = [one for one in inside if owner and _pairs(one).get(OWNER) == owner]
            if owner:
                found.append(_subnet(vpc["VpcId"], vpc, next(iter(own), None), tables))
            found += [_subnet(one["SubnetId"], one, one, tables) for one in inside if one not in own]
        return found

    def make(self, name: str) -> str:
        vpc = self._ec2.describe_subnets(SubnetIds=[self._aws.subnets[0]])["Subnets"][0]["VpcId"]
        made = self._ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.64.{192 + next(_NUMBERS) % 64}.0/24",
            AvailabilityZone=f"{REGION}a",
            TagSpecifications=[{"ResourceType": "subnet", "Tags": [{"Key": "Name", "Value": name}]}],
        )
        return str(made["Subnet"]["SubnetId"])

    def destroy(self, network_id: str) -> None:
        if network_id.startswith("subnet-"):
            self._ec2.delete_subnet(SubnetId=network_id)
            return
        inside = [{"Name": "vpc-id", "Values": [network_id]}]
        for one in self._ec2.describe_subnets(Filters=inside)["Subnets"]:
            self._ec2.delete_subnet(SubnetId=one["SubnetId"])
        for table in self._ec2.describe_route_tables(Filters=inside)["RouteTables"]:
            if not any(one.get("Main") for one in table["Associations"]):
                self._ec2.delete_route_table(RouteTableId=table["RouteTableId"])
        attached = [{"Name": "attachment.vpc-id", "Values": [network_id]}]
        for one in self._ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]:
            self._ec2.detach_internet_gateway(InternetGatewayId=one["InternetGatewayId"], VpcId=network_id)
            self._ec2.delete_internet_gateway(InternetGatewayId=one["InternetGatewayId"])
        self._ec2.delete_vpc(VpcId=network_id)

    def rename(self, network_id: str, name: str) -> None:
        self.tag(network_id, "Name", name)

    def tag(self, network_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[network_id], Tags=[{"Key": key, "Value": value}])

    def spoil(self, network_id: str) -> None:
        inside = [{"Name": "vpc-id", "Values": [network_id]}]
        for table in self._ec2.describe_route_tables(Filters=inside)["RouteTables"]:
            if _reaches(table):
                self._ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")

    def rich(self) -> Mapping[str, Any]:
        options = {"vpcCIDR": "10.97.0.0/16", "zone": f"{REGION}a", "internet": True, "publicAddresses": True}
        return {"cidr": "10.97.7.0/24", "aws": options}

    def retuned(self) -> Mapping[str, Any]:
        return {"aws": {"internet": False, "publicAddresses": False}}


class ProxmoxNetworkPerson(NetworkPerson):
    """Vnets."""

    tags = False

    def __init__(self, cloud: ProxmoxCloud) -> None:
        self._sdn = cloud.sdn

    def all(self) -> list[NetworkFacts]:
        found = []
        for vnet, row in self._sdn.vnets().items():
            if row.get("state") == "deleted":
                continue
            written = {**row, **row.get("pending", {})}
            name, marker = aliases.read(str(written.get("alias", "")))
            tag = written.get("tag")
            word = "" if row.get("state") else vnet
            owner = marker.owner if marker else ""
            found.append(NetworkFacts(vnet, name, word, owner, int(tag) if tag is not None else None))
        return found

    def make(self, name: str) -> str:
        vnet = f"h{next(_NUMBERS)}"
        self._sdn.make(vnet, "plain", alias=name)
        self._sdn.apply()
        return vnet

    def destroy(self, network_id: str) -> None:
        self._sdn.remove(network_id)
        self._sdn.apply()

    def rename(self, network_id: str, name: str) -> None:
        _, marker = aliases.read(str(self._sdn.vnets()[network_id]["alias"]))
        self._sdn.change(network_id, alias=aliases.write(name, marker))
        self._sdn.apply()

    def tag(self, network_id: str, key: str, value: str) -> None:
        raise NotImplementedError

    def spoil(self, network_id: str) -> None:
        self._sdn.change(network_id, tag=4000 + next(_NUMBERS) % 90)
        self._sdn.apply()

    def rich(self) -> Mapping[str, Any]:
        number = next(_NUMBERS)
        return {"vlan": 200 + 2 * number, "proxmox": {"vnet": f"t{number}", "sdnZone": "shop"}}

    def retuned(self) -> Mapping[str, Any]:
        return {"vlan": 201 + 2 * next(_NUMBERS)}


class VsphereNetworkPerson(NetworkPerson):
    """Port groups."""

    def __init__(self, cloud: VsphereCloud) -> None:
        self._groups = cloud.port_groups

    def all(self) -> list[NetworkFacts]:
        return list(self._facts())

    def _facts(self) -> Iterator[NetworkFacts]:
        for one in self._groups.all():
            marker = read_notes(one.description)
            owner = marker.owner if marker else ""
            yield NetworkFacts(one.id, one.name, one.name, owner, one.vlan, tags=one.attributes)

    def make(self, name: str) -> str:
        return self._groups.create(name)

    def destroy(self, network_id: str) -> None:
        self._groups.destroy(network_id)

    def rename(self, network_id: str, name: str) -> None:
        self._groups.rename(network_id, name)

    def tag(self, network_id: str, key: str, value: str) -> None:
        self._groups.tag(network_id, key, value)

    def spoil(self, network_id: str) -> None:
        self._groups.set_vlan(network_id, 4000 + next(_NUMBERS) % 90)

    def rich(self) -> Mapping[str, Any]:
        return {"vlan": 7, "vsphere": {"switch": PortGroups.switch}}

    def retuned(self) -> Mapping[str, Any]:
        return {"vlan": 8}


def network_person(cloud: SimulatedCloud) -> NetworkPerson:
    """Who works with the networks of a cloud."""
    match cloud:
        case AwsCloud():
            return AwsNetworkPerson(cloud)
        case ProxmoxCloud():
            return ProxmoxNetworkPerson(cloud)
        case VsphereCloud():
            return VsphereNetworkPerson(cloud)
    raise TypeError(type(cloud).__name__)


def clear_away(person: NetworkPerson, network_id: str) -> None:
    """Destroys one, as far as it is there and nothing is in it."""
    with contextlib.suppress(LabError, ClientError):
        person.destroy(network_id)


def _subnet(
    known: str, shown: Mapping[str, Any], subnet: Mapping[str, Any] | None, tables: list[dict[str, Any]]
) -> NetworkFacts:
    """``shown`` has the name and the marker; ``subnet`` is what machines are in."""
    tags = _pairs(shown)
    word = str(subnet["SubnetId"]) if subnet else ""
    mine = (one for one in tables if any(at.get("SubnetId") == word for at in one["Associations"]))
    return NetworkFacts(
        id=known,
        name=tags.get("Name", ""),
        word=word,
        owner=tags.get(OWNER, ""),
        internet=any(map(_reaches, mine)),
        public=bool(subnet and subnet.get("MapPublicIpOnLaunch")),
        tags=tags,
    )


def _reaches(table: Mapping[str, Any]) -> bool:
    """Whether a route table leads to the internet."""
    return any(
        one.get("DestinationCidrBlock") == "0.0.0.0/0" and str(one.get("GatewayId", "")).startswith("igw-")
        for one in table["Routes"]
    )


def _pairs(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
