"""What a machine's spec means in the words of RunInstances. Pure; the words are what an intent keeps on record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.cloudinit import render
from hybridge.core.errors import Refused
from hybridge.core.identity import PREFIX, Marker
from hybridge.core.machine import MachineSpec, Nic
from hybridge.core.managed import ManagedSpec
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes
from hybridge.drivers.aws import mapping
from hybridge.drivers.aws.mapping import Disk
from hybridge.drivers.aws.offers import GIB, Image

#: Options of ``spec.aws`` and placements that EC2 has.
OPTIONS = frozenset({"instanceType", "iamInstanceProfile", "securityGroupIDs", "keyName"})
PLACEMENTS = frozenset({"zone"})

#: What RunInstances makes and marks.
MARKED = ("instance", "volume", "network-interface")

#: Values of an option that ask for nothing.
NOTHING: tuple[object, ...] = (None, "", [], (), {})

#: EC2 takes so many bytes of user data, before base64.
MOST_USER_DATA = 16_384

#: Key of the intent's parameters that holds the user's tags; every other one is a word of RunInstances.
TAGS = "Tags"


def check(spec: MachineSpec) -> None:
    """Refused when the spec asks for what EC2 does not have; it names the field."""
    check_known("spec.aws", spec.options, OPTIONS)
    check_known("spec.placement", spec.placement, PLACEMENTS)
    check_tags(spec)
    for nic in spec.networks:
        if nic.mac:
            raise Refused(Reason.UNSUPPORTED, f"spec.networks[{nic.name}].mac: EC2 chooses MAC addresses itself")
        if len(nic.addresses) > 1:
            raise Refused(Reason.UNSUPPORTED, f"spec.networks[{nic.name}].addresses: only one can be chosen on EC2")
        for address in nic.addresses:
            _private(nic.name, address)
        if nic.gateways or nic.nameservers:
            field = "gateways" if nic.gateways else "nameservers"
            raise Refused(Reason.UNSUPPORTED, f"spec.networks[{nic.name}].{field}: EC2 tells machines its own")
    user_data(spec, spec.name, spec.name)


def normal(spec: MachineSpec) -> MachineSpec:
    """The spec as EC2 would show it back."""
    options = {key: value for key, value in spec.options.items() if value not in NOTHING}
    if groups := options.get("securityGroupIDs"):
        assert isinstance(groups, list | tuple)
        options["securityGroupIDs"] = [*dict.fromkeys(groups)]
    size = whole(spec.root_disk) if spec.root_disk else None
    return replace(spec, options=options, root_disk=size)


def check_known(where: str, given: Mapping[str, object], known: Collection[str]) -> None:
    """Refused when a part of a spec holds what EC2 does not have."""
    for key, value in given.items():
        if key not in known and value not in NOTHING:
            raise Refused(
                Reason.UNSUPPORTED, f"{where}.{key}: EC2 has no such thing (it has {', '.join(sorted(known))})"
            )


def check_tags(spec: MachineSpec | ManagedSpec) -> None:
    """Refused when ``spec.tags`` holds keys that are not the user's."""
    for key in spec.tags:
        if key == mapping.NAME:
            raise Refused(Reason.INVALID_SPEC, "spec.tags: Name holds the name on EC2; set spec.name")
        if key.startswith((PREFIX, mapping.RESERVED)):
            raise Refused(Reason.INVALID_SPEC, f"spec.tags: {key} is reserved")


def parameters(spec: MachineSpec, image: Image, instance_type: str, subnets: list[str]) -> dict[str, Any]:
    """The words of RunInstances but for the token, the marker and the user data, as JSON values.

    ``subnets``: an id for each of ``spec.networks``, or one that was chosen, or none. Refused (INVALID_SPEC,
    UNSUPPORTED) when the root disk cannot be as asked.
    """
    made: dict[str, Any] = {
        "ImageId": image.id,
        "InstanceType": instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "MetadataOptions": {"HttpTokens": "required"},
        TAGS: dict(spec.tags),
        **_disks(spec, image),
        **_interfaces(spec, subnets),
    }
    if name := spec.options.get("keyName"):
        made["KeyName"] = name
    if profile := spec.options.get("iamInstanceProfile"):
        made["IamInstanceProfile"] = profile_named(str(profile))
    return made


