"""The watch: one low-level kopf handler a kind stores the newest body and queues its key. Nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterator
from typing import Any

import kopf

from hybridge.api.kinds import KINDS, Kind
from hybridge.api.shared import GROUP, VERSION
from hybridge.engine.keys import Key
from hybridge.engine.queue import Priority
from hybridge.engine.world import World
from hybridge.kube.memoryless import NoDiff, NoProgress
from hybridge.kube.session import login

log = logging.getLogger(__name__)


class Watch:
    """Feeds a World from the API server's watch, and knows when each kind was last heard of."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = asyncio.Event()
        self.listed = asyncio.Event()
        self.heard: dict[str, float] = {}

    def receive(self, kind: str, event_type: str | None, body: Any) -> None:
        """One event. Listing at the start comes as events without a type, so a restart is a normal day."""
        self.heard[kind] = time.monotonic()
        metadata = body["metadata"]
        key = Key(kind, metadata.get("namespace", ""), metadata["name"])
        if event_type == "DELETED":
            group = self._world.group(key)
            self._world.store.drop(key, metadata["uid"])
            self._world.queue.add(key, group)
            self._world.enqueue_leaving(group)
        elif self._world.store.put(key, {"kind": kind, **body}):
            self._world.enqueue(key, Priority.USER)
            if kind == "Provider":
                self._world.enqueue_users(key.name)

    async def run(self) -> None:
        """Watches until ``stop``. Ends by itself only when kopf does, which is an error."""
        registry = kopf.OperatorRegistry()
        for kind in KINDS:
            self._register(registry, kind)
        kopf.on.login(registry=registry)(login)
        tasks = await kopf.spawn_tasks(
            registry=registry, settings=_settings(), standalone=True, clusterwide=True, stop_flag=self._stop,
            ready_flag=self.listed,
        )  # fmt: skip
        await kopf.run_tasks(tasks, ignored=_Others())

    def stop(self) -> None:
        """Ends the watch."""
        self._stop.set()

    def _register(self, registry: kopf.OperatorRegistry, kind: Kind) -> None:
        name = kind.kind

        @kopf.on.event(GROUP, VERSION, kind.plural, registry=registry, id=f"store-{kind.plural}")
        async def store(event: Any, **_: Any) -> None:
            self.receive(name, event["type"], event["object"])


class _Others(Collection[asyncio.Task[Any]]):
    """All tasks of the loop that kopf did not begin: at its end it would wait for them, and then cancel them.

    They are the engine's, which finishes what is under way by itself.
    """

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    # A task an object lives for so many seconds after its last event, and takes the echo of our own write as well.
    settings.queueing.idle_timeout = 5.0
    settings.queueing.exit_timeout = 1.0
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    # Between two lists, for an API server that never remembers where a watch wants to begin.
    settings.watching.reconnect_backoff = 1.0
    settings.networking.error_backoffs = (0.5, 1, 2, 3, 5, 5, 5, 5, 5, 5, 5, 5)
    settings.persistence.diffbase_storage = NoDiff()
    settings.persistence.progress_storage = NoProgress()
    # kopf takes away a finalizer of this name when no handler needs it: it must not be ours.
    settings.persistence.finalizer = f"{GROUP}/kopf-unused"
    return settings
