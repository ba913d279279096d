"""Changes of a machine: which call brings a field to the spec, and its argument.

Source: VirtualMachineConfigSpec, VirtualMachineRelocateSpec and UpgradeVM_Task in the API reference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.cloudinit import HOSTNAME, USER_DATA
from hybridge.core.errors import Busy, CloudError, IdTaken, Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.base import Started
from hybridge.drivers.vsphere import clone, collector, disks, guestinfo, placement, proof, seen, versions
from hybridge.drivers.vsphere.attributes import Attributes
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.mapping import DISK_POLICY, POLICY
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.policies import Chosen, Policies, profiles
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.seen import Seen

VERSION: Final = "vsphere.hardwareVersion"
FOLDER: Final = "placement.folder"
#: Paths that are moves of the machine.
RELOCATION: Final = frozenset({"placement.node", "placement.cluster", "placement.resourcePool", "placement.storage"})
#: Options by path, and what they are called in a ConfigSpec.
HARDWARE: Final[Mapping[str, str]] = {
    "vsphere.guestID": "guestId",
    "vsphere.cpuHotAdd": "cpuHotAddEnabled",
    "vsphere.memoryHotAdd": "memoryHotAddEnabled",
}
#: What cloud-init reads with each start.
RENDERED: Final = frozenset({HOSTNAME, USER_DATA})
#: What only a machine that is off can take. (A guest would learn of what cloud-init reads with its next start, unseen.)
OFF: Final = frozenset({*HARDWARE, VERSION, *RENDERED})
POLICIES: Final = frozenset({POLICY, DISK_POLICY})
#: Fields that are the devices of a machine, which have to be read before they are changed.
_DEVICES: Final = frozenset({"rootDisk", "networks", *POLICIES})


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done to one machine."""

    machine: Machine
    spec: MachineSpec
    fields: frozenset[str]
    intent: Intent | None
    marker: Marker

    @property
    def initial(self) -> Intent | None:
        """The intent of a machine whose initialization is asked for."""
        return self.intent if "initialize" in self.fields else None

    def wants(self, field: str) -> bool:
        """Whether this field is to be brought to the spec."""
        return field in self.fields or self.initial is not None


@dataclass(frozen=True, slots=True)
class _Now:
    """A machine before a change; ``devices`` where they were needed."""

    seen: Seen
    devices: tuple[Any, ...]


