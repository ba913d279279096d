"""Which VMID a new guest gets."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from itertools import chain

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.guest import LENDER

#: Where the Provider names no range. PVE's own bounds are 100 and 999999999.
_FROM, _TO = 1000, 9999


class Vmids:
    """Hands out VMIDs of one range, upwards and round, so that one is not soon used again. Safe for threads."""

    def __init__(self, wanted: Mapping[str, object] | None) -> None:
        """``wanted`` is ``vmIDRange`` of the Provider: ``from`` and ``to``, both included."""
        bounds = wanted or {}
        self.first, self.last = int(str(bounds.get("from", _FROM))), int(str(bounds.get("to", _TO)))
        self._next: int | None = None
        self._given: set[int] = set()
        self._lost: set[int] = set()
        self._lock = threading.Lock()

    def __contains__(self, vmid: object) -> bool:
        return isinstance(vmid, int) and self.first <= vmid <= self.last

    def lose(self, vmid: int) -> None:
        """Something holds this VMID that is not in sight: it is not given again by this process."""
        with self._lock:
            self._lost.add(vmid)

    def see(self, used: Collection[int]) -> None:
        """Guests in sight have these: when one goes, its VMID is not soon used again. A request for it may be under way, of
        ours or of whoever led before, and would meet its successor.
        """
        with self._lock:
            self._given.update(vmid for vmid in used if vmid in self)

    def take(self, used: Collection[int], taken: Collection[str]) -> int:
        """A VMID that no guest in sight has or had, no object has on record and nobody was given before.

        ``used``: ids of guests in sight. ``taken``: ids on record. When the whole range was given out once, those of it
        that are free now come again. Raises Refused when none is.
        """
        occupied = {LENDER, *used, *(int(text) for text in taken if text.isdigit())}
        with self._lock:
            occupied |= self._lost
            if self._next is None:
                ours = (int(text) for text in taken if text.isdigit())
                self._next = max((vmid for vmid in ours if vmid in self), default=self.first - 1) + 1
            for avoided in (self._given, frozenset[int]()):
                vmid = self._free(occupied, avoided)
                if vmid is not None:
                    self._given = {*avoided, vmid}
                    self._next = vmid + 1
                    return vmid
        raise Refused(
            Reason.CAPACITY, f"all VMIDs from {self.first} to {self.last} are in use: widen spec.proxmox.vmIDRange"
        )

    def _free(self, occupied: Collection[int], avoided: Collection[int]) -> int | None:
        start = self.first if self._next is None or self._next not in self else self._next
        for vmid in chain(range(start, self.last + 1), range(self.first, start)):
            if vmid not in occupied and vmid not in avoided:
                return vmid
        return None
