"""Three clouds with hundreds of machines and the whole engine around them, in virtual time, to the last thread."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import pytest

from hybridge.core.errors import CloudError
from hybridge.drivers.base import Connection, Driver, Settings, Sweep, SweepRequest
from hybridge.engine import bulkhead, clouds
from hybridge.engine.cluster import Body, Cluster, ClusterUnavailable, Secret
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
from tests.unit.engine.machine_bed import ApiServer, Cloud, Silent
from tests.unit.engine.virtual_threads import ThreadedLoop

RATE, BURST, INTERVAL = 10, 20, 30.0
#: Seconds that a cloud takes for an answer, and until a request that has none is given up.
ANSWER, PATIENCE = 0.05, 20.0
#: Unix seconds when the virtual time is 0.
EPOCH = 1_800_000_000.0
_DRIVER = "tests.unit.engine.estate_driver"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What becomes of requests: each fails so after some seconds."""

    error: Callable[[], CloudError]
    seconds: float


@dataclass(frozen=True, slots=True)
class Request:
    """``time``: when it was sent, in virtual seconds."""

    time: float
    operation: str


class Remote(Cloud):
    """A cloud at the other end of a line: each request waits for the rate limit, takes its time, and may fail."""

    def __init__(self, loop: ThreadedLoop) -> None:
        super().__init__()
        self._loop = loop
        self._acquire: Callable[[], None] = lambda: None
        self.trouble: Trouble | None = None
        self.log: list[Request] = []

    def connect(self, settings: Settings) -> Driver:
        """As a driver's module has it."""
        self._acquire = settings.acquire
        return cast("Driver", self)

    def check(self) -> Connection:
        self._request("check")
        return Connection("cloud:1", "1")

    def sweep(self, request: SweepRequest) -> Sweep:
        self._request("sweep")
        return super().sweep(request)

    def close(self) -> None:
        """Nothing is open."""

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name not in _OPERATIONS:
            return found

        def asked(*args: Any, **kwargs: Any) -> Any:
            self._request(name)
            return found(*args, **kwargs)

        return asked

    def _request(self, operation: str) -> None:
        self._acquire()
        self.log.append(Request(self._loop.time(), operation))
        if self.trouble is not None:
            self._loop.wait(self.trouble.seconds)
            raise self.trouble.error()
        self._loop.wait(ANSWER)


#: Methods of a MachineDriver that send something.
_OPERATIONS = frozenset({"prepare", "create", "find", "get", "configure", "mark", "set_power", "delete"})


class Objects(ApiServer):
    """Lists too, and lets objects go whose last finalizer went."""

    def __init__(self) -> None:
        super().__init__()
        self.watch: Watch | None = None
        self.dead = False

    async def patch_status(self, key: Key, patch: Body, *, resource_version: str | None = None) -> Body:
        if self.dead:
            raise ClusterUnavailable("killed")
        return await super().patch_status(key, patch, resource_version=resource_version)

    async def list(self, kind: str) -> list[Body]:
        return [body for key, body in self.objects.items() if key.kind == kind]

    def put(self, key: Key, body: Body) -> None:
        """An object, or a new version of it."""
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": self.version()}}
        self.objects[key] = body
        assert self.watch is not None
        self.watch.receive(key.kind, "MODIFIED", body)

    async def set_finalizers(self, key: Key, finalizers: Collection[str], *, resource_version: str | None) -> Body:
        if self.dead:
            raise ClusterUnavailable("killed")
        body = await super().set_finalizers(key, finalizers, resource_version=resource_version)
        if not finalizers and body["metadata"].get("deletionTimestamp"):
            self.drop(key)
        return body

    def drop(self, key: Key) -> None:
        """The object is gone."""
        body = self.objects.pop(key)
        assert self.watch is not None
        asyncio.get_running_loop().call_soon(self.watch.receive, key.kind, "DELETED", body)


