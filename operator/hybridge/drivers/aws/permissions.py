"""Which permissions the account lacks for what this driver does: dry runs, which EC2 judges without doing anything.

Source: EC2 API Reference, "DryRun": ``DryRunOperation`` is the answer to who may, ``UnauthorizedOperation`` to who may
not. A policy may allow changes only of instances that carry our marker (the shipped one does), so those are tried on such
an instance; while there is none, a refusal says nothing, and the check is not complete. The calls that give an instance
another profile know no dry run (and ``iam:PassRole`` comes with them): they are named when a machine needs them.

What answers in EC2's place may not know dry runs. So the harmless calls come first, and the first that is not answered as
a dry run ends the check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from hybridge.core.errors import CloudError, Throttled, Unreachable
from hybridge.core.identity import OWNER, PREFIX
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch, mapping
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.machines import instances
from hybridge.drivers.aws.mapping import Interface, Seen
from hybridge.drivers.base import Right

#: Fewest items that a page may have.
_PAGE = 5
#: States of an instance that can be changed.
_ALIVE = ("pending", "running", "stopping", "stopped")
#: What a well-formed id that nothing has ends with.
_NONE = "00000000000000000"
_ANY_TYPE = "t3.micro"

_ACTION = re.compile(r"not authorized to perform:\s*([\w-]+:\w+)")


@dataclass(frozen=True, slots=True)
class Lacking:
    """What is missing for the life of machines, and for features; ``proven`` is False when not all could be tried."""

    missing: tuple[Right, ...]
    optional: tuple[Right, ...]
    proven: bool


@dataclass(frozen=True, slots=True)
class _Probe:
    """A call to try, what it is for, whether only a feature needs it, and whether it is about something of ours.

    ``dry``: False for a read that knows no dry run, and is made.
    """

    operation: str
    purpose: str
    words: Mapping[str, Any] = field(default_factory=dict)
    feature: bool = False
    ours: bool = False
    dry: bool = True


class _NoDryRun(Exception):
    """A dry run was answered as if it were none."""


def check(client: Client, network: str | None) -> Lacking:
    """Some 46 requests, none of which changes anything. ``network``: the subnet that machines get by default.

    Raises CloudError; NOT_PERMITTED when instances may not even be listed.
    """
    machine = _marked(client)
    missing: dict[str, Right] = {}
    optional: dict[str, Right] = {}
    proven = machine is not None
    try:
        for probe in (*_READS, *_changes(client, machine, _image(client), network)):
            denied = _denied(client, probe)
            if denied and (machine is not None or not probe.ours):
                (optional if probe.feature else missing).setdefault(denied, Right(denied, "", probe.purpose))
    except _NoDryRun:
        proven = False
    only = tuple(right for name, right in optional.items() if name not in missing)
    return Lacking(tuple(missing.values()), only, proven)


def _marked(client: Client) -> Seen | None:
    """An instance that carries a marker, if there is one: also the proof that instances may be listed."""
    filters = [{"Name": "tag-key", "Values": [OWNER]}, {"Name": "instance-state-name", "Values": list(_ALIVE)}]
    answer = client.call("DescribeInstances", MaxResults=_PAGE, Filters=filters)
    return next(iter(instances(answer.get("Reservations", []))), None)


def _image(client: Client) -> str:
    """An image of the account's own to try a launch with. Whether images may be read is tried like all others."""
    try:
        found = client.call("DescribeImages", Owners=["self"], MaxResults=_PAGE).get("Images", [])
    except CloudError as error:
        if error.reason is not Reason.NOT_PERMITTED:
            raise
        found = []
    return str(found[0]["ImageId"]) if found else f"ami-{_NONE}"


def _disk(client: Client) -> str | None:
    """A volume that carries a marker, if there is one: with others the shipped policy allows nothing."""
    filters = [{"Name": "tag-key", "Values": [OWNER]}, {"Name": "status", "Values": ["in-use", "available"]}]
    try:
        found = client.call("DescribeVolumes", MaxResults=_PAGE, Filters=filters)["Volumes"]
    except CloudError as error:
        if error.reason is not Reason.NOT_PERMITTED:
            raise
        found = []
    return str(found[0]["VolumeId"]) if found else None


