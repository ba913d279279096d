"""The engine at work on a real driver and its cloud, with an API server in memory: that both fit together."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, cast

import pytest

from hybridge.drivers.base import Driver
from hybridge.engine import clouds
from hybridge.engine.cluster import Body, Cluster, Secret
from hybridge.engine.keys import Key
from hybridge.engine.machines.kind import MachineKind
from hybridge.engine.meter import ProviderMeter
from hybridge.engine.natures import plain_kinds
from hybridge.engine.outcome import Kind
from hybridge.engine.providers import ProviderKind
from hybridge.engine.queue import WorkQueue
from hybridge.engine.reconciler import Reconciler
from hybridge.engine.store import Store
from hybridge.engine.world import World
from hybridge.kube.handlers import Watch
from tests.contract.bed import Bed
from tests.unit.engine.estate import Objects
from tests.unit.engine.machine_bed import Silent

PROVIDER = Key("Provider", "", "real")
#: Seconds that anything may take: less than the minute after which what was refused is tried again.
PATIENCE = 55.0

_BLOCKS: Mapping[str, Mapping[str, object]] = {
    "aws": {"region": "eu-central-1"},
    "proxmox": {"endpoint": "https://pve"},
    "vsphere": {"endpoint": "https://vc", "datacenter": "DC0"},
}


class Alive:
    """One cloud, and the objects that people apply."""

    def __init__(self, bed: Bed) -> None:
        self.api, self.bed = Objects(), bed
        # Simulators hide nothing for long.
        self.world = World(
            Store(), WorkQueue(time.monotonic), cast("Cluster", self.api), time.time, "c", lambda: True, visibility=1.0
        )
        self.api.watch = Watch(self.world)
        self._numbers = itertools.count(1)
        meter = cast("ProviderMeter", Silent())
        kinds: dict[str, Kind] = {
            "Provider": ProviderKind(self.world, meter),
            "VirtualMachine": MachineKind(self.world, cast("Any", meter)),
            **plain_kinds(self.world, cast("Any", meter)),
        }
        self.reconciler = Reconciler(self.world.queue, kinds, cast("Any", meter), clock=time.monotonic)
        self.api.secrets["s"] = Secret("s", "uid-s", "1", {})
        spec = {
            bed.kind: _BLOCKS[bed.kind],
            "credentials": {"secretRef": {"namespace": "n", "name": "s"}},
            "allowedNamespaces": {"names": ["*"]},
            "limits": {"requestsPerSecond": 1000, "burst": 1000},
            "sweepInterval": "1s",
        }
        self._put(PROVIDER, spec, {})

    def machine(self, name: str, labels: Mapping[str, str] | None = None, **spec: object) -> None:
        """A machine."""
        words = {"image": {"id": self.bed.image}, "cpus": 2, "memory": "4Gi", **spec}
        self.apply("VirtualMachine", name, labels, **words)

    def apply(self, kind: str, name: str, labels: Mapping[str, str] | None = None, **spec: object) -> None:
        """An object of any kind."""
        self._put(Key(kind, "shop", name), {"providerRef": {"name": "real"}, **spec}, labels or {})

    def change(self, kind: str, name: str, labels: Mapping[str, str] | None = None, **spec: object) -> None:
        """Another spec, or other labels."""
        body = self.body(kind, name)
        metadata = {**body["metadata"], "generation": body["metadata"]["generation"] + 1}
        if labels is not None:
            metadata["labels"] = dict(labels)
        self.api.put(Key(kind, "shop", name), {**body, "metadata": metadata, "spec": {**body["spec"], **spec}})

    def delete(self, *keys: tuple[str, str]) -> None:
        """What a user does with kubectl delete."""
        for kind, name in keys:
            key = Key(kind, "shop", name)
            body = self.api.objects[key]
            metadata = {**body["metadata"], "deletionTimestamp": "2027-01-02T00:00:00Z"}
            self.api.put(key, {**body, "metadata": metadata})

    def body(self, kind: str, name: str) -> Body:
        """An object."""
        return self.api.objects[Key(kind, "shop", name)]

    def status(self, kind: str, name: str) -> Any:
        """Its status."""
        return self.body(kind, name)["status"]

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits. AssertionError after too long."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"{what}: {[body for key, body in self.api.objects.items()]}"
            await asyncio.sleep(0.1)

    async def settle(self) -> None:
        """Waits until all are Ready and as their newest spec wants them."""
        await self.until(lambda: all(map(_is_settled, self._all())), "settled")

    async def gone(self) -> None:
        """Waits until all are gone."""
        await self.until(lambda: not self._all(), "gone")

    def _all(self) -> list[Body]:
        return [body for key, body in self.api.objects.items() if key != PROVIDER]

    def _put(self, key: Key, spec: Mapping[str, object], labels: Mapping[str, str]) -> None:
        metadata: dict[str, object] = {
            "name": key.name,
            "labels": dict(labels),
            "uid": f"{next(self._numbers):08}-{time.time_ns():x}",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": [],
        }
        if key.namespace:
            metadata["namespace"] = key.namespace
        self.api.put(key, {"kind": key.kind, "metadata": metadata, "spec": spec, "status": {}})


@asynccontextmanager
async def alive(bed: Bed, driver: Driver) -> AsyncIterator[Alive]:
    """The engine at work."""
    with pytest.MonkeyPatch.context() as patch:
        module = ModuleType(f"tests.contract.alive_{bed.kind}")
        module.connect = lambda _settings: driver  # type: ignore[attr-defined]
        patch.setitem(sys.modules, module.__name__, module)
        patch.setitem(cast("dict[str, str]", clouds.CLOUDS), bed.kind, module.__name__)
        made = Alive(bed)
        tasks = [asyncio.create_task(made.reconciler.run()), asyncio.create_task(made.world.chronicle.run())]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for link in made.world.links():
                await link.close()


def _is_settled(body: Body) -> bool:
    told = {one["type"]: one for one in body["status"].get("conditions", ())}
    return not body["metadata"].get("deletionTimestamp") and all(
        name in told
        and told[name]["status"] == "True"
        and told[name]["observedGeneration"] == body["metadata"]["generation"]
        for name in ("Ready", "Synced")
    )
