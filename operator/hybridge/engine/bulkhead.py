"""One Provider's bulkhead: its own threads, its own rate limit, its own circuit breaker."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from hybridge.core.errors import CloudError, Unreachable
from hybridge.core.reasons import Reason
from hybridge.engine.keys import Clock

P = ParamSpec("P")
T = TypeVar("T")


class Closed(Exception):
    """The Provider was disconnected while a call waited for its turn."""


class NotLeading(Exception):
    """Another replica may be acting: nothing was sent."""


class _Opened(Exception):
    """The breaker opened while a call waited for its thread."""


class TokenBucket:
    """A rate limit for threads: ``rate`` requests a second, ``burst`` at once. ``clock`` is monotonic."""

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def acquire(self) -> None:
        """Takes one token; blocks this thread until there is one. Raises Closed after ``close``."""
        with self._lock:
            now = self._clock()
            passed = max(0.0, now - self._at)
            self._tokens = min(self._burst, self._tokens + passed * self._rate) - 1
            self._at = now
            debt = -self._tokens / self._rate
        # Threads that come later go deeper into debt, so they are served in turn.
        if self._closed.wait(max(0.0, debt)):
            raise Closed

    def is_closed(self) -> bool:
        """Whether nothing is let through any more."""
        return self._closed.is_set()

    def close(self) -> None:
        """Wakes whoever waits."""
        self._closed.set()


class Breaker:
    """Opens after ``threshold`` answers in a row that did not come; after a growing pause one call tries again.

    ``clock`` is monotonic; ``wall`` tells ``down_since``.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        wall: Clock | None = None,
        threshold: int = 2,
        first: float = 1.0,
        longest: float = 30.0,
    ) -> None:
        self._clock = clock
        self._wall = wall or clock
        self._probing = False
        self._threshold = threshold
        self._first = first
        self._longest = longest
        self._failures = 0
        self._until = 0.0
        self.down_since: float | None = None
        #: What the newest failure said. Not the error itself: that holds what it stood on, a picture of a whole cloud.
        self.words = ""

    @property
    def open(self) -> bool:
        """Whether calls should not be made now."""
        return self._failures >= self._threshold and (self._probing or self._clock() < self._until)

    def admit(self) -> bool:
        """Whether a call may be made now. After the pause it is one call, and nobody else until that has ended."""
        if self.open:
            return False
        self._probing = self._failures >= self._threshold
        return True

    def ended(self) -> None:
        """The call that tried again has ended, however."""
        self._probing = False

    @property
    def probing(self) -> bool:
        """Whether a call is under way that tries again. Right after ``admit`` it is the one that was admitted."""
        return self._probing

    @property
    def just_opened(self) -> bool:
        """Whether the newest failure was the one that opened it."""
        return self._failures == self._threshold

    @property
    def retry_in(self) -> float:
        """Seconds until the next try."""
        return max(0.0, self._until - self._clock())

    def succeeded(self) -> None:
        """An answer came."""
        self._failures = 0
        self.down_since = None
        self.words = ""

    def failed(self, error: CloudError) -> None:
        """No answer came. What fails while it is open belongs to the same outage and does not make the pause longer."""
        if self._failures >= self._threshold and self._clock() < self._until:
            return
        self._failures += 1
        self.words = error.message
        if self.down_since is None:
            self.down_since = self._wall()
        extra = self._failures - self._threshold
        if extra >= 0:
            self._until = self._clock() + min(self._longest, self._first * 2.0 ** min(extra, 20))


class Bulkhead:
    """Runs a driver's blocking calls for one Provider. What goes wrong here is felt nowhere else.

    Sweeps have a thread of their own: a long poll must not take a place from changes, nor changes starve sweeps.
    ``leads`` tells, in any thread, whether this process may change clouds now.
    """

    def __init__(
        self, name: str, *, threads: int, bucket: TokenBucket, breaker: Breaker, leads: Callable[[], bool]
    ) -> None:
        self._leads = leads
        self._thread = threading.local()
        self._changes = ThreadPoolExecutor(threads, thread_name_prefix=f"{name}-call", initializer=self._enter)
        self._sweeps = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-sweep")
        self.bucket = bucket
        self.breaker = breaker
        #: How many calls the cloud has refused for want of a right.
        self.denials = 0

    def acquire(self) -> None:
        """To be called by a driver right before each request: blocks until the rate limit has room for one.

        Raises Closed after ``close``, and NotLeading in a call that began or waited until another replica may be acting:
        nothing is sent then. Sweeps only read, and go on.
        """
        self.bucket.acquire()
        if getattr(self._thread, "calls", False) and not self._leads():
            raise NotLeading

    def _enter(self) -> None:
        self._thread.calls = True

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function`` in a thread. Raises Unreachable at once while the breaker is open, also when it
        opened before there was a thread; Closed after ``close``; NotLeading.
        """
        if not self.breaker.admit():
            raise self._down()
        probe = self.breaker.probing

        def begin() -> T:
            if self.breaker.open and not probe:
                raise _Opened
            return function(*args, **kwargs)

        try:
            return await self._run(self._changes, begin)
        except _Opened:
            raise self._down() from None
        finally:
            if probe:
                self.breaker.ended()

    def _down(self) -> Unreachable:
        return Unreachable(self.breaker.words or "no answer")

    async def sweep(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function`` in the sweeps' thread, breaker or not: sweeps are what finds out that a cloud is back."""
        return await self._run(self._sweeps, partial(function, *args, **kwargs))

    async def _run(self, pool: ThreadPoolExecutor, function: Callable[[], T]) -> T:
        if self.bucket.is_closed():
            raise Closed
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            result = await loop.run_in_executor(pool, _leaving_nothing, function)
        except asyncio.CancelledError:
            # The pool was closed before the call had its turn: that does not cancel who waits for it.
            if self.bucket.is_closed() and task is not None and not task.cancelling():
                raise Closed from None
            raise
        except Unreachable as error:
            self.breaker.failed(error)
            raise
        except CloudError as error:
            self.breaker.succeeded()
            self.denials += error.reason is Reason.NOT_PERMITTED
            raise
        self.breaker.succeeded()
        return result

    def close(self) -> None:
        """No further calls; those under way end by their own deadlines."""
        self.bucket.close()
        self._changes.shutdown(wait=False, cancel_futures=True)
        self._sweeps.shutdown(wait=False, cancel_futures=True)


def _leaving_nothing(function: Callable[[], T]) -> T:
    """Calls it. An error keeps its words and its lines, and not what its stack stood on: libraries tie an error and its
    stack into a cycle, and the pages of a whole sweep would stay until the interpreter looks for cycles: seldom.
    """
    try:
        return function()
    except CloudError as error:
        one: BaseException | None = error
        while one is not None:
            traceback.clear_frames(one.__traceback__)
            one = one.__cause__ or one.__context__
        raise
