"""The part of botocore's model of EC2 that this driver uses, and how it is cut out: ``python -m
hybridge.drivers.aws.subset``.

botocore's own model describes some 800 calls: loading it costs 28 MB and 0.2 s, and every answer is parsed into all of
its fields. The subset loads in milliseconds, and what the driver does not read is never parsed. The lists below are
therefore also the complete list of the calls that the driver makes (``docs/permissions/aws.json``).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore

#: Folder in the layout of botocore's data; it is searched before botocore's own.
DATA = Path(__file__).parent / "data"

MODEL = Path("ec2/2016-11-15/service-2.json")

#: Every call to EC2 that the driver makes.
OPERATIONS = (
    "AssociateIamInstanceProfile",
    "AttachNetworkInterface",
    "AttachVolume",
    "CreateNetworkInterface",
    "CreateTags",
    "CreateVolume",
    "DeleteNetworkInterface",
    "DeleteTags",
    "DeleteVolume",
    "DescribeAvailabilityZones",
    "DescribeIamInstanceProfileAssociations",
    "DescribeImages",
    "DescribeInstanceTypeOfferings",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "DescribeVolumes",
    "DescribeVolumesModifications",
    "DetachNetworkInterface",
    "DetachVolume",
    "ModifyInstanceAttribute",
    "ModifyNetworkInterfaceAttribute",
    "ModifyVolume",
    "ReplaceIamInstanceProfileAssociation",
    "RunInstances",
    "StartInstances",
    "StopInstances",
    "TerminateInstances",
)

_PAGED = ("Filters", "MaxResults", "NextToken")

#: Members of every request that has them: each may be tried without doing anything.
_EVERYWHERE = frozenset({"DryRun"})

#: Members of each structure that are sent or read. A structure that is not named here may not be reached.
MEMBERS: Mapping[str, tuple[str, ...]] = {
    # what is sent
    "AssociateIamInstanceProfileRequest": ("IamInstanceProfile", "InstanceId"),
    "AttachNetworkInterfaceRequest": ("DeviceIndex", "InstanceId", "NetworkInterfaceId"),
    "AttachVolumeRequest": ("Device", "InstanceId", "VolumeId"),
    "AttributeValue": ("Value",),
    "BlockDeviceMapping": ("DeviceName", "Ebs"),
    "CreateNetworkInterfaceRequest": (
        "ClientToken",
        "Description",
        "Groups",
        "PrivateIpAddress",
        "SubnetId",
        "TagSpecifications",
    ),
    "CreateTagsRequest": ("Resources", "Tags"),
    "CreateVolumeRequest": (
        "AvailabilityZone",
        "ClientToken",
        "Encrypted",
        "Iops",
        "KmsKeyId",
        "Size",
        "SnapshotId",
        "TagSpecifications",
        "Throughput",
        "VolumeType",
    ),
    "DeleteNetworkInterfaceRequest": ("NetworkInterfaceId",),
    "DeleteTagsRequest": ("Resources", "Tags"),
    "DeleteVolumeRequest": ("VolumeId",),
    "DescribeAvailabilityZonesRequest": ("Filters",),
    "DescribeIamInstanceProfileAssociationsRequest": ("Filters",),
    "DescribeImagesRequest": (*_PAGED, "ImageIds", "Owners", "IncludeDeprecated"),
    "DescribeInstanceTypeOfferingsRequest": (*_PAGED, "LocationType"),
    "DescribeInstanceTypesRequest": (*_PAGED, "InstanceTypes"),
    "DescribeInstancesRequest": (*_PAGED, "InstanceIds"),
    "DescribeNetworkInterfacesRequest": _PAGED,
    "DescribeSubnetsRequest": _PAGED,
    "DescribeVolumesModificationsRequest": _PAGED,
    "DescribeVolumesRequest": (*_PAGED, "VolumeIds"),
    "DetachNetworkInterfaceRequest": ("AttachmentId", "Force"),
    "DetachVolumeRequest": ("InstanceId", "VolumeId"),
    "EbsBlockDevice": ("DeleteOnTermination", "VolumeSize", "VolumeType"),
    "EbsInstanceBlockDeviceSpecification": ("DeleteOnTermination",),
    "Filter": ("Name", "Values"),
    "IamInstanceProfileSpecification": ("Arn", "Name"),
    "InstanceBlockDeviceMappingSpecification": ("DeviceName", "Ebs"),
    "InstanceMetadataOptionsRequest": ("HttpTokens",),
    "InstanceNetworkInterfaceSpecification": (
        "DeleteOnTermination",
        "DeviceIndex",
        "Groups",
        "PrivateIpAddress",
        "SubnetId",
    ),
    "ModifyInstanceAttributeRequest": ("BlockDeviceMappings", "InstanceId", "InstanceType", "UserData"),
    "ModifyNetworkInterfaceAttributeRequest": ("Attachment", "Groups", "NetworkInterfaceId"),
    "ModifyVolumeRequest": ("Iops", "Size", "Throughput", "VolumeId", "VolumeType"),
    "NetworkInterfaceAttachmentChanges": ("AttachmentId", "DeleteOnTermination"),
    "Placement": ("AvailabilityZone", "HostId"),
    "ReplaceIamInstanceProfileAssociationRequest": ("AssociationId", "IamInstanceProfile"),
    "RunInstancesRequest": (
        "BlockDeviceMappings",
        "ClientToken",
        "IamInstanceProfile",
        "ImageId",
        "InstanceInitiatedShutdownBehavior",
        "InstanceType",
        "KeyName",
        "MaxCount",
        "MetadataOptions",
        "MinCount",
        "NetworkInterfaces",
        "PrivateIpAddress",
        "SecurityGroupIds",
        "SubnetId",
        "TagSpecifications",
        "UserData",
    ),
    "SecureBlobAttributeValue": ("Value",),
    "StartInstancesRequest": ("InstanceIds",),
    "StopInstancesRequest": ("Force", "InstanceIds", "SkipOsShutdown"),
    "Tag": ("Key", "Value"),
    "TagSpecification": ("ResourceType", "Tags"),
    "TerminateInstancesRequest": ("InstanceIds",),
    # what is read
    "AssociateIamInstanceProfileResult": ("IamInstanceProfileAssociation",),
    "AttachNetworkInterfaceResult": ("AttachmentId",),
    "AvailabilityZone": ("State", "ZoneName"),
    "CreateNetworkInterfaceResult": ("NetworkInterface",),
    "CpuOptions": ("CoreCount", "ThreadsPerCore"),
    "DescribeAvailabilityZonesResult": ("AvailabilityZones",),
    "DescribeIamInstanceProfileAssociationsResult": ("IamInstanceProfileAssociations",),
    "DescribeImagesResult": ("Images", "NextToken"),
    "DescribeInstanceTypeOfferingsResult": ("InstanceTypeOfferings", "NextToken"),
    "DescribeInstanceTypesResult": ("InstanceTypes", "NextToken"),
    "DescribeInstancesResult": ("NextToken", "Reservations"),
    "DescribeNetworkInterfacesResult": ("NetworkInterfaces", "NextToken"),
    "DescribeSubnetsResult": ("NextToken", "Subnets"),
    "DescribeVolumesModificationsResult": ("NextToken", "VolumesModifications"),
    "DescribeVolumesResult": ("NextToken", "Volumes"),
    "EbsInstanceBlockDevice": ("DeleteOnTermination", "Status", "VolumeId"),
    "GroupIdentifier": ("GroupId",),
    "IamInstanceProfile": ("Arn",),
    "IamInstanceProfileAssociation": ("AssociationId", "IamInstanceProfile"),
    "Image": (
        "Architecture",
        "BlockDeviceMappings",
        "CreationDate",
        "ImageId",
        "Name",
        "RootDeviceName",
        "RootDeviceType",
        "State",
    ),
    "Instance": (
        "BlockDeviceMappings",
        "CpuOptions",
        "IamInstanceProfile",
        "InstanceId",
        "InstanceType",
        "Ipv6Address",
        "KeyName",
        "NetworkInterfaces",
        "Placement",
        "PrivateDnsName",
        "PrivateIpAddress",
        "PublicIpAddress",
        "RootDeviceName",
        "State",
        "StateReason",
        "Tags",
    ),
    "InstanceBlockDeviceMapping": ("DeviceName", "Ebs"),
    "InstanceNetworkInterface": (
        "Association",
        "Attachment",
        "Description",
        "Groups",
        "Ipv6Addresses",
        "MacAddress",
        "NetworkInterfaceId",
        "Operator",
        "PrivateIpAddresses",
        "SubnetId",
    ),
    "InstanceNetworkInterfaceAssociation": ("PublicIp",),
    "InstanceNetworkInterfaceAttachment": (
        "AttachmentId",
        "DeleteOnTermination",
        "DeviceIndex",
        "NetworkCardIndex",
        "Status",
    ),
    "InstanceIpv6Address": ("Ipv6Address",),
    "InstancePrivateIpAddress": ("Association", "PrivateIpAddress"),
    "InstanceState": ("Name",),
    "InstanceStateChange": ("CurrentState", "InstanceId"),
    "InstanceTypeOffering": ("InstanceType", "Location"),
    "InstanceTypeInfo": ("BareMetal", "InstanceType", "MemoryInfo", "ProcessorInfo", "VCpuInfo"),
    "MemoryInfo": ("SizeInMiB",),
    "ModifyVolumeResult": (),
    "NetworkInterface": (
        "Attachment",
        "NetworkInterfaceId",
        "PrivateIpAddress",
        "SubnetId",
        "TagSet",
    ),
    "NetworkInterfaceAttachment": ("AttachmentId", "DeleteOnTermination", "InstanceId", "Status"),
    "OperatorResponse": ("Managed",),
    "ProcessorInfo": ("SupportedArchitectures",),
    "ReplaceIamInstanceProfileAssociationResult": ("IamInstanceProfileAssociation",),
    "Reservation": ("Instances",),
    "StartInstancesResult": ("StartingInstances",),
    "StopInstancesResult": ("StoppingInstances",),
    "StateReason": ("Message",),
    "Subnet": ("AvailabilityZone", "AvailableIpAddressCount", "DefaultForAz", "SubnetId", "Tags", "VpcId"),
    "TerminateInstancesResult": ("TerminatingInstances",),
    "VCpuInfo": ("DefaultVCpus",),
    "Volume": (
        "Attachments",
        "AvailabilityZone",
        "CreateTime",
        "Encrypted",
        "Iops",
        "KmsKeyId",
        "Size",
        "State",
        "Tags",
        "Throughput",
        "VolumeId",
        "VolumeType",
    ),
    "VolumeAttachment": ("AssociatedResource", "Device", "InstanceId", "State", "VolumeId"),
    "VolumeModification": ("ModificationState", "Progress", "StartTime", "StatusMessage", "VolumeId"),
}

#: What of a shape or of a reference to one matters for sending and parsing.
_TRAITS = ("type", "locationName", "queryName", "flattened", "idempotencyToken", "timestampFormat", "sensitive")


def cut() -> dict[str, Any]:
    """The subset of the installed botocore's model. KeyError when the lists name what it does not have."""
    path = Path(botocore.__file__).parent / "data" / MODEL.with_suffix(".json.gz")
    whole = json.loads(gzip.decompress(path.read_bytes()))
    shapes: dict[str, Any] = {}

    def reference(target: dict[str, Any]) -> dict[str, Any]:
        follow(target["shape"])
        return {"shape": target["shape"], **{key: target[key] for key in _TRAITS if key in target}}

    def follow(name: str) -> None:
        if name in shapes:
            return
        shape = whole["shapes"][name]
        shapes[name] = kept = {key: shape[key] for key in _TRAITS if key in shape}
        if shape["type"] == "structure":
            names = (*MEMBERS[name], *(_EVERYWHERE & shape["members"].keys()))
            kept["members"] = {member: reference(shape["members"][member]) for member in names}
        elif shape["type"] == "list":
            kept["member"] = reference(shape["member"])

    operations = {}
    for name in OPERATIONS:
        source = whole["operations"][name]
        operations[name] = {"name": name, "http": source["http"]}
        for direction in ("input", "output"):
            if direction in source:
                operations[name][direction] = reference(source[direction])
    return {"version": whole["version"], "metadata": whole["metadata"], "operations": operations, "shapes": shapes}


def main() -> None:
    """Writes the subset where the driver reads it."""
    target = DATA / MODEL
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(cut(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