class Estate:
    """What runs. ``clouds`` by name of their Provider."""

    def __init__(self, loop: ThreadedLoop, clouds: Mapping[str, Remote]) -> None:
        self._loop = loop
        self.api = Objects()
        self.clouds = clouds
        self.ready_at: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._running: set[asyncio.Task[None]] = set()
        self._alive = threading.Event()
        self._alive.set()
        self._build()

    def _build(self) -> None:
        self.world = World(
            Store(), WorkQueue(self._loop.time), cast("Cluster", self.api), lambda: EPOCH + self._loop.time(), "cluster",
            self._alive.is_set, monotonic=self._loop.time,
        )  # fmt: skip
        self.api.watch = Watch(self.world)
        meter = cast("ProviderMeter", Silent())
        kinds: dict[str, Kind] = {
            "Provider": ProviderKind(self.world, meter),
            "VirtualMachine": MachineKind(self.world, cast("Any", meter)),
            **plain_kinds(self.world, cast("Any", meter)),
        }
        self.reconciler = Reconciler(self.world.queue, kinds, cast("Any", meter), clock=self._loop.time)

    def start(self) -> None:
        """Begins to work."""
        self._running = {
            asyncio.create_task(self.reconciler.run()),
            asyncio.create_task(self.world.chronicle.run()),
        }

    async def stop(self) -> None:
        """Ends what is under way, and disconnects."""
        await self._end()
        # Calls under way end by themselves, as long as time goes by.
        await asyncio.sleep(2 * PATIENCE)

    async def _end(self) -> None:
        running, self._running = self._running, set()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for link in self.world.links():
            await link.close()

    async def kill(self) -> None:
        """The operator process ends at once: what was sent takes effect, and nobody writes down what came of it. Another one
        begins.
        """
        self._alive.clear()
        self.api.dead = True
        await self._end()
        self._alive.set()
        self.api.dead = False
        await self.restart()

    async def restart(self) -> None:
        """Another operator process: all that was in memory is gone."""
        await self._end()
        self._build()
        for key, body in list(self.api.objects.items()):
            assert self.api.watch is not None
            self.api.watch.receive(key.kind, None, body)
        self.start()

    def provide(self) -> None:
        """A Provider for each cloud."""
        self.api.secrets["s"] = Secret("s", "uid-s", "1", {})
        for name in self.clouds:
            spec = {
                name: _BLOCKS[name],
                "credentials": {"secretRef": {"namespace": "n", "name": "s"}},
                "allowedNamespaces": {"names": ["*"]},
                "limits": {"requestsPerSecond": RATE, "burst": BURST},
                "sweepInterval": f"{INTERVAL:.0f}s",
            }
            self._make(Key("Provider", "", name), spec)

    def make(
        self,
        name: str,
        cloud: str,
        labels: Mapping[str, str] | None = None,
        *,
        namespace: str = "shop",
        **words: object,
    ) -> None:
        """A machine."""
        spec = {"providerRef": {"name": cloud}, "image": {"id": "debian"}, "cpus": 2, "memory": "1Gi", **words}
        self._make(Key("VirtualMachine", namespace, name), spec, labels)

    def apply(self, kind: str, name: str, cloud: str, **spec: object) -> None:
        """An object of another kind."""
        self._make(Key(kind, "shop", name), {"providerRef": {"name": cloud}, **spec})

    def make_volume(self, name: str, cloud: str, size: str = "10Gi", namespace: str = "shop") -> None:
        """A volume."""
        self._make(Key("Volume", namespace, name), {"providerRef": {"name": cloud}, "size": size})

    def make_any(self, key: Key, cloud: str, spec: Mapping[str, object]) -> None:
        """An object of any kind."""
        self._make(key, {"providerRef": {"name": cloud}, **spec})

    def change(self, name: str, kind: str = "VirtualMachine", namespace: str = "shop", **spec: object) -> None:
        """Another spec."""
        key = Key(kind, namespace, name)
        body = self.api.objects[key]
        metadata = {**body["metadata"], "generation": body["metadata"]["generation"] + 1}
        self.api.put(key, {**body, "metadata": metadata, "spec": {**body["spec"], **spec}})

    def relabel(self, name: str, **labels: str) -> None:
        """Other labels of a machine."""
        key = Key("VirtualMachine", "shop", name)
        body = self.api.objects[key]
        self.api.put(key, {**body, "metadata": {**body["metadata"], "labels": labels}})

    def delete(self, name: str, kind: str = "VirtualMachine", namespace: str = "shop") -> None:
        """What a user does with kubectl delete."""
        key = Key(kind, namespace, name)
        body = self.api.objects[key]
        if not body["metadata"]["finalizers"]:
            self.api.drop(key)
            return
        self.api.put(key, {**body, "metadata": {**body["metadata"], "deletionTimestamp": "2027-01-02T00:00:00Z"}})

    def unsettled(self, cloud: str) -> list[str]:
        """Machines of a cloud that are not as their newest spec wants them, or should be gone."""
        return [key.name for key in self.world.store.users(cloud) if not _is_settled(self.api.objects[key])]

    async def settle(self, cloud: str, within: float, *, gone: str | None = None) -> float:
        """Waits until all objects of the cloud are settled, and the one of this name is gone; the virtual time then.

        AssertionError after too long.
        """
        deadline = self._loop.time() + within
        while (left := self.unsettled(cloud)) or any(key.name == gone for key in self.api.objects):
            assert self._loop.time() < deadline, f"{len(left)} of {cloud} are not settled, such as {self.told(left)}"
            await asyncio.sleep(0.25)
        return self._loop.time()

    async def gone(self, within: float) -> None:
        """Waits until nothing but Providers is left. AssertionError after too long."""
        deadline = self._loop.time() + within
        while left := [key for key in self.api.objects if key.kind != "Provider"]:
            assert self._loop.time() < deadline, f"still there: {[self.api.objects[key] for key in left]}"
            await asyncio.sleep(0.25)

    async def rest(self) -> None:
        """Waits for two sweeps, and what comes of them."""
        await asyncio.sleep(2 * INTERVAL + 5.0)

    def told(self, names: Collection[str]) -> str:
        """An object of one of these names."""
        return next((str(body) for key, body in self.api.objects.items() if key.name in names), "none")

    def _make(self, key: Key, spec: Mapping[str, object], labels: Mapping[str, str] | None = None) -> None:
        metadata: dict[str, object] = {
            "name": key.name,
            "labels": labels or {},
            "uid": f"{next(self._numbers):08}-0000",
            "generation": 1,
            "creationTimestamp": "2027-01-01T00:00:00Z",
            "finalizers": [],
        }
        if key.namespace:
            metadata["namespace"] = key.namespace
        self.api.put(key, {"kind": key.kind, "metadata": metadata, "spec": spec, "status": {}})


