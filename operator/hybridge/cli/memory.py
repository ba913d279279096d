"""The memory of a process that runs for months: what nobody uses any more is given back."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time

#: Seconds from one round to the next, at the least; and how many times as long as it took, so that it takes 1 % at most.
INTERVAL, SHARE = 60.0, 100
#: Of malloc.h: how many heaps threads share. Each thread would get its own, up to eight for each core.
_M_ARENA_MAX, _ARENAS = -8, 2

_libc = ctypes.CDLL(None)


def prepare() -> None:
    """To be called once all is imported, which stays; and before there are threads."""
    gc.freeze()
    # Objects are many and live long: the collector need not look at them so often.
    gc.set_threshold(20_000, 20, 1)
    if hasattr(_libc, "mallopt"):  # glibc
        _libc.mallopt(_M_ARENA_MAX, _ARENAS)


async def tidy(interval: float = INTERVAL) -> None:
    """Until cancelled: collects cycles, and gives pages back that hold nothing.

    The interpreter by itself looks at what lives long only once a quarter of it is new: clients of clouds, which are cycles,
    would stay for hours.
    """
    pause = interval
    while True:
        await asyncio.sleep(pause)
        began = time.monotonic()
        gc.collect()
        if hasattr(_libc, "malloc_trim"):  # glibc
            _libc.malloc_trim(0)
        pause = max(interval, SHARE * (time.monotonic() - began))
