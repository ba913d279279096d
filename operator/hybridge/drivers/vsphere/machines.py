"""Machines of one vCenter, behind the port."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from hybridge.core.errors import Busy, CloudError, NotProven, Refused
from hybridge.core.identity import KEYS, Marker
from hybridge.core.machine import Intent, Machine, MachineSpec, Placed, Power, PowerOff, Task, Traits
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Settings, Started
from hybridge.drivers.vsphere import clone, collector, mapping, placement
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.picture import SHUTDOWN, Picture
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.templates import Templates

_STATE = {Power.RUNNING: "poweredOn", Power.STOPPED: "poweredOff"}


class VsphereMachines:
    """The port's methods. Ids of managed objects are never used twice, so acting by id is acting on what was proven."""

    traits: Final = Traits(
        exact_sizes=True,
        delete_needs_stop=True,
        chooses_uuid=True,
        initialize=False,
        visibility=60.0,
        token_lifetime=86400.0,
    )

    def __init__(self, session: Session, settings: Settings, inventory: Inventory, picture: Picture) -> None:
        self._session = session
        self._defaults = settings.defaults
        self._inventory = inventory
        self._picture = picture
        self._defining = threading.Lock()
        self._templates = Templates(session, inventory, picture)

    def normalize(self, spec: MachineSpec) -> MachineSpec:
        """Memory in steps of 4 MiB, the disk in whole MiB, and tags that have a value."""
        return clone.normalize(spec)

    def prepare(self, spec: MachineSpec, taken: Collection[str], apart: Collection[Placed] = ()) -> Prepared:
        """Two requests at most, and none for a minute after that."""
        del taken, apart  # the vCenter chooses ids
        spec = self.normalize(spec)
        template = self._templates.get(spec.image or "")
        layout = self._inventory.layout()
        where = placement.place(layout, template, spec.placement, self._defaults)
        return Prepared(clone.parameters(spec, template, where, layout, self._defaults.get("network")))

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started:
        """One CloneVM_Task. A folder holds a name once, so a repetition finds the machine that the first call made."""
        given: Mapping[str, Any] = intent.parameters
        known = self._picture.named(given["folder"], intent.name) if self._picture.ready else None
        if known is not None and (started := self._existing(known, intent, marker)):
            return started
        argument = clone.clone_spec(given, intent, spec.cloud_init, marker)
        folder = vim.Folder(given["folder"], self._session.calls)
        try:
            task = self._vm(given["template"]).CloneVM_Task(folder, intent.name, argument)
        except CloudError as error:
            holder = getattr(error.__cause__, "object", None) if caused_by(error, "DuplicateName") else None
            if holder is not None and (started := self._existing(moid(holder), intent, marker)):
                return started
            if caused_by(error, "ManagedObjectNotFound"):
                self._inventory.forget()
                self._templates.forget()
            raise
        return self._started(None, task, "Clone", intent.uuid)

    def find(self, marker: Marker, intent: Intent | None) -> list[Machine]:
        """By the intent's UUID and by its name in its folder, both asked now; by the marker in what was pushed.

        Without an intent, or before the first sweep, every machine's marker is read now.
        """
        ids: set[str] = set()
        if intent is not None:
            ids = self._from_intent(intent)
        if intent is not None and self._picture.ready:
            ids |= {found.id for found in self._picture.machines() if _carries(found, marker)}
        else:
            everything = self._inventory.machines(*mapping.PATHS)
            ids |= {found.id for found in everything if _carries(self._described(found), marker)}
        machines = [self._described(found) for found in self._read(sorted(ids), tolerate_missing=True)]
        uuid = intent.uuid if intent is not None else None
        return [found for found in machines if _carries(found, marker) or (uuid and found.uuid == uuid)]

    def get(self, machine_id: str) -> Machine | None:
        """One request, disks included."""
        try:
            found = self._read([machine_id])
        except CloudError as error:
            if caused_by(error, "ManagedObjectNotFound"):
                return None
            raise
        return self._described(found[0]) if found else None

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started:
        """Custom attributes one call each; all the rest in one ReconfigVM_Task."""
        with _present(machine):
            return self._configure(machine, spec, fields, intent, marker)

    def _configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started:
        initialize = "initialize" in fields and intent is not None
        if "tags" in fields or initialize:
            machine = self._set_attributes(machine, spec.tags)
        change = vim.vm.ConfigSpec()
        if initialize and intent is not None:
            change = clone.config_spec(intent.parameters, spec.cloud_init, intent)
            change.deviceChange = []
            change.extraConfig = [*change.extraConfig, *clone.options(marker.pairs())]
        if "cpus" in fields or initialize:
            change.numCPUs = spec.cpus
        if ("memory" in fields or initialize) and spec.memory is not None:
            change.memoryMB = spec.memory // mapping.MIB
        if ("rootDisk" in fields or initialize) and spec.root_disk is not None:
            change.deviceChange = self._disk_growth(machine, spec.root_disk)
        if not (initialize or change.numCPUs or change.memoryMB or change.deviceChange):
            return Started(id=machine.id, machine=machine)
        return self._started(machine.id, self._vm(machine.id).ReconfigVM_Task(change), "Reconfigure")

    def mark(self, machine: Machine, marker: Marker | None) -> Started:
        """One ReconfigVM_Task of the marker's keys; empty values take them away."""
        pairs = marker.pairs() if marker else dict.fromkeys(KEYS, "")
        change = vim.vm.ConfigSpec(extraConfig=clone.options(pairs))
        with _present(machine):
            return self._started(machine.id, self._vm(machine.id).ReconfigVM_Task(change), "Mark")

    def set_power(self, machine: Machine, spec: MachineSpec, power: Power, *, hard: bool = False) -> Started:
        """PowerOnVM_Task, PowerOffVM_Task, or ShutdownGuest where VMware Tools run."""
        soft = power is Power.STOPPED and not hard and spec.power_off is not PowerOff.HARD
        reference = self._vm(machine.id)
        try:
            with _present(machine):
                if power is Power.RUNNING:
                    return self._started(machine.id, reference.PowerOnVM_Task(), "PowerOn")
                if soft and self._shut_down(machine, spec.power_off):
                    return Started(id=machine.id, task=Task(f"{SHUTDOWN}{machine.id}", "Shutdown", time.time()))
                return self._started(machine.id, reference.PowerOffVM_Task(), "PowerOff")
        except CloudError as error:
            existing = getattr(error.__cause__, "existingState", None)
            if caused_by(error, "InvalidPowerState") and existing == _STATE[power]:
                return Started(id=machine.id, machine=replace(machine, power=power))
            raise

    def delete(self, machine: Machine) -> Started:
        """Destroy_Task: the machine and all its disks."""
        try:
            return self._started(machine.id, self._vm(machine.id).Destroy_Task(), "Destroy")
        except CloudError as error:
            if caused_by(error, "ManagedObjectNotFound"):
                return Started(id=machine.id, machine=replace(machine, power=Power.GONE))
            raise

    def close(self) -> None:
        """Nothing of its own: the session is the driver's."""

    # What the port's methods are made of.

    def _vm(self, machine_id: str) -> Any:
        return vim.VirtualMachine(machine_id, self._session.calls)

    def _started(self, machine_id: str | None, reference: Any, operation: str, uuid: str | None = None) -> Started:
        task = Task(moid(reference), operation, time.time())
        self._picture.started(task, uuid)
        return Started(id=machine_id, task=task)

    def _read(self, ids: Collection[str], *, tolerate_missing: bool = False) -> list[Found]:
        if not ids:
            return []
        paths = (*mapping.PATHS, mapping.DEVICES)
        starts = [collector.start(self._vm(machine_id)) for machine_id in ids]
        chosen = [collector.selection({vim.VirtualMachine: paths}, *starts, tolerate_missing=tolerate_missing)]
        if not self._picture.ready:  # the names of custom attributes were not pushed yet
            fields = collector.start(self._session.content.customFieldsManager)
            chosen.append(collector.selection({vim.CustomFieldsManager: ("field",)}, fields))
        found = collector.retrieve(self._session, *chosen)
        for entry in found:
            if entry.kind == "CustomFieldsManager":
                self._picture.change(entry.kind, entry.id, entry.properties.items())
        return [entry for entry in found if entry.kind == "VirtualMachine"]

    def _described(self, found: Found) -> Machine:
        return self._picture.describe(mapping.seen(found.id, found.properties))

    def _existing(self, machine_id: str, intent: Intent, marker: Marker) -> Started | None:
        """What has the wanted name already: ours, or nothing any more (None). Raises Refused NAME_TAKEN, or Busy."""
        found = self.get(machine_id)
        if found is None:
            return None
        if _carries(found, marker) and found.uuid == intent.uuid:
            return Started(id=found.id, machine=found)
        if _carries(found, marker) or not found.detailed:
            raise Busy(f"{found.id} has the name {intent.name} and comes from an earlier attempt, or is being made")
        layout = self._inventory.layout()
        folder = layout.path(str(intent.parameters["folder"])) or "the datacenter's machine folder"
        raise Refused(Reason.NAME_TAKEN, f"{intent.name} exists in {folder} as {found.id}, and it is not ours")

    def _from_intent(self, intent: Intent) -> set[str]:
        """Ids of what has the intent's UUID, or its name in its folder."""
        index = self._session.content.searchIndex
        found = (
            index.FindAllByUuid(self._inventory.datacenter_reference(), intent.uuid, True, True) if intent.uuid else ()
        )
        ids = {moid(reference) for reference in found or ()}
        if folder := intent.parameters.get("folder"):
            child = index.FindChild(vim.Folder(str(folder), self._session.calls), intent.name)
            if child is not None and collector.kind_of(child) == "VirtualMachine":
                ids.add(moid(child))
        return ids

    def _set_attributes(self, machine: Machine, tags: Mapping[str, str]) -> Machine:
        """Gives the machine its tags as custom attributes, defining those that the vCenter does not have."""
        manager = self._session.content.customFieldsManager
        for name, text in tags.items():
            if machine.tags.get(name) == text:
                continue
            with self._defining:
                # Machines that are tagged at once must not both define the same name.
                key = self._picture.attributes().get(name)
                if key is None:
                    key = self._define(manager, name)
                    self._picture.add_attribute(key, name)
            manager.SetField(self._vm(machine.id), key, text)
            machine = replace(machine, tags={**machine.tags, name: text})
        return machine

    def _define(self, manager: Any, name: str) -> int:
        """The key of a new custom attribute, or of one that somebody else has defined since we last heard."""
        try:
            return int(manager.AddCustomFieldDef(name, vim.VirtualMachine).key)
        except CloudError as error:
            if not caused_by(error, "DuplicateName"):
                raise
            chosen = collector.selection({vim.CustomFieldsManager: ("field",)}, collector.start(manager))
            (found,) = collector.retrieve(self._session, chosen)
            known = mapping.attribute_names(found.properties.get("field"))
            for key, known_name in known.items():
                if known_name == name:
                    return key
            raise

    def _disk_growth(self, machine: Machine, size: int) -> list[Any]:
        """The edit that grows the machine's first disk; none when it is large enough."""
        start = collector.start(self._vm(machine.id))
        chosen = collector.selection({vim.VirtualMachine: (mapping.DEVICES,)}, start)
        (found,) = collector.retrieve(self._session, chosen)
        disk = mapping.root_disk(found.properties.get(mapping.DEVICES, ()))
        if disk is None:
            raise Refused(Reason.INVALID_SPEC, f"{machine.name} ({machine.id}) has no disk that could grow")
        if (mapping.capacity(disk) or 0) >= size:
            return []
        return [clone.disk_change(clone.grown(disk, size))]

    def _shut_down(self, machine: Machine, mode: PowerOff) -> bool:
        """Asks the guest to shut down. False when it cannot be asked, and the plug may be pulled."""
        seen = self._picture.look(machine.id)
        if seen is None:
            found = self._read([machine.id])
            seen = mapping.seen(machine.id, found[0].properties if found else {})
        if seen.tools_running:
            try:
                self._vm(machine.id).ShutdownGuest()
            except CloudError as error:
                if not caused_by(error, "ToolsUnavailable"):
                    raise
            else:
                return True
        if mode is PowerOff.SOFT:
            raise Refused(
                Reason.UNSUPPORTED,
                f"VMware Tools do not run in {machine.name}, so its guest cannot be asked to shut down; "
                "set spec.powerOff.mode to TrySoft or Hard",
            )
        return False


@contextlib.contextmanager
def _present(machine: Machine) -> Iterator[None]:
    """Raises NotProven where the vCenter says that the machine is gone."""
    try:
        yield
    except CloudError as error:
        if caused_by(error, "ManagedObjectNotFound"):
            raise NotProven(f"{machine.name} ({machine.id}) is gone: {error.message}") from None
        raise


def _carries(machine: Machine, marker: Marker) -> bool:
    return machine.marker is not None and machine.marker.owner == marker.owner