@asynccontextmanager
async def estate(
    loop: ThreadedLoop, names: Collection[str], cloud: Callable[[ThreadedLoop], Remote] = Remote
) -> AsyncIterator[Estate]:
    """The engine at work, with a Provider for each cloud."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulkhead, "threading", loop.threading())
        made = Estate(loop, {name: cloud(loop) for name in names})
        for name, remote in made.clouds.items():
            module = ModuleType(f"{_DRIVER}_{name}")
            module.connect = remote.connect  # type: ignore[attr-defined]
            patch.setitem(sys.modules, module.__name__, module)
            patch.setitem(cast("dict[str, str]", clouds.CLOUDS), name, module.__name__)
        made.provide()
        made.start()
        try:
            yield made
        finally:
            await made.stop()


def within(log: Collection[Request]) -> float:
    """By how many requests a log stays below the rate limit in the time where it comes nearest; negative: above."""
    least, room, before = float("inf"), float(BURST), 0.0
    for request in log:
        room = min(float(BURST), room + (request.time - before) * RATE) - 1
        least, before = min(least, room), request.time
    return least


def _is_settled(body: Body) -> bool:
    told = {one["type"]: one for one in body["status"].get("conditions", ())}
    if body["metadata"].get("deletionTimestamp"):
        return False
    return all(
        name in told
        and told[name]["status"] == "True"
        and told[name]["observedGeneration"] == body["metadata"]["generation"]
        for name in ("Ready", "Synced")
    )


#: What a Provider needs for each cloud.
_BLOCKS: Mapping[str, Mapping[str, object]] = {
    "aws": {"region": "eu-central-1"},
    "proxmox": {"endpoint": "https://pve"},
    "vsphere": {"endpoint": "https://vc", "datacenter": "DC0"},
}
