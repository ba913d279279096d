"""The disks of a machine: its own, and volumes that it merely has. Pure.

A volume is a first-class disk (``VirtualDisk.vDiskId`` in the API reference): it has an id of its own, and outlives
machines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hybridge.drivers.vsphere.sdk import vim

#: The keys that a vCenter gives to the first controller of each kind, and what people call its places.
_CONTROLLERS: Final = ((31000, "nvme"), (15000, "sata"), (1000, "scsi"), (200, "ide"))
#: How many disks the controllers of a kind can have.
_PLACES: Final = (
    (vim.vm.device.VirtualSCSIController, 15),
    (vim.vm.device.VirtualAHCIController, 30),
    (vim.vm.device.VirtualNVMEController, 15),
)
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attached:
    """A volume that a machine has: its id, the key of the device, its place, and its bytes."""

    id: str
    key: int
    device: str
    size: int | None = None


def is_volume_id(known_id: str) -> bool:
    """Whether this can be the id of a volume, as opposed to that of a managed object."""
    return _ID.fullmatch(known_id) is not None


def own(devices: Iterable[Any]) -> list[Any]:
    """The disks that are the machine's own. What it starts from is, whatever else it may be."""
    disks = _disks(devices)
    return [disk for disk in disks if not volume_id(disk)] or disks[:1]


def volumes(devices: Iterable[Any]) -> list[Any]:
    """The devices of the volumes that the machine has."""
    disks = _disks(devices)
    return [disk for disk in disks if volume_id(disk) and disk not in own(disks)]


def attached(devices: Iterable[Any]) -> tuple[Attached, ...]:
    """The volumes that the machine has."""
    return tuple(Attached(volume_id(one), int(one.key), _place(one), capacity(one)) for one in volumes(devices))


def device_of(devices: Iterable[Any], wanted: str) -> Any:
    """The device of the volume of this id; None where the machine has it not."""
    return next((disk for disk in _disks(devices) if volume_id(disk) == wanted), None)


def roomy_controller(devices: Iterable[Any]) -> int | None:
    """The key of a disk controller with a free place, SCSI before SATA and NVMe; None where there is none."""
    every = list(devices)
    used = Counter(device.controllerKey for device in every if device.controllerKey is not None)
    for kind, places in _PLACES:
        for device in sorted((one for one in every if isinstance(one, kind)), key=lambda one: int(one.key)):
            if used[device.key] < places:
                return int(device.key)
    return None


def volume_id(disk: Any) -> str:
    """The id of the volume that a disk is; empty where it is none."""
    return str(getattr(getattr(disk, "vDiskId", None), "id", None) or "")


def capacity(disk: Any) -> int | None:
    """Bytes of a VirtualDisk; None for anything else."""
    exact = getattr(disk, "capacityInBytes", None)
    if exact:
        return int(exact)
    kilobytes = getattr(disk, "capacityInKB", None)
    return None if kilobytes is None else int(kilobytes) * 1024


def _disks(devices: Iterable[Any]) -> list[Any]:
    """All disks, the first place first."""
    found = (device for device in devices if hasattr(device, "capacityInKB"))
    return sorted(found, key=lambda disk: (disk.controllerKey or 0, disk.unitNumber or 0))


def _place(disk: Any) -> str:
    key = disk.controllerKey or 0
    for first, name in _CONTROLLERS:
        if key >= first:
            return f"{name}{key - first}:{disk.unitNumber or 0}"
    return ""
