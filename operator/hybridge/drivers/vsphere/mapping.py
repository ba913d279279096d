"""vSphere's objects and Hybridge's machines and tasks. Pure: no request is made here.

Source: VirtualMachine and TaskInfo in the vSphere Web Services API reference.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hybridge.core.difference import setting_text
from hybridge.core.identity import Marker, read_notes
from hybridge.core.machine import Address, Disk, Known, Machine, Port, Power
from hybridge.core.machine_diff import without
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.vsphere import guestinfo
from hybridge.drivers.vsphere.appliance_words import made_of
from hybridge.drivers.vsphere.errors import classify, describe
from hybridge.drivers.vsphere.places import Places
from hybridge.drivers.vsphere.sdk import fault_name, moid, vim
from hybridge.drivers.vsphere.seen import Associated, Seen
from hybridge.drivers.vsphere.versions import met

#: Storage policies: of the home and all disks, and of the root disk alone.
POLICY, DISK_POLICY = "vsphere.storagePolicy", "rootDisk.class"

#: The item of a library that a template was made of, as long as there is one: its notes name it.
MAKING = "image.item"

#: How many kinds of machines that are alike are remembered.
_MOST_ALIKE: Final = 4096
_SCATTERED = "its disks need consolidation, as snapshots have left files behind: consolidate them in vSphere"
_POWER = {"poweredOn": Power.RUNNING, "poweredOff": Power.STOPPED, "suspended": Power.SUSPENDED}


def machine(found: Seen, places: Places, attributes: Mapping[int, str], *, detailed: bool = True) -> Machine:
    """The machine that was seen. ``places``: what it is on; ``attributes``: names of custom attributes.

    Of a template only name and notes can be changed, so that its marker is there.
    """
    power = _POWER.get(found.power, Power.UNKNOWN) if found.connection == "connected" else Power.UNKNOWN
    compute = places.compute(found.host)
    return Machine(
        id=found.id,
        name=found.name,
        power=power,
        marker=read_notes(found.notes) if found.template else Marker.read(found.marks),
        uuid=found.uuid,
        cpus=found.cpus,
        memory=found.memory,
        root_disk=found.root_disk,
        host=places.name(found.host) or None,
        zone=places.name(compute) or None,
        addresses=_addresses(found) if power is Power.RUNNING else (),
        reports_addresses=found.tools_installed,
        tags={attributes[key]: text for key, text in found.attributes if key in attributes and text},
        hot_add_cpus=found.hot_add_cpus,
        hot_add_memory=found.hot_add_memory,
        ports=tuple(_ports(found, places)) if detailed else None,
        disks=_volumes(found) if detailed else None,
        settings=_settings(found, places) if detailed else {},
        pending=_pending(found),
        agent=found.tools_running,
        template=found.template,
        notice=_SCATTERED if found.scattered else "",
        created_at=found.created_at,
        detailed=detailed,
    )


def _ports(found: Seen, places: Places) -> Iterable[Port]:
    """The interfaces in the order in which a guest finds them."""
    for _, card in sorted(found.cards.items()):
        yield Port(places.network(card.network, card.name), card.mac or None)


def _volumes(found: Seen) -> tuple[Disk, ...] | None:
    known = found.attached
    return None if known is None else tuple(Disk(one.id, one.device) for one in known)


def _settings(found: Seen, places: Places) -> Mapping[str, Known]:
    """What a spec can set besides; what is not known is left out. Machines that are alike share what is the same."""
    hardware = (found.guest_id, found.version, found.hot_add_cpus, found.hot_add_memory)
    alike = (found.host, found.pool, found.parent, found.store, found.policies, *hardware)
    words = places.settings.get(alike)
    if words is None:
        if len(places.settings) >= _MOST_ALIKE:
            places.settings.clear()  # machines have moved a lot
        words = places.settings[alike] = _alike(found, places)
    guest: dict[str, Known] = {}
    if hostname := guestinfo.hostname(found.metadata):
        guest["cloudInit.hostname"] = (hostname,)
    if keys := guestinfo.ssh_keys(found.metadata):
        guest["cloudInit.sshKeys"] = (setting_text(keys),)
    if found.template and (item := made_of(found.notes)):
        guest[MAKING] = (item,)
    return {**words, **guest} if guest else words


def _alike(found: Seen, places: Places) -> Mapping[str, Known]:
    words: dict[str, Known] = {
        "placement.node": places.known(found.host),
        "placement.cluster": places.known(places.compute(found.host)),
        "placement.resourcePool": places.known(found.pool),
        "placement.folder": places.known(found.parent),
        "placement.storage": places.storage(found.store),
        "vsphere.guestID": (found.guest_id,) if found.guest_id else (),
        "vsphere.hardwareVersion": met(found.version),
        "vsphere.cpuHotAdd": (setting_text(found.hot_add_cpus),),
        "vsphere.memoryHotAdd": (setting_text(found.hot_add_memory),),
    }
    if found.policies is not None:
        words |= _policies(found.policies)
    return {path: known for path, known in words.items() if known}


def _policies(found: Associated) -> Mapping[str, Known]:
    apart = (found.home, *found.other_disks)
    root_disk = (found.root_disk,) if found.root_disk else ()
    return {
        POLICY: _one((*apart, *root_disk)),
        without(POLICY, DISK_POLICY): _one(apart),
        DISK_POLICY: found.root_disk or (),
    }


def _one(parts: Sequence[Known]) -> Known:
    """What all parts have; where they differ, what people read, which no part has."""
    if len(set(parts)) == 1:
        return parts[0]
    return (", ".join(dict.fromkeys(known[0] or "none" for known in parts)),)


def _pending(found: Seen) -> dict[str, str]:
    coming = found.next_version
    return {"vsphere.hardwareVersion": coming} if coming and coming != found.version else {}


def _addresses(found: Seen) -> tuple[Address, ...]:
    """The guest's main address first, then the others of its cards; none that only its own link knows."""
    texts = dict.fromkeys(text for text in (found.address, *found.guest_addresses) if text)
    known = tuple(Address("InternalIP", text) for text in texts if not _link_local(text))
    return (*known, Address("Hostname", found.hostname)) if known and found.hostname else known


