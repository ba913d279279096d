"""Who may act: a Lease, held by one process at a time.

The official client's leader election tells when a Lease was lost, but not, before each change, whether it is still
held: a process that was paused would go on acting for a moment. Here every change asks, against a monotonic clock.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hybridge.engine.cluster import ClusterUnavailable, Conflict
from hybridge.kube.client import Kubernetes

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another process holds the Lease, it could not be renewed in time, or it is not what we have written: in words."""


class Lease:
    """A Lease of ``duration`` seconds, renewed every third of it.

    We count as its holder for two thirds of the duration after a renewal was *sent*; others wait for the whole duration
    after they *saw* the last one. So there is a gap in which nobody acts, whatever the clocks of the machines say.
    """

    def __init__(
        self,
        kubernetes: Kubernetes,
        *,
        namespace: str,
        identity: str,
        duration: float = 15.0,
        name: str = "hybridge",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``identity`` must be unique among live processes; one that is restarted may keep its own."""
        self._kubernetes = kubernetes
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._folder}/{name}"
        self._name = name
        self._identity = identity
        self._duration = duration
        self._monotonic = monotonic
        self._renewed = float("-inf")
        self._led = float("-inf")
        self._seen: tuple[str, float] | None = None
        self._written = 0

    def held(self) -> bool:
        """Whether this process may act now."""
        return self._monotonic() - self._renewed < self._duration * 2 / 3

    def overdue(self) -> str | None:
        """Why a process that has begun to act should have ended by now; None while it may act, or just ends."""
        if self._monotonic() - self._led < 2 * self._duration:
            return None
        return f"the Lease {self._name} is not held, and this process has not ended"

    async def acquire(self) -> None:
        """Waits until the Lease is ours."""
        self._written = 0
        waited = False
        while not await self._try():
            if not waited:
                log.info("another replica holds the Lease %s; waiting for it", self._name)
                waited = True
            await asyncio.sleep(min(1.0, self._duration / 10))
        log.info("holding the Lease %s as %s", self._name, self._identity)

    async def keep(self) -> None:
        """Renews until cancelled. Raises LeaseLost when that fails for too long, or when time has gone back."""
        kept = True
        while True:
            # One answer that is lost leaves time for some more attempts.
            await asyncio.sleep(self._duration / (3 if kept else 15))
            kept = await self._try()
            if not kept and not self.held():
                raise LeaseLost(f"the Lease {self._name} was lost: another replica may act now")

    async def release(self) -> None:
        """Lets the next process begin at once. To be called when nothing of ours acts any more."""
        if not self.held():
            return
        self._renewed = float("-inf")
        try:
            body = await self._kubernetes.request("GET", self._path)
            if body is not None and body["spec"].get("holderIdentity") == self._identity:
                body["spec"]["holderIdentity"] = ""
                await self._kubernetes.request("PUT", self._path, body)
        except (ClusterUnavailable, Conflict) as error:
            log.info("the Lease could not be released and will lapse: %s", error)

    async def _try(self) -> bool:
        sent = self._monotonic()
        try:
            taken = await self._take()
        except (ClusterUnavailable, Conflict) as error:
            log.info("the Lease could not be renewed: %s", str(error) or "somebody else was faster")
            return False
        self._renewed = sent if taken else float("-inf")
        self._led = sent if taken else self._led
        return taken

    async def _take(self) -> bool:
        body: dict[str, Any] | None = await self._kubernetes.request("GET", self._path)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if body is None and self._written:
            raise self._lost("is gone")
        if body is None:
            spec = {"acquireTime": now, "leaseTransitions": 0}
            created = {"metadata": {"name": self._name}, "spec": spec | self._claim(now)}
            return self._note(await self._kubernetes.request("POST", self._folder, created))
        holder = body["spec"].get("holderIdentity", "")
        if holder not in {"", self._identity} and not self._lapsed(body):
            return False
        if holder != self._identity:
            body["spec"]["acquireTime"] = now
            body["spec"]["leaseTransitions"] = body["spec"].get("leaseTransitions", 0) + 1
        body["spec"].update(self._claim(now))
        written = await self._kubernetes.request("PUT", self._path, body)
        if written is not None and int(body["metadata"]["resourceVersion"]) < self._written:
            # Only a read can be stale: what took this write knows nothing of our last one.
            raise self._lost("is older than we left it")
        return self._note(written)

    def _note(self, written: dict[str, Any] | None) -> bool:
        """Whether a write was accepted, whose version no later one can be below."""
        if written is not None:
            self._written = int(written["metadata"]["resourceVersion"])
        return written is not None

    def _lost(self, words: str) -> LeaseLost:
        """The cluster's storage was restored: what this process knows of its objects is of a time that never was."""
        self._renewed = float("-inf")
        return LeaseLost(
            f"the Lease {self._name} {words}: the cluster was restored from a backup, and is to be read anew"
        )

    def _claim(self, now: str) -> dict[str, object]:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": now,
        }

    def _lapsed(self, body: dict[str, Any]) -> bool:
        """Whether nobody renewed for the holder's whole duration, by our own clock."""
        version = body["metadata"]["resourceVersion"]
        now = self._monotonic()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
            return False
        return now - self._seen[1] > float(body["spec"].get("leaseDurationSeconds", self._duration))
