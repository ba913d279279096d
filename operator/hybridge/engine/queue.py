"""The work queue: keyed, de-duplicated, delayed, prioritised, fair across Providers."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import IntEnum

from hybridge.engine.keys import Clock, Key


class Priority(IntEnum):
    """Lower goes first. What users changed comes before what sweeps found, and that before what is tried again."""

    USER = 0
    SWEEP = 1
    RETRY = 2


@dataclass(slots=True)
class _Lane:
    """The ready keys of one group, a first-in-first-out line for each priority."""

    lines: tuple[OrderedDict[Key, float], ...] = field(default_factory=lambda: tuple(OrderedDict() for _ in Priority))
    running: int = 0

    def add(self, key: Key, priority: Priority, now: float) -> None:
        for rank, line in enumerate(self.lines):
            if key in line:
                if priority < rank:
                    self.lines[priority][key] = line.pop(key)
                return
        self.lines[priority][key] = now

    def pop(self) -> tuple[Key, float] | None:
        for line in self.lines:
            if line:
                return line.popitem(last=False)
        return None

    def drop(self, key: Key) -> None:
        for line in self.lines:
            line.pop(key, None)

    def __len__(self) -> int:
        return sum(len(line) for line in self.lines)


class WorkQueue:
    """Keys that are due. A key is never handed out twice at once; added while it is worked on, it comes again after.

    Groups (Providers) take turns, and none has more than ``per_group`` keys in work, so that a slow cloud can hold
    neither the workers nor the turn of another.
    """

    def __init__(self, clock: Clock, *, per_group: int = 32) -> None:
        self._clock = clock
        self._per_group = per_group
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self._delayed: list[tuple[float, int, Key]] = []
        self._due: dict[Key, tuple[float, int, str, Priority]] = {}
        self._ready: dict[Key, str] = {}
        self._working: dict[Key, str] = {}
        self._again: dict[Key, tuple[str, Priority]] = {}
        self._numbers = itertools.count()
        self._wake = asyncio.Event()

    def add(self, key: Key, group: str, priority: Priority = Priority.USER, *, after: float = 0.0) -> None:
        """Makes ``key`` due after ``after`` seconds. The earliest due time and the highest priority win."""
        if after > 0:
            self._delay(key, group, priority, self._clock() + after)
        elif key in self._working:
            known = self._again.get(key)
            self._again[key] = (group, min(priority, known[1]) if known else priority)
        else:
            self._make_ready(key, group, priority)
        self._wake.set()

    def forget(self, key: Key) -> None:
        """Takes the key out, unless it is being worked on."""
        self._due.pop(key, None)
        self._again.pop(key, None)
        group = self._ready.pop(key, None)
        if group is not None:
            self._lane(group).drop(key)

    async def get(self) -> Key:
        """The next key; it counts as being worked on until ``done``."""
        while True:
            self._promote()
            key = self._pop()
            if key is not None:
                return key
            self._wake.clear()
            try:
                # Not wait_for: that loses a cancellation which comes together with what is waited for (before Python 3.12).
                async with asyncio.timeout(self._until_next()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """The work on ``key`` ended."""
        lane = self._lanes.get(self._working.pop(key))
        if lane is not None:
            lane.running -= 1
        again = self._again.pop(key, None)
        if again is not None:
            self._make_ready(key, *again)
        self._wake.set()

    def depth(self) -> int:
        """How many keys are due and not in work."""
        return sum(len(lane) for lane in self._lanes.values())

    def oldest(self) -> float:
        """Seconds for which the longest-waiting due key has waited."""
        ready = [since for lane in self._lanes.values() for line in lane.lines for since in line.values()]
        return max(0.0, self._clock() - min(ready)) if ready else 0.0

    def _delay(self, key: Key, group: str, priority: Priority, due: float) -> None:
        if key in self._ready or key in self._again:
            return
        known = self._due.get(key)
        if known is not None:
            priority = min(priority, known[3])
            if known[0] <= due:
                self._due[key] = (*known[:3], priority)
                return
        number = next(self._numbers)
        self._due[key] = (due, number, group, priority)
        heapq.heappush(self._delayed, (due, number, key))

    def _make_ready(self, key: Key, group: str, priority: Priority) -> None:
        # A key that is ready stays in its lane although its group may have changed: it must not be in two.
        self._due.pop(key, None)
        group = self._ready.setdefault(key, group)
        self._lane(group).add(key, priority, self._clock())

    def _promote(self) -> None:
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            _, number, key = heapq.heappop(self._delayed)
            known = self._due.get(key)
            if known is None or known[1] != number:
                continue
            del self._due[key]
            self.add(key, known[2], known[3])

    def _until_next(self) -> float | None:
        return max(0.0, self._delayed[0][0] - self._clock()) if self._delayed else None

    def _pop(self) -> Key | None:
        for group in tuple(self._lanes):
            lane = self._lanes[group]
            if lane.running >= self._per_group:
                continue
            item = lane.pop()
            if item is None:
                if not lane.running:
                    del self._lanes[group]
                continue
            self._lanes.move_to_end(group)
            lane.running += 1
            del self._ready[item[0]]
            self._working[item[0]] = group
            return item[0]
        return None

    def _lane(self, group: str) -> _Lane:
        return self._lanes.setdefault(group, _Lane())