_READS = (
    _Probe("DescribeInstanceTypes", "choosing instance types"),
    _Probe("DescribeImages", "finding images"),
    _Probe("DescribeSubnets", "finding networks"),
    _Probe("DescribeVolumes", "seeing disks"),
    _Probe("DescribeVolumesModifications", "changing volumes", feature=True),
    _Probe("DescribeNetworkInterfaces", "deleting and detaching machines"),
    _Probe("DescribeVpcs", "networks", feature=True),
    _Probe("DescribeRouteTables", "networks", feature=True),
    _Probe("DescribeInternetGateways", "networks", feature=True),
    _Probe("DescribeSecurityGroups", "firewalls", feature=True),
    _Probe("DescribeSnapshots", "snapshots and images", feature=True),
    _Probe("DescribeImportImageTasks", "importing images", feature=True),
    _Probe("DescribeAvailabilityZones", "choosing zones", feature=True),
    _Probe("DescribeInstanceTypeOfferings", "choosing zones", {"LocationType": "availability-zone"}, feature=True),
    _Probe("DescribeIamInstanceProfileAssociations", "changing instance profiles", feature=True, dry=False),
)


def _changes(client: Client, machine: Seen | None, image: str, network: str | None) -> Iterator[_Probe]:
    """From the most harmless to the least, should one be taken for the real call all the same."""
    seen = machine.machine if machine else None
    instance = seen.id if seen else f"i-{_NONE}"
    kind = (seen.instance_type if seen else None) or _ANY_TYPE
    volume = (machine.root_volume if machine else None) or f"vol-{_NONE}"
    tags = mapping.words(seen.marker.pairs() if seen and seen.marker else {OWNER: ""})
    subnet = network if network and network.startswith("subnet-") else None
    yield _ours("CreateTags", "marking and tagging", Resources=[instance], Tags=tags)
    yield _ours("DeleteTags", "detaching machines", Resources=[instance], Tags=[{"Key": f"{PREFIX}no-such-tag"}])
    yield _ours("ModifyInstanceAttribute", "changing sizes", InstanceId=instance, InstanceType={"Value": kind})
    yield _ours("ModifyVolume", "growing disks", VolumeId=volume, Size=1)
    if nic := next(iter(machine.interfaces or ()), None) if machine else None:
        yield from _interfaces(instance, nic)
        subnet = subnet or nic.subnet
    if machine and machine.facts.zone:
        yield from _volumes(instance, machine.facts.zone, _disk(client))
    yield from _networks()
    yield from _images(instance, image)
    yield from _firewalls()
    yield from _snapshots(instance, volume)
    yield _ours("StartInstances", "starting machines", InstanceIds=[instance])
    yield _Probe("RunInstances", "making machines", _launch(image, kind, subnet))
    yield _ours("StopInstances", "stopping machines", InstanceIds=[instance])
    yield _ours("TerminateInstances", "deleting machines", InstanceIds=[instance])


def _ours(operation: str, purpose: str, *, feature: bool = False, **words: Any) -> _Probe:
    return _Probe(operation, purpose, words, feature=feature, ours=True)


def _interfaces(instance: str, nic: Interface) -> Iterator[_Probe]:
    """With the first interface of an instance, which EC2 neither detaches nor deletes."""
    name, why = {"NetworkInterfaceId": nic.id}, "changing networks"
    groups = "changing networks and security groups"
    tags = [{"ResourceType": "network-interface", "Tags": mapping.words({OWNER: "permissions"})}]
    yield _ours("ModifyNetworkInterfaceAttribute", groups, feature=True, **name, Groups=[*nic.groups])
    yield _ours("AttachNetworkInterface", why, feature=True, **name, InstanceId=instance, DeviceIndex=15)
    yield _ours("DetachNetworkInterface", why, feature=True, AttachmentId=nic.attachment)
    yield _ours("DeleteNetworkInterface", why, feature=True, **name)
    yield _ours("CreateNetworkInterface", why, feature=True, SubnetId=nic.subnet, TagSpecifications=tags)


def _volumes(instance: str, zone: str, volume: str | None) -> Iterator[_Probe]:
    """EC2 deletes no volume that an instance has, and attaches none twice; the disk that a machine boots from stays."""
    tags = [{"ResourceType": "volume", "Tags": mapping.words({OWNER: "permissions"})}]
    if volume:
        pair = {"InstanceId": instance, "VolumeId": volume}
        yield _ours("AttachVolume", "attaching volumes", feature=True, **pair, Device="/dev/sdf")
        yield _ours("DetachVolume", "detaching volumes", feature=True, **pair)
        yield _ours("DeleteVolume", "deleting volumes", feature=True, VolumeId=volume)
    words = {"AvailabilityZone": zone, "Size": 1, "TagSpecifications": tags}
    yield _ours("CreateVolume", "making volumes", feature=True, **words)


