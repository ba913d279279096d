"""Snapshots of one vCenter, behind the port: those of machines, and those of volumes (see ``disk_snapshots``).

A vCenter takes no token for one, and a machine may have several of a name. The marker is in the description, and given with
the call; a repetition looks for it before, and waits while a snapshot of the machine, or disk, is still being taken.

Source: CreateSnapshot_Task of VirtualMachine and VirtualMachineSnapshot in the vSphere Web Services API reference.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, Disposition, NotProven, Refused, Unclear
from hybridge.core.identity import Marker, replace_notes, write_notes
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot, SnapshotSpec, SnapshotTraits, SourceKind
from hybridge.core.task import Task
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for
from hybridge.drivers.vsphere import collector, proof, seen, snapshot_mapping
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.disk_ids import is_disk_snapshot_id
from hybridge.drivers.vsphere.disk_snapshots import FIXED, DiskSnapshots
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.snapshot_mapping import Taken, carries, snapshot

#: Of how many snapshots that were begun the task is remembered.
_ASKED: Final = 200
#: What a vCenter calls the tasks that take snapshots.
_TAKING: Final = frozenset({"VirtualMachine.createSnapshot", "VirtualMachine.createSnapshotEx"})


class VsphereSnapshots:
    """The port's methods. Ids of managed objects are never used twice."""

    traits: Final = SnapshotTraits(visibility=300.0, token_lifetime=0.0)

    def __init__(self, session: Session, inventory: Inventory, picture: Picture, of_disks: DiskSnapshots) -> None:
        self._session = session
        self._inventory = inventory
        self._picture = picture
        self._of_disks = of_disks
        self._asked: dict[str, Task] = {}
        self._quiet: dict[str, Task] = {}

    def normalize(self, spec: SnapshotSpec) -> SnapshotSpec:
        """No tags, which a vCenter does not keep."""
        return snapshot_mapping.normalize(spec)

    def prepare(self, spec: SnapshotSpec, taken: Collection[str]) -> Prepared:
        """No request where the machine was pushed.

        A guest without running tools is not asked to be quiet: a vCenter may say afterwards that it was. Neither is one that
        could not be when it was asked last: a snapshot as a crash leaves the disks is better than none.
        """
        del taken  # the vCenter chooses ids
        source = self.normalize(spec).source
        if source is None:
            raise Refused(Reason.INVALID_SPEC, "spec.sourceRef is missing")
        if source.id is None:
            words = f"{source.kind} {source.name} has nothing in the cloud yet"
            raise CloudError(Reason.DEPENDENCY_NOT_READY, words, disposition=Disposition.WAIT)
        if source.kind is SourceKind.VOLUME:
            return Prepared({"disk": source.id, "datastore": self._of_disks.store(source.id)})
        found = self._picture.look(source.id) or self._read_machine(source.id)
        if found.template:
            raise Refused(Reason.INVALID_SPEC, f"spec.sourceRef: {found.name} ({found.id}) is a template")
        quiesce = spec.quiesce and bool(found.tools_running) and not self._stayed_loud(source.id)
        return Prepared({"machine": source.id, "memory": spec.memory, "quiesce": quiesce})

    def create(self, intent: Intent, spec: SnapshotSpec, marker: Marker) -> Started[Snapshot]:
        """One CreateSnapshot_Task, or VStorageObjectCreateSnapshot_Task, after a look at what there is."""
        del spec  # all of it is among the parameters
        taking = self._being_taken(intent)  # what ends from here on is in what is read next
        for one in self._there_of(intent):
            if carries(one, marker):
                return Started(one.id, one)
        asked = self._asked.get(intent.token)
        if asked is not None and not self._picture.has_failed(asked):
            return Started(task=asked)
        if taking:
            raise _busy(intent)
        task = self._take_of_disk(intent, marker) if "disk" in intent.parameters else self._take(intent, marker)
        self._asked[intent.token] = task
        if len(self._asked) > _ASKED:
            del self._asked[next(iter(self._asked))]
        return Started(task=task)

    def find(self, marker: Marker, intent: Intent | None) -> list[Snapshot]:
        """Of the intent's machine or disk one request; without an intent, one for all machines, and one for each disk.

        Raises Busy while a snapshot is being taken.
        """
        if intent is None:
            read = self._inventory.machines(seen.SNAPSHOTS)
            found = [one for entry in read for one in _shown(entry.id, entry.properties)]
            return [one for one in (*found, *self._of_disks.all()) if carries(one, marker)]
        taking = self._being_taken(intent)
        found = [one for one in self._there_of(intent) if carries(one, marker)]
        if taking and not found:
            raise _busy(intent)
        return found

    def get(self, snapshot_id: str) -> Snapshot | None:
        """Two requests: which machine it is of, and what that has. With its machine, or disk, it is gone as well."""
        if is_disk_snapshot_id(snapshot_id):
            return self._of_disks.get(snapshot_id)
        machine_id = ""
        try:
            start = collector.start(vim.vm.Snapshot(snapshot_id))
            read = collector.retrieve(self._session, collector.selection({vim.vm.Snapshot: ("vm",)}, start))
            entry = next((one for one in read if one.id == snapshot_id), None)
            if entry is None or "vm" not in entry.properties:
                raise proof.unclear(snapshot_id)
            machine_id = moid(entry.properties["vm"])
            found = self._of(machine_id)
        except CloudError as error:
            if caused_by(error, "ManagedObjectNotFound"):
                if proof.absent(error) in {snapshot_id, machine_id}:
                    return None
                raise proof.unclear(snapshot_id) from error
            raise
        one = next((one for one in found if one.id == snapshot_id), None)
        if one is None:
            raise Unclear(f"{machine_id} does not show its snapshot {snapshot_id}")
        return one

    def configure(
        self, found: Snapshot, spec: SnapshotSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Snapshot]:
        """RenameSnapshot."""
        del intent, marker
        now = self._there(found)
        prove(found, now.marker)
        if "name" in fields and now.name != spec.name and is_disk_snapshot_id(now.id):
            raise Refused(Reason.UNSUPPORTED, f"spec.name: nobody can change that of {FIXED}")
        if "name" in fields and now.name != spec.name:
            self._object(now.id).RenameSnapshot(spec.name, None)
            now = replace(now, name=spec.name)
        return Started(now.id, now)

    def mark(self, found: Snapshot, marker: Marker | None) -> Started[Snapshot]:
        """RenameSnapshot of the description, after a read; what people wrote there stays."""
        now = self._there(found)
        prove_for(found, now.marker, marker)
        if is_disk_snapshot_id(now.id):
            raise Refused(Reason.UNSUPPORTED, f"the marker of {now.id} stays as it is: it is {FIXED}")
        taken = self._taken(now)
        # Without any text it would stay as it is.
        self._object(now.id).RenameSnapshot(None, replace_notes(taken.description, marker) or " ")
        return Started(now.id, replace(now, marker=marker))

    def delete(self, found: Snapshot) -> Started[Snapshot]:
        """RemoveSnapshot_Task, after a read that proves whose it is: its disks are merged into what builds on it."""
        now = self.get(found.id)
        if now is None:
            return Started(found.id, replace(found, state=State.GONE))
        prove(found, now.marker)
        if is_disk_snapshot_id(now.id):
            task = self._begun("DeleteSnapshot", self._of_disks.delete(now))
            self._picture.disk_snapshots_changing(now.source_id, task)
            return Started(now.id, task=task)
        try:
            call = self._object(now.id).RemoveSnapshot_Task(removeChildren=False, consolidate=True)
        except CloudError as error:
            if proof.absent(error) == now.id:
                return Started(found.id, replace(found, state=State.GONE))
            raise
        return Started(now.id, task=self._begun("RemoveSnapshot", call))

    # What the port's methods are made of.

    def _there_of(self, intent: Intent) -> list[Snapshot]:
        """What the intent's machine or disk has, read now; of one that is gone there are none."""
        given = intent.parameters
        if "disk" in given:
            return self._of_disks.of(str(given["disk"]), str(given["datastore"])) or []
        return self._of(str(given["machine"]), or_none=True)

    def _take(self, intent: Intent, marker: Marker) -> Task:
        given, machine_id = intent.parameters, str(intent.parameters["machine"])
        memory, quiesce = bool(given["memory"]), bool(given["quiesce"])
        reference = vim.VirtualMachine(machine_id, self._session.calls)
        call = reference.CreateSnapshot_Task(intent.name, write_notes(marker), memory, quiesce)
        task = self._begun("CreateSnapshot", call)
        if quiesce:
            self._quiet[machine_id] = task
            if len(self._quiet) > _ASKED:
                del self._quiet[next(iter(self._quiet))]
        return task

    def _stayed_loud(self, machine_id: str) -> bool:
        """Whether a snapshot failed because the guest could not be made quiet.

        Source: ApplicationQuiesceFault and FilesystemQuiesceFault in the API reference.
        """
        asked = self._quiet.get(machine_id)
        return asked is not None and "QuiesceFault" in self._picture.failure(asked)

    def _take_of_disk(self, intent: Intent, marker: Marker) -> Task:
        disk_id = str(intent.parameters["disk"])
        call = self._of_disks.take(disk_id, str(intent.parameters["datastore"]), intent.name, marker)
        task = self._begun("CreateSnapshot", call)
        self._picture.disk_snapshots_changing(disk_id, task)
        return task

    def _object(self, snapshot_id: str) -> Any:
        return vim.vm.Snapshot(snapshot_id, self._session.calls)

    def _begun(self, operation: str, reference: Any) -> Task:
        task = Task(moid(reference), operation, time.time())
        self._picture.started(task)
        return task

    def _being_taken(self, intent: Intent) -> bool:
        """Whether a snapshot of the intent's machine or disk may be being taken: it shows only when it is whole."""
        given = intent.parameters
        if "disk" in given:
            return self._picture.is_snapshotting(str(given["disk"]), str(given["datastore"]))
        return self._picture.is_running(str(given["machine"]), _TAKING)

    def _read(self, machine_id: str, *paths: str) -> collector.Found:
        start = collector.start(vim.VirtualMachine(machine_id))
        read = collector.retrieve(self._session, collector.selection({vim.VirtualMachine: paths}, start))
        entry = next((one for one in read if one.id == machine_id), None)
        if entry is None or seen.UUID not in entry.properties:
            raise proof.unclear(machine_id)
        return entry

    def _read_machine(self, machine_id: str) -> seen.Seen:
        try:
            return seen.whole(machine_id, self._read(machine_id, *seen.PATHS).properties)
        except CloudError as error:
            if proof.absent(error) == machine_id:
                raise Refused(
                    Reason.NOT_FOUND, f"spec.sourceRef: there is no machine {machine_id}"
                ) from error.__cause__
            raise

    def _of(self, machine_id: str, *, or_none: bool = False) -> list[Snapshot]:
        """The snapshots of a machine, read now. ``or_none``: that of a machine that is gone there are none."""
        try:
            # The UUID is there with any configuration that can be read, and snapshots only where there are some.
            entry = self._read(machine_id, seen.UUID, seen.SNAPSHOTS)
        except CloudError as error:
            if or_none and proof.absent(error) == machine_id:
                return []
            raise
        return _shown(machine_id, entry.properties)

    def _there(self, found: Snapshot) -> Snapshot:
        now = self.get(found.id)
        if now is None:
            raise NotProven(f"{found.name} ({found.id}) is gone")
        return now

    def _taken(self, now: Snapshot) -> Taken:
        entry = self._read(now.source_id, seen.UUID, seen.SNAPSHOTS)
        found = snapshot_mapping.taken(entry.properties.get(seen.SNAPSHOTS))
        one = next((one for one in found if one.id == now.id), None)
        if one is None:
            raise NotProven(f"{now.name} ({now.id}) is gone")
        return one


def _busy(intent: Intent) -> Busy:
    given = intent.parameters
    return Busy(f"a snapshot of {given.get('disk') or given.get('machine')} is being taken")


def _shown(machine_id: str, properties: Any) -> list[Snapshot]:
    return [snapshot(one, machine_id) for one in snapshot_mapping.taken(properties.get(seen.SNAPSHOTS))]
