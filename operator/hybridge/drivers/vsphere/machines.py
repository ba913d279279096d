"""Machines of one vCenter, behind the port."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, NotProven, Refused
from hybridge.core.identity import KEYS, Marker
from hybridge.core.machine import Change, Machine, MachineSpec, Power, PowerOff, Traits
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.base import Prepared, Settings, Started
from hybridge.drivers.marked import prove, prove_for
from hybridge.drivers.vsphere import clone, collector, placement, proof, seen
from hybridge.drivers.vsphere.attaching import Attaching
from hybridge.drivers.vsphere.changes import FOLDER, OFF, POLICIES, RELOCATION, Changes, Wish
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.hosts import Promised
from hybridge.drivers.vsphere.inventory import Inventory, Layout
from hybridge.drivers.vsphere.mapping import DISK_POLICY, POLICY
from hybridge.drivers.vsphere.picture import SHUTDOWN, Picture
from hybridge.drivers.vsphere.policies import Policies
from hybridge.drivers.vsphere.reverting import Reverting
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.templates import Templates

_ENABLE: Final = (
    "let whoever disabled Destroy_Task (a backup, for the most part) finish, or enable it again with enableMethods of the"
    " vCenter's AuthorizationManager"
)
_STATE = {Power.RUNNING: "poweredOn", Power.STOPPED: "poweredOff"}


class VsphereMachines:
    """The port's methods. Ids of managed objects are never used twice, so acting by id is acting on what was proven."""

    traits: Final = Traits(
        exact_sizes=True,
        delete_needs_stop=True,
        chooses_uuid=True,
        initialize=False,
        reverts=True,
        visibility=60.0,
        token_lifetime=86400.0,
        block="vsphere",
        changes={
            **dict.fromkeys(RELOCATION, Change.ONLINE),
            FOLDER: Change.ONLINE,
            **dict.fromkeys(POLICIES, Change.ONLINE),
            "networks": Change.ONLINE,
            "networks.mac": Change.STOPPED,
            **dict.fromkeys(OFF, Change.STOPPED),
        },
        parts={POLICY: DISK_POLICY},
    )

    def __init__(
        self,
        session: Session,
        settings: Settings,
        inventory: Inventory,
        picture: Picture,
        policies: Policies,
        attaching: Attaching,
        templates: Templates,
    ) -> None:
        self._session = session
        self._defaults = settings.defaults
        self._inventory = inventory
        self._picture = picture
        self._policies = policies
        self._promised = Promised()
        self._attaching = attaching
        self._changes = Changes(session, inventory, picture, policies)
        self._templates = templates
        self._reverting = Reverting(session, picture)

    def normalize(self, spec: MachineSpec) -> MachineSpec:
        """Memory in steps of 4 MiB, the disk in whole MiB, and tags that have a value."""
        return clone.normalize(spec)

    def prepare(self, spec: MachineSpec, taken: Collection[str], apart: Collection[Placed] = ()) -> Prepared:
        """Two requests at most, and none for a minute after that; three more for the names of storage policies."""
        del taken  # the vCenter chooses ids
        spec = self.normalize(spec)
        template = self._templates.get(spec.image or "")
        policies = self._policies.chosen(spec)
        load = placement.Load(self._picture.unfit(), self._promised.by_host(besides=spec.name))

        def chosen(layout: Layout) -> tuple[placement.Place, dict[str, object]]:
            where = placement.place(layout, template, spec, self._defaults, load, apart)
            return where, clone.parameters(spec, template, where, layout, self._defaults.get("network"), policies)

        where, parameters = self._inventory.look(chosen)
        if where.host and spec.power is not Power.STOPPED:
            self._promised.add(spec.name, where.host, spec.memory or 0)
        return Prepared(parameters, placed=where.placed)

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started[Machine]:
        """One CloneVM_Task. A folder holds a name once, so a repetition finds the machine that the first call made."""
        argument = clone.clone_spec(intent.parameters, intent, spec.cloud_init, marker)
        made = self.made(intent, marker)
        return made or self.clone(str(intent.parameters["template"]), intent, argument, marker)

    def made(self, intent: Intent, marker: Marker) -> Started[Machine] | None:
        """What an earlier call of this intent has made, as far as was pushed. Raises Refused NAME_TAKEN, or Busy."""
        folder = str(intent.parameters["folder"])
        known = self._picture.named(folder, intent.name) if self._picture.ready else None
        return self._existing(known, intent, marker) if known is not None else None

    def clone(self, source: str, intent: Intent, argument: Any, marker: Marker) -> Started[Machine]:
        """One CloneVM_Task of a machine or template, into the folder that the intent names; ``argument``: its CloneSpec."""
        folder = vim.Folder(str(intent.parameters["folder"]), self._session.calls)
        try:
            task = self._vm(source).CloneVM_Task(folder, intent.name, argument)
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
        made = self._from_intent(intent) if intent is not None else set()
        ids = set(made)
        if intent is not None and self._picture.ready:
            ids |= {found.id for found in self._picture.machines() if _carries(found, marker)}
        else:
            everything = self._inventory.machines(*seen.PATHS)
            ids |= {found.id for found in everything if _carries(self._described(found), marker)}
        machines = [self._described(found) for found in self._read(sorted(ids), tolerate_missing=True)]
        missing = sorted(ids - {machine.id for machine in machines})
        machines += [machine for machine in map(self.get, missing) if machine is not None]
        uuid = intent.uuid if intent is not None else None
        if any(found.id in made and not found.detailed for found in machines):
            # A clone has no configuration at first, and so neither marker nor UUID.
            raise Busy(f"what has the name {intent.name if intent else ''} cannot be read yet")
        return [found for found in machines if _carries(found, marker) or (uuid and found.uuid == uuid)]

    def templates(self) -> list[Machine]:
        """All templates: as pushed, or read where nothing was pushed yet."""
        if not self._picture.ready:
            return [one for one in map(self._described, self._inventory.machines(*seen.PATHS)) if one.template]
        return [one for one in self._picture.machines() if one.template]

    def get(self, machine_id: str) -> Machine | None:
        """One request, disks included. Raises CloudError where the answer is without it: see ``proof``."""
        try:
            found = self._read_one(machine_id)
        except CloudError as error:
            if proof.absent(error) == machine_id:
                return None
            if caused_by(error, "ManagedObjectNotFound"):
                raise proof.unclear(machine_id) from error
            raise
        return self._described(found)

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Machine]:
        """Custom attributes one call each; all the rest in one task: see ``changes``."""
        with _present(machine):
            return self._changes.apply(Wish(machine, spec, frozenset(fields), intent, marker))

    def mark(self, machine: Machine, marker: Marker | None) -> Started[Machine]:
        """One ReconfigVM_Task of the marker's keys, empty values take them away; of a template's notes, where its marker is.

        It is read right before, as in ``delete``: what somebody else has taken over since stays his.
        """
        present = self.get(machine.id)
        if present is None:
            raise NotProven(f"{machine.name} ({machine.id}) is gone")
        prove_for(machine, present.marker, marker)
        pairs = marker.pairs() if marker else dict.fromkeys(KEYS, "")
        if present.template:
            change = vim.vm.ConfigSpec(annotation=clone.notes(self._notes(machine.id), marker))
        else:
            change = vim.vm.ConfigSpec(extraConfig=clone.options(pairs))
        with _present(machine):
            return self._started(machine.id, self._vm(machine.id).ReconfigVM_Task(change), "Mark")

    def attach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """AttachDisk_Task."""
        with _present(machine):
            return self._attaching.attach(machine, volume_id)

    def detach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """DetachDisk_Task."""
        with _present(machine):
            return self._attaching.detach(machine, volume_id)

    def set_power(self, machine: Machine, spec: MachineSpec, power: Power, *, hard: bool = False) -> Started[Machine]:
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
                return Started(id=machine.id, found=replace(machine, power=power))
            raise

    def delete(self, machine: Machine) -> Started[Machine]:
        """Destroy_Task: the machine and all its disks, but for volumes, which are to stay.

        It is read right before: what was pushed may be as old as a moment, and what is destroyed does not come back.

        Whether somebody disabled it is not to be known before: ``disabledMethod`` of every running machine holds it.
        """
        present = self.get(machine.id)
        if present is None:
            return Started(id=machine.id, found=replace(machine, power=Power.GONE))
        prove(machine, present.marker)
        self._attaching.admit_deletion(present)
        try:
            return self._started(machine.id, self._vm(machine.id).Destroy_Task(), "Destroy")
        except CloudError as error:
            if proof.absent(error) == machine.id:
                return Started(id=machine.id, found=replace(machine, power=Power.GONE))
            if caused_by(error, "MethodDisabled") or caused_by(error, "RestrictedByAdministrator"):
                raise Refused(Reason.DELETION_PROTECTED, f"{error.message}; {_ENABLE}") from error.__cause__
            raise

    def revert(self, machine: Machine, snapshot_id: str) -> Started[Machine]:
        """RevertToSnapshot_Task, after a look at both."""
        present = self.get(machine.id)
        if present is None:
            raise NotProven(f"{machine.name} ({machine.id}) is gone")
        prove(machine, present.marker)
        with _present(machine):
            return self._reverting.revert(machine, present, snapshot_id)

    def close(self) -> None:
        """Nothing of its own: the session is the driver's."""

    # What the port's methods are made of.

    def _vm(self, machine_id: str) -> Any:
        return vim.VirtualMachine(machine_id, self._session.calls)

    def _started(
        self, machine_id: str | None, reference: Any, operation: str, uuid: str | None = None
    ) -> Started[Machine]:
        task = Task(moid(reference), operation, time.time())
        self._picture.started(task, uuid)
        return Started(id=machine_id, task=task)

    def _read(self, ids: Collection[str], *, tolerate_missing: bool = False) -> list[Found]:
        if not ids:
            return []
        paths = (*seen.PATHS, seen.DEVICES)
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

    def _read_one(self, machine_id: str) -> Found:
        found = next((entry for entry in self._read([machine_id]) if entry.id == machine_id), None)
        if found is None:
            raise proof.unclear(machine_id)
        return found

    def _notes(self, machine_id: str) -> str:
        return str(self._read_one(machine_id).properties.get(seen.NOTES) or "")

    def _described(self, found: Found) -> Machine:
        return self._picture.describe(seen.whole(found.id, found.properties))

    def _existing(self, machine_id: str, intent: Intent, marker: Marker) -> Started[Machine] | None:
        """What has the wanted name already: ours, or nothing any more (None). Raises Refused NAME_TAKEN, or Busy."""
        found = self.get(machine_id)
        if found is None:
            return None
        if _carries(found, marker) and found.uuid == intent.uuid:
            return Started(id=found.id, found=found)
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

    def _shut_down(self, machine: Machine, mode: PowerOff) -> bool:
        """Asks the guest to shut down. False when it cannot be asked, and the plug may be pulled."""
        known = self._picture.look(machine.id)
        if known is None:
            known = seen.whole(machine.id, self._read_one(machine.id).properties)
        if known.tools_running:
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
        if proof.absent(error) == machine.id:
            raise NotProven(f"{machine.name} ({machine.id}) is gone: {error.message}") from None
        raise


def _carries(machine: Machine, marker: Marker) -> bool:
    return machine.marker is not None and machine.marker.owner == marker.owner
