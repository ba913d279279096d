"""Proof that watch events still flow: now and then a full list is held against what the watch told.

A watch can die without a word and leave a process that looks well and hears nothing. What a list shows and the watch
did not bring within the next round is put right here, and makes the process unhealthy, so that it is restarted.
"""

from __future__ import annotations

import asyncio
import logging

from hybridge.api.kinds import KINDS
from hybridge.engine.cluster import ClusterUnavailable, Conflict
from hybridge.engine.keys import Key
from hybridge.engine.world import World
from hybridge.kube.client import Kubernetes
from hybridge.kube.handlers import Watch

log = logging.getLogger(__name__)

#: Seconds between two lists.
INTERVAL = 120.0


class WatchAudit:
    """Compares lists with the store. ``problem`` says what the watch missed, or is None."""

    def __init__(self, world: World, kubernetes: Kubernetes, watch: Watch, *, interval: float = INTERVAL) -> None:
        self._world = world
        self._kubernetes = kubernetes
        self._watch = watch
        self._interval = interval
        self._suspects: dict[Key, str] = {}
        self.problem: str | None = None

    async def run(self) -> None:
        """Audits until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.audit()
            except (ClusterUnavailable, Conflict) as error:
                log.info("the watch could not be audited: %s", error)

    async def audit(self) -> None:
        """One round. An object counts as missed when two rounds found the same other version of it.

        An older one, as out of a backup, does not take the place of what is known: only a new process reads all anew.
        """
        behind: dict[Key, str] = {}
        for kind in KINDS:
            listed = await self._kubernetes.versions(kind.kind)
            for key, version in listed.items():
                known = self._world.store.get(key)
                if known is None or known["metadata"]["resourceVersion"] != version:
                    behind[key] = version
            for key in self._world.store.keys(kind.kind):
                if key not in listed:
                    behind[key] = ""
        missed = [key for key, version in behind.items() if self._suspects.get(key) == version]
        self._suspects = behind
        for key in missed:
            known = self._world.store.get(key)
            body = await self._kubernetes.get(key)
            if body is not None:
                self._watch.receive(key.kind, "MODIFIED", body)
            elif known is not None:
                self._watch.receive(key.kind, "DELETED", known)
        self.problem = f"the watch missed {len(missed)} changes, such as {missed[0]}" if missed else None
