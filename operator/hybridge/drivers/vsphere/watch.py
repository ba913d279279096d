"""Sweeping: one filter for everything that is watched, and one call that waits for it to change.

``WaitForUpdatesEx`` answers with all there is at first and with differences from then on. Updates belong to a version:
an answer that was lost is asked for again by the version before it.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import CloudError, Throttled, Unreachable
from hybridge.core.kinds import CloudKind
from hybridge.core.task import Task, TaskState
from hybridge.drivers.base import C, Portion, Sweep, SweepRequest
from hybridge.drivers.vsphere import collector, mapping, places, proof, seen, updates
from hybridge.drivers.vsphere.appliance_words import is_item_id
from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.disk_ids import is_disk_snapshot_id
from hybridge.drivers.vsphere.disks import is_volume_id
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.image_watch import ImageWatch
from hybridge.drivers.vsphere.libraries import FETCHING
from hybridge.drivers.vsphere.library_watch import LibraryWatch
from hybridge.drivers.vsphere.network_watch import NetworkWatch
from hybridge.drivers.vsphere.picture import SHUTDOWN, Picture
from hybridge.drivers.vsphere.policies import Policies, PolicyStub, page
from hybridge.drivers.vsphere.port_groups import is_network_id
from hybridge.drivers.vsphere.sdk import moid, vim, vmodl
from hybridge.drivers.vsphere.snapshot_mapping import is_snapshot_id
from hybridge.drivers.vsphere.snapshot_watch import SnapshotWatch
from hybridge.drivers.vsphere.volume_watch import VolumeWatch

#: How many objects one answer may describe; a vCenter may send fewer (100 by default).
_PAGE: Final = 500
#: Seconds beyond the wait after which an answer will not come.
_GRACE: Final = 20.0
#: Seconds between two looks at a task that is not among the vCenter's recent ones.
_TASK_PACE: Final = 2.0
#: How long to wait at most while a task of ours has ended and nobody has asked for it yet.
_UNCLAIMED_WAIT: Final = 1.0

#: Seconds in which they are not read after that failed: nothing else has to wait for PBM, a service apart.
_POLICY_PAUSE: Final = 300.0

#: Longest wait for a machine whose task has ended, so that both are told together and nobody asks for it by id.
_ARRIVAL: Final = 1.0

#: What a vCenter answers when it no longer knows a filter or its version.
_FORGOTTEN: Final = ("NotAuthenticated", "ManagedObjectNotFound", "InvalidCollectorVersion")

#: What machines are on: it seldom changes.
_PLACES: Final[Mapping[Any, tuple[str, ...]]] = {
    vim.dvs.DistributedVirtualPortgroup if kind == "DistributedVirtualPortgroup" else getattr(vim, kind): paths
    for kind, paths in places.PROPERTIES.items()
}

_Query = vmodl.query.PropertyCollector

Datacenter = Callable[[], Any]


@dataclass(slots=True)
class _Filter:
    """What one session watches with; it dies with the session."""

    collector: Any
    version: str = ""


class Watch:
    """The sweep of one vCenter. ``sweep`` is called from one thread at a time, ``close`` from any."""

    def __init__(
        self,
        session: Session,
        datacenter: Datacenter,
        picture: Picture,
        policies: Policies,
        volumes: VolumeWatch,
        networks: NetworkWatch,
        snapshots: SnapshotWatch,
        library: LibraryWatch,
    ) -> None:
        """``datacenter`` finds the managed object below which machines are watched."""
        self._volumes = volumes
        self._networks = networks
        self._images = ImageWatch()
        self._library = library
        self._snapshots = snapshots
        self._session = session
        self._stub = Stub(session, _GRACE, {"WaitForUpdatesEx": updates.read})
        self._datacenter = datacenter
        self._picture = picture
        self._filter: _Filter | None = None
        self._closed = False
        self._delivered: set[str] = set()
        self._asked: dict[str, tuple[float, Task]] = {}
        self._read_at: dict[str, float] = {}
        self._policies = policies
        self._policy_stub = PolicyStub(session)
        self._policies_at: dict[str, float] = {}
        self._policies_from = -math.inf

    def sweep(self, request: SweepRequest) -> Sweep:
        """What changed, waited for up to ``request.wait`` seconds; everything, the first time in a session."""
        before = self._requests
        try:
            full = self._next(request)
            if self._picture.expects():
                self._update(_ARRIVAL)
            changed_by_us = self._forget_ages()
            missing = self._read_details(request)
            self._read_policies(request, changed_by_us)
            tasks = self._other_tasks(request) | self._library.tasks(request.tasks)
            items, unmade = self._library.look(request.refresh)
            besides = self._besides(request, full=full)
        except CloudError as error:
            if self._closed:
                return Sweep({})
            if not isinstance(error, Unreachable | Throttled):
                self._filter = None
            raise
        machines, gone, changed = self._picture.take()
        for machine_id in request.refresh:
            if (machine := self._picture.machine(machine_id)) is not None:
                machines[machine_id] = machine
        tasks |= self._known_tasks(request, changed)
        self._picture.claim(task for task in tasks.values() if _ended(task))
        self._delivered = {task.id for task in request.tasks if task.id in tasks and _ended(tasks[task.id])}
        if full:
            machines = {machine.id: machine for machine in self._picture.machines()}
        if CloudKind.IMAGE in request.kinds:
            besides |= self._of(
                CloudKind.IMAGE, self._images.portion(machines, items, gone | missing | unmade, full=full)
            )
        requests = self._requests - before
        seen = Portion(machines, full=full, gone=gone | missing)
        trouble = self._volumes.trouble if CloudKind.VOLUME in request.kinds else None
        troubles = {CloudKind.VOLUME: trouble} if trouble is not None else {}
        return Sweep({CloudKind.MACHINE: seen, **besides}, tasks=tasks, requests=requests, troubles=troubles)

    def _besides(self, request: SweepRequest, *, full: bool) -> dict[CloudKind, Portion[CloudObject]]:
        """What is new of the kinds that are asked for besides machines."""
        found: dict[CloudKind, Portion[CloudObject]] = {}
        if CloudKind.VOLUME in request.kinds:
            found |= self._of(CloudKind.VOLUME, self._volumes.portion(request))
        if CloudKind.SNAPSHOT in request.kinds:
            found |= self._of(CloudKind.SNAPSHOT, self._snapshots.portion(request, full=full))
        if CloudKind.NETWORK in request.kinds:
            found |= self._of(CloudKind.NETWORK, self._networks.portion(request.refresh, full=full))
        return found

    @staticmethod
    def _of(kind: CloudKind, portion: Portion[C] | None) -> dict[CloudKind, Portion[CloudObject]]:
        return {} if portion is None else {kind: cast("Portion[CloudObject]", portion)}

    def close(self) -> None:
        """A blocked sweep returns at once."""
        self._closed = True
        if self._filter is not None:
            waiting = _Query(moid(self._filter.collector), self._session.calls)
            # Where the vCenter does not answer, the sweep ends by its own deadline.
            with contextlib.suppress(CloudError):
                waiting.CancelWaitForUpdates()

    @property
    def _requests(self) -> int:
        return self._stub.requests + self._policy_stub.requests + self._beside

    @property
    def _beside(self) -> int:
        apart = self._volumes.requests + self._networks.requests + self._snapshots.requests
        return apart + self._library.requests

    def _next(self, request: SweepRequest) -> bool:
        """Takes over what is new, or everything; True when it was everything."""
        if self._filter is not None and self._filter.version:
            try:
                self._update(self._patience(request))
            except CloudError as error:
                # The session has ended, or the vCenter was started again: its filters are gone with it.
                if not any(caused_by(error, name) for name in _FORGOTTEN):
                    raise
            else:
                return False
        self._filter = None
        self._update(0.0)
        return True

    def _patience(self, request: SweepRequest) -> float:
        """Seconds to wait: none when something can be told at once."""
        unclaimed = self._picture.claim(request.tasks)
        tasks = [task for task in request.tasks if not task.id.startswith(FETCHING)]
        if request.refresh or any(self._tell_now(task) for task in tasks):
            return 0.0
        if CloudKind.SNAPSHOT in request.kinds and self._picture.snapshots_due():
            return 0.0
        longest = min(request.wait, _UNCLAIMED_WAIT) if unclaimed else request.wait
        if (fetching := self._library.patience(request.tasks)) is not None:
            longest = min(longest, fetching)
        return min(longest, self._volumes.patience()) if CloudKind.VOLUME in request.kinds else longest

    def _tell_now(self, wanted: Task) -> bool:
        known = self._picture.task(wanted)
        if known is None:
            return wanted.id not in self._asked
        return _ended(known) and wanted.id not in self._delivered

    def _open(self) -> _Filter:
        """A collector of the sweep's own, with one filter over machines, hosts, clusters, attributes and tasks."""
        self._picture.clear()
        self._read_at.clear()
        self._policies_at.clear()
        content = self._session.content
        manager = vim.view.ViewManager(moid(content.viewManager), self._stub)
        kinds = [vim.VirtualMachine, *_PLACES]
        view = manager.CreateContainerView(self._datacenter(), kinds, True)
        waiting = _Query(moid(content.propertyCollector), self._stub).CreatePropertyCollector()
        properties = {
            vim.VirtualMachine: seen.PATHS,
            **_PLACES,
            vim.CustomFieldsManager: ("field",),
            vim.Task: mapping.TASK_PATHS,
        }
        watched = collector.selection(
            properties,
            collector.start(view, collector.step(vim.view.ContainerView, "view"), skip=True),
            collector.start(content.taskManager, collector.step(vim.TaskManager, "recentTask"), skip=True),
            collector.start(content.customFieldsManager),
        )
        waiting.CreateFilter(watched, False)
        return _Filter(waiting)

    def _update(self, wait: float) -> None:
        """Takes over the next updates, all pages of them."""
        self._session.ensure()
        if self._filter is None:
            self._filter = self._open()
        watched = self._filter
        self._stub.read_timeout = wait + _GRACE
        options = _Query.WaitOptions(maxWaitSeconds=math.ceil(wait), maxObjectUpdates=_PAGE)
        news: updates.Updates | None = watched.collector.WaitForUpdatesEx(watched.version, options)
        while news is not None:
            for entry in news.entries:
                if entry.left:
                    self._picture.leave(entry.kind, entry.id)
                else:
                    self._picture.change(entry.kind, entry.id, entry.changes)
            watched.version = news.version
            if not news.truncated:
                break
            options = _Query.WaitOptions(maxWaitSeconds=0, maxObjectUpdates=_PAGE)
            news = watched.collector.WaitForUpdatesEx(watched.version, options)
        self._picture.ready = True

    def _forget_ages(self) -> set[str]:
        """What is not pushed of machines on which a change of ours has ended has to be read before that end is told, else
        the same change would be made again.
        """
        unread = self._picture.take_unread()
        for machine_id in unread:
            self._read_at.pop(machine_id, None)
            self._policies_at.pop(machine_id, None)
        return unread

    def _read_details(self, request: SweepRequest) -> set[str]:
        """Reads what is not pushed, of the machines that need it, in one request. Returns those that are gone."""
        now = time.monotonic()
        due = {one for one in request.refresh if is_machine_id(one)} | self._snapshots.machines_of(request.refresh)
        due |= self._picture.take_rewired()
        undisked = self._picture.undisked()
        for machine_id in undisked:
            age = request.max_age.get(machine_id, request.default_max_age)
            if now - self._read_at.get(machine_id, -math.inf) >= age:
                due.add(machine_id)
        if not due:
            return set()
        found = self._retrieve(vim.VirtualMachine, due, (*seen.PATHS, seen.DEVICES))
        for entry in found:
            every = {**dict.fromkeys(seen.PATHS), **entry.properties}
            self._picture.change(entry.kind, entry.id, every.items())
        read = {entry.id for entry in found}
        gone = self._proven_gone(due - read)
        for machine_id in gone:
            self._picture.leave("VirtualMachine", machine_id)
        self._read_at = {key: at for key, at in self._read_at.items() if key in undisked} | dict.fromkeys(read, now)
        return gone

    def _proven_gone(self, missing: Collection[str]) -> set[str]:
        """Those of the machines that an answer was without of which the vCenter says that they do not exist: one request,
        and one more for each of them.
        """
        left, gone = set(missing), set[str]()
        while left:
            try:
                self._retrieve(vim.VirtualMachine, left, ("name",), tolerate_missing=False)
            except CloudError as error:
                machine_id = proof.absent(error)
                if machine_id not in left:
                    break  # whatever else is wrong, it proves nothing
                left.discard(machine_id)
                gone.add(machine_id)
            else:
                break
        return gone

    def _read_policies(self, request: SweepRequest, first: Collection[str]) -> None:
        """Reads the storage policies of machines, which are not pushed either: one request for many of them, ``first`` among
        them.

        Where that fails, for want of the privilege or of PBM, they are not known, and nothing else is the worse for it.
        """
        now = time.monotonic()
        if now < self._policies_from:
            return
        fresh = frozenset(one for one in request.refresh if is_machine_id(one))
        disks = self._picture.disks(fresh)
        at = {key: -math.inf if key in fresh else self._policies_at.get(key, -math.inf) for key in disks}
        due = [key for key, read in at.items() if now - read >= request.max_age.get(key, request.default_max_age)]
        due.sort(key=lambda machine_id: (machine_id not in first, at[machine_id]))
        asked = page({machine_id: disks[machine_id] for machine_id in due})
        if not asked:
            return
        try:
            found = self._policies.associated(asked, self._policy_stub)
        except CloudError:
            self._policies_from = now + _POLICY_PAUSE
            return
        self._picture.associate(found)
        self._policies_at = {key: read for key, read in self._policies_at.items() if key in disks}
        self._policies_at |= dict.fromkeys(asked, now)

    def _other_tasks(self, request: SweepRequest) -> dict[str, Task]:
        """Tasks that are asked for and were never pushed: read together, at a slow pace, and UNKNOWN when gone."""
        now = time.monotonic()
        wanted = {task.id: task for task in request.tasks if self._picture.task(task) is None}
        kept = {key: self._asked[key] for key in wanted if key in self._asked}
        due = [
            key for key in wanted if key not in kept or (not _ended(kept[key][1]) and now - kept[key][0] > _TASK_PACE)
        ]
        due = [key for key in due if not key.startswith((SHUTDOWN, FETCHING))]
        if due:
            found = {entry.id: entry for entry in self._retrieve(vim.Task, due, mapping.TASK_PATHS)}
            for key in due:
                entry = found.get(key)
                kept[key] = (now, self._judged(wanted[key], entry))
        self._asked = kept
        return {key: task for key, (_, task) in kept.items()}

    def _judged(self, wanted: Task, entry: collector.Found | None) -> Task:
        if entry is None:
            return Task(wanted.id, wanted.operation, wanted.started_at, TaskState.UNKNOWN)
        return self._picture.judged(mapping.task(entry.properties), wanted)

    def _known_tasks(self, request: SweepRequest, changed: Collection[str]) -> dict[str, Task]:
        """Tasks that were pushed: those asked for, and those that changed (somebody may be about to ask)."""
        wanted = {task.id: self._picture.task(task) for task in request.tasks}
        others = {key: self._picture.pushed(key) for key in changed if key not in wanted}
        return {key: task for key, task in (others | wanted).items() if task is not None}

    def _retrieve(
        self, kind: Any, ids: Collection[str], paths: Collection[str], *, tolerate_missing: bool = True
    ) -> list[collector.Found]:
        starts = [collector.start(kind(object_id, self._stub)) for object_id in sorted(ids)]
        chosen = collector.selection({kind: paths}, *starts, tolerate_missing=tolerate_missing)
        return collector.retrieve(self._session, chosen, stub=self._stub)


def is_machine_id(known_id: str) -> bool:
    """Whether this can be the id of a machine, as opposed to those of volumes, networks and snapshots."""
    others = (is_volume_id, is_network_id, is_snapshot_id, is_disk_snapshot_id, is_item_id)
    return not any(one(known_id) for one in others)


def _ended(task: Task) -> bool:
    return task.state is not TaskState.RUNNING
