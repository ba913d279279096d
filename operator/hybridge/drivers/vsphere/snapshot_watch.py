"""Snapshots in sweeps: each machine's are pushed with it. Those of first-class disks are not, and no list has them all: the
disks of what somebody has on record are asked, each as often as details are wanted, and when a change of ours has ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection

from hybridge.core.errors import CloudError
from hybridge.core.snapshot import Snapshot
from hybridge.drivers.base import Portion, SweepRequest
from hybridge.drivers.vsphere.disk_ids import disk_of, is_disk_snapshot_id
from hybridge.drivers.vsphere.disk_snapshots import DiskSnapshots
from hybridge.drivers.vsphere.picture import Picture

#: Seconds after which a disk is asked again that could not be asked.
_AGAIN = 5.0


class SnapshotWatch:
    """The portion of snapshots in the sweeps of one vCenter. Called from the thread of the sweeps only."""

    def __init__(self, picture: Picture, of_disks: DiskSnapshots) -> None:
        self._picture = picture
        self._of_disks = of_disks
        self._pushed: dict[str, Snapshot] = {}
        self._read: dict[str, dict[str, Snapshot]] = {}
        self._due_at: dict[str, float] = {}
        self._told: dict[str, Snapshot] = {}

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._of_disks.requests

    def machines_of(self, refresh: Collection[str]) -> set[str]:
        """The machines that have to be read anew so that these snapshots are."""
        return {self._told[one].source_id for one in refresh if one in self._told and not is_disk_snapshot_id(one)}

    def portion(self, request: SweepRequest, *, full: bool) -> Portion[Snapshot] | None:
        """What is new of snapshots; everything, where all was pushed. None: nothing."""
        pushed = self._picture.take_snapshots()
        if pushed is not None:
            self._pushed = pushed
        self._ask(request)
        of_disks = (one for found in self._read.values() for one in found.items())
        before, self._told = self._told, {**self._pushed, **dict(of_disks)}
        gone = before.keys() - self._told.keys()
        if full:
            return Portion(self._told, full=True, gone=gone)
        changed = {key: one for key, one in self._told.items() if before.get(key) != one or key in request.refresh}
        return Portion(changed, full=False, gone=gone) if changed or gone else None

    def _ask(self, request: SweepRequest) -> None:
        """Asks the disks whose time has come: one request each. Where that fails they are as they were."""
        now = time.monotonic()
        first = {
            disk_of(one) for one in request.refresh if is_disk_snapshot_id(one)
        } | self._picture.take_snapshots_due()
        ages = {disk_of(one): age for one, age in request.max_age.items() if is_disk_snapshot_id(one)}
        wanted = ages.keys() | first | self._read.keys()
        for disk_id in sorted(one for one in wanted if one in first or now >= self._due_at.get(one, -math.inf)):
            try:
                found = self._of_disks.of(disk_id)
            except CloudError:
                self._due_at[disk_id] = now + _AGAIN
                continue
            self._due_at[disk_id] = now + ages.get(disk_id, request.default_max_age)
            if found:
                self._read[disk_id] = {one.id: one for one in found}
            else:
                self._read.pop(disk_id, None)
