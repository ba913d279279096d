"""vSphere's objects and Hybridge's machines and tasks. Pure: no request is made here.

Source: VirtualMachine, GuestInfo and TaskInfo in the vSphere Web Services API reference.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hybridge.core import identity
from hybridge.core.identity import Marker
from hybridge.core.machine import Address, Machine, Power, Task, TaskState
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere.errors import classify, describe
from hybridge.drivers.vsphere.sdk import fault_name, moid, vim

MIB: Final = 1024 * 1024

#: The key that a vCenter gives to the first SCSI disk; a machine that starts from another kind of disk has to be asked.
ROOT_DISK: Final = "config.hardware.device[2000]"
DEVICES: Final = "config.hardware.device"

_POWER = {"poweredOn": Power.RUNNING, "poweredOff": Power.STOPPED, "suspended": Power.SUSPENDED}


@dataclass(slots=True)
class Seen:
    """A machine as the PropertyCollector describes it, in plain values; it changes as updates come."""

    id: str
    name: str = ""
    parent: str = ""
    uuid: str | None = None
    cpus: int | None = None
    memory: int | None = None
    root_disk: int | None = None
    disk_pushed: bool = False
    template: bool = False
    hot_add_cpus: bool = False
    hot_add_memory: bool = False
    power: str = ""
    host: str = ""
    connection: str = "connected"
    tools_running: bool = False
    tools_installed: bool = False
    hostname: str = ""
    address: str = ""
    cards: tuple[str, ...] = ()
    attributes: tuple[tuple[int, str], ...] = ()
    marks: dict[str, str] = field(default_factory=dict)


def _shared(value: Any) -> str:
    """A string that many machines have in common."""
    return sys.intern(str(value or ""))


def _megabytes(value: Any) -> int | None:
    return None if value is None else int(value) * MIB


def _running(value: Any) -> bool:
    return value in {"guestToolsRunning", "guestToolsExecutingScripts"}


def _installed(value: Any) -> bool:
    return value not in {None, "", "guestToolsNotInstalled"}


def _reference(value: Any) -> str:
    return "" if value is None else _shared(moid(value))


def _cards(value: Any) -> tuple[str, ...]:
    """Addresses of the machine's own cards: bridges and tunnels inside the guest have no device."""
    return tuple(str(ip) for card in value or () if card.deviceConfigId >= 0 for ip in card.ipAddress)


def _attributes(value: Any) -> tuple[tuple[int, str], ...]:
    return tuple((int(entry.key), str(getattr(entry, "value", ""))) for entry in value or ())


def _text(value: Any) -> str:
    return str(value or "")


def _uuid(value: Any) -> str | None:
    return str(value).lower() if value else None


def capacity(disk: Any) -> int | None:
    """Bytes of a VirtualDisk; None for anything else."""
    exact = getattr(disk, "capacityInBytes", None)
    if exact:
        return int(exact)
    kilobytes = getattr(disk, "capacityInKB", None)
    return None if kilobytes is None else int(kilobytes) * 1024


#: What is read of every machine, where it goes, and how.
PROPERTIES: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "name": ("name", _text),
    "parent": ("parent", _reference),
    "config.instanceUuid": ("uuid", _uuid),
    "config.hardware.numCPU": ("cpus", lambda value: value),
    "config.hardware.memoryMB": ("memory", _megabytes),
    "config.template": ("template", bool),
    "config.cpuHotAddEnabled": ("hot_add_cpus", bool),
    "config.memoryHotAddEnabled": ("hot_add_memory", bool),
    "runtime.powerState": ("power", _shared),
    "runtime.host": ("host", _reference),
    "runtime.connectionState": ("connection", _shared),
    "guest.toolsRunningStatus": ("tools_running", _running),
    "guest.toolsVersionStatus2": ("tools_installed", _installed),
    "guest.hostName": ("hostname", _text),
    "guest.ipAddress": ("address", _text),
    "guest.net": ("cards", _cards),
    "customValue": ("attributes", _attributes),
    ROOT_DISK: ("root_disk", capacity),
}

_MARKS = {f'config.extraConfig["{key}"]': key for key in identity.KEYS}

#: The paths of PROPERTIES and of the marker.
PATHS: Final = (*PROPERTIES, *_MARKS)


def update(seen: Seen, path: str, value: Any) -> None:
    """Takes over one property; ``value`` is None where it is not set any more. Paths that nobody asked for are ignored."""
    if path == ROOT_DISK:
        seen.disk_pushed = value is not None
        if value is None:
            return  # the machine starts from another disk, whose size is read with its devices
    if known := PROPERTIES.get(path):
        attribute, convert = known
        setattr(seen, attribute, convert(value))
    elif path == DEVICES:
        seen.root_disk = capacity(root_disk(value or ()))
    elif key := _MARKS.get(path.removesuffix(".value")):
        text = str(getattr(value, "value", value) or "")
        if text:
            seen.marks[key] = text
        else:
            seen.marks.pop(key, None)
    elif path == f"{ROOT_DISK}.capacityInBytes" and value is not None:
        seen.root_disk = int(value)


