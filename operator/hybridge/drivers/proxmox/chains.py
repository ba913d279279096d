"""The snapshots of guests, read guest by guest: PVE has no list of all.

A guest's configuration names the snapshot that it builds on, so only those are read that have one, and those of which
an object has a snapshot on record: at once when they were never read or build on another one now, else when their time
has come.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from hybridge.core.errors import CloudError
from hybridge.core.snapshot import Snapshot
from hybridge.drivers.base import Portion, SweepRequest
from hybridge.drivers.proxmox import points
from hybridge.drivers.proxmox.answers import SnapshotRow
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.mapping import held
from hybridge.drivers.proxmox.picture import Picture

_log = logging.getLogger(__name__)
T = TypeVar("T")
#: Calls a function for each VMID, some at a time.
Spread = Callable[[Callable[[str], T], Iterable[str]], Iterable[T]]
#: Guests that a sweep reads because they are unknown or have changed, and because of their age.
_EAGER, _AGED = 200, 20
#: Snapshots of which it is remembered that their guests did not become quiet.
_LOUD = 1000


@dataclass(frozen=True, slots=True)
class _Chain:
    """What a guest has. ``parent``: the one that it builds on, as the list says."""

    rows: tuple[SnapshotRow, ...]
    parent: str
    read_at: float


class Chains:
    """Reads the snapshots of one cluster's guests. Safe for threads."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._client = estate.client
        self._known: dict[str, _Chain] = {}
        self._loud: dict[str, None] = {}
        #: Guests of which a snapshot was taken, or went, since they were read.
        self._changed: set[str] = set()

    # ------------------------------------------------------------------ sweep

    def sweep(self, picture: Picture, request: SweepRequest, spread: Spread[int]) -> tuple[Portion[Snapshot], int]:
        """All that is known of, and what reading cost."""
        concerned = {parts[0] for one in (*request.max_age, *request.refresh) if (parts := points.split(one))}
        parents = self._estate.book.parents()
        known = [vmid for vmid, chain in self._known.items() if len(chain.rows) > 1]
        guests = [
            vmid
            for vmid in dict.fromkeys((*sorted(concerned), *parents, *known, *self._changed))
            if vmid in picture.guests
        ]
        self._changed.intersection_update(picture.guests)
        for gone in self._known.keys() - set(picture.guests):
            del self._known[gone]
        spent = sum(spread(self._try, self._due(picture, guests, parents, request)))
        found: dict[str, Snapshot] = {}
        for vmid, chain in list(self._known.items()):
            found |= self._shown(vmid, chain.rows, picture.guests[vmid].lock) if vmid in picture.guests else {}
        online = [vmid for vmid in guests if picture.online(picture.guests[vmid].node)]
        settled = all(vmid in self._known for vmid in online) and not self._estate.book.unread(picture)
        return Portion(found, full=True, settled=settled), spent

    def _due(
        self, picture: Picture, guests: Iterable[str], parents: dict[str, str], request: SweepRequest
    ) -> list[str]:
        now = time.monotonic()
        ages: dict[str, float] = {}
        for one, age in request.max_age.items():
            found = points.split(one)
            if found:
                ages[found[0]] = min(age, ages.get(found[0], age))
        wanted = {found[0] for one in request.refresh if (found := points.split(one))}
        online = [vmid for vmid in guests if picture.online(picture.guests[vmid].node)]
        eager = [vmid for vmid in online if vmid in wanted or self._is_new(vmid, parents)]
        rest = [vmid for vmid in online if vmid not in eager]
        old = [vmid for vmid in rest if now - self._known[vmid].read_at > ages.get(vmid, request.default_max_age)]
        return [*islice(eager, _EAGER), *islice(sorted(old, key=lambda vmid: self._known[vmid].read_at), _AGED)]

    def _is_new(self, vmid: str, parents: dict[str, str]) -> bool:
        known = self._known.get(vmid)
        if known is None or vmid in self._changed:
            return True
        details = self._estate.book.get(vmid)
        later = details is not None and details.read_at > known.read_at
        busy = any(row.snapstate for row in known.rows)
        return busy or (later and parents.get(vmid, "") != known.parent)

    def _try(self, vmid: str) -> int:
        before = self._client.sent
        row = self._estate.row(vmid)
        try:
            if row is not None:
                self.read_at(row.node, vmid)
        except Missing:
            self._known.pop(vmid, None)
        except CloudError as error:
            _log.info("snapshots of guest %s were not read: %s", vmid, error.message)
        return self._client.sent - before

    # ------------------------------------------------------------- one by one

    def read_at(self, node: str, vmid: str) -> dict[str, Snapshot]:
        """A fresh reading of the snapshots of a guest on a node, by id. Raises Missing and CloudError."""
        self._changed.discard(vmid)
        rows = self._client.get("Snapshots", list[SnapshotRow], "nodes", node, "qemu", vmid, "snapshot")
        parent = next((row.parent for row in rows if row.name == points.NOW), "")
        self._known[vmid] = _Chain(tuple(rows), parent, time.monotonic())
        row = self._estate.row(vmid)
        return self._shown(vmid, rows, row.lock if row else None)

    def carrying(self) -> list[str]:
        """The guests that have snapshots, as far as that is known."""
        known = [vmid for vmid, one in list(self._known.items()) if len(one.rows) > 1]
        return list(dict.fromkeys((*known, *self._estate.book.parents())))

    def forget(self, vmid: str) -> None:
        """What is known of the snapshots of a guest is no longer true."""
        self._changed.add(vmid)
        self._estate.book.forget(vmid)

    def note_loud(self, known_id: str) -> None:
        """PVE warned while it took this snapshot: the guest may not have been quiet."""
        self._loud[known_id] = None
        if len(self._loud) > _LOUD:
            del self._loud[next(iter(self._loud))]

    def _shown(self, vmid: str, rows: Iterable[SnapshotRow], lock: str | None) -> dict[str, Snapshot]:
        return points.shown(vmid, list(rows), held(lock), frozenset(self._loud))
