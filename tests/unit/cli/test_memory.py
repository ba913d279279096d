"""What the process gives back."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from hybridge.cli import memory


class Cycle:
    """It refers to itself, as clients of clouds do."""

    def __init__(self) -> None:
        self.itself = self


def test_what_nobody_uses_goes_though_little_is_new() -> None:
    async def tell() -> None:
        tidying = asyncio.create_task(memory.tidy(0.0))
        gone = weakref.ref(Cycle())
        assert gone() is not None
        for _ in range(10):
            await asyncio.sleep(0.0)
        tidying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await tidying
        assert gone() is None

    gc.disable()
    try:
        asyncio.run(tell())
    finally:
        gc.enable()
