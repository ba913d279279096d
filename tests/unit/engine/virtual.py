"""An event loop in virtual time: it never sleeps, its clock jumps to the next timer. Not for threads."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
#: The least step of the clock, so that a rounded timer is reached.
STEP = 1e-6


class Stuck(AssertionError):
    """Everything waits, and nothing will ever happen."""


class _Selector(selectors.SelectSelector):
    """Instead of waiting, it lets the time go by."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise Stuck
        if timeout > 0:
            self.now += max(timeout, STEP)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The time begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def now() -> float:
    """The clock to give to what runs on a VirtualLoop."""
    return asyncio.get_running_loop().time()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs ``work`` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