def request(intent: Intent, spec: MachineSpec, marker: Marker) -> dict[str, Any]:
    """All words of RunInstances for this intent: the same every time, as its token demands."""
    made = dict(intent.parameters)
    given = made.pop(TAGS, {})
    assert isinstance(given, Mapping)
    tags = mapping.words({**given, mapping.NAME: intent.name, **marker.pairs()})
    made["TagSpecifications"] = [{"ResourceType": kind, "Tags": tags} for kind in MARKED]
    made["ClientToken"] = intent.token
    if text := user_data(spec, intent.uuid, intent.name):
        made["UserData"] = text  # botocore itself encodes it to base64
    return made


def root_disk(words: Mapping[str, Any]) -> Disk | None:
    """The root disk that these words of RunInstances ask for."""
    disks = words.get("BlockDeviceMappings", [])
    root = disks[0]["Ebs"] if disks else {}
    return Disk(root["VolumeSize"] * GIB, root.get("VolumeType")) if "VolumeSize" in root else None


def subnet(words: Mapping[str, Any]) -> str | None:
    """The id of the first subnet that these words of RunInstances ask for."""
    first = next(iter(words.get("NetworkInterfaces", [])), words)
    return first.get("SubnetId")


def profile_named(profile: str) -> dict[str, str]:
    """An instance profile by its name or ARN."""
    return {"Arn" if profile.startswith("arn:") else "Name": profile}


def user_data(spec: MachineSpec, instance_id: str, name: str) -> str:
    """What cloud-init reads, empty where it has nothing to do; more than EC2 takes is Refused (INVALID_SPEC)."""
    if not spec.cloud_init:
        return ""
    text = render(spec.cloud_init, instance_id=instance_id, name=name).user_data
    if (size := len(text.encode())) > MOST_USER_DATA:
        raise Refused(Reason.INVALID_SPEC, f"spec.cloudInit: {size} bytes; EC2 takes at most {MOST_USER_DATA}")
    return text


def private_address(nic: Nic) -> str:
    """The fixed address of an interface that has one, without the length of its network. Refused (UNSUPPORTED)."""
    return _private(nic.name, nic.addresses[0])


def whole(size: int) -> int:
    """``size`` in bytes, rounded up to whole GiB."""
    return gibibytes(size) * GIB


def gibibytes(size: int) -> int:
    """Whole GiB, rounded up: EBS knows no other sizes."""
    return -(-size // GIB)


def _private(nic: str, address: str) -> str:
    """The address alone of a CIDR."""
    text = address.partition("/")[0]
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise Refused(Reason.UNSUPPORTED, f"spec.networks[{nic}].addresses: {address} is no IPv4 address") from error


def _disks(spec: MachineSpec, image: Image) -> dict[str, Any]:
    """The image's disks, each to be destroyed with the machine (AMIs may say otherwise), the root's size as asked."""
    if not image.disks:
        if spec.root_disk or spec.root_disk_class:
            raise Refused(Reason.UNSUPPORTED, f"spec.rootDisk: the root of image {image.id} is no EBS volume")
        return {}
    if spec.root_disk and image.root_size and spec.root_disk < image.root_size:
        raise Refused(
            Reason.INVALID_SPEC,
            f"spec.rootDisk.size: {format_bytes(spec.root_disk)} is less than the {format_bytes(image.root_size)} that"
            f" image {image.name or image.id} needs",
        )
    disks: list[dict[str, Any]] = [
        {"DeviceName": device, "Ebs": {"DeleteOnTermination": True}} for device in image.disks
    ]
    root = disks[0]["Ebs"]
    if size := spec.root_disk or image.root_size:
        root["VolumeSize"] = gibibytes(size)
    if spec.root_disk_class:
        root["VolumeType"] = spec.root_disk_class
    return {"BlockDeviceMappings": disks, "InstanceInitiatedShutdownBehavior": "stop"}


def _interfaces(spec: MachineSpec, subnets: list[str]) -> dict[str, Any]:
    groups = spec.options.get("securityGroupIDs") or []
    assert isinstance(groups, list | tuple)
    if len(spec.networks) > 1:
        nics: list[dict[str, Any]] = []
        for index, (nic, subnet) in enumerate(zip(spec.networks, subnets, strict=True)):
            words: dict[str, Any] = {"DeviceIndex": index, "SubnetId": subnet, "DeleteOnTermination": True}
            if groups:
                words["Groups"] = list(groups)
            if nic.addresses:
                words["PrivateIpAddress"] = private_address(nic)
            nics.append(words)
        return {"NetworkInterfaces": nics}
    made: dict[str, Any] = {"SubnetId": subnets[0]} if subnets else {}
    if groups:
        made["SecurityGroupIds"] = list(groups)
    for nic in spec.networks:
        if nic.addresses:
            made["PrivateIpAddress"] = private_address(nic)
    return made
