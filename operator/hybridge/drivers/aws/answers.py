"""Reading answers of EC2 and STS: the one place where it is decided what passes for one.

By the same model as botocore reads them, into the same values, but without its trust: what is no XML, of another form than
the model says, or lacks what every such answer has, is no answer. So whoever works with the values need not doubt them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import XML, Element, ParseError
from xml.sax.saxutils import escape

from botocore.model import ListShape, OperationModel, Shape, StructureShape

#: Makes a value as botocore would of an element. Raises ValueError.
Convert = Callable[[Element], Any]

_DOCTYPE = b"<!DOCTYPE"
#: What every value of a structure has, with something in it where it is a text. Source: EC2 and STS API References.
_ESSENTIAL: Mapping[str, tuple[str, ...]] = {
    "AssociateIamInstanceProfileResult": ("IamInstanceProfileAssociation",),
    "AssumeRoleResponse": ("Credentials",),
    "AttachNetworkInterfaceResult": ("AttachmentId",),
    "AvailabilityZone": ("ZoneName",),
    "BlockDeviceMapping": ("DeviceName",),
    "CopyImageResult": ("ImageId",),
    "CreateImageResult": ("ImageId",),
    "CreateInternetGatewayResult": ("InternetGateway",),
    "CreateNetworkInterfaceResult": ("NetworkInterface",),
    "CreateRouteTableResult": ("RouteTable",),
    "CreateSecurityGroupResult": ("GroupId",),
    "CreateSnapshotsResult": ("Snapshots",),
    "CreateSubnetResult": ("Subnet",),
    "CreateVpcResult": ("Vpc",),
    "Credentials": ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"),
    "DeleteSnapshotReturnCode": ("ReturnCode", "SnapshotId"),
    "DescribeAvailabilityZonesResult": ("AvailabilityZones",),
    "DescribeIamInstanceProfileAssociationsResult": ("IamInstanceProfileAssociations",),
    "DescribeImagesResult": ("Images",),
    "DescribeImportImageTasksResult": ("ImportImageTasks",),
    "DescribeInstanceTypeOfferingsResult": ("InstanceTypeOfferings",),
    "DescribeInstanceTypesResult": ("InstanceTypes",),
    "DescribeInstancesResult": ("Reservations",),
    "DescribeInternetGatewaysResult": ("InternetGateways",),
    "DescribeNetworkInterfacesResult": ("NetworkInterfaces",),
    "DescribeRouteTablesResult": ("RouteTables",),
    "DescribeSecurityGroupsResult": ("SecurityGroups",),
    "DescribeSnapshotsResult": ("Snapshots",),
    "DescribeSubnetsResult": ("Subnets",),
    "DescribeVolumesModificationsResult": ("VolumesModifications",),
    "DescribeVolumesResult": ("Volumes",),
    "DescribeVpcsResult": ("Vpcs",),
    "GetCallerIdentityResponse": ("Account", "Arn"),
    "GroupIdentifier": ("GroupId",),
    "IamInstanceProfileAssociation": ("AssociationId", "IamInstanceProfile"),
    "IamInstanceProfile": ("Arn",),
    "Image": ("ImageId", "State"),
    "ImportImageResult": ("ImportTaskId",),
    "ImportImageTask": ("ImportTaskId",),
    "Instance": ("InstanceId", "State"),
    "InstanceNetworkInterface": ("NetworkInterfaceId",),
    "InstanceState": ("Name",),
    "InstanceStateChange": ("CurrentState", "InstanceId"),
    "InstanceTypeInfo": ("InstanceType", "MemoryInfo", "VCpuInfo"),
    "InstanceTypeOffering": ("Location",),
    "IpPermission": ("IpProtocol",),
    "InternetGateway": ("InternetGatewayId",),
    "MemoryInfo": ("SizeInMiB",),
    "NetworkInterface": ("NetworkInterfaceId",),
    "RegisterImageResult": ("ImageId",),
    "ReplaceIamInstanceProfileAssociationResult": ("IamInstanceProfileAssociation",),
    "Reservation": ("Instances",),
    "RouteTable": ("RouteTableId", "VpcId"),
    "RouteTableAssociation": ("RouteTableAssociationId",),
    "SecurityGroup": ("GroupId", "GroupName", "VpcId"),
    "Snapshot": ("SnapshotId", "State"),
    "SnapshotInfo": ("SnapshotId", "State"),
    "StartInstancesResult": ("StartingInstances",),
    "StopInstancesResult": ("StoppingInstances",),
    "Subnet": ("AvailabilityZone", "CidrBlock", "State", "SubnetId", "VpcId"),
    "Tag": ("Key",),
    "TerminateInstancesResult": ("TerminatingInstances",),
    "VCpuInfo": ("DefaultVCpus",),
    "Volume": ("AvailabilityZone", "Size", "State", "VolumeId"),
    "VolumeAttachment": ("State",),
    "VolumeModification": ("ModificationState", "StartTime", "VolumeId"),
    "Vpc": ("CidrBlock", "State", "VpcId"),
}
#: What is read of an error.
_TOLD = ("Code", "Message")
#: Characters of the longest text that is read: a token of a page, or of a session.
_LONGEST = 16 * 1024
#: Nothing that is read can be less than none.
_LARGEST = {"integer": 2**31, "long": 2**53}
#: Structures in whose numbers -1 stands for all.
_ALL_BY_MINUS_ONE = frozenset({"IpPermission"})
#: How names are written that are given back to EC2 in requests.
_NAME = re.compile(r"[!-~]{1,255}")


def document(content: bytes) -> Element:
    """The root of an answer, all names without their namespace. Raises ParseError for what is no XML, or defines entities
    (EC2 has none: with them a short answer could be made to fill all memory).
    """
    if _DOCTYPE in content:
        raise ParseError("a document type was not expected")
    root = XML(content)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def refusal(content: bytes) -> bytes:
    """An answer that is an error, with its code and words and nothing else; empty when it has none."""
    try:
        error = document(content).find(".//Error")
        told = (
            {} if error is None else {name: _text(child) for name in _TOLD if (child := error.find(name)) is not None}
        )
    except (ParseError, ValueError):
        return b""
    if not told.get("Code"):
        return b""
    # botocore makes nothing of what is there and empty, where everybody expects a text.
    inside = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in told.items() if text)
    # EC2 has its errors in a list, STS has one.
    return f"<Response><Errors><Error>{inside}</Error></Errors><Error>{inside}</Error></Response>".encode()


def reader(operation: OperationModel) -> Callable[[bytes], dict[str, Any]]:
    """What reads the answers of an operation. Raises ParseError and ValueError for what passes for none."""
    shape = operation.output_shape
    convert = converter(shape) if isinstance(shape, StructureShape) else None
    wrapper = str(shape.serialization.get("resultWrapper", "")) if shape is not None else ""
    wanted = f"{operation.name}Response"

    def read(content: bytes) -> dict[str, Any]:
        root = document(content)
        if root.tag != wanted:
            raise ValueError(f"it is no {wanted}")
        if convert is None:
            return {}
        inside = root.find(wrapper) if wrapper else root
        if inside is None:
            raise ValueError(f"it has no {wrapper}")
        answer: dict[str, Any] = convert(inside)
        return answer

    return read


def converter(shape: Shape, least: int = 0) -> Convert:
    """What reads elements of this shape, as EC2's protocol writes them. Members that the model lacks are passed over.

    ``least``: the smallest number.
    """
    if isinstance(shape, StructureShape):
        return _structure(shape)
    if isinstance(shape, ListShape):
        return _list(converter(shape.member))
    if shape.type_name in _LARGEST:
        return _whole(_LARGEST[shape.type_name], least)
    return _SCALARS[shape.type_name]


def _structure(shape: StructureShape) -> Convert:
    essential = _ESSENTIAL.get(shape.name, ())
    least = -1 if shape.name in _ALL_BY_MINUS_ONE else 0
    members = {
        str(member.serialization.get("name", name)): (name, converter(member, least))
        for name, member in shape.members.items()
    }
    names = [name for name in essential if shape.members[name].type_name == "string"]

    def convert(element: Element) -> dict[str, Any]:
        _hold_no_text(element)
        found = {known[0]: known[1](child) for child in element if (known := members.get(child.tag)) is not None}
        for name in essential:
            if name not in found:
                raise ValueError(f"a {shape.name} has no {name}")
        for name in names:
            if not _fits(shape.name, found[name]):
                raise ValueError(f"the {name} of a {shape.name} is no name")
        return found

    return convert


def _fits(kind: str, name: str) -> bool:
    """Keys of tags are people's words, all other names are EC2's."""
    return kind == "Tag" or _NAME.fullmatch(name) is not None or (kind == "Credentials" and bool(name))


def _list(entry: Convert) -> Convert:
    def convert(element: Element) -> list[Any]:
        _hold_no_text(element)
        return [entry(child) for child in element]

    return convert


def _hold_no_text(element: Element) -> None:
    if element.text and not element.text.isspace():
        raise ValueError(f"{element.tag} holds a text")


def _text(element: Element) -> str:
    text = element.text or ""
    if len(element):
        raise ValueError(f"{element.tag} is no text")
    if len(text) > _LONGEST:
        raise ValueError(f"{element.tag} is longer than {_LONGEST} characters")
    return text


def _whole(largest: int, least: int) -> Convert:
    def convert(element: Element) -> int:
        number = int(_text(element) or 0)
        if not least <= number < largest:
            raise ValueError(f"{element.tag} is out of range")
        return number

    return convert


def _truth(element: Element) -> bool:
    text = _text(element).lower()
    if text not in {"true", "false", ""}:
        raise ValueError(f"{element.tag} is neither true nor false")
    return text == "true"


_SCALARS: dict[str, Convert] = {
    "string": _text,
    "boolean": _truth,
    "timestamp": lambda element: datetime.fromisoformat(_text(element)),
}