class Changes:
    """Starts one task at most for each wish; what it leaves is still a difference afterwards."""

    def __init__(self, session: Session, inventory: Inventory, picture: Picture, policies: Policies) -> None:
        self._session = session
        self._inventory = inventory
        self._picture = picture
        self._policies = policies
        self._attributes = Attributes(session, picture)

    def apply(self, wish: Wish) -> Started[Machine]:
        """Custom attributes one call each, then one task: ReconfigVM_Task for all that it can do, else another."""
        machine, spec, fields = wish.machine, wish.spec, wish.fields
        if (off := sorted(fields & OFF)) and machine.power is not Power.STOPPED:
            raise Refused(Reason.RESTART_REQUIRED, f"{machine.name} has to be off for another {', '.join(off)}")
        if wish.wants("tags"):
            machine = self._attributes.set(machine, self._vm(machine), spec.tags)
        if fields <= {"tags"}:
            return Started(id=machine.id, found=machine)
        now = self._look(wish)
        if change := self._reconfiguration(wish, now):
            return self._begun(machine, "Reconfigure", self._vm(machine).ReconfigVM_Task, change)
        if "name" in fields and machine.name != spec.name:
            return self._rename(machine, spec.name)
        wanted = str(spec.options.get("hardwareVersion") or "")
        if VERSION in fields and versions.number(wanted) > versions.number(now.seen.version):
            return self._upgrade(machine, wanted)
        if fields & RELOCATION and (where := self._relocation(spec, now.seen)):
            return self._begun(machine, "Relocate", self._vm(machine).RelocateVM_Task, where)
        if FOLDER in fields and (folder := self._folder(spec, now.seen)):
            return self._move(machine, folder)
        return Started(id=machine.id, found=machine)

    def _vm(self, machine: Machine) -> Any:
        return vim.VirtualMachine(machine.id, self._session.calls)

    def _begun(
        self, machine: Machine, operation: str, call: Callable[[Any], Any], argument: object
    ) -> Started[Machine]:
        self._picture.changing(machine.id)
        task = Task(moid(call(argument)), operation, time.time())
        self._picture.started(task)
        self._picture.changing(machine.id, task)
        return Started(id=machine.id, task=task)

    def _look(self, wish: Wish) -> _Now:
        """The machine as it is now: what is edited in place is read, all the rest is as it was pushed."""
        known = self._picture.look(wish.machine.id)
        paths: tuple[str, ...] = (*seen.PATHS, seen.DEVICES)
        if known is not None:
            paths = (seen.DEVICES,) if wish.fields & _DEVICES or wish.initial else ()
            paths += (seen.UUID, seen.METADATA) if wish.fields & RENDERED else ()
        if known is not None and not paths:
            return _Now(known, ())
        start = collector.start(self._vm(wish.machine))
        answer = collector.retrieve(self._session, collector.selection({vim.VirtualMachine: paths}, start))
        found = next((entry for entry in answer if entry.id == wish.machine.id), None)
        if found is None:
            raise proof.unclear(wish.machine.id)
        devices = tuple(found.properties.get(seen.DEVICES, ()))
        if known is None:
            return _Now(seen.whole(found.id, found.properties), devices)
        for path in paths:
            if path != seen.DEVICES:
                seen.update(known, path, found.properties.get(path))
        return _Now(known, devices)

    def _reconfiguration(self, wish: Wish, now: _Now) -> Any:
        """The ConfigSpec of all that one ReconfigVM_Task can do; None where that is nothing."""
        spec, fields, initial = wish.spec, wish.fields, wish.initial
        words: dict[str, object] = {path: spec.options.get(option) for path, option in _options(fields)}
        devices: list[Any] = []
        extra: list[Any] = []
        change = vim.vm.ConfigSpec()
        if initial:
            change = clone.config_spec(initial.parameters, spec.cloud_init, initial)
            extra += [*change.extraConfig, *clone.options(wish.marker.pairs())]
        if wish.wants("cpus") and spec.cpus is not None:
            words |= {"numCPUs": spec.cpus, "numCoresPerSocket": clone.cores(spec.cpus, now.seen.cores)}
        if wish.wants("memory") and spec.memory is not None:
            words["memoryMB"] = spec.memory // seen.MIB
        chosen = self._chosen(wish)
        words["vmProfile"] = profiles(chosen.home)
        devices += _disks(wish, now, chosen)
        if "networks" in fields and spec.networks:
            running = wish.machine.power is not Power.STOPPED
            devices += self._inventory.look(
                lambda layout: clone.connected(spec.networks, now.devices, layout, running=running)
            )
        if fields & RENDERED:
            extra += clone.options(_rendered(wish, now.seen))
        words = {word: value for word, value in words.items() if value is not None}
        if not (words or devices or extra):
            return None
        if "name" in fields:
            words["name"] = spec.name
        for word, value in words.items():
            setattr(change, word, value)
        change.deviceChange, change.extraConfig = devices, extra
        return change

    def _chosen(self, wish: Wish) -> Chosen:
        """The storage policies that are to be brought to the spec."""
        if not wish.fields & POLICIES:
            return Chosen()
        chosen = self._policies.chosen(wish.spec)
        return chosen if POLICY in wish.fields else replace(chosen, home=None)

    def _upgrade(self, machine: Machine, version: str) -> Started[Machine]:
        try:
            return self._begun(machine, "Upgrade", self._vm(machine).UpgradeVM_Task, version)
        except CloudError as error:
            if caused_by(error, "AlreadyUpgraded"):
                return Started(id=machine.id, found=machine)
            raise

    def _rename(self, machine: Machine, name: str) -> Started[Machine]:
        try:
            return self._begun(machine, "Rename", self._vm(machine).Rename_Task, name)
        except IdTaken as error:
            raise Refused(Reason.NAME_TAKEN, error.message) from error.__cause__

    def _relocation(self, spec: MachineSpec, now: Seen) -> Any:
        """The RelocateSpec of a move; None where the machine is there already."""
        layout = self._inventory.layout()
        target = placement.target(layout, spec, now, placement.Load(self._picture.unfit()))
        if target is None:
            return None
        return vim.vm.RelocateSpec(
            host=vim.HostSystem(target.host) if target.host else None,
            pool=vim.ResourcePool(target.pool) if target.pool else None,
            datastore=vim.Datastore(target.datastore) if target.datastore else None,
        )

    def _folder(self, spec: MachineSpec, now: Seen) -> str | None:
        """The folder that the machine has to be moved into; None where it is there already."""
        folder = placement.folder(self._inventory.layout(), spec.placement["folder"])
        return folder if folder != now.parent else None

    def _move(self, machine: Machine, folder: str) -> Started[Machine]:
        try:
            into = vim.Folder(folder, self._session.calls)
            return self._begun(machine, "Move", into.MoveIntoFolder_Task, [self._vm(machine)])
        except IdTaken as error:
            raise Refused(Reason.NAME_TAKEN, error.message) from error.__cause__


def _options(fields: Collection[str]) -> Iterator[tuple[str, str]]:
    """The words of a ConfigSpec for options that are to be brought to the spec, and their names there."""
    return ((word, path.partition(".")[2]) for path, word in HARDWARE.items() if path in fields)


def _rendered(wish: Wish, now: Seen) -> Mapping[str, str]:
    """The options of what cloud-init reads. Raises Refused where it would take the machine for another afterwards."""
    name = f"{wish.machine.name} ({wish.machine.id})"
    if now.uuid is None:
        raise Busy(f"the vCenter does not show the configuration of {name} now")
    if now.metadata is None:
        raise Refused(
            Reason.UNSUPPORTED,
            f"the advanced option {guestinfo.METADATA} of {name} is neither JSON nor plain YAML (as it is, in Base64, or"
            " packed by gzip and in Base64), so what is in it would be lost, and cloud-init would begin from scratch;"
            " put it in order, or take it away",
        )
    return guestinfo.written_anew(now.metadata, wish.spec.cloud_init, now.uuid)


def _disks(wish: Wish, now: _Now, chosen: Chosen) -> list[Any]:
    """The edits of disks, one for each: a size, a storage policy, or both."""
    edits: list[Any] = []
    if wish.wants("rootDisk") and wish.spec.root_disk is not None:
        edits += _growth(wish.machine, now.devices, wish.spec.root_disk, chosen.root_disk or chosen.home)
    return [*edits, *clone.disk_policies(now.devices, chosen, {int(edit.device.key) for edit in edits})]


def _growth(machine: Machine, devices: Sequence[Any], size: int, policy: str | None) -> list[Any]:
    """The edit that grows the machine's first disk; none when it is large enough."""
    disk = seen.root_disk(devices)
    if disk is None:
        raise Refused(Reason.INVALID_SPEC, f"{machine.name} ({machine.id}) has no disk that could grow")
    if (disks.capacity(disk) or 0) >= size:
        return []
    return [clone.disk_change(clone.grown(disk, size), policy)]
