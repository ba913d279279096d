"""The clouds that the contract is held against."""

from __future__ import annotations

from collections.abc import Mapping

from tests.contract.bed import Bed
from tests.contract.bed_aws import AwsBed
from tests.contract.bed_proxmox import ProxmoxBed
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.galleries import Gallery
from tests.contract.galleries_aws import AwsGallery
from tests.contract.galleries_proxmox import ProxmoxGallery
from tests.contract.galleries_vsphere import VsphereGallery
from tests.contract.points import Points
from tests.contract.points_aws import AwsPoints
from tests.contract.points_proxmox import ProxmoxPoints
from tests.contract.points_vsphere import VspherePoints
from tests.contract.segments import Segments
from tests.contract.segments_aws import AwsSegments
from tests.contract.segments_proxmox import ProxmoxSegments
from tests.contract.segments_vsphere import VsphereSegments
from tests.contract.walls import Walls
from tests.contract.walls_aws import AwsWalls
from tests.contract.walls_proxmox import ProxmoxWalls

BEDS: Mapping[str, type[Bed]] = {"aws": AwsBed, "proxmox": ProxmoxBed, "vsphere": VsphereBed}

#: Networks, by the clouds whose drivers have them.
SEGMENTS: Mapping[str, type[Segments]] = {
    "aws": AwsSegments,
    "proxmox": ProxmoxSegments,
    "vsphere": VsphereSegments,
}

#: Images, by the clouds whose drivers have them.
GALLERIES: Mapping[str, type[Gallery]] = {
    "aws": AwsGallery,
    "proxmox": ProxmoxGallery,
    "vsphere": VsphereGallery,
}

#: Snapshots, by the clouds whose drivers have them.
POINTS: Mapping[str, type[Points]] = {"aws": AwsPoints, "proxmox": ProxmoxPoints, "vsphere": VspherePoints}

#: Firewalls, by the clouds whose drivers have them.
WALLS: Mapping[str, type[Walls]] = {"aws": AwsWalls, "proxmox": ProxmoxWalls}
