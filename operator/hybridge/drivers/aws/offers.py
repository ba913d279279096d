"""What machines are made from, as EC2 shows it: instance types and images. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True, slots=True, order=True)
class InstanceType:
    """An instance type. The order is by virtual CPUs, bytes of memory, then name."""

    cpus: int
    memory: int
    name: str
    architectures: tuple[str, ...] = ()
    metal: bool = False

    def fits(self, cpus: int, memory: int) -> bool:
        """Whether it offers at least so much."""
        return self.cpus >= cpus and self.memory >= memory


@dataclass(frozen=True, slots=True)
class Image:
    """An AMI. ``root_size`` is the least size of its root disk in bytes; ``disks`` names the devices of its EBS volumes,
    the root's first. Both are empty where the root is no EBS volume.
    """

    id: str
    name: str
    state: str
    created: str
    architecture: str
    root_size: int | None
    disks: tuple[str, ...]


def instance_type(kind: Mapping[str, Any]) -> InstanceType:
    """One type of DescribeInstanceTypes."""
    return InstanceType(
        cpus=kind.get("VCpuInfo", {}).get("DefaultVCpus", 0),
        memory=kind.get("MemoryInfo", {}).get("SizeInMiB", 0) * MIB,
        name=sys.intern(kind["InstanceType"]),
        architectures=tuple(kind.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
        metal=kind.get("BareMetal", False),
    )


def image(ami: Mapping[str, Any]) -> Image:
    """One image of DescribeImages."""
    root = ami.get("RootDeviceName", "")
    sizes = {
        disk["DeviceName"]: disk["Ebs"].get("VolumeSize")
        for disk in ami.get("BlockDeviceMappings", [])
        if "Ebs" in disk
    }
    if ami.get("RootDeviceType") == "ebs":
        sizes = {root: None} | sizes
    size = sizes.get(root)
    return Image(
        id=ami["ImageId"],
        name=ami.get("Name", ""),
        state=ami.get("State", ""),
        created=ami.get("CreationDate", ""),
        architecture=ami.get("Architecture", ""),
        root_size=size * GIB if size else None,
        disks=tuple(sizes) if root in sizes else (),
    )
