"""What machines bring along and leave behind when something goes wrong: disks, interfaces, media that no machine has."""

from __future__ import annotations

from lab.aws import AwsCloud
from lab.bed import SimulatedCloud
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud


def leftovers(cloud: SimulatedCloud) -> set[str]:
    """Ids of such things. A vCenter keeps in its folder all that a machine has, but for first-class disks."""
    match cloud:
        case AwsCloud():
            ec2 = cloud.client()
            volumes = ec2.describe_volumes()["Volumes"]
            nics = ec2.describe_network_interfaces()["NetworkInterfaces"]
            return {volume["VolumeId"] for volume in volumes if not volume["Attachments"]} | {
                nic["NetworkInterfaceId"] for nic in nics if nic["Status"] == "available"
            }
        case ProxmoxCloud():
            used = {str(word) for machine in cloud.machines() for word in machine.config.values()}
            there = {machine.vmid for machine in cloud.machines()}
            images = [volume.volid for volume in cloud.volumes() if volume.vmid not in there]
            return {volume for volume in (*cloud.isos(), *images) if not any(volume in word for word in used)}
        case VsphereCloud():
            return {disk.id for disk in cloud.disks.all() if disk.machine is None}
    return set()