def seen(machine_id: str, properties: Mapping[str, Any]) -> Seen:
    """A machine from properties that were read at once."""
    fresh = Seen(machine_id)
    for path, value in properties.items():
        if not (path == ROOT_DISK and DEVICES in properties):
            update(fresh, path, value)
    return fresh


def root_disk(devices: Iterable[Any]) -> Any:
    """The disk that the machine starts from: the first on the first controller. None when it has no disk."""
    disks = [device for device in devices if hasattr(device, "capacityInKB")]
    return min(disks, key=lambda disk: (disk.controllerKey or 0, disk.unitNumber or 0), default=None)


def cards(devices: Iterable[Any]) -> list[Any]:
    """The network cards among the devices, in the order in which a guest finds them."""
    return sorted((device for device in devices if hasattr(device, "macAddress")), key=lambda card: int(card.key))


def machine(
    found: Seen, hosts: Mapping[str, tuple[str, str]], attributes: Mapping[int, str], *, detailed: bool = True
) -> Machine:
    """The machine that was seen. ``hosts``: name and cluster of hosts by id; ``attributes``: names of custom attributes."""
    host, cluster = hosts.get(found.host, (None, None))
    power = _POWER.get(found.power, Power.UNKNOWN) if found.connection == "connected" else Power.UNKNOWN
    return Machine(
        id=found.id,
        name=found.name,
        power=power,
        marker=Marker.read(found.marks),
        uuid=found.uuid,
        cpus=found.cpus,
        memory=found.memory,
        root_disk=found.root_disk,
        host=host or None,
        zone=cluster or None,
        addresses=_addresses(found) if power is Power.RUNNING else (),
        reports_addresses=found.tools_installed,
        tags={attributes[key]: text for key, text in found.attributes if key in attributes and text},
        hot_add_cpus=found.hot_add_cpus,
        hot_add_memory=found.hot_add_memory,
        template=found.template,
        detailed=detailed,
    )


def _addresses(found: Seen) -> tuple[Address, ...]:
    """The guest's main address first, then the others of its cards; none that only its own link knows."""
    texts = dict.fromkeys(text for text in (found.address, *found.cards) if text)
    known = tuple(Address("InternalIP", text) for text in texts if not _link_local(text))
    return (*known, Address("Hostname", found.hostname)) if known and found.hostname else known


def _link_local(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_link_local
    except ValueError:
        return True


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """A task's state as the PropertyCollector describes it; ``holder`` is what had the name that was wanted."""

    state: TaskState = TaskState.RUNNING
    progress: int | None = None
    error: str = ""
    result: str | None = None
    holder: str | None = None
    operation: str = ""
    reason: Reason | None = None

    def task(self, wanted: Task) -> Task:
        """The task that somebody waits for, as it is now."""
        return replace(
            wanted,
            state=self.state,
            progress=self.progress,
            error=self.error,
            result=self.result,
            reason=self.reason,
        )


TASK_PATHS: Final = ("info.state", "info.progress", "info.error", "info.result", "info.descriptionId")

_STATES = {"queued": TaskState.RUNNING, "running": TaskState.RUNNING, "success": TaskState.SUCCEEDED}


def task(properties: Mapping[str, Any]) -> TaskSeen:
    """A task from its properties. A power change to the state that the machine has already is a success."""
    fault = properties.get("info.error")
    fault = getattr(fault, "fault", fault)
    state = _STATES.get(str(properties.get("info.state")), TaskState.FAILED)
    if state is TaskState.FAILED and _already_so(fault):
        state, fault = TaskState.SUCCEEDED, None
    result = properties.get("info.result")
    taken = fault is not None and fault_name(fault) == "DuplicateName"
    return TaskSeen(
        state=state,
        progress=properties.get("info.progress") if state is TaskState.RUNNING else None,
        error=(describe(fault) if fault is not None else "no reason given") if state is TaskState.FAILED else "",
        result=moid(result) if type(result) is vim.VirtualMachine else None,
        holder=moid(fault.object) if fault is not None and taken and fault.object is not None else None,
        operation=str(properties.get("info.descriptionId") or ""),
        reason=_reason(fault) if state is TaskState.FAILED and fault is not None else None,
    )


def _reason(fault: Any) -> Reason | None:
    """Why a task failed, where a reason says more than that it did."""
    reason = classify(fault, "Task").reason
    return None if reason is Reason.CLOUD_ERROR else reason


def attribute_names(definitions: Any) -> dict[int, str]:
    """Names of the custom attributes that machines can have, by key."""
    fitting = (entry for entry in definitions or () if entry.managedObjectType in {None, vim.VirtualMachine})
    return {int(entry.key): str(entry.name) for entry in fitting}


def _already_so(fault: Any) -> bool:
    if fault is None or fault_name(fault) != "InvalidPowerState":
        return False
    return bool(fault.existingState == fault.requestedState)
