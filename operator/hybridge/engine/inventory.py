"""The cloud objects of one kind as they were last seen, in memory. Sweeps keep it; changes of our own are put in at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hybridge.core.cloudobject import CloudObject
from hybridge.drivers.base import Portion

C = TypeVar("C", bound=CloudObject)
_MOST_ENDED = 4096


@dataclass(frozen=True, slots=True)
class _Entry(Generic[C]):
    """``pushed``: the number of the last push that told something new of it; 0: none did."""

    object: C
    stamp: int
    pushed: int


class Inventory(Generic[C]):
    """Cloud objects of one kind, by id and by owner.

    Each change has a number. A list that began before a newer look at one of them neither overwrites nor removes it, so
    a slow list can never take back what a faster answer told. What is pushed is always the newest, and is told once: no
    answer to a request that began before takes it back.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[C]] = {}
        self._owners: defaultdict[str, set[str]] = defaultdict(set)
        self._forgotten: dict[str, int] = {}
        #: What pushes told the end of, and the number of that push; of the newest only, as no request lasts for long.
        self._ended: dict[str, int] = {}
        self._count = 0
        self.settled = False

    def begin(self) -> int:
        """The number to give to ``apply`` or ``see``, taken before the first request."""
        return self._count

    def apply(self, portion: Portion[C], began: int) -> set[str]:
        """Takes in what a sweep saw; the ids whose picture changed (those now missing from a full list included)."""
        changed = {one.id for one in portion.objects.values() if self._see(one, began if portion.full else None)}
        missing = set(portion.gone) & self._entries.keys()
        if not portion.full:
            self._end(portion.gone)
        if portion.full:
            missing |= {
                known_id
                for known_id, entry in self._entries.items()
                if known_id not in portion.objects and entry.stamp <= began
            }
        for known_id in missing:
            self._drop(known_id)
        if portion.full:
            self._forgotten = {known_id: at for known_id, at in self._forgotten.items() if at > began}
        self.settled = self.settled or portion.settled
        return changed | missing

    def see(self, found: C, began: int) -> bool:
        """Takes in what an answer of its own told of one of them; False when a push has told otherwise since ``began``.

        Then what was pushed stays. A reading that was newer than that is followed by another push.
        """
        entry = self._entries.get(found.id)
        if entry is None and self._ended.get(found.id, 0) > began:
            return False
        if entry is not None and entry.pushed > began and entry.object != found:
            return False
        self._put(found)
        return True

    def forget(self, known_id: str) -> None:
        """It is not in sight; whether it is gone only the cloud can tell, asked by id."""
        self._count += 1
        self._forgotten[known_id] = self._count
        self._drop(known_id)

    def unlock(self, known_id: str) -> None:
        """The task that held it has ended."""
        entry = self._entries.get(known_id)
        if entry is not None and entry.object.lock:
            self._put(entry.object.unlocked())

    def get(self, known_id: str) -> C | None:
        """It as last seen; None when it is not in sight, which proves nothing."""
        entry = self._entries.get(known_id)
        return entry.object if entry else None

    def owned_by(self, owner: str) -> tuple[C, ...]:
        """Those whose marker has this owner."""
        return tuple(self._entries[known_id].object for known_id in sorted(self._owners.get(owner, ())))

    def all(self) -> Sequence[C]:
        """All in sight."""
        return [entry.object for entry in self._entries.values()]

    def __len__(self) -> int:
        return len(self._entries)

    def _end(self, gone: Collection[str]) -> None:
        self._count += 1
        self._ended.update(dict.fromkeys(gone, self._count))
        while len(self._ended) > _MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def _drop(self, known_id: str) -> None:
        entry = self._entries.pop(known_id, None)
        if entry is not None:
            self._unlink(entry.object)

    def _see(self, found: C, began: int | None) -> bool:
        entry = self._entries.get(found.id)
        newest = entry.stamp if entry is not None else self._forgotten.get(found.id, 0)
        if began is not None and newest > began:
            return False
        changed = entry is None or entry.object != found
        if changed or began is None:
            self._put(found, pushed=changed and began is None)
        return changed

    def _put(self, found: C, *, pushed: bool = False) -> None:
        self._count += 1
        self._forgotten.pop(found.id, None)
        self._ended.pop(found.id, None)
        entry = self._entries.get(found.id)
        if entry is not None:
            self._unlink(entry.object)
        before = entry.pushed if entry is not None else 0
        self._entries[found.id] = _Entry(found, self._count, self._count if pushed else before)
        if found.marker is not None:
            self._owners[found.marker.owner].add(found.id)

    def _unlink(self, found: C) -> None:
        if found.marker is None:
            return
        ids = self._owners.get(found.marker.owner)
        if ids is not None:
            ids.discard(found.id)
            if not ids:
                del self._owners[found.marker.owner]
