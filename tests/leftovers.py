"""What machines bring along and leave behind when something goes wrong: disks, interfaces, media that no machine has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hybridge.core.identity import OWNER
from lab.aws import AwsCloud
from lab.bed import SimulatedCloud
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud


def leftovers(cloud: SimulatedCloud) -> set[str]:
    """Ids of such things. A vCenter keeps in its folder all that a machine has, but for first-class disks; and what was made
    for us says so.
    """
    match cloud:
        case AwsCloud():
            ec2 = cloud.client()
            volumes = ec2.describe_volumes()["Volumes"]
            nics = ec2.describe_network_interfaces()["NetworkInterfaces"]
            return (
                {volume["VolumeId"] for volume in volumes if not volume["Attachments"]}
                | {nic["NetworkInterfaceId"] for nic in nics if nic["Status"] == "available"}
                | _marked(ec2)
            )
        case ProxmoxCloud():
            used = {str(word) for machine in cloud.machines() for word in machine.config.values()}
            there = {machine.vmid for machine in cloud.machines()}
            images = [volume.volid for volume in cloud.volumes() if volume.vmid not in there]
            brought = (*cloud.isos(), *cloud.files(), *images)
            return {volume for volume in brought if not any(volume in word for word in used)} | set(cloud.strays())
        case VsphereCloud():
            groups = {group.id for group in cloud.port_groups.all() if OWNER in group.description}
            items = {f"item-{item.id}" for item in cloud.libraries.items() if OWNER in item.description}
            return groups | items | {disk.id for disk in cloud.disks.all() if disk.machine is None}
    return set()


def _marked(ec2: Any) -> set[str]:
    """Networks, firewalls and images that are marked, and parts of such as are not there any more: all of them go with their
    object.
    """
    vpcs = _owners((one["VpcId"], one) for one in ec2.describe_vpcs()["Vpcs"])
    subnets = _owners((one["SubnetId"], one) for one in ec2.describe_subnets()["Subnets"])
    others = (
        *((one["ImageId"], one) for one in ec2.describe_images(Owners=["self"])["Images"]),
        *((one["GroupId"], one) for one in ec2.describe_security_groups()["SecurityGroups"]),
    )
    parts = (
        *((one["RouteTableId"], one) for one in ec2.describe_route_tables()["RouteTables"]),
        *((one["InternetGatewayId"], one) for one in ec2.describe_internet_gateways()["InternetGateways"]),
        *((one["SnapshotId"], one) for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]),
    )
    alone = {known: owner for known, owner in subnets.items() if owner not in vpcs.values()}
    whole = {**vpcs, **alone, **_owners(others)}
    return whole.keys() | {known for known, owner in _owners(parts).items() if owner not in whole.values()}


def _owners(found: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Whose these are, as far as they are marked."""
    tags = {known: {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])} for known, one in found}
    return {known: words[OWNER] for known, words in tags.items() if OWNER in words}
