"""Exponential backoff with jitter, per key."""

from __future__ import annotations

import random
from collections.abc import Hashable


class Backoff:
    """Seconds to wait after the n-th failure in a row: ``first * 2**n`` up to ``longest``, ± 20 %."""

    def __init__(self, first: float = 0.5, longest: float = 300.0, *, seed: int | None = None) -> None:
        self._first = first
        self._longest = longest
        self._failures: dict[Hashable, int] = {}
        self._random = random.Random(seed)

    def next(self, key: Hashable) -> float:
        """Counts a failure and tells how long to wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self._longest, self._first * 2.0 ** min(failures, 30))
        return delay * self._random.uniform(0.8, 1.2)

    def failures(self, key: Hashable) -> int:
        """Failures in a row so far."""
        return self._failures.get(key, 0)

    def reset(self, key: Hashable) -> None:
        """A success: the next failure is the first one again."""
        self._failures.pop(key, None)
