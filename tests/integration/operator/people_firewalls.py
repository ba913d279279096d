"""What a person sees of firewalls in each cloud that has them, and does to them there behind the operator's back."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, product
from typing import Any, ClassVar, NamedTuple

from botocore.exceptions import ClientError

from hybridge.core.identity import OWNER
from hybridge.drivers.proxmox import aliases
from lab.aws import AwsCloud
from lab.bed import SimulatedCloud
from lab.process import LabError
from lab.proxmox import ProxmoxCloud

_NUMBERS = count(1)
#: What a person allows by hand.
_BY_HAND = 2222
_ANYWHERE = "0.0.0.0/0"


class Allowed(NamedTuple):
    """One thing that is allowed, in the words of specs; ``ports``: "" for all."""

    direction: str
    protocol: str
    ports: str
    peer: str


@dataclass(frozen=True, slots=True)
class FirewallFacts:
    """A firewall as its cloud itself shows it. ``owner``: the marker's. ``machines``: ids of those that it protects."""

    id: str
    name: str
    owner: str
    allows: frozenset[Allowed]
    machines: frozenset[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class FirewallPerson(ABC):
    """One cloud's firewalls."""

    #: Whether firewalls have tags.
    tags: ClassVar[bool] = True
    #: Whether a person can give one another name.
    renames: ClassVar[bool] = False

    @abstractmethod
    def all(self) -> list[FirewallFacts]:
        """All of them."""

    @abstractmethod
    def make(self, name: str) -> str:
        """Makes one by hand, without any marker, which allows something; its id."""

    @abstractmethod
    def destroy(self, firewall_id: str) -> None:
        """Destroys one, whomever it protects. An error of the lab or the cloud when it cannot be."""

    @abstractmethod
    def allow(self, firewall_id: str) -> None:
        """Has it allow something more."""

    @abstractmethod
    def forbid(self, firewall_id: str) -> None:
        """Takes one of its rules away."""

    @abstractmethod
    def part(self, firewall_id: str, machine_id: str) -> None:
        """Takes it from a machine."""

    def rename(self, firewall_id: str, name: str) -> None:
        """Gives one another name, where there is such a thing."""
        raise NotImplementedError

    def tag(self, firewall_id: str, key: str, value: str) -> None:
        """Sets a tag, where firewalls have tags."""
        raise NotImplementedError

    def get(self, firewall_id: str) -> FirewallFacts | None:
        """The one of this id."""
        return next((one for one in self.all() if one.id == firewall_id), None)


class AwsFirewallPerson(FirewallPerson):
    """Security groups; those that each VPC has by itself are nobody's."""

    def __init__(self, cloud: AwsCloud) -> None:
        self._aws = cloud
        self._ec2 = cloud.client()

    def all(self) -> list[FirewallFacts]:
        having: dict[str, set[str]] = {}
        for nic in self._ec2.describe_network_interfaces()["NetworkInterfaces"]:
            for group in nic["Groups"]:
                if instance := nic.get("Attachment", {}).get("InstanceId"):
                    having.setdefault(group["GroupId"], set()).add(instance)
        return [
            _group(one, frozenset(having.get(one["GroupId"], ())))
            for one in self._ec2.describe_security_groups()["SecurityGroups"]
            if one["GroupName"] != "default"
        ]

    def make(self, name: str) -> str:
        vpc = self._ec2.describe_subnets(SubnetIds=[self._aws.subnets[0]])["Subnets"][0]["VpcId"]
        made = self._ec2.create_security_group(GroupName=name, Description="by hand", VpcId=vpc)["GroupId"]
        self.allow(made)
        return str(made)

    def destroy(self, firewall_id: str) -> None:
        for nic in self._ec2.describe_network_interfaces()["NetworkInterfaces"]:
            if any(group["GroupId"] == firewall_id for group in nic["Groups"]):
                self._take(nic, firewall_id)
        self._ec2.delete_security_group(GroupId=firewall_id)

    def allow(self, firewall_id: str) -> None:
        self._ec2.authorize_security_group_ingress(GroupId=firewall_id, IpPermissions=[_permission(_BY_HAND)])

    def forbid(self, firewall_id: str) -> None:
        (found,) = self._ec2.describe_security_groups(GroupIds=[firewall_id])["SecurityGroups"]
        self._ec2.revoke_security_group_ingress(GroupId=firewall_id, IpPermissions=found["IpPermissions"][:1])

    def part(self, firewall_id: str, machine_id: str) -> None:
        for nic in self._aws.interfaces(machine_id):
            self._take(nic, firewall_id)

    def tag(self, firewall_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[firewall_id], Tags=[{"Key": key, "Value": value}])

    def _take(self, nic: Mapping[str, Any], group: str) -> None:
        """An interface has one group at least."""
        kept = [one["GroupId"] for one in nic["Groups"] if one["GroupId"] != group] or [self._default(nic["VpcId"])]
        self._ec2.modify_network_interface_attribute(NetworkInterfaceId=nic["NetworkInterfaceId"], Groups=kept)

    def _default(self, vpc: str) -> str:
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
        return str(self._ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"])


class ProxmoxFirewallPerson(FirewallPerson):
    """Security groups of the datacenter."""

    tags = False
    renames = True

    def __init__(self, cloud: ProxmoxCloud) -> None:
        self._pve = cloud
        self._groups = cloud.firewalls

    def all(self) -> list[FirewallFacts]:
        protected: dict[str, set[str]] = {}
        for machine in self._pve.machines():
            nics = [str(word).split(",") for key, word in machine.config.items() if key.startswith("net")]
            if nics and not machine.template and all("firewall=1" in words for words in nics):
                for group in self._groups.protecting(machine.vmid):
                    protected.setdefault(group, set()).add(str(machine.vmid))
        found = []
        for group, comment in self._groups.groups().items():
            name, marker = aliases.read(comment)
            allows = frozenset(one for rule in self._groups.rules(group) for one in _rule(rule))
            machines = frozenset(protected.get(group, ()))
            found.append(FirewallFacts(group, name, marker.owner if marker else "", allows, machines))
        return found

    def make(self, name: str) -> str:
        group = f"by-hand-{next(_NUMBERS)}"
        self._groups.make(group, name)
        self.allow(group)
        return group

    def destroy(self, firewall_id: str) -> None:
        for machine in self._pve.machines():
            if not machine.template:
                self.part(firewall_id, str(machine.vmid))
        self._groups.destroy(firewall_id)

    def allow(self, firewall_id: str) -> None:
        words = {"proto": "tcp", "dport": str(_BY_HAND), "source": _ANYWHERE}
        self._groups.add(firewall_id, type="in", action="ACCEPT", enable=1, **words)

    def forbid(self, firewall_id: str) -> None:
        self._groups.remove(firewall_id, 0)

    def part(self, firewall_id: str, machine_id: str) -> None:
        self._groups.part(firewall_id, int(machine_id))

    def rename(self, firewall_id: str, name: str) -> None:
        _, marker = aliases.read(self._groups.groups()[firewall_id])
        self._groups.comment(firewall_id, aliases.write(name, marker))


def firewall_person(cloud: SimulatedCloud) -> FirewallPerson:
    """Who works with the firewalls of a cloud. TypeError where there are none."""
    match cloud:
        case AwsCloud():
            return AwsFirewallPerson(cloud)
        case ProxmoxCloud():
            return ProxmoxFirewallPerson(cloud)
    raise TypeError(type(cloud).__name__)


def clear_away(person: FirewallPerson, firewall_id: str) -> None:
    """Destroys one, as far as it is there."""
    with contextlib.suppress(LabError, ClientError):
        person.destroy(firewall_id)


def wanted(rules: Iterable[Mapping[str, Any]]) -> frozenset[Allowed]:
    """What rules of a spec allow, of those whose peers are given by their addresses."""
    found = []
    for rule in rules:
        ports = [_ports(one["from"], one.get("to", one["from"])) for one in rule.get("ports", [])] or [""]
        found += [
            Allowed(rule["direction"], rule["protocol"], some, peer)
            for some, peer in product(ports, rule.get("cidrs", []))
        ]
    return frozenset(found)


_PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmpv6": "ICMP", "ipv6-icmp": "ICMP", "-1": "Any", "": "Any"}


def _group(shown: Mapping[str, Any], machines: frozenset[str]) -> FirewallFacts:
    tags = {tag["Key"]: tag["Value"] for tag in shown.get("Tags", [])}
    sides = (("Ingress", shown["IpPermissions"]), ("Egress", shown["IpPermissionsEgress"]))
    allows = frozenset(one for direction, found in sides for words in found for one in _permitted(direction, words))
    return FirewallFacts(shown["GroupId"], shown["GroupName"], tags.get(OWNER, ""), allows, machines, tags)


def _permitted(direction: str, words: Mapping[str, Any]) -> Iterator[Allowed]:
    first, last, protocol = words.get("FromPort", -1), words.get("ToPort", -1), words["IpProtocol"]
    whole = first == -1 or (first, last) == (0, 65535) or "icmp" in protocol
    peers = [one["CidrIp"] for one in words.get("IpRanges", [])] + [
        one["CidrIpv6"] for one in words.get("Ipv6Ranges", [])
    ]
    for peer in peers:
        yield Allowed(direction, _PROTOCOLS.get(protocol, protocol), "" if whole else _ports(first, last), peer)


def _permission(port: int) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": _ANYWHERE}]}


def _rule(rule: Mapping[str, Any]) -> Iterator[Allowed]:
    if not int(rule.get("enable", 0)):
        return
    direction = {"in": "Ingress", "out": "Egress"}[rule["type"]]
    ports = str(rule.get("dport", "")).replace(":", "-")
    peers = str(rule.get("source" if direction == "Ingress" else "dest", _ANYWHERE))
    proto = str(rule.get("proto", ""))
    for peer in peers.split(","):
        yield Allowed(direction, _PROTOCOLS.get(proto, proto), ports, peer)


def _ports(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
