"""What EC2 shows, as the core's types. Pure; sizes become bytes here and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hybridge.core import machine as core
from hybridge.core.identity import PREFIX, Marker
from hybridge.core.machine import Address, Known, Machine, Port, Power
from hybridge.drivers.aws.offers import GIB, InstanceType

#: Tag that holds the name of a machine, so it is none of the user's.
NAME = "Name"

#: Start of the tags that AWS itself sets and nobody can change.
RESERVED = "aws:"

#: Characters of the longest description.
_LONGEST = 255

#: Tag of an instance whose interfaces are being changed (``interfaces`` says how it is used).
JOURNAL = f"{PREFIX}interfaces"

#: How the interfaces are described that the VPC CNI plugin of Kubernetes gives an instance for its pods.
_FOR_PODS = "aws-K8S-"

_POWER = {
    "pending": Power.STARTING,
    "running": Power.RUNNING,
    "stopping": Power.STOPPING,
    "stopped": Power.STOPPED,
    "shutting-down": Power.STOPPING,
    "terminated": Power.GONE,
}

#: State from which there is no way back: whoever plans has to wait until the instance is gone.
_ENDING = "shutting-down"


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet of some VPC; ``default`` when EC2 itself would take it in its zone. ``free``: addresses nobody has."""

    id: str
    name: str
    zone: str
    default: bool
    vpc: str = ""
    free: int = 0


@dataclass(frozen=True, slots=True)
class Disk:
    """An EBS volume: bytes, and its type where it is known."""

    size: int
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of an instance. ``index``: the network card, and the place on it. ``goes``: it is deleted with
    its instance. ``leaves``: it is being detached.
    """

    id: str
    attachment: str
    index: tuple[int, int]
    subnet: str
    mac: str | None
    groups: tuple[str, ...]
    goes: bool
    leaves: bool


@dataclass(frozen=True, slots=True)
class Attached:
    """An EBS volume at an instance, and its state there: ``attaching``, ``attached`` or ``detaching``. ``goes``: it is
    deleted with its instance.
    """

    volume: str
    device: str
    state: str
    goes: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What an instance shows of the other fields of a spec. ``profile`` is an ARN; ``groups`` are the distinct sets of
    security groups of its interfaces, each sorted and joined by commas; empty while none is known.
    """

    zone: str | None
    key: str | None
    profile: str | None
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance's machine, without what only other calls tell: names of its subnets, sizes of its type, its root disk."""

    machine: Machine
    root_volume: str | None
    attached: tuple[Attached, ...]
    cpus: int | None
    interfaces: tuple[Interface, ...] | None
    journal: str
    facts: Facts

    @property
    def subnets(self) -> list[str]:
        """The ids of the subnets of its interfaces."""
        return [interface.subnet for interface in self.interfaces or ()]

    def complete(
        self, types: Mapping[str, InstanceType], root_disk: Disk | None, networks: Mapping[str, Known]
    ) -> Machine:
        """The machine with what is known besides. Its own CPU options come before the type's."""
        kind = types.get(self.machine.instance_type or "")
        return replace(
            self.machine,
            cpus=self.cpus or (kind.cpus if kind else None),
            memory=kind.memory if kind else None,
            root_disk=root_disk.size if root_disk else None,
            ports=self._ports(networks),
            settings=settings(self.facts, root_disk.kind if root_disk else None),
        )

    def _ports(self, networks: Mapping[str, Known]) -> tuple[Port, ...] | None:
        if self.interfaces is None:
            return None
        ports = tuple(Port(networks.get(nic.subnet) or (nic.subnet,), nic.mac) for nic in self.interfaces)
        return (*ports, UNFINISHED) if self.journal else ports


#: Stands among the ports of a machine whose interfaces were left half changed, so that the change is taken up again.
UNFINISHED = Port(("a change that has not ended",))


@lru_cache(maxsize=4096)
def settings(facts: Facts, root_class: str | None) -> Mapping[str, Known]:
    """``Machine.settings`` of an instance, shared by all that have the same."""
    shown: dict[str, Known] = {
        "aws.keyName": (facts.key,) if facts.key else (),
        "aws.iamInstanceProfile": profile_words(facts.profile) if facts.profile else (),
    }
    if facts.zone:
        shown["placement.zone"] = (facts.zone,)
    if facts.groups:
        # Interfaces that differ have no one value that a spec could ask for.
        shown["aws.securityGroupIDs"] = ("; ".join(facts.groups),)
    if root_class:
        shown["rootDisk.class"] = (root_class,)
    return shown


def profile_words(arn: str) -> Known:
    """Name and ARN of an instance profile."""
    return arn.rpartition("/")[2], arn


def power(state: str) -> Power:
    """The power state that an EC2 instance state means."""
    return _POWER.get(state, Power.UNKNOWN)


def lock(state: str) -> str | None:
    """What holds an instance in this state."""
    return "termination" if state == _ENDING else None


def pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    """EC2's list of tags as a mapping; keys are shared between machines."""
    return {sys.intern(tag["Key"]): tag.get("Value", "") for tag in tags}


