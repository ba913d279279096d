"""Kubernetes Events: the story of an object, each thing told once, and never in the way of the work."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from hybridge.engine.cluster import Body, Cluster
from hybridge.engine.keys import Clock

#: Events that may wait to be recorded. Beyond that the newest are dropped: they are for people, and nothing depends on them.
MOST_WAITING = 2000
#: Seconds for which the same words about the same object are not told again, and how many are remembered for that.
ONCE_IN, MOST_TOLD = 600.0, 10_000


class Chronicle:
    """Takes Events at once and records them in the background, one after the other."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[Body, str, str, bool]] = asyncio.Queue(MOST_WAITING)
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def tell(self, body: Body, reason: str, message: str, *, warning: bool = False) -> None:
        """Something happened to this object."""
        words, now = (body["metadata"]["uid"], reason, message), self._clock()
        if now - self._told.get(words, -ONCE_IN) < ONCE_IN or self._waiting.full():
            return
        self._told[words] = now
        self._told.move_to_end(words)
        while len(self._told) > MOST_TOLD:
            self._told.popitem(last=False)
        self._waiting.put_nowait((body, reason, message, warning))

    async def run(self) -> None:
        """Records until cancelled."""
        while True:
            body, reason, message, warning = await self._waiting.get()
            await self._cluster.emit(body, reason=reason, message=message, warning=warning)
            self._waiting.task_done()
