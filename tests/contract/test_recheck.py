"""A connection that lasts is checked again each hour: that it leads to the same cloud still is not taken for granted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest

from hybridge.api.provider import Provider
from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from hybridge.engine.cluster import Cluster, Secret
from hybridge.engine.link import Link
from hybridge.engine.provider_connection import CHECK_AGE, Connections
from hybridge.engine.queue import WorkQueue
from hybridge.engine.store import Store
from hybridge.engine.world import World
from hybridge.telemetry.metrics import Metrics
from tests import imposture
from tests.contract.bed import Bed
from tests.contract.eye import Eye

#: Seconds by which the test is off the hour; it takes less time itself.
MARGIN = 300.0
#: How a cloud is asked who it is.
WHO = {"aws": "sts:GetCallerIdentity", "proxmox": "GET /cluster/status", "vsphere": "RetrieveServiceContent"}


class Clock:
    """Monotonic seconds, which the test may let pass at once."""

    def __init__(self) -> None:
        self._passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._passed

    def skip(self, seconds: float) -> None:
        self._passed += seconds


class Secrets:
    """As much of a cluster as a connection needs: one Secret, which never changes."""

    def __init__(self, data: Mapping[str, str]) -> None:
        self._data = data

    async def secret(self, _namespace: str, name: str) -> Secret:
        return Secret(name, "uid-1", "1", self._data)


class Connected:
    """The engine's connection to the cloud of a bed. It sweeps once at first, and not again while the test lasts."""

    def __init__(self, bed: Bed) -> None:
        self.clock = Clock()
        cluster = cast("Cluster", Secrets(bed.cloud.credentials))
        clocks: dict[str, Any] = {"clock": time.time, "monotonic": self.clock}
        self.world = World(Store(), WorkQueue(time.monotonic), cluster, cluster_id="c", leads=lambda: True, **clocks)
        self._connections = Connections(self.world, Metrics(), on_change=lambda *_: None, on_error=lambda *_: None)
        spec = {
            bed.kind: bed.at(bed.proxy.endpoint),
            "credentials": {"secretRef": {"namespace": "hybridge-system", "name": "cloud"}},
            "tls": {"caBundle": bed.authority.pem},
            "sweepInterval": "24h",
            "defaults": bed.settings().defaults,
            "limits": {"requestsPerSecond": 1000, "burst": 1000, "concurrentTasks": 8},
        }
        self._provider = msgspec.convert({"metadata": {"name": "cloud", "generation": 1}, "spec": spec}, Provider)

    async def ensure(self) -> Link:
        return await self._connections.ensure(self._provider)

    async def close(self) -> None:
        await self._connections.close("cloud")


@asynccontextmanager
async def connected(bed: Bed) -> AsyncIterator[Connected]:
    connection = Connected(bed)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def marked(bed: Bed, driver: Driver) -> None:
    """A machine of ours, without which some rights cannot be tried, and checks come more often than each hour."""
    Eye(bed, driver).make(bed.spec(), bed.marker())


@pytest.mark.usefixtures("marked")
def test_an_endpoint_that_leads_elsewhere_is_found_within_the_hour_without_a_reconnect(bed: Bed) -> None:
    async def story() -> None:
        async with connected(bed) as connection:
            link = await connection.ensure()
            known = link.connection.identity
            bed.proxy.inject(imposture.rule(bed.kind, bed.cloud, bed.authority))
            bed.proxy.reset_counts()

            connection.clock.skip(CHECK_AGE - MARGIN)
            assert await connection.ensure() is link
            assert WHO[bed.kind] not in bed.proxy.counts()

            connection.clock.skip(MARGIN)
            with pytest.raises(Refused) as caught:
                await connection.ensure()
            assert caught.value.reason is Reason.PROVIDER_IDENTITY_MISMATCH
            assert f"lead to {imposture.IDENTITIES[bed.kind]}, not to {known}" in caught.value.message
            assert connection.world.links() == []
            assert bed.proxy.counts()[WHO[bed.kind]].requests == 1
            assert bed.proxy.mutating() == 0

    asyncio.run(story())


@pytest.mark.usefixtures("marked")
def test_an_endpoint_that_leads_to_the_same_cloud_keeps_its_connection(bed: Bed) -> None:
    async def story() -> None:
        async with connected(bed) as connection:
            link = await connection.ensure()
            for _ in range(3):
                bed.proxy.reset_counts()
                connection.clock.skip(CHECK_AGE)
                assert await connection.ensure() is link
                assert bed.proxy.counts()[WHO[bed.kind]].requests == 1

    asyncio.run(story())
