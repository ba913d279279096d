"""What the bulk list lacks, read guest by guest at a steady pace and kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil

from hybridge.core.machine import Address
from hybridge.drivers.base import SweepRequest
from hybridge.drivers.proxmox import tags
from hybridge.drivers.proxmox.answers import Resource
from hybridge.drivers.proxmox.mapping import UNFINISHED, Details, Shape, shape
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.power import LAG

#: Guests that a sweep reads again because of their age: some, one in twenty, and what their ages demand with room to spare.
_LEAST, _SHARE, _ROOM = 20, 20, 1.25
#: How many times as many may be read because they are unknown or changed.
_EAGER = 10
#: Seconds after which a clone of ours that nobody has configured is read like any other guest.
_UNCONFIGURED = 3600.0


@dataclass(frozen=True, slots=True)
class Known:
    """Details of a guest. ``read_at`` is monotonic; ``shape`` is how the bulk list showed the guest at that time."""

    details: Details
    read_at: float
    shape: Shape | None
    addresses: tuple[Address, ...] = ()

    def is_older_than(self, row: Resource, now: float) -> bool:
        """Whether the bulk list shows a later change of name or sizes, and not merely its own lag."""
        seen = shape(row)
        return seen is not None and seen not in {self.shape, self.details.shape} and now - self.read_at > LAG

    def has_started_since(self, row: Resource, now: float) -> bool:
        """Whether the guest has been started since it was read, and taken over what waited for that."""
        return bool(self.details.pending) and row.status == "running" and row.uptime < now - self.read_at


class Book:
    """Details by VMID. ``ids`` are the VMIDs that new guests get. Safe for threads; times are monotonic seconds.

    ``asked``: guests whose agents were asked for addresses since they came up.
    """

    def __init__(self, ids: Collection[int] | range, interval: float) -> None:
        self._ids = ids
        self._interval = interval
        self._known: dict[str, Known] = {}
        self._made: dict[str, float] = {}
        self.asked: set[str] = set()
        self._lock = threading.Lock()

    def get(self, vmid: str) -> Known | None:
        """What is known of a guest."""
        return self._known.get(vmid)

    def learn(self, vmid: str, details: Details, listed: Resource | None, now: float) -> Known:
        """A guest was read, or a change of it accepted, while the bulk list showed ``listed``. Addresses are kept."""
        with self._lock:
            before = self._known.get(vmid)
            known = Known(details, now, shape(listed) if listed else None, before.addresses if before else ())
            self._known[vmid] = known
            self._made.pop(vmid, None)
            return known

    def reached(self, vmid: str, addresses: tuple[Address, ...]) -> None:
        """The guest's agent has reported its addresses; none: it was stopped or started, and they may be others."""
        with self._lock:
            known = self._known.get(vmid)
            if known is not None and known.addresses != addresses:
                self._known[vmid] = replace(known, addresses=addresses)
            if not addresses:
                self.asked.discard(vmid)

    def made(self, vmid: str, now: float) -> None:
        """This process is cloning the guest: reading it before it is configured would tell nothing new."""
        with self._lock:
            self._known.pop(vmid, None)
            self._made[vmid] = now

    def forget(self, vmid: str) -> None:
        """What is known of the guest is no longer true."""
        with self._lock:
            self._known.pop(vmid, None)
            self._made.pop(vmid, None)

    def keep(self, picture: Picture) -> None:
        """Forgets guests that are gone from the bulk list, except those learned of since it was taken."""
        with self._lock:
            for vmid in [
                vmid
                for vmid, known in self._known.items()
                if vmid not in picture.guests and known.read_at < picture.taken_at
            ]:
                del self._known[vmid]
            for vmid, made_at in list(self._made.items()):
                age = picture.taken_at - made_at
                if age > (_UNCONFIGURED if vmid in picture.guests else LAG):
                    del self._made[vmid]

    def holders(self, volume: str) -> list[str]:
        """The guests that had an image when they were last read, by PVE's id of it."""
        with self._lock:
            return [vmid for vmid, known in self._known.items() if any(one == volume for one, _ in known.details.lent)]

    def clones(self) -> dict[str, list[str]]:
        """The guests that are linked clones, by the VMID of their template, as they were last read."""
        found: dict[str, list[str]] = {}
        with self._lock:
            for vmid, known in self._known.items():
                for base in known.details.bases:
                    found.setdefault(base, []).append(vmid)
        return found

    def guarded(self) -> list[str]:
        """The guests with a marker all of whose interfaces go through the firewall, as they were last read."""
        with self._lock:
            found = [vmid for vmid, known in self._known.items() if known.details.guarded]
            return [vmid for vmid in found if self._known[vmid].details.marker is not None]

    def parents(self) -> dict[str, str]:
        """The guests that build on a snapshot, with its name, as they were last read; templates do not count."""
        with self._lock:
            found = {vmid: known.details for vmid, known in self._known.items() if known.details.parent}
            return {vmid: details.parent for vmid, details in found.items() if not details.template}

    def in_making(self) -> list[str]:
        """The guests that are to become Images, as they were last read."""
        with self._lock:
            return [vmid for vmid, known in self._known.items() if known.details.making]

    def plugged(self) -> dict[str, list[str]]:
        """The guests that are, or will be, in each bridge or vnet, as they were last read; templates do not count."""
        found: dict[str, list[str]] = {}
        with self._lock:
            for vmid, known in self._known.items():
                if not known.details.template:
                    ports = (*known.details.now.ports, *known.details.next.ports)
                    for name in dict.fromkeys(name for port in ports for name in port.network):
                        found.setdefault(name, []).append(vmid)
        return found

    def could_be_ours(self, row: Resource) -> bool:
        """Whether a marker is to be expected on a guest: it has our tag, or one of our VMIDs."""
        return row.vmid in self._ids or (tags.OURS in row.tags and tags.OURS in tags.split(row.tags))

    def unread(self, picture: Picture) -> bool:
        """Whether a guest that could carry a marker of ours has never been read."""
        return any(
            vmid not in self._known and vmid not in self._made and not row.template and self.could_be_ours(row)
            for vmid, row in picture.guests.items()
        )

    def due(self, picture: Picture, request: SweepRequest, now: float) -> Iterator[str]:
        """The guests to read in this sweep, the most urgent first."""
        wanted = set(request.refresh)
        yield from (vmid for vmid in request.refresh if self._readable(picture, vmid))
        eager: list[str] = []
        aged: list[tuple[float, str]] = []
        demand = 0.0
        for vmid, row in picture.guests.items():
            if vmid in wanted or row.template or not picture.online(row.node):
                continue
            known = self._known.get(vmid)
            if known is None:
                if vmid not in self._made and (vmid in request.max_age or self.could_be_ours(row)):
                    eager.append(vmid)
                continue
            made = known.details.lock in UNFINISHED and not row.lock
            if made or known.is_older_than(row, now) or known.has_started_since(row, now):
                eager.append(vmid)
                continue
            most = request.max_age.get(vmid, request.default_max_age)
            demand += self._interval / max(most, self._interval)
            if now - known.read_at > most:
                aged.append((known.read_at, vmid))
        budget = _LEAST + ceil(max(len(picture.guests) / _SHARE, demand * _ROOM))
        yield from islice(eager, _EAGER * budget)
        yield from (vmid for _, vmid in islice(sorted(aged), budget))

    @staticmethod
    def _readable(picture: Picture, vmid: str) -> bool:
        row = picture.guests.get(vmid)
        return row is not None and picture.online(row.node)
