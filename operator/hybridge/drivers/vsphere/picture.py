"""What the PropertyCollector has pushed so far: machines, where they run, and tasks.

The sweep's thread writes it, the threads of the pool read it; all of it can be lost and is then pushed again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from hybridge.core.machine import Known, Machine, Power
from hybridge.core.task import Task, TaskState
from hybridge.drivers.vsphere import mapping, seen
from hybridge.drivers.vsphere.disks import Attached
from hybridge.drivers.vsphere.mapping import TaskSeen
from hybridge.drivers.vsphere.places import Places
from hybridge.drivers.vsphere.seen import Associated, Disks, Seen

#: The id of a shutdown by the guest, which a vCenter starts without a task of its own: this and the machine's id.
SHUTDOWN: Final = "guest-shutdown:"

#: Seconds for which the end of a task of ours is worth a look although nobody asked.
_UNCLAIMED = 60.0
#: The task of a change whose call has not returned, or whose answer was lost.
_CALLED: Final = ""
#: Of how many clones the UUID of the coming machine is remembered.
_CLONES = 2000


class Picture:
    """Everything that was pushed, under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uuids: dict[str, str] = {}
        self._started: dict[str, float] = {}
        self._changing: dict[str, str] = {}
        self._unread: set[str] = set()
        self._rewiring: set[str] = set()
        self._rewired: set[str] = set()
        self._volume_tasks: dict[str, tuple[str, str]] = {}
        self._volumes_due: set[str] = set()
        self._stores: dict[str, str] = {}
        self._volume_policies: dict[str, Known] = {}
        self.clear()

    def clear(self) -> None:
        """Forgets what was pushed; ``ready`` is False until all of it is there again."""
        with self._lock:
            self.ready = False
            self._seen: dict[str, Seen] = {}
            self._machines: dict[str, Machine] = {}
            self._places = Places()
            self._attributes: dict[int, str] = {}
            self._properties: dict[str, dict[str, Any]] = {}
            self._tasks: dict[str, TaskSeen] = {}
            self._dirty: set[str] = set()
            self._stale = False
            self._changed_tasks: set[str] = set()
            self._gone: set[str] = set()

    # What the sweep writes.

    def change(self, kind: str, object_id: str, changes: Iterable[tuple[str, Any]]) -> None:
        """Takes over changed properties of one object; None: not set any more."""
        with self._lock:
            if kind == "VirtualMachine":
                known = object_id in self._seen
                found = self._seen.setdefault(object_id, Seen(object_id))
                before = found.disk_count
                for path, value in changes:
                    seen.update(found, path, value)
                if known and found.disk_count != before:
                    self._recounted(found)
                self._dirty.add(object_id)
                self._gone.discard(object_id)
            elif kind == "Task":
                self._task(object_id, changes)
            else:
                self._place(kind, object_id, dict(changes))

    def leave(self, kind: str, object_id: str) -> None:
        """An object was removed, or is no longer ours to see."""
        with self._lock:
            if kind == "VirtualMachine":
                self._seen.pop(object_id, None)
                self._machines.pop(object_id, None)
                self._dirty.discard(object_id)
                self._changing.pop(object_id, None)
                self._gone.add(object_id)
            elif kind == "Task":
                self._tasks.pop(object_id, None)
                self._properties.pop(object_id, None)
            else:
                self._places.leave(object_id)

    def _task(self, task_id: str, changes: Iterable[tuple[str, Any]]) -> None:
        properties = self._properties.setdefault(task_id, {})
        properties.update(changes)
        self._tasks[task_id] = task = mapping.task(properties)
        self._changed_tasks.add(task_id)
        if task.state is not TaskState.RUNNING:
            self._ended(task_id, task.entity)
            self._volume_ended(task_id)
        elif task.entity and not self.ready:  # it may be ours, of a session or a process before
            self._changing.setdefault(task.entity, task_id)

    def _ended(self, task_id: str, entity: str) -> None:
        """What is not pushed may be otherwise since a change of ours has ended."""
        if self._changing.get(entity) not in {task_id, _CALLED}:
            return
        if self._changing[entity] == task_id:
            del self._changing[entity]
        if entity in self._rewiring:
            self._rewiring.discard(entity)
            self._rewired.add(entity)
            return
        self._unread.add(entity)
        if (found := self._seen.get(entity)) is not None:
            found.policies = None
            self._dirty.add(entity)

    def _recounted(self, found: Seen) -> None:
        """Which disks came or went is not pushed: the devices of what is ours are read, of all else they are unknown."""
        if found.marks:
            self._rewired.add(found.id)
        elif not found.all_disks_pushed:
            found.volumes = None

    def _volume_ended(self, task_id: str) -> None:
        """A volume is read anew when a change of ours has ended, and what a creation has made."""
        volume_id, store = self._volume_tasks.pop(task_id, (None, ""))
        if volume_id is None:
            return
        if result := self._tasks[task_id].result:
            self._volumes_due.add(result)
            self._stores[result] = store
        if volume_id:
            self._volumes_due.add(volume_id)

    def _place(self, kind: str, object_id: str, changes: Mapping[str, Any]) -> None:
        """Names of places and of custom attributes: machines show them, so all are looked at again."""
        if kind == "CustomFieldsManager":
            self._attributes = mapping.attribute_names(changes.get("field"))
            self._stale = True
        elif self._places.change(kind, object_id, changes):
            self._stale = True

    def take(self) -> tuple[dict[str, Machine], set[str], set[str]]:
        """What changed since the last time: machines that look different, ids that left, and tasks."""
        with self._lock:
            changed: dict[str, Machine] = {}
            for machine_id in self._seen if self._stale else self._dirty:
                now = self._machine(self._seen[machine_id])
                if now != self._machines.get(machine_id):
                    self._machines[machine_id] = changed[machine_id] = now
            gone, tasks = self._gone, self._changed_tasks
            self._dirty, self._gone, self._changed_tasks, self._stale = set(), set(), set(), False
            return changed, gone, tasks

    def take_unread(self) -> set[str]:
        """The machines on which a change of ours has ended since the last time."""
        with self._lock:
            unread, self._unread = self._unread, set()
            return unread

    def take_rewired(self) -> set[str]:
        """The machines whose devices have to be read, because volumes came or went by a change of ours that has ended."""
        with self._lock:
            rewired, self._rewired = self._rewired, set()
            return rewired

    def take_volumes_due(self) -> set[str]:
        """The volumes that have to be read, because a change of ours has ended."""
        with self._lock:
            due, self._volumes_due = self._volumes_due, set()
            return due

    # What everybody reads.

    def machine(self, machine_id: str) -> Machine | None:
        """The machine as last reported."""
        with self._lock:
            return self._machines.get(machine_id)

    def machines(self) -> list[Machine]:
        """All machines as last reported, templates too."""
        with self._lock:
            return list(self._machines.values())

    def look(self, machine_id: str) -> Seen | None:
        """What is known of a machine beyond the port: its folder, whether its tools run."""
        with self._lock:
            found = self._seen.get(machine_id)
            return replace(found, marks=dict(found.marks), cards=dict(found.cards)) if found else None

    def named(self, folder: str, name: str) -> str | None:
        """The id of the machine of this name in this folder."""
        with self._lock:
            here = (found.id for found in self._seen.values() if found.name == name and found.parent == folder)
            return next(here, None)

    def folders(self, ids: Iterable[str]) -> dict[str, str]:
        """The folders of machines, by id."""
        with self._lock:
            return {machine_id: self._seen[machine_id].parent for machine_id in ids if machine_id in self._seen}

    def rewiring(self, machine_id: str) -> None:
        """A change of the volumes of a machine is about to be asked for: see ``changing``."""
        with self._lock:
            self._rewiring.add(machine_id)

    def volume_changing(self, volume_id: str, task: Task | None = None, store: str = "") -> None:
        """A change of a volume has begun; its id is empty while it is being made, on datastore ``store``. Without a task:
        it is over.
        """
        with self._lock:
            known = self._tasks.get(task.id) if task else None
            if task is not None:
                self._volume_tasks[task.id] = volume_id, store
            elif volume_id:
                self._volumes_due.add(volume_id)
            if task is not None and known is not None and known.state is not TaskState.RUNNING:
                self._volume_ended(task.id)

    def place_volumes(self, stores: Mapping[str, str], policies: Mapping[str, Known]) -> None:
        """On which datastores volumes were last seen, by their ids, and their storage policies."""
        with self._lock:
            self._stores, self._volume_policies = dict(stores), dict(policies)

    def volume_policy(self, volume_id: str) -> Known | None:
        """The storage policy of a volume, as last read."""
        with self._lock:
            return self._volume_policies.get(volume_id)

    def volume_store(self, volume_id: str) -> str:
        """The datastore on which a volume was last seen; empty where none was."""
        with self._lock:
            return self._stores.get(volume_id, "")

    def volumes_due(self) -> bool:
        """Whether a volume has to be read now."""
        with self._lock:
            return bool(self._volumes_due)

    def attachments(self) -> dict[str, list[tuple[str, Attached]]]:
        """Which machines have volumes, and as what, by the ids of the volumes."""
        with self._lock:
            found: dict[str, list[tuple[str, Attached]]] = {}
            for one in self._seen.values():
                for volume in one.attached or ():
                    found.setdefault(volume.id, []).append((one.id, volume))
            return found

    def storage(self, datastore: str) -> Known:
        """All words for a datastore that was pushed, and for the datastore cluster that it is of."""
        with self._lock:
            return self._places.storage(datastore)

    def undisked(self) -> list[str]:
        """Machines with a marker whose disks are not all pushed: their devices have to be read."""
        with self._lock:
            return [found.id for found in self._seen.values() if found.marks and not found.all_disks_pushed]

    def disks(self, also: Collection[str]) -> dict[str, Disks]:
        """The disks of each machine with a marker, and of others, by id."""
        with self._lock:
            return {found.id: found.disks for found in self._seen.values() if found.marks or found.id in also}

    def associate(self, policies: Mapping[str, Associated]) -> None:
        """Takes over the storage policies of machines, by id."""
        with self._lock:
            for machine_id, associated in policies.items():
                found = self._seen.get(machine_id)
                if found is not None and found.policies != associated:
                    found.policies = associated
                    self._dirty.add(machine_id)

    def unfit(self) -> dict[str, str]:
        """Why nothing can go to a host, by its id; of those that are pushed and are not fine."""
        with self._lock:
            return self._places.unfit()

    def describe(self, found: Seen) -> Machine:
        """The machine of something that was read apart; its storage policies are those that were read last."""
        with self._lock:
            if (known := self._seen.get(found.id)) is not None:
                found.policies = known.policies
            return self._machine(found)

    def attributes(self) -> dict[str, int]:
        """Keys of the custom attributes by name."""
        with self._lock:
            return {name: key for key, name in self._attributes.items()}

    def add_attribute(self, key: int, name: str) -> None:
        """A custom attribute that was just defined."""
        with self._lock:
            self._attributes[key] = name

    # Tasks.

    def expects_machine(self) -> bool:
        """Whether a clone of ours has just ended whose machine was not pushed yet."""
        with self._lock:
            ended = (self._tasks.get(task_id) for task_id in self._changed_tasks if task_id in self._uuids)
            return any(task.result not in self._seen for task in ended if task and task.result)

    def started(self, task: Task, uuid: str | None = None) -> None:
        """A task of ours: its end is worth a look even before somebody asks. ``uuid``: of the machine that it makes."""
        now = time.monotonic()
        with self._lock:
            self._started = {key: at for key, at in self._started.items() if now - at < _UNCLAIMED}
            self._started[task.id] = now
            if uuid:
                self._uuids[task.id] = uuid
                if len(self._uuids) > _CLONES:
                    del self._uuids[next(iter(self._uuids))]

    def changing(self, machine_id: str, task: Task | None = None) -> None:
        """A change of a machine is about to be asked for; then once more with its task, which may have ended by now."""
        with self._lock:
            known = self._tasks.get(task.id) if task else None
            if known is not None and known.state is not TaskState.RUNNING:
                self._changing.pop(machine_id, None)
                if machine_id in self._rewiring:
                    self._rewiring.discard(machine_id)
                    self._rewired.add(machine_id)
            else:
                self._changing[machine_id] = task.id if task else _CALLED

    def claim(self, tasks: Iterable[Task]) -> bool:
        """Notes the tasks that somebody waits for; True when another task of ours has ended and nobody asked yet."""
        now = time.monotonic()
        with self._lock:
            for task in tasks:
                self._started.pop(task.id, None)
            return any(
                now - at < _UNCLAIMED and key in self._tasks and self._tasks[key].state is not TaskState.RUNNING
                for key, at in self._started.items()
            )

    def task(self, wanted: Task) -> Task | None:
        """The state of a task as pushed; None when it never was."""
        with self._lock:
            if wanted.id.startswith(SHUTDOWN):
                return self._shutdown(wanted)
            found = self._tasks.get(wanted.id)
            return self.judged(found, wanted) if found else None

    def has_failed(self, task: Task) -> bool:
        """Whether a task is known to have failed."""
        with self._lock:
            found = self._tasks.get(task.id)
            return found is not None and found.state is TaskState.FAILED

    def pushed(self, task_id: str) -> Task | None:
        """A task that nobody asked for."""
        with self._lock:
            found = self._tasks.get(task_id)
            return self.judged(found, Task(task_id, found.operation, time.time())) if found else None

    def judged(self, found: TaskSeen, wanted: Task) -> Task:
        """The task's state, where a clone that found its own machine's name taken by that very machine has succeeded."""
        uuid = self._uuids.get(wanted.id)
        holder = self._seen.get(found.holder) if found.holder else None
        if uuid and holder and holder.uuid == uuid:
            found = replace(found, state=TaskState.SUCCEEDED, error="", result=holder.id, reason=None)
        return found.task(wanted)

    def _shutdown(self, wanted: Task) -> Task | None:
        if not self.ready:
            return None
        found = self._machines.get(wanted.id.removeprefix(SHUTDOWN))
        if found is None:
            return replace(wanted, state=TaskState.UNKNOWN)
        return replace(wanted, state=TaskState.SUCCEEDED if found.power is Power.STOPPED else TaskState.RUNNING)

    def _machine(self, found: Seen) -> Machine:
        return mapping.machine(found, self._places, self._attributes, detailed=found.uuid is not None)
