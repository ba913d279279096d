"""A connected Provider: its driver, bulkhead and inventory, and the sweeps that keep the picture."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hybridge.core.errors import CloudError
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.core.units import format_time
from hybridge.drivers.base import Capacity, Connection, Driver, Sweep, SweepRequest, Usage
from hybridge.engine.backoff import Backoff
from hybridge.engine.bulkhead import Bulkhead, Closed
from hybridge.engine.keys import Clock, Key
from hybridge.engine.shelf import Shelf

log = logging.getLogger(__name__)

#: Seconds between sweeps while somebody waits for something: at first, and at most.
QUICK, SLOWEST_QUICK = 0.2, 5.0
#: Least seconds between two pushed answers, so that a flood of changes comes in bunches.
PUSH_PAUSE = 0.1
#: How many ended tasks are remembered that nobody has asked for yet.
MOST_EARLY = 1000
#: Seconds until the next sweep after one that the cloud refused or did not answer, at first; at most as after a good one.
ERROR_FIRST = 1.0
#: Seconds until the next sweep after one that ended with an error of ours, at first and at most.
MISTAKE_FIRST, MISTAKE_MOST = 1.0, 300.0
#: Seconds between two looks at the kinds that no object of the Provider has.
ALL_KINDS = 600.0
#: Sweeps are overdue when so many should have ended and none has; but never before so many seconds.
OVERDUE, LEAST_OVERDUE = 3.0, 60.0


@dataclass(frozen=True, slots=True)
class LastSweep:
    """How the newest successful sweep went. ``time`` in Unix seconds, ``duration`` in seconds."""

    time: float
    duration: float
    requests: int


@dataclass(frozen=True, slots=True)
class Change:
    """What a sweep brought: ids whose picture changed, by kind, and tasks that ended. ``first``: the picture, or that of
    one more kind, is whole now, or a kind cannot be looked at any more.
    """

    ids: Mapping[CloudKind, Collection[str]]
    tasks: Collection[Task]
    first: bool = False
    recovered: bool = False


class Link:
    """One Provider's live side. ``on_change`` is called after each sweep that brought something, ``on_error`` after
    each that failed; both on the event loop. ``kinds``: the kinds that its objects have.
    """

    def __init__(
        self,
        name: str,
        driver: Driver,
        connection: Connection,
        bulkhead: Bulkhead,
        *,
        clock: Clock,
        monotonic: Clock,
        interval: float,
        kinds: Callable[[], Collection[CloudKind]],
        on_change: Callable[[Link, Change], None],
        on_error: Callable[[Link, CloudError], None],
    ) -> None:
        self.name = name
        self.driver = driver
        self.connection = connection
        self.capacity: Capacity = connection.capacity
        self.bulkhead = bulkhead
        self._shelves: dict[CloudKind, Shelf[Any]] = {}
        self.last_sweep: LastSweep | None = None
        self.error: CloudError | None = None
        self.usage: Mapping[str, Usage] = {}
        self._clock = clock
        self._monotonic = monotonic
        self._interval = interval
        self._kinds = kinds
        self._all_at: float | None = None
        self._mistakes = Backoff(MISTAKE_FIRST, MISTAKE_MOST)
        self._errors = Backoff(ERROR_FIRST, max(ERROR_FIRST, interval))
        self._swept_at = monotonic()
        self._on_change = on_change
        self._on_error = on_error
        self._expecting: set[Key] = set()
        self._refresh: set[str] = set()
        self._tasks: dict[str, Task] = {}
        self._waiting: dict[str, Key] = {}
        self._early: OrderedDict[str, Task] = OrderedDict()
        self._denied_tasks = 0
        self._quick = QUICK
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to sweep."""
        self._runner = asyncio.get_running_loop().create_task(self._run(), name=f"sweeps of {self.name}")

    async def close(self) -> None:
        """Stops sweeping and disconnects. Calls under way end by their own deadlines."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
            # It holds what it stood on when it ended, this link included; and so does the last error: a picture of a whole
            # cloud would stay until the interpreter looks for cycles, which it seldom does.
            self._runner = self.error = None
        await asyncio.to_thread(self.driver.close)
        self.bulkhead.close()

    @property
    def machines(self) -> Shelf[Machine]:
        """What is known of the machines, which every Provider has."""
        return self.shelf(CloudKind.MACHINE)

    @property
    def settled(self) -> bool:
        """Whether a whole sweep has ended since the Provider was connected."""
        return self.machines.inventory.settled

    def shelf(self, kind: CloudKind) -> Shelf[Any]:
        """What is known of the cloud objects of this kind."""
        return self._shelves.setdefault(kind, Shelf())

    def unbind(self, key: Key) -> None:
        """The object is gone, or has nothing here any more: nothing here concerns it."""
        self.shelf(CloudKind(key.kind)).unbind(key)
        self.settle(key)

    def expect(self, key: Key, *, refresh: str | None = None) -> None:
        """``key`` waits for the cloud: sweep sooner, and read the details of ``refresh``."""
        if refresh is not None:
            self._refresh.add(refresh)
        if key not in self._expecting:
            self._expecting.add(key)
            self._quick = QUICK
            self._wake.set()

    def settle(self, key: Key) -> None:
        """``key`` waits no longer."""
        self._expecting.discard(key)

    def watch_task(self, task: Task, key: Key) -> Task:
        """Has this task followed for ``key``; its newest known state. An ended task is told once."""
        known = self._tasks.setdefault(task.id, self._early.pop(task.id, task))
        self._waiting[task.id] = key
        if known.state is not TaskState.RUNNING:
            self._denied_tasks += known.reason is Reason.NOT_PERMITTED
            del self._tasks[task.id], self._waiting[task.id]
        return known

    def waiting_for(self, task_id: str) -> Key | None:
        """Who waits for this task."""
        return self._waiting.get(task_id)

    @property
    def down(self) -> bool:
        """Whether the cloud has stopped to answer."""
        return self.bulkhead.breaker.open or (self.error is not None and self.bulkhead.breaker.down_since is not None)

    @property
    def trouble(self) -> CloudError | None:
        """Why what is in sight may be of long ago: the newest sweep failed, or none has ended for too long."""
        if self.error is not None:
            return self.error
        last = self.last_sweep
        patience = max(LEAST_OVERDUE, OVERDUE * (self._interval + (last.duration if last else 0.0)))
        if self._monotonic() - self._swept_at <= patience:
            return None
        since = f"no sweep has ended since {format_time(last.time)}" if last else "the first sweep does not end"
        return CloudError(Reason.SWEEP_FAILED, since)

    @property
    def denials(self) -> int:
        """How many calls and tasks the cloud has refused for want of a right."""
        return self.bulkhead.denials + self._denied_tasks

    async def _run(self) -> None:
        """Sweeps until cancelled or disconnected. A mistake of ours in one sweep is told, and does not end the others."""
        while True:
            (outcome,) = await asyncio.gather(self._sweep_once(), return_exceptions=True)
            if isinstance(outcome, Closed):
                return
            if isinstance(outcome, Exception):
                outcome = self._stumble(outcome)
            if isinstance(outcome, BaseException):
                raise outcome
            self._wake.clear()
            await self._pause(outcome)

    def _stumble(self, mistake: Exception) -> float:
        """A sweep ended in a way that nobody has foreseen; seconds until the next one."""
        log.error("a sweep failed unexpectedly", exc_info=mistake, extra={"provider": self.name})
        words = f"the last sweep ended with an error of the operator's own: {type(mistake).__name__}"
        self.error = CloudError(Reason.SWEEP_FAILED, words)
        self._on_error(self, self.error)
        return self._mistakes.next(self.name)

    async def _sweep_once(self) -> float:
        """One sweep; seconds until the next one is due."""
        kinds = self._due_kinds()
        began = {kind: self.shelf(kind).inventory.begin() for kind in kinds}
        started = self._monotonic()
        refresh, self._refresh = self._refresh, set()
        # The sweep has a thread of its own: what it is given must not change while it reads.
        request = SweepRequest(
            kinds=kinds,
            tasks=[task for task in self._tasks.values() if task.state is TaskState.RUNNING],
            refresh=refresh,
            max_age={one: age for shelf in self._shelves.values() for one, age in shelf.max_age.items()},
            wait=self._interval,
        )
        try:
            sweep = await self.bulkhead.sweep(self.driver.sweep, request)
            refresh = set()
        except CloudError as error:
            self.error = error
            self._on_error(self, error)
            return max(error.retry_after or 0.0, self.bulkhead.breaker.retry_in, self._errors.next(self.name))
        finally:
            self._refresh |= refresh
        duration = self._monotonic() - started
        self._take(sweep, began, duration)
        self._mistakes.reset(self.name)
        self._errors.reset(self.name)
        if self.driver.push:
            return PUSH_PAUSE
        # From begin to begin; but never sweep more than two thirds of the time, however large the cloud is.
        wanted = self._quick if self._expecting else self._interval - duration
        return max(wanted, duration / 2)

    def _take(self, sweep: Sweep, began: Mapping[CloudKind, int], duration: float) -> None:
        recovered, self.error = self.error is not None, None
        whole = self._whole()
        seen = sweep.portions.items()
        ids = {kind: self.shelf(kind).inventory.apply(portion, began.get(kind, 0)) for kind, portion in seen}
        self.usage = sweep.usage
        ended = []
        for task in sweep.tasks.values():
            if task.id in self._tasks:
                self._tasks[task.id] = replace(task, started_at=self._tasks[task.id].started_at)
                if task.state is not TaskState.RUNNING:
                    ended.append(task)
            elif task.state is not TaskState.RUNNING:
                # It ended before the call that started it has returned.
                self._early[task.id] = task
        while len(self._early) > MOST_EARLY:
            self._early.popitem(last=False)
        if sweep.capacity is not None:
            self.capacity = sweep.capacity
        self._swept_at = self._monotonic()
        self.last_sweep = LastSweep(self._clock(), duration, sweep.requests)
        troubled = self._note(began, sweep.troubles)
        first = troubled or self._whole() != whole
        self._quick = QUICK if any(ids.values()) or ended else min(self._quick * 1.5, SLOWEST_QUICK)
        self._on_change(self, Change(ids, ended, first=first, recovered=recovered))

    def _note(self, kinds: Iterable[CloudKind], troubles: Mapping[CloudKind, CloudError]) -> bool:
        """Whether something can be looked at again, or cannot any more."""
        before = {kind for kind, shelf in self._shelves.items() if shelf.trouble is not None}
        for kind in kinds:
            self.shelf(kind).trouble = troubles.get(kind)
        return before != {kind for kind, shelf in self._shelves.items() if shelf.trouble is not None}

    def _due_kinds(self) -> Collection[CloudKind]:
        """The kinds that objects have; now and then all there are, because what nobody has is told as well."""
        now = self._monotonic()
        if self._all_at is not None and now - self._all_at < ALL_KINDS:
            return {CloudKind.MACHINE, *self._kinds()}
        self._all_at = now
        return set(CloudKind)

    def _whole(self) -> set[CloudKind]:
        """The kinds of which a whole picture was seen."""
        return {kind for kind, shelf in self._shelves.items() if shelf.inventory.settled}

    async def _pause(self, seconds: float) -> None:
        deadline = self._monotonic() + seconds
        while (left := deadline - self._monotonic()) > 0:
            try:
                # Not wait_for: that loses a cancellation which comes together with what is waited for.
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                return
            self._wake.clear()
            if not self.driver.push and self.error is None:
                deadline = min(deadline, self._monotonic() + self._quick)
