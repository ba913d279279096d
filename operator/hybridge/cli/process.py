"""The operator process: wires its parts together, runs them, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass

from kubernetes.aio.config import ConfigException

from hybridge.api.kinds import KINDS
from hybridge.cli import memory
from hybridge.engine.cluster import Body, ClusterUnavailable, Conflict
from hybridge.engine.machines.kind import MachineKind
from hybridge.engine.natures import plain_kinds
from hybridge.engine.outcome import Kind
from hybridge.engine.providers import ProviderKind
from hybridge.engine.queue import WorkQueue
from hybridge.engine.reconciler import Reconciler
from hybridge.engine.store import Store
from hybridge.engine.world import World
from hybridge.kube.audit import WatchAudit
from hybridge.kube.client import Kubernetes, configure
from hybridge.kube.handlers import Watch
from hybridge.kube.lease import Lease, LeaseLost
from hybridge.telemetry.health import Server, application
from hybridge.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class Trouble(Exception):
    """The operator cannot run or go on; the message is for the person who started it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What ``hybridge run`` was told."""

    namespace: str
    cluster_id: str | None
    metrics_host: str
    metrics_port: int
    identity: str
    lease_duration: float
    visibility: float | None
    audit: float


async def operate(options: Options) -> None:
    """Runs until SIGTERM or SIGINT. Raises Trouble."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    metrics.follow_loop(loop)
    try:
        kubernetes = Kubernetes(await configure(), metrics.kubernetes_write)
    except ConfigException as error:
        raise Trouble(f"no cluster: KUBECONFIG names none, and this is no pod ({error})") from error
    try:
        await _serve(options, kubernetes, metrics, stop)
    except ClusterUnavailable as error:
        raise Trouble(f"the API server does not answer: {error}") from error
    except OSError as error:
        raise Trouble(f"port {options.metrics_port}: {error.strerror}; choose another with --metrics-port") from error
    finally:
        await kubernetes.close()


async def _serve(options: Options, kubernetes: Kubernetes, metrics: Metrics, stop: asyncio.Event) -> None:
    lease = Lease(kubernetes, namespace=options.namespace, identity=options.identity, duration=options.lease_duration)
    operator = _Operator(options, kubernetes, metrics, lease)
    server = Server(
        application(
            metrics.registry,
            health={"watch": operator.health, "lease": operator.leading},
            ready={"operator": operator.readiness},
        ),
        options.metrics_host,
        options.metrics_port,
    )
    await server.start()
    try:
        await _until(stop, operator.run())
    finally:
        await operator.close()
        await server.close()


async def _until(stop: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Runs ``work`` until it ends or ``stop`` is set; what it raises is raised."""
    task = asyncio.create_task(work, name="operator")
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
        return
    log.info("stopping: what is under way is finished, nothing new is begun")
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


class _Operator:
    """The parts of one running operator."""

    def __init__(self, options: Options, kubernetes: Kubernetes, metrics: Metrics, lease: Lease) -> None:
        self._options = options
        self._kubernetes = kubernetes
        self._metrics = metrics
        self._lease = lease
        self._providers: ProviderKind | None = None
        self._audit: WatchAudit | None = None
        self._started = False

    def health(self) -> str | None:
        """None while watch events flow."""
        return self._audit.problem if self._audit else None

    def leading(self) -> str | None:
        """None before this process has led, and as long as it does: one that goes on without it is to be killed."""
        return self._lease.overdue() if self._started else None

    def readiness(self) -> str | None:
        """None once this process leads and has begun, or waits in reserve."""
        return None if self._started else "starting, or waiting for the Lease"

    async def run(self) -> None:
        """Works until cancelled."""
        cluster_id = await self._wait_for_cluster()
        await self._lease.acquire()
        self._metrics.leading(leads=True)
        queue = WorkQueue(time.monotonic)
        world = World(
            Store(), queue, self._kubernetes, time.time, cluster_id, self._lease.held, self._options.visibility
        )
        self._metrics.follow_queue(queue.depth, queue.oldest)
        self._providers = ProviderKind(world, self._metrics)
        kinds: Mapping[str, Kind] = {
            "Provider": self._providers,
            "VirtualMachine": MachineKind(world, self._metrics),
            **plain_kinds(world, self._metrics),
        }
        reconciler = Reconciler(queue, kinds, self._metrics, clock=time.monotonic)
        watch = Watch(world)
        self._audit = WatchAudit(world, self._kubernetes, watch, interval=self._options.audit)
        # Before anything is done: who needs a Provider would be told that it does not exist, and what an object has on
        # record, such as a machine that it is taking over, has to be known to all others.
        for kind in KINDS:
            for body in await self._listed(kind.kind):
                watch.receive(kind.kind, None, body)
        self._started = True
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._lease.keep(), name="lease"),
                    group.create_task(self._audit.run(), name="audit of the watch"),
                    group.create_task(reconciler.run(), name="reconciler"),
                    group.create_task(world.chronicle.run(), name="Events"),
                    group.create_task(memory.tidy(), name="memory"),
                ]
                # kopf ends its watch by itself on SIGTERM and SIGINT, whose handlers it takes over.
                await watch.run()
                for task in tasks:
                    task.cancel()
        except* LeaseLost as lost:
            raise Trouble(str(lost.exceptions[0])) from lost

    async def close(self) -> None:
        """Disconnects, then gives the Lease back."""
        if self._providers is not None:
            await self._providers.close()
        await self._lease.release()

    async def _listed(self, kind: str) -> Sequence[Body]:
        """All objects of a kind, once the API server tells them."""
        while True:
            try:
                return await self._kubernetes.list(kind)
            except ClusterUnavailable as error:
                log.warning("waiting: the API server does not answer: %s", error)
            await asyncio.sleep(1.0)

    async def _wait_for_cluster(self) -> str:
        """The cluster id, once the API server answers and the CRDs are there."""
        told = ""
        while True:
            try:
                if await self._kubernetes.serves_kinds():
                    return self._options.cluster_id or await self._kubernetes.cluster_uid()
                words = "the CRDs are not installed: kubectl apply --server-side -f crds/"
            except (ClusterUnavailable, Conflict) as error:
                words = f"the API server does not answer: {error}"
            if words != told:
                log.warning("waiting: %s", words)
                told = words
            await asyncio.sleep(1.0)
