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
from hybridge.core.network import Network
from hybridge.core.snapshot import Snapshot
from hybridge.core.task import Task, TaskState
from hybridge.drivers.vsphere import mapping, network_mapping, port_groups, seen
from hybridge.drivers.vsphere.disks import Attached
from hybridge.drivers.vsphere.mapping import TaskSeen
from hybridge.drivers.vsphere.places import Places
from hybridge.drivers.vsphere.port_groups import PortGroup
from hybridge.drivers.vsphere.sdk import vim
from hybridge.drivers.vsphere.seen import Associated, Disks, Seen
from hybridge.drivers.vsphere.snapshot_mapping import is_snapshot_id, snapshot

#: The id of a shutdown by the guest, which a vCenter starts without a task of its own: this and the machine's id.
SHUTDOWN: Final = "guest-shutdown:"

#: Seconds for which the end of a task of ours is worth a look although nobody asked.
_UNCLAIMED = 60.0
#: The task of a change whose call has not returned, or whose answer was lost.
_CALLED: Final = ""
#: The types whose custom attributes are tags.
_TAGGED: Final[Mapping[str, Any]] = {
    "VirtualMachine": vim.VirtualMachine,
    "DistributedVirtualPortgroup": vim.dvs.DistributedVirtualPortgroup,
    "Network": vim.Network,
}
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
        self._snapshot_tasks: dict[str, str] = {}
        self._snapshots_due: set[str] = set()
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
            self._attributes: dict[str, dict[int, str]] = {kind: {} for kind in _TAGGED}
            self._groups: dict[str, PortGroup] = {}
            self._vlans: dict[str, Known] = {}
            self._networks_stale = False
            self._snapshots_stale = False
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
                    self._networks_stale |= path.startswith(seen.DEVICES)
                    self._snapshots_stale |= path == seen.SNAPSHOTS
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
                self._networks_stale = self._snapshots_stale = True
            elif kind == "Task":
                self._tasks.pop(object_id, None)
                self._properties.pop(object_id, None)
            else:
                self._places.leave(object_id)
                self._networks_stale |= self._groups.pop(object_id, None) is not None

    def _task(self, task_id: str, changes: Iterable[tuple[str, Any]]) -> None:
        properties = self._properties.setdefault(task_id, {})
        properties.update(changes)
        self._tasks[task_id] = task = mapping.task(properties)
        self._changed_tasks.add(task_id)
        if task.state is not TaskState.RUNNING:
            self._ended(task_id, task.entity)
            self._volume_ended(task_id)
            if (disk := self._snapshot_tasks.pop(task_id, None)) is not None:
                self._snapshots_due.add(disk)
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
            field = changes.get("field")
            self._attributes = {one: mapping.attribute_names(field, type_) for one, type_ in _TAGGED.items()}
            self._stale = self._networks_stale = True
        elif self._places.change(kind, object_id, changes):
            self._stale = self._networks_stale = True
        if kind in port_groups.KINDS:
            group = self._groups.setdefault(object_id, PortGroup(object_id, kind))
            for path, value in changes.items():
                port_groups.update(group, path, value)
            self._networks_stale = True

    def let_go(self, known_id: str) -> None:
        """What is no managed object is gone."""
        with self._lock:
            self._gone.add(known_id)

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

    def take_networks(self) -> dict[str, Network] | None:
        """All networks, where something of them, or of the cards in them, changed since the last time; else None."""
        with self._lock:
            if not self._networks_stale:
                return None
            self._networks_stale = False
            machines = self._connected()
            return {key: self._network(found, machines.get(key, ())) for key, found in self._groups.items()}

    def take_snapshots(self) -> dict[str, Snapshot] | None:
        """All snapshots of machines, where one came, went or changed since the last time; else None."""
        with self._lock:
            if not self._snapshots_stale:
                return None
            self._snapshots_stale = False
            found = (snapshot(taken, one.id) for one in self._seen.values() for taken in one.snapshots)
            return {one.id: one for one in found}

    def standard_networks(self) -> dict[str, PortGroup]:
        """The networks of standard switches that carry anybody's marker."""
        with self._lock:
            found = (one for one in self._groups.values() if one.kind == port_groups.STANDARD)
            return {one.id: one for one in found if self._network(one, ()).marker is not None}

    def place_vlans(self, vlans: Mapping[str, Known]) -> None:
        """The VLANs of networks of standard switches, as their hosts tell them."""
        with self._lock:
            self._networks_stale |= self._vlans != vlans
            self._vlans = dict(vlans)

    def renew_networks(self, found: Iterable[PortGroup], gone: Iterable[str]) -> None:
        """Takes over networks that were read, and forgets those that are gone."""
        with self._lock:
            for group in found:
                self._networks_stale |= self._groups.get(group.id) != group
                self._groups[group.id] = group
            for network_id in gone:
                self._networks_stale |= self._groups.pop(network_id, None) is not None

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

    def disk_snapshots_changing(self, disk_id: str, task: Task) -> None:
        """A snapshot of a first-class disk is being taken or deleted."""
        with self._lock:
            known = self._tasks.get(task.id)
            if known is not None and known.state is not TaskState.RUNNING:
                self._snapshots_due.add(disk_id)
            else:
                self._snapshot_tasks[task.id] = disk_id

    def take_snapshots_due(self) -> set[str]:
        """The first-class disks whose snapshots have to be read, because a change of ours has ended."""
        with self._lock:
            due, self._snapshots_due = self._snapshots_due, set()
            return due

    def snapshots_due(self) -> bool:
        """Whether the snapshots of a first-class disk have to be read now."""
        with self._lock:
            return bool(self._snapshots_due)

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

    def describe_network(self, found: PortGroup, switch: Known) -> Network:
        """The network of something that was read apart. ``switch``: all words for its switch, where none were pushed."""
        with self._lock:
            return self._network(found, self._connected().get(found.id, ()), switch)

    def attributes(self, kind: str = "VirtualMachine") -> dict[str, int]:
        """Keys of the custom attributes of a type by name."""
        with self._lock:
            return {name: key for key, name in self._attributes[kind].items()}

    def add_attribute(self, key: int, name: str, kind: str = "VirtualMachine") -> None:
        """A custom attribute that was just defined."""
        with self._lock:
            self._attributes[kind][key] = name

    # Tasks.

    def expects(self) -> bool:
        """Whether a task has just ended whose machine, if we asked for it, network or snapshot was not pushed yet."""
        with self._lock:
            ended = ((key, task) for key in self._changed_tasks if (task := self._tasks.get(key)) and task.result)
            return any(self._awaits(key, task) for key, task in ended)

    def _awaits(self, task_id: str, task: TaskSeen) -> bool:
        made = task.result or ""
        if port_groups.is_network_id(made):
            return made not in self._groups
        if is_snapshot_id(made):
            machine = self._seen.get(task.entity)
            return machine is not None and all(made != taken.id for taken in machine.snapshots)
        return task_id in self._uuids and made not in self._seen

    def is_running(self, entity: str, operations: Collection[str]) -> bool:
        """Whether a task of one of these operations is known to be at work on an object."""
        with self._lock:
            return any(
                task.state is TaskState.RUNNING and task.entity == entity and task.operation in operations
                for task in self._tasks.values()
            )

    def is_snapshotting(self, disk_id: str, store: str) -> bool:
        """Whether a snapshot of a first-class disk may be being taken. A task does not tell of which disk it is: those that
        this process began for others, and those on other datastores, are not.
        """
        with self._lock:
            return any(
                task.state is TaskState.RUNNING
                and mapping.takes_disk_snapshot(task.operation)
                and self._snapshot_tasks.get(task_id, disk_id) == disk_id
                and (task.entity == store or not task.entity.startswith("datastore-"))
                for task_id, task in self._tasks.items()
            )

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

    def failure(self, task: Task) -> str:
        """Why a task is known to have failed, in the vCenter's words; empty where it is not."""
        with self._lock:
            found = self._tasks.get(task.id)
            return found.error if found is not None else ""

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
        names = self._attributes["VirtualMachine"]
        return mapping.machine(found, self._places, names, detailed=found.uuid is not None)

    def _network(self, found: PortGroup, machines: Iterable[str], switch: Known = ()) -> Network:
        names = self._attributes.get(found.kind, {})
        if found.kind == port_groups.STANDARD:
            found = replace(found, vlan=found.vlan or self._vlans.get(found.id, ()))
        parts = (network_mapping.HOSTS,) if found.hosts and self._places.covers(found.hosts) else ()
        return network_mapping.network(found, self._places.known(found.switch) or switch, names, machines, parts)

    def _connected(self) -> dict[str, set[str]]:
        """Which machines have a card in each network, by its id."""
        connected: dict[str, set[str]] = {}
        for one in self._seen.values():
            for card in one.cards.values():
                if network := self._places.network_id(card.network, card.name):
                    connected.setdefault(network, set()).add(one.id)
        return connected
