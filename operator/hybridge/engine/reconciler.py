"""Takes keys from the queue, has their kind reconcile them, and handles every outcome in one switch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from hybridge.engine.backoff import Backoff
from hybridge.engine.bulkhead import Closed, NotLeading
from hybridge.engine.cluster import ClusterUnavailable, Conflict, Invalid
from hybridge.engine.keys import Clock, Key
from hybridge.engine.outcome import Again, Done, Failed, Kind, Outcome
from hybridge.engine.queue import Priority, WorkQueue

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Who counts reconciles."""

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """One reconcile ended."""
        ...


class Reconciler:
    """Runs as many reconciles at once as the queue gives out: it bounds them for each Provider, and a bound for all
    together would let those that hang hold up the others. A failure of one, expected or not, touches no other.
    """

    def __init__(self, queue: WorkQueue, kinds: Mapping[str, Kind], observer: Observer, *, clock: Clock) -> None:
        self._queue = queue
        self._kinds = kinds
        self._observer = observer
        self._clock = clock
        self._backoff = Backoff()
        self._running: set[asyncio.Task[Outcome]] = set()

    async def run(self) -> None:
        """Works until cancelled; then waits for what is under way, so that no answer of a cloud is lost."""
        try:
            while True:
                key = await self._queue.get()
                task = asyncio.create_task(self._kinds[key.kind].reconcile(key), name=str(key))
                self._running.add(task)
                task.add_done_callback(partial(self._ended, key, self._clock()))
        finally:
            if self._running:
                await asyncio.wait(self._running)

    def _ended(self, key: Key, started: float, task: asyncio.Task[Outcome]) -> None:
        self._running.discard(task)
        self._queue.done(key)
        outcome = Closed() if task.cancelled() else task.exception() or task.result()
        result = self._settle(key, outcome)
        self._observer.reconciled(key.kind, result, self._clock() - started)

    def _settle(self, key: Key, outcome: Outcome | BaseException) -> str:
        match outcome:
            case Done():
                self._backoff.reset(key)
                return "done"
            case Again(after):
                self._backoff.reset(key)
                self._add(key, after, Priority.SWEEP)
                return "again"
            case Failed(result, after):
                self._add(key, self._backoff.next(key) if after is None else after, Priority.RETRY)
                return result
            case Conflict():
                # The newer version is on its way through the watch; this is for the case that it was lost.
                self._add(key, self._backoff.next(key), Priority.RETRY)
                return "conflict"
            case ClusterUnavailable():
                log.info("%s: %s", key, outcome)
                self._add(key, self._backoff.next(key), Priority.RETRY)
                return "kubernetes"
            case Invalid():
                log.error("%s: the API server does not take what was to be written: %s", key, outcome)
                self._add(key, self._backoff.next(key), Priority.RETRY)
                return "invalid"
            case Closed() | NotLeading():
                self._add(key, self._backoff.next(key), Priority.RETRY)
                return "interrupted"
            case _:
                log.error("reconcile of %s failed unexpectedly", key, exc_info=outcome)
                self._add(key, self._backoff.next(key), Priority.RETRY)
                return "bug"

    def _add(self, key: Key, after: float, priority: Priority) -> None:
        self._queue.add(key, self._kinds[key.kind].group(key), priority, after=after)
