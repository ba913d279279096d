"""Volumes in sweeps: the catalog is listed once an interval, and what a change of ours has ended on is read by itself.

A vCenter pushes nothing about first-class disks but the tasks and the machines that have them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from hybridge.core.errors import CloudError
from hybridge.core.machine import Known
from hybridge.core.volume import Volume
from hybridge.drivers.base import Portion, SweepRequest
from hybridge.drivers.vsphere import volume_mapping
from hybridge.drivers.vsphere.catalog import PAGE, Catalog, CatalogStub, Disk
from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.disks import Attached, is_volume_id
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.policies import Policies, PolicyStub

#: Seconds for which what the vCenter says of one disk counts more than the catalog, which may be behind.
_FRESH: Final = 15.0
#: Seconds between two looks at a volume of somebody's that carries no marker in the catalog.
_DOUBT: Final = 60.0
#: Seconds after which the catalog is listed again when a volume could not be read by itself.
_AGAIN: Final = 5.0
#: How many times as long as a failed list took nothing is asked of the catalog: machines do not wait for a service apart.
_SPARE: Final = 3.0
_POLICY_PAUSE: Final = 300.0
_READ_TIMEOUT: Final = 20.0


class VolumeWatch:
    """The portion of volumes in the sweeps of one vCenter. Called from the thread of the sweeps only."""

    def __init__(
        self, session: Session, inventory: Inventory, picture: Picture, policies: Policies, interval: float
    ) -> None:
        """``interval``: seconds between two lists of the catalog."""
        self._catalog = Catalog(session, inventory, Stub(session, _READ_TIMEOUT), CatalogStub(session))
        self._picture = picture
        self._policies = policies
        self._policy_stub = PolicyStub(session)
        self._interval = interval
        self._list_from = -math.inf
        self._listed = False
        self._failures = 0
        self._trouble: CloudError | None = None
        self._disks: dict[str, Disk] = {}
        self._read_at: dict[str, float] = {}
        self._gone_at: dict[str, float] = {}
        self._doubted_at: dict[str, float] = {}
        self._told: dict[str, Volume] = {}
        self._attached: dict[str, list[tuple[str, Attached]]] = {}
        self._policy: dict[str, Known] = {}
        self._policy_at: dict[str, float] = {}
        self._policies_from = -math.inf

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._catalog.requests + self._policy_stub.requests

    @property
    def trouble(self) -> CloudError | None:
        """Why the catalog cannot be listed: at once where it never was, else once it has failed twice in a row."""
        return self._trouble if self._failures > 1 or not self._listed else None

    def patience(self) -> float:
        """Seconds until something has to be read."""
        if self._picture.volumes_due():
            return 0.0
        return max(0.0, self._list_from - time.monotonic())

    def portion(self, request: SweepRequest) -> Portion[Volume] | None:
        """What is new of volumes; everything, when the catalog was listed. None: nothing."""
        now = time.monotonic()
        ended = self._picture.take_volumes_due()
        listed = now >= self._list_from and self._list(now)
        refresh = {one for one in request.refresh if is_volume_id(one)}
        asked = ended | refresh | (self._doubtful(request, now) if listed else set())
        gone = self._read(asked, ended, now)
        attached = self._picture.attachments()
        if not listed and not asked and attached == self._attached:
            return None
        if listed or asked:
            self._read_policies(request, refresh | ended, now)
        self._picture.place_volumes({key: disk.store for key, disk in self._disks.items()}, self._policy)
        seen = self._volumes(attached)
        changed = {key: one for key, one in seen.items() if self._told.get(key) != one or key in refresh}
        self._told = seen
        if listed:
            return Portion(seen, full=True, gone=gone)
        return Portion(changed, full=False, gone=gone, settled=self._listed)

    def _list(self, now: float) -> bool:
        """Lists the catalog. False where that failed: volumes are as they were then, and machines are none the worse."""
        try:
            found = self._catalog.all()
        except CloudError as error:
            ended = time.monotonic()
            self._failures, self._trouble = self._failures + 1, error
            self._list_from = ended + max(self._interval, _SPARE * (ended - now))
            return False
        self._list_from = now + self._interval
        self._listed = True
        self._failures, self._trouble = 0, None
        self._read_at = {key: at for key, at in self._read_at.items() if now - at < _FRESH and key in self._disks}
        self._gone_at = {key: at for key, at in self._gone_at.items() if now - at < _FRESH}
        fresh = {key: self._disks[key] for key in self._read_at}
        self._disks = {disk.id: disk for disk in found if disk.id not in self._gone_at} | fresh
        return True

    def _doubtful(self, request: SweepRequest, now: float) -> set[str]:
        """Volumes that somebody has on record, and that carry no marker in the catalog."""
        self._doubted_at = {key: at for key, at in self._doubted_at.items() if now - at < _DOUBT}
        found = {
            key
            for key, disk in self._disks.items()
            if key in request.max_age and key not in self._doubted_at and not volume_mapping.is_marked(disk)
        }
        self._doubted_at |= dict.fromkeys(found, now)
        return found

    def _read(self, ids: Collection[str], ended: Collection[str], now: float) -> set[str]:
        """Reads volumes by themselves. Returns those that are gone: proven, or ``ended`` and not where they were.

        What cannot be read stays as it was seen, until the catalog is listed again, which is soon then.
        """
        gone: set[str] = set()
        for volume_id in sorted(ids):
            try:
                disk = self._read_one(volume_id, anywhere=volume_id not in ended)
            except CloudError:
                self._list_from = min(self._list_from, now + _AGAIN)
                continue
            if disk is None:
                self._disks.pop(volume_id, None)
                self._gone_at[volume_id] = now
                gone.add(volume_id)
            else:
                self._disks[volume_id] = disk
                self._read_at[volume_id] = now
        return gone

    def _read_one(self, volume_id: str, *, anywhere: bool) -> Disk | None:
        store = self._picture.volume_store(volume_id)
        return self._catalog.get(volume_id, store) if anywhere or not store else self._catalog.read(volume_id, store)

    def _read_policies(self, request: SweepRequest, first: Collection[str], now: float) -> None:
        """Reads the storage policies of volumes with a marker. Where that fails they are not known."""
        if now < self._policies_from:
            return
        marked = [key for key, disk in self._disks.items() if volume_mapping.is_marked(disk) or key in first]
        at = {key: -math.inf if key in first else self._policy_at.get(key, -math.inf) for key in marked}
        due = [key for key, read in at.items() if now - read >= request.max_age.get(key, request.default_max_age)]
        due.sort(key=lambda key: at[key])
        if not due:
            return
        try:
            found = self._policies.of_volumes(due[:PAGE], self._policy_stub)
        except CloudError:
            self._policies_from = now + _POLICY_PAUSE
            return
        self._policy = {key: words for key, words in self._policy.items() if key in self._disks} | found
        self._policy_at = {key: read for key, read in self._policy_at.items() if key in self._disks}
        self._policy_at |= dict.fromkeys(due[:PAGE], now)

    def _volumes(self, attached: dict[str, list[tuple[str, Attached]]]) -> dict[str, Volume]:
        for key in self._attached.keys() - attached.keys():
            # What had it when it was read by itself has it no more.
            if (disk := self._disks.get(key)) is not None:
                self._disks[key] = replace(disk, consumers=())
        self._attached = attached
        return {
            key: volume_mapping.volume(
                disk, self._picture.storage(disk.store), attached.get(key, ()), self._policy.get(key)
            )
            for key, disk in self._disks.items()
        }