def _link_local(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_link_local
    except ValueError:
        return True


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """A task's state as the PropertyCollector describes it. ``entity``: the id of what it works on; ``holder``: of what
    had the name that was wanted.
    """

    state: TaskState = TaskState.RUNNING
    progress: int | None = None
    error: str = ""
    result: str | None = None
    holder: str | None = None
    entity: str = ""
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


#: What a vCenter calls the tasks that take snapshots of first-class disks, after the name of what takes them.
_DISK_SNAPSHOTS: Final = frozenset({"createSnapshot", "createSnapshotEx"})
TASK_PATHS: Final = ("info.state", "info.progress", "info.error", "info.result", "info.entity", "info.descriptionId")

_STATES = {"queued": TaskState.RUNNING, "running": TaskState.RUNNING, "success": TaskState.SUCCEEDED}


def takes_disk_snapshot(operation: str) -> bool:
    """Whether a task of this operation takes a snapshot of a first-class disk.

    Source: ``methodInfo`` of a vCenter's TaskDescription, with keys like ``vslm.vcenter.VStorageObjectManager.extendDisk``.
    """
    return operation.startswith("vslm.") and operation.rpartition(".")[2] in _DISK_SNAPSHOTS


def task(properties: Mapping[str, Any]) -> TaskSeen:
    """A task from its properties. A change to what the machine is already is a success."""
    fault = properties.get("info.error")
    fault = getattr(fault, "fault", fault)
    state = _STATES.get(str(properties.get("info.state")), TaskState.FAILED)
    if state is TaskState.FAILED and _already_so(fault):
        state, fault = TaskState.SUCCEEDED, None
    result, entity = properties.get("info.result"), properties.get("info.entity")
    taken = fault is not None and fault_name(fault) == "DuplicateName"
    return TaskSeen(
        state=state,
        progress=properties.get("info.progress") if state is TaskState.RUNNING else None,
        error=(describe(fault) if fault is not None else "no reason given") if state is TaskState.FAILED else "",
        result=_result(result),
        holder=moid(fault.object) if fault is not None and taken and fault.object is not None else None,
        entity=moid(entity) if entity is not None else "",
        operation=str(properties.get("info.descriptionId") or ""),
        reason=_reason(fault) if state is TaskState.FAILED and fault is not None else None,
    )


def _result(made: Any) -> str | None:
    """The id of the machine, the network, the snapshot or the first-class disk that a task has made."""
    if type(made) in {vim.VirtualMachine, vim.dvs.DistributedVirtualPortgroup, vim.vm.Snapshot}:
        return moid(made)
    if not isinstance(made, vim.vslm.VStorageObject):
        return None
    found = getattr(getattr(made.config, "id", None), "id", None)
    return str(found) if found else None


def _reason(fault: Any) -> Reason | None:
    """Why a task failed, where a reason says more than that it did."""
    reason = classify(fault, "Task").reason
    return None if reason is Reason.CLOUD_ERROR else reason


def attribute_names(definitions: Any, kind: Any = vim.VirtualMachine) -> dict[int, str]:
    """Names of the custom attributes that objects of a type can have, by key."""
    fitting = (entry for entry in definitions or () if entry.managedObjectType in {None, kind})
    return {int(entry.key): str(entry.name) for entry in fitting}


def _already_so(fault: Any) -> bool:
    name = fault_name(fault)
    return name == "AlreadyUpgraded" or (name == "InvalidPowerState" and fault.existingState == fault.requestedState)
