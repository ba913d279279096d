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
    "AssociateRouteTable",
    "AttachInternetGateway",
    "AttachNetworkInterface",
    "AttachVolume",
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CopyImage",
    "CreateImage",
    "CreateInternetGateway",
    "CreateNetworkInterface",
    "CreateRoute",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "CreateSnapshot",
    "CreateSnapshots",
    "CreateSubnet",
    "CreateTags",
    "CreateVolume",
    "CreateVpc",
    "DeleteInternetGateway",
    "DeleteNetworkInterface",
    "DeleteRoute",
    "DeleteRouteTable",
    "DeleteSecurityGroup",
    "DeleteSnapshot",
    "DeleteSubnet",
    "DeleteTags",
    "DeleteVolume",
    "DeleteVpc",
    "DeregisterImage",
    "DescribeAvailabilityZones",
    "DescribeIamInstanceProfileAssociations",
    "DescribeImageAttribute",
    "DescribeImages",
    "DescribeImportImageTasks",
    "DescribeInstanceTypeOfferings",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeInternetGateways",
    "DescribeNetworkInterfaces",
    "DescribeRouteTables",
    "DescribeSecurityGroups",
    "DescribeSnapshots",
    "DescribeSubnets",
    "DescribeVolumes",
    "DescribeVolumesModifications",
    "DescribeVpcs",
    "DetachInternetGateway",
    "DetachNetworkInterface",
    "DetachVolume",
    "DisassociateRouteTable",
    "ImportImage",
    "ModifyInstanceAttribute",
    "ModifyNetworkInterfaceAttribute",
    "ModifySubnetAttribute",
    "ModifyVolume",
    "RegisterImage",
    "ReplaceIamInstanceProfileAssociation",
    "ReplaceRoute",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
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
    "AssociateRouteTableRequest": ("RouteTableId", "SubnetId"),
    "AttachInternetGatewayRequest": ("InternetGatewayId", "VpcId"),
    "AttachVolumeRequest": ("Device", "InstanceId", "VolumeId"),
    "AttributeBooleanValue": ("Value",),
    "AttributeValue": ("Value",),
    "AuthorizeSecurityGroupEgressRequest": ("GroupId", "IpPermissions"),
    "AuthorizeSecurityGroupIngressRequest": ("GroupId", "IpPermissions"),
    "BlockDeviceMapping": ("DeviceName", "Ebs", "NoDevice"),
    "CopyImageRequest": ("ClientToken", "Name", "SourceImageId", "SourceRegion", "TagSpecifications"),
    "CreateImageRequest": ("BlockDeviceMappings", "InstanceId", "Name", "NoReboot", "TagSpecifications"),
    "CreateInternetGatewayRequest": ("TagSpecifications",),
    "CreateNetworkInterfaceRequest": (
        "ClientToken",
        "Description",
        "Groups",
        "PrivateIpAddress",
        "SubnetId",
        "TagSpecifications",
    ),
    "CreateRouteRequest": ("DestinationCidrBlock", "GatewayId", "RouteTableId"),
    "CreateRouteTableRequest": ("TagSpecifications", "VpcId"),
    "CreateSecurityGroupRequest": ("Description", "GroupName", "TagSpecifications", "VpcId"),
    "CreateSnapshotRequest": ("Description", "TagSpecifications", "VolumeId"),
    "CreateSnapshotsRequest": ("Description", "InstanceSpecification", "TagSpecifications"),
    "CreateSubnetRequest": ("AvailabilityZone", "CidrBlock", "TagSpecifications", "VpcId"),
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
    "CreateVpcRequest": ("CidrBlock", "TagSpecifications"),
    "DeleteInternetGatewayRequest": ("InternetGatewayId",),
    "DeleteNetworkInterfaceRequest": ("NetworkInterfaceId",),
    "DeleteRouteRequest": ("DestinationCidrBlock", "RouteTableId"),
    "DeleteRouteTableRequest": ("RouteTableId",),
    "DeleteSecurityGroupRequest": ("GroupId",),
    "DeleteSnapshotRequest": ("SnapshotId",),
    "DeleteSubnetRequest": ("SubnetId",),
    "DeleteTagsRequest": ("Resources", "Tags"),
    "DeleteVolumeRequest": ("VolumeId",),
    "DeleteVpcRequest": ("VpcId",),
    "DeregisterImageRequest": ("DeleteAssociatedSnapshots", "ImageId"),
    "DescribeAvailabilityZonesRequest": ("Filters",),
    "DescribeIamInstanceProfileAssociationsRequest": ("Filters",),
    "DescribeImageAttributeRequest": ("Attribute", "ImageId"),
    "DescribeImagesRequest": (*_PAGED, "ImageIds", "Owners", "IncludeDeprecated", "IncludeDisabled"),
    "DescribeImportImageTasksRequest": ("MaxResults", "NextToken"),
    "DescribeInstanceTypeOfferingsRequest": (*_PAGED, "LocationType"),
    "DescribeInstanceTypesRequest": (*_PAGED, "InstanceTypes"),
    "DescribeInstancesRequest": (*_PAGED, "InstanceIds"),
    "DescribeInternetGatewaysRequest": _PAGED,
    "DescribeNetworkInterfacesRequest": _PAGED,
    "DescribeRouteTablesRequest": _PAGED,
    "DescribeSecurityGroupsRequest": (*_PAGED, "GroupIds"),
    "DescribeSnapshotsRequest": (*_PAGED, "OwnerIds", "SnapshotIds"),
    "DescribeSubnetsRequest": (*_PAGED, "SubnetIds"),
    "DescribeVolumesModificationsRequest": _PAGED,
    "DescribeVolumesRequest": (*_PAGED, "VolumeIds"),
    "DescribeVpcsRequest": (*_PAGED, "VpcIds"),
    "DetachInternetGatewayRequest": ("InternetGatewayId", "VpcId"),
    "DetachNetworkInterfaceRequest": ("AttachmentId", "Force"),
    "DetachVolumeRequest": ("InstanceId", "VolumeId"),
    "DisassociateRouteTableRequest": ("AssociationId",),
    "EbsBlockDevice": ("DeleteOnTermination", "SnapshotId", "VolumeSize", "VolumeType"),
    "EbsInstanceBlockDeviceSpecification": ("DeleteOnTermination",),
    "Filter": ("Name", "Values"),
    "IamInstanceProfileSpecification": ("Arn", "Name"),
    "ImageDiskContainer": ("Format", "UserBucket"),
    "ImportImageRequest": ("ClientToken", "Description", "DiskContainers", "TagSpecifications"),
    "InstanceBlockDeviceMappingSpecification": ("DeviceName", "Ebs"),
    "InstanceMetadataOptionsRequest": ("HttpTokens",),
    "InstanceNetworkInterfaceSpecification": (
        "DeleteOnTermination",
        "DeviceIndex",
        "Groups",
        "PrivateIpAddress",
        "SubnetId",
    ),
    "InstanceSpecification": ("InstanceId",),
    "ModifyInstanceAttributeRequest": ("BlockDeviceMappings", "InstanceId", "InstanceType", "UserData"),
    "ModifyNetworkInterfaceAttributeRequest": ("Attachment", "Groups", "NetworkInterfaceId"),
    "ModifySubnetAttributeRequest": ("MapPublicIpOnLaunch", "SubnetId"),
    "ModifyVolumeRequest": ("Iops", "Size", "Throughput", "VolumeId", "VolumeType"),
    "NetworkInterfaceAttachmentChanges": ("AttachmentId", "DeleteOnTermination"),
    "Placement": ("AvailabilityZone", "HostId"),
    "RegisterImageRequest": (
        "Architecture",
        "BlockDeviceMappings",
        "BootMode",
        "EnaSupport",
        "Name",
        "RootDeviceName",
        "SriovNetSupport",
        "TagSpecifications",
        "TpmSupport",
        "VirtualizationType",
    ),
    "ReplaceIamInstanceProfileAssociationRequest": ("AssociationId", "IamInstanceProfile"),
    "ReplaceRouteRequest": ("DestinationCidrBlock", "GatewayId", "RouteTableId"),
    "RevokeSecurityGroupEgressRequest": ("GroupId", "IpPermissions"),
    "RevokeSecurityGroupIngressRequest": ("GroupId", "IpPermissions"),
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
    "UserBucket": ("S3Bucket", "S3Key"),
    # what is read
    "AssociateIamInstanceProfileResult": ("IamInstanceProfileAssociation",),
    "AssociateRouteTableResult": (),
    "AttachNetworkInterfaceResult": ("AttachmentId",),
    "AuthorizeSecurityGroupEgressResult": (),
    "AuthorizeSecurityGroupIngressResult": (),
    "AvailabilityZone": ("State", "ZoneName"),
    "CopyImageResult": ("ImageId",),
    "CreateImageResult": ("ImageId",),
    "CreateInternetGatewayResult": ("InternetGateway",),
    "CreateNetworkInterfaceResult": ("NetworkInterface",),
    "CreateRouteResult": (),
    "CreateRouteTableResult": ("RouteTable",),
    "CreateSecurityGroupResult": ("GroupId",),
    "CreateSnapshotsResult": ("Snapshots",),
    "CreateSubnetResult": ("Subnet",),
    "CreateVpcResult": ("Vpc",),
    "CpuOptions": ("CoreCount", "ThreadsPerCore"),
    "DeleteSecurityGroupResult": (),
    "DeleteSnapshotReturnCode": ("ReturnCode", "SnapshotId"),
    "DeregisterImageResult": ("DeleteSnapshotResults",),
    "DescribeAvailabilityZonesResult": ("AvailabilityZones",),
    "DescribeIamInstanceProfileAssociationsResult": ("IamInstanceProfileAssociations",),
    "DescribeImagesResult": ("Images", "NextToken"),
    "DescribeImportImageTasksResult": ("ImportImageTasks", "NextToken"),
    "DescribeInstanceTypeOfferingsResult": ("InstanceTypeOfferings", "NextToken"),
    "DescribeInstanceTypesResult": ("InstanceTypes", "NextToken"),
    "DescribeInstancesResult": ("NextToken", "Reservations"),
    "DescribeInternetGatewaysResult": ("InternetGateways", "NextToken"),
    "DescribeNetworkInterfacesResult": ("NetworkInterfaces", "NextToken"),
    "DescribeRouteTablesResult": ("NextToken", "RouteTables"),
    "DescribeSecurityGroupsResult": ("NextToken", "SecurityGroups"),
    "DescribeSnapshotsResult": ("NextToken", "Snapshots"),
    "DescribeSubnetsResult": ("NextToken", "Subnets"),
    "DescribeVolumesModificationsResult": ("NextToken", "VolumesModifications"),
    "DescribeVolumesResult": ("NextToken", "Volumes"),
    "DescribeVpcsResult": ("NextToken", "Vpcs"),
    "EbsInstanceBlockDevice": ("DeleteOnTermination", "Status", "VolumeId"),
    "GroupIdentifier": ("GroupId",),
    "IamInstanceProfile": ("Arn",),
    "IamInstanceProfileAssociation": ("AssociationId", "IamInstanceProfile"),
    "Image": (
        "Architecture",
        "BlockDeviceMappings",
        "CreationDate",
        "DeregistrationProtection",
        "ImageId",
        "ImageOwnerAlias",
        "Name",
        "OwnerId",
        "RootDeviceName",
        "RootDeviceType",
        "State",
        "StateReason",
        "Tags",
    ),
    "ImageAttribute": ("ImageId",),
    "ImportImageResult": ("ImageId", "ImportTaskId", "Progress", "Status", "StatusMessage"),
    "ImportImageTask": ("Description", "ImageId", "ImportTaskId", "Progress", "Status", "StatusMessage"),
    "Instance": (
        "Architecture",
        "BlockDeviceMappings",
        "BootMode",
        "CpuOptions",
        "EnaSupport",
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
        "SriovNetSupport",
        "State",
        "StateReason",
        "Tags",
        "TpmSupport",
        "UsageOperation",
        "VirtualizationType",
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
    "InternetGateway": ("Attachments", "InternetGatewayId", "Tags"),
    "InternetGatewayAttachment": ("State", "VpcId"),
    "IpPermission": (
        "FromPort",
        "IpProtocol",
        "IpRanges",
        "Ipv6Ranges",
        "PrefixListIds",
        "ToPort",
        "UserIdGroupPairs",
    ),
    "IpRange": ("CidrIp",),
    "Ipv6Range": ("CidrIpv6",),
    "MemoryInfo": ("SizeInMiB",),
    "ModifyVolumeResult": (),
    "NetworkInterface": (
        "Attachment",
        "Description",
        "Groups",
        "NetworkInterfaceId",
        "Operator",
        "PrivateIpAddress",
        "SubnetId",
        "TagSet",
        "VpcId",
    ),
    "NetworkInterfaceAttachment": (
        "AttachmentId",
        "DeleteOnTermination",
        "DeviceIndex",
        "InstanceId",
        "NetworkCardIndex",
        "Status",
    ),
    "OperatorResponse": ("Managed",),
    "PrefixListId": ("PrefixListId",),
    "ProcessorInfo": ("SupportedArchitectures",),
    "RegisterImageResult": ("ImageId",),
    "ReplaceIamInstanceProfileAssociationResult": ("IamInstanceProfileAssociation",),
    "Reservation": ("Instances",),
    "RevokeSecurityGroupEgressResult": (),
    "RevokeSecurityGroupIngressResult": (),
    "Route": ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId", "GatewayId", "State"),
    "RouteTable": ("Associations", "RouteTableId", "Routes", "Tags", "VpcId"),
    "RouteTableAssociation": ("Main", "RouteTableAssociationId", "SubnetId"),
    "SecurityGroup": ("GroupId", "GroupName", "IpPermissions", "IpPermissionsEgress", "Tags", "VpcId"),
    "Snapshot": (
        "Description",
        "FullSnapshotSizeInBytes",
        "Progress",
        "SnapshotId",
        "StartTime",
        "State",
        "StateMessage",
        "Tags",
        "VolumeId",
    ),
    "SnapshotInfo": ("Progress", "SnapshotId", "StartTime", "State", "VolumeId"),
    "StartInstancesResult": ("StartingInstances",),
    "StopInstancesResult": ("StoppingInstances",),
    "StateReason": ("Message",),
    "Subnet": (
        "AvailabilityZone",
        "AvailableIpAddressCount",
        "CidrBlock",
        "DefaultForAz",
        "MapPublicIpOnLaunch",
        "State",
        "SubnetId",
        "Tags",
        "VpcId",
    ),
    "TerminateInstancesResult": ("TerminatingInstances",),
    "UserIdGroupPair": ("GroupId",),
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
    "Vpc": ("CidrBlock", "State", "Tags", "VpcId"),
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