def words(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping as EC2's list of tags."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def description(marker: Marker) -> str:
    """Whose something is, for people, as far as EC2 takes it: at most 255 characters."""
    return f"{marker.kind} {marker.namespace}/{marker.name}"[:_LONGEST]


#: States from which an instance does not come back.
_LAST = frozenset({"shutting-down", "terminated"})


def seen(instance: Mapping[str, Any]) -> Seen:
    """One instance of DescribeInstances or RunInstances."""
    tags = pairs(instance.get("Tags", []))
    state = instance.get("State", {}).get("Name", "")
    placement = instance.get("Placement", {})
    options = instance.get("CpuOptions", {})
    zone = _shared(placement.get("AvailabilityZone"))
    machine = Machine(
        id=instance["InstanceId"],
        name=tags.get(NAME, ""),
        power=power(state),
        marker=Marker.read(tags),
        instance_type=_shared(instance.get("InstanceType")),
        host=placement.get("HostId") or None,
        zone=zone,
        addresses=addresses(instance),
        tags={key: value for key, value in tags.items() if key != NAME and not key.startswith((PREFIX, RESERVED))},
        lock=lock(state),
        ended=instance.get("StateReason", {}).get("Message", "") if state in _LAST else "",
    )
    nics = interfaces(instance)
    disks, root = attached(instance), root_volume(instance)
    # A new instance may be shown before its disks are.
    known = bool(disks) or machine.power is not Power.STARTING
    groups = tuple(sorted({",".join(nic.groups) for nic in nics if nic.groups}))
    profile = instance.get("IamInstanceProfile", {}).get("Arn")
    return Seen(
        replace(machine, disks=tuple(core.Disk(one.volume, one.device) for one in disks if one.volume != root))
        if known
        else machine,
        root_volume=root,
        attached=disks,
        cpus=options.get("CoreCount", 0) * options.get("ThreadsPerCore", 1) or None,
        # A new instance may be shown before its interfaces are.
        interfaces=None if not nics and machine.power is Power.STARTING else nics,
        journal=tags.get(JOURNAL, ""),
        facts=Facts(zone, _shared(instance.get("KeyName")), _shared(profile), groups),
    )


def interfaces(instance: Mapping[str, Any]) -> tuple[Interface, ...]:
    """The interfaces of an instance in their order, without those that a service manages or that pods have."""
    found = [
        _interface(nic)
        for nic in instance.get("NetworkInterfaces", [])
        if not nic.get("Operator", {}).get("Managed") and not nic.get("Description", "").startswith(_FOR_PODS)
    ]
    return tuple(sorted(found, key=lambda nic: nic.index))


def _interface(nic: Mapping[str, Any]) -> Interface:
    attachment = nic.get("Attachment", {})
    mac = nic.get("MacAddress")
    return Interface(
        id=nic.get("NetworkInterfaceId", ""),
        attachment=attachment.get("AttachmentId", ""),
        index=(attachment.get("NetworkCardIndex", 0), attachment.get("DeviceIndex", 0)),
        subnet=sys.intern(nic.get("SubnetId", "")),
        mac=mac.lower() if mac else None,
        groups=tuple(sorted(sys.intern(group["GroupId"]) for group in nic.get("Groups", []))),
        goes=attachment.get("DeleteOnTermination", False),
        leaves=attachment.get("Status") == "detaching",
    )


def attached(instance: Mapping[str, Any]) -> tuple[Attached, ...]:
    """The EBS volumes of an instance, those included that are only being detached."""
    found = [(one["DeviceName"], one.get("Ebs", {})) for one in instance.get("BlockDeviceMappings", [])]
    return tuple(
        Attached(ebs["VolumeId"], sys.intern(device), state, ebs.get("DeleteOnTermination", False))
        for device, ebs in found
        if "VolumeId" in ebs and (state := sys.intern(ebs.get("Status", "attached"))) != "detached"
    )


def root_volume(instance: Mapping[str, Any]) -> str | None:
    """The id of the EBS volume that an instance boots from; None while it has none."""
    device = instance.get("RootDeviceName")
    attached = instance.get("BlockDeviceMappings", [])
    found = (mapping.get("Ebs", {}).get("VolumeId") for mapping in attached if mapping.get("DeviceName") == device)
    return next(found, None)


def addresses(instance: Mapping[str, Any]) -> tuple[Address, ...]:
    """All addresses, those of the first interface first, each once."""
    found: dict[tuple[str, str | None], None] = {
        ("InternalIP", instance.get("PrivateIpAddress")): None,
        ("ExternalIP", instance.get("PublicIpAddress")): None,
    }
    for interface in instance.get("NetworkInterfaces", []):
        for private in interface.get("PrivateIpAddresses", []):
            found["InternalIP", private.get("PrivateIpAddress")] = None
            found["ExternalIP", private.get("Association", {}).get("PublicIp")] = None
        for six in interface.get("Ipv6Addresses", []):
            found["InternalIP", six.get("Ipv6Address")] = None
    found["Hostname", instance.get("PrivateDnsName")] = None
    return tuple(Address(kind, address) for kind, address in found if address)


def disk(volume: Mapping[str, Any]) -> Disk:
    """One volume of DescribeVolumes."""
    return _disk(volume.get("Size", 0), volume.get("VolumeType"))


@lru_cache(maxsize=1024)
def _disk(gibibytes: int, kind: str | None) -> Disk:
    """Disks that are alike are one."""
    return Disk(gibibytes * GIB, kind)


def subnet(found: Mapping[str, Any]) -> Subnet:
    """One subnet of DescribeSubnets."""
    name = pairs(found.get("Tags", [])).get(NAME, "")
    return Subnet(
        id=found["SubnetId"],
        name=name,
        zone=found.get("AvailabilityZone", ""),
        default=found.get("DefaultForAz", False),
        vpc=found.get("VpcId", ""),
        free=found.get("AvailableIpAddressCount", 0),
    )


def _shared(text: str | None) -> str | None:
    return sys.intern(text) if text else None