def _networks() -> Iterator[_Probe]:
    """In a VPC that nothing has. What changes networks the shipped policy allows on marked ones alone: it is not tried."""
    for operation, kind, words in (
        ("CreateSubnet", "subnet", {"VpcId": f"vpc-{_NONE}", "CidrBlock": "10.0.0.0/28"}),
        ("CreateRouteTable", "route-table", {"VpcId": f"vpc-{_NONE}"}),
        ("CreateInternetGateway", "internet-gateway", {}),
        ("CreateVpc", "vpc", {"CidrBlock": "10.0.0.0/28"}),
    ):
        tags = [{"ResourceType": kind, "Tags": mapping.words({OWNER: "permissions"})}]
        yield _Probe(operation, "making networks", {**words, "TagSpecifications": tags}, feature=True)


def _images(instance: str, image: str) -> Iterator[_Probe]:
    """What takes them away is allowed on marked ones alone: it is not tried."""
    marks = mapping.words({OWNER: "permissions"})
    tags = [{"ResourceType": kind, "Tags": marks} for kind in ("image", "snapshot")]
    source, name = {"SourceImageId": image, "SourceRegion": "us-east-1"}, "hybridge-permissions"
    disk = {"Format": "raw", "UserBucket": {"S3Bucket": name, "S3Key": "none"}}
    task = [{"ResourceType": "import-image-task", "Tags": marks}]
    made = "making images"
    yield _Probe("DescribeImageAttribute", "images", {"ImageId": image, "Attribute": "description"}, feature=True)
    yield _Probe("ImportImage", made, {"DiskContainers": [disk], "TagSpecifications": task}, feature=True)
    yield _Probe("CopyImage", made, {**source, "Name": name, "TagSpecifications": tags}, feature=True)
    yield _Probe("RegisterImage", made, {**_registered(name), "TagSpecifications": tags[:1]}, feature=True)
    words = {"InstanceId": instance, "Name": name, "NoReboot": True, "TagSpecifications": tags}
    yield _ours("CreateImage", made, feature=True, **words)


def _registered(name: str) -> Mapping[str, Any]:
    """An image of a snapshot that nobody has."""
    device = "/dev/xvda"
    disk = {"DeviceName": device, "Ebs": {"SnapshotId": f"snap-{_NONE}"}}
    boot = {"Architecture": "x86_64", "VirtualizationType": "hvm", "RootDeviceName": device}
    return {**boot, "Name": name, "BlockDeviceMappings": [disk]}


def _firewalls() -> Iterator[_Probe]:
    """In a VPC that nothing has; changes are allowed on marked ones alone, and are not tried."""
    tags = [{"ResourceType": "security-group", "Tags": mapping.words({OWNER: "permissions"})}]
    words = {"GroupName": "hybridge-permissions", "Description": "a dry run", "VpcId": f"vpc-{_NONE}"}
    yield _Probe("CreateSecurityGroup", "making firewalls", {**words, "TagSpecifications": tags}, feature=True)


def _snapshots(instance: str, volume: str) -> Iterator[_Probe]:
    marks = {"TagSpecifications": [{"ResourceType": "snapshot", "Tags": mapping.words({OWNER: "permissions"})}]}
    yield _ours("CreateSnapshot", "taking snapshots", feature=True, VolumeId=volume, **marks)
    words = {"InstanceSpecification": {"InstanceId": instance}, **marks}
    yield _ours("CreateSnapshots", "taking snapshots", feature=True, **words)


def _launch(image: str, kind: str, subnet: str | None) -> Mapping[str, Any]:
    """A launch that is tagged as ours are, so that the permission to tag counts too."""
    tags = mapping.words({OWNER: "permissions"})
    return {
        "ImageId": image,
        "InstanceType": kind,
        "MinCount": 1,
        "MaxCount": 1,
        "MetadataOptions": {"HttpTokens": "required"},
        "TagSpecifications": [{"ResourceType": resource, "Tags": tags} for resource in launch.MARKED],
        **({"SubnetId": subnet} if subnet else {}),
    }


def _denied(client: Client, probe: _Probe) -> str | None:
    """The action that is denied; None when the call is allowed, or the answer does not say."""
    try:
        client.call(probe.operation, **probe.words, **({"DryRun": True} if probe.dry else {}))
    except (Unreachable, Throttled):
        raise
    except CloudError as error:
        if error.reason is Reason.AUTHENTICATION_FAILED:
            raise
        return _named(probe, error)
    if probe.dry:
        raise _NoDryRun
    return None


def _named(probe: _Probe, error: CloudError) -> str | None:
    """The action that an error says is denied. Apart from where it is caught: what stands there in its stack must not know
    its cause by name, or all of it stays until the interpreter looks for cycles.
    """
    cause = error.__cause__
    if error.reason is not Reason.NOT_PERMITTED or not isinstance(cause, ClientError):
        return None
    named = _ACTION.search(cause.response.get("Error", {}).get("Message", ""))
    return named.group(1) if named else f"ec2:{probe.operation}"
