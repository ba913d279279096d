"""Answers that are believed for a while.

Many machines are made from few images, types and subnets, so a lookup is made once for all of them: threads that want
the same thing wait for the first one's answer. Failures are not remembered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers by key, each looked up by one thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[str, tuple[float, T]] = {}

    def get(self, key: str, age: float, look_up: Callable[[], T]) -> T:
        """The answer for ``key``, at most ``age`` seconds old."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._known.get(key)
            if known and self._clock() - known[0] <= age:
                return known[1]
            answer = look_up()
            self._known[key] = (self._clock(), answer)
            return answer

    def put(self, key: str, answer: T) -> None:
        """An answer that somebody has just looked up in another way."""
        with self._lock:
            self._known = {**self._known, key: (self._clock(), answer)}

    def forget(self) -> None:
        """Nothing is believed any more; each answer is looked up again when it is wanted."""
        with self._lock:
            self._known = {key: (float("-inf"), answer) for key, (_, answer) in self._known.items()}

    def last(self, key: str) -> T | None:
        """The last answer for ``key``, of whatever age; None when there was none."""
        known = self._known.get(key)
        return known[1] if known else None
