"""Real threads in virtual time: one at a time runs, and the clock moves when all of them wait for it.

What a thread waits for has to be an ``Event`` of its loop; anything else that blocks stops the clock.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar, TypeVarTuple, Unpack

from tests.unit.engine.virtual import STEP, Stuck

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Turns:
    """Who waits until when. ``busy``: whether a thread runs, or will in a moment."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wake: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._queue: list[tuple[float, int, threading.Event, Executor]] = []
        self._parked: Counter[Executor] = Counter()
        self._unfinished: Counter[Executor] = Counter()
        self._own = threading.local()

    def number(self) -> int:
        """The next place among those that are due at the same time."""
        return next(self._numbers)

    def submitted(self, pool: Executor) -> None:
        """A thread of the pool will run something."""
        with self._lock:
            self._unfinished[pool] += 1

    def finished(self, pool: Executor) -> None:
        """The loop knows what came of it, or that it never began."""
        with self._lock:
            self._unfinished[pool] -= 1

    def enter(self, pool: Executor, number: int) -> None:
        """To be called by a thread that begins: returns when it is its turn."""
        self._own.pool = pool
        self.park(self.now, number, threading.Event())

    def park(self, due: float, number: int, turn: threading.Event) -> None:
        """Returns at ``due``, or earlier by ``hurry``."""
        with self._lock:
            heapq.heappush(self._queue, (due, number, turn, self._own.pool))
            self._parked[self._own.pool] += 1
        self.wake()
        turn.wait()

    def hurry(self, turns: list[threading.Event]) -> None:
        """Whoever waits for these is due now."""
        with self._lock:
            self._queue = [(self.now if one[2] in turns else one[0], *one[1:]) for one in self._queue]
            heapq.heapify(self._queue)

    @property
    def busy(self) -> bool:
        with self._lock:
            return any(
                self._parked[pool] < min(count, pool._max_workers)  # type: ignore[attr-defined]
                for pool, count in self._unfinished.items()
            )

    def next(self) -> float | None:
        """When the next one is due."""
        with self._lock:
            return self._queue[0][0] if self._queue else None

    def release(self) -> None:
        """The next one runs."""
        with self._lock:
            due, _, turn, pool = heapq.heappop(self._queue)
            self.now = max(self.now, due)
            self._parked[pool] -= 1
        turn.set()


class _Selector(selectors.SelectSelector):
    def __init__(self, turns: _Turns) -> None:
        super().__init__()
        self._turns = turns

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # Asked first: what a thread has told before it came to rest is there then.
        busy = self._turns.busy
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if busy:
            return super().select(None)
        due = self._turns.next()
        timer = None if timeout is None else self._turns.now + max(timeout, STEP)
        if due is None and timer is None:
            raise Stuck
        if due is not None and (timer is None or due <= timer):
            self._turns.release()
            return super().select(None)
        assert timer is not None
        self._turns.now = timer
        return []


class ThreadedLoop(asyncio.SelectorEventLoop):
    """The time begins at 0."""

    def __init__(self) -> None:
        self.turns = _Turns()
        super().__init__(_Selector(self.turns))
        self.turns.wake = self._write_to_self  # type: ignore[attr-defined]
        self._default = ThreadPoolExecutor(4)

    def time(self) -> float:
        return self.turns.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        pool, number = executor or self._default, self.turns.number()

        def work() -> T:
            self.turns.enter(pool, number)
            return func(*args)

        def ended(_: Future[T]) -> None:
            self.call_soon_threadsafe(self.turns.finished, pool)

        self.turns.submitted(pool)
        done = pool.submit(work)
        future = asyncio.wrap_future(done, loop=self)
        # After the future's own, so that the result is known before the time goes on.
        done.add_done_callback(ended)
        return future

    def wait(self, seconds: float) -> None:
        """For a thread: lets so much time go by."""
        self.turns.park(self.turns.now + seconds, self.turns.number(), threading.Event())

    def threading(self) -> SimpleNamespace:
        """What a module has in the place of ``threading`` that waits in this loop's time."""
        turns = self.turns

        class Event:
            """One that can be waited for with a timeout only."""

            def __init__(self) -> None:
                self._set = False
                self._waiting: list[threading.Event] = []

            def is_set(self) -> bool:
                return self._set

            def set(self) -> None:
                self._set = True
                turns.hurry(self._waiting)

            def wait(self, timeout: float) -> bool:
                if not self._set and timeout > 0:
                    turn = threading.Event()
                    self._waiting.append(turn)
                    turns.park(turns.now + timeout, turns.number(), turn)
                    self._waiting.remove(turn)
                return self._set

        return SimpleNamespace(Lock=threading.Lock, local=threading.local, Event=Event)


def run(loop: ThreadedLoop, work: Coroutine[Any, Any, T]) -> T:
    """Runs ``work`` to its end."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)
