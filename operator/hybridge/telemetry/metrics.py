"""The metric families, each beside its help text, and the faces by which the engine fills them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from hybridge.core.kinds import CloudKind
from hybridge.drivers.base import Meter
from hybridge.engine.link import Link

_OBJECT = ("kind", "namespace", "name")
#: Codes by which the clouds' drivers say that a request was one too many.
_THROTTLES = frozenset({"429", "RequestLimitExceeded", "Throttled", "Throttling", "ThrottlingException"})
_SECONDS = (0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)


class Metrics:
    """All series of one operator. Methods may be called from any thread; series vanish with their object."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._info = self._gauge(
            "resource_info", "An object and the Provider it belongs to; always 1.", *_OBJECT, "provider"
        )
        self._ready = self._gauge("resource_ready", "Whether the object is Ready.", *_OBJECT)
        self._synced = self._gauge("resource_synced", "Whether the last reconcile reached the spec.", *_OBJECT)
        self._reconciles = self._counter("reconcile", "Reconciles, by what came of them.", "kind", "result")
        self._reconcile_seconds = self._histogram("reconcile_duration_seconds", "Time of one reconcile.", "kind")
        self._time_to_ready = self._histogram(
            "time_to_ready_seconds", "From the creation of an object to its first Ready.", "kind", "provider"
        )
        self._drifts = self._counter("drift", "Fields found to differ from the spec.", "kind", "provider")
        self._drift_seconds = self._histogram(
            "drift_seconds", "How long an object differed from its spec, until it no longer did.", "kind", "provider"
        )
        self._orphans = self._gauge(
            "orphans", "What carries this cluster's marker of an object that does not exist.", "provider"
        )
        self._up = self._gauge("provider_up", "Whether the cloud answers.", "provider")
        self._requests = self._counter("provider_requests", "Requests to the cloud.", "provider", "operation", "code")
        self._request_seconds = self._histogram(
            "provider_request_duration_seconds", "Time of one request to the cloud.", "provider"
        )
        self._throttled = self._counter(
            "provider_throttled", "Requests that the cloud refused as too many.", "provider"
        )
        self._sweep_seconds = self._histogram("sweep_duration_seconds", "Time of one sweep.", "provider")
        self._sweep_requests = self._gauge("sweep_requests", "Requests that the last sweep cost.", "provider")
        self._swept_at = self._gauge(
            "sweep_timestamp_seconds", "When the last successful sweep ended (Unix time).", "provider"
        )
        self._machines = self._gauge("inventory_machines", "Machines that the last sweep showed.", "provider")
        self._objects = self._gauge(
            "inventory_objects", "Cloud objects that the last look at their kind showed.", "provider", "kind"
        )
        self._unmanaged = self._gauge("unmanaged_resources", "Machines that no object here owns.", "provider")
        self._insecure = self._gauge(
            "tls_verification_disabled", "Whether the endpoint's certificate is not verified.", "provider"
        )
        self._missing = self._gauge(
            "provider_missing_permissions",
            "Rights that the account lacks for what is managed.",
            "provider",
        )
        self._capacity_cpus = self._gauge("capacity_cpus", "Virtual CPUs of the cloud.", "provider")
        self._capacity_memory = self._gauge("capacity_memory_bytes", "Memory of the cloud.", "provider")
        self._capacity_storage = self._gauge("capacity_storage_bytes", "Size of a storage.", "provider", "storage")
        self._used_storage = self._gauge(
            "capacity_storage_used_bytes", "What is used of a storage.", "provider", "storage"
        )
        self._cpu = self._gauge("vm_cpu_usage_ratio", "Share of the virtual CPUs in use, where it is told.", *_OBJECT)
        self._memory = self._gauge("vm_memory_usage_bytes", "Memory that a machine uses, where it is told.", *_OBJECT)
        self._storages: dict[str, set[str]] = {}
        self._writes = self._counter("kubernetes_writes", "Writes to the API server.", "verb", "code")
        self._leading = self._gauge("leading", "Whether this replica is the one that acts.")
        build = self._gauge("build_info", "The version that runs; always 1.", "version")
        build.labels(version("hybridge")).set(1)

    def follow_queue(self, depth: Callable[[], int], oldest: Callable[[], float]) -> None:
        """Exports the queue's depth and age, asked at each scrape."""
        self._gauge("queue_depth", "Keys that are due and not in work.").set_function(depth)
        self._gauge("queue_oldest_age_seconds", "How long the longest-waiting key has waited.").set_function(oldest)

    def follow_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Exports how many tasks and threads there are, asked at each scrape, which has to come on this loop."""
        self._gauge("asyncio_tasks", "Tasks of the event loop that have not ended.").set_function(
            lambda: len(asyncio.all_tasks(loop))
        )
        self._gauge("threads", "Threads of the process that Python knows.").set_function(threading.active_count)

    def kubernetes_write(self, verb: str, status: int) -> None:
        """One write to the API server was answered."""
        self._writes.labels(verb, str(status)).inc()

    def leading(self, *, leads: bool) -> None:
        """Whether this replica acts."""
        self._leading.set(leads)

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """One reconcile ended."""
        self._reconciles.labels(kind, result).inc()
        self._reconcile_seconds.labels(kind).observe(seconds)

    def requests(self, provider: str) -> Meter:
        """What a driver calls after each request."""
        seconds = self._request_seconds.labels(provider)

        def count(operation: str, code: str, duration: float) -> None:
            self._requests.labels(provider, operation, code).inc()
            seconds.observe(duration)
            if code in _THROTTLES:
                self._throttled.labels(provider).inc()

        return count

    def up(self, provider: str, *, up: bool) -> None:
        """Whether the cloud answers."""
        self._up.labels(provider).set(up)

    def swept(self, link: Link) -> None:
        """A sweep ended well."""
        name, sweep, capacity = link.name, link.last_sweep, link.capacity
        self._up.labels(name).set(1)
        self._missing.labels(name).set(len(link.connection.missing))
        if sweep is not None:
            self._sweep_seconds.labels(name).observe(sweep.duration)
            self._sweep_requests.labels(name).set(sweep.requests)
            self._swept_at.labels(name).set(sweep.time)
        self._machines.labels(name).set(len(link.machines.inventory))
        for kind in CloudKind:
            inventory = link.shelf(kind).inventory
            if inventory.settled:
                self._objects.labels(name, kind.value).set(len(inventory))
        if capacity.cpus is not None:
            self._capacity_cpus.labels(name).set(capacity.cpus)
        if capacity.memory is not None:
            self._capacity_memory.labels(name).set(capacity.memory)
        storages = {storage.name for storage in capacity.storage}
        for gone in self._storages.get(name, set()) - storages:
            self._capacity_storage.remove(name, gone)
            self._used_storage.remove(name, gone)
        self._storages[name] = storages
        for storage in capacity.storage:
            self._capacity_storage.labels(name, storage.name).set(storage.total)
            self._used_storage.labels(name, storage.name).set(storage.used)

        for machine_id, key in link.machines.owners.items():
            usage = link.usage.get(machine_id)
            if usage is not None:
                self._cpu.labels(key.kind, key.namespace, key.name).set(usage.cpu)
                self._memory.labels(key.kind, key.namespace, key.name).set(usage.memory)

    def strays(self, provider: str, *, unmanaged: int, orphans: int) -> None:
        """How many machines no object here owns, and how much carries a marker of ours without an object."""
        self._unmanaged.labels(provider).set(unmanaged)
        self._orphans.labels(provider).set(orphans)

    def tls_verification_disabled(self, provider: str, *, disabled: bool) -> None:
        """Whether the endpoint's certificate is not verified."""
        self._insecure.labels(provider).set(disabled)

    def forget(self, provider: str) -> None:
        """The Provider is gone."""
        for family in (
            self._up, self._sweep_requests, self._swept_at, self._machines, self._unmanaged, self._orphans, self._insecure,
            self._objects, self._capacity_cpus, self._capacity_memory, self._missing,
        ):  # fmt: skip
            family.remove_by_labels({"provider": provider})
        self._storages.pop(provider, None)
        for storages in (self._capacity_storage, self._used_storage):
            storages.remove_by_labels({"provider": provider})

    def state(self, kind: str, namespace: str, name: str, provider: str, *, ready: bool, synced: bool) -> None:
        """How an object stands."""
        self._info.labels(kind, namespace, name, provider).set(1)
        self._ready.labels(kind, namespace, name).set(ready)
        self._synced.labels(kind, namespace, name).set(synced)

    def became_ready(self, kind: str, provider: str, seconds: float) -> None:
        """An object became Ready for the first time."""
        self._time_to_ready.labels(kind, provider).observe(seconds)

    def drifted(self, kind: str, provider: str, fields: int) -> None:
        """Drift was found in so many fields."""
        self._drifts.labels(kind, provider).inc(fields)

    def undrifted(self, kind: str, provider: str, seconds: float) -> None:
        """Drift is no more, after so many seconds."""
        self._drift_seconds.labels(kind, provider).observe(seconds)

    def gone(self, kind: str, namespace: str, name: str) -> None:
        """The object is gone."""
        for family in (self._info, self._ready, self._synced, self._cpu, self._memory):
            family.remove_by_labels({"kind": kind, "namespace": namespace, "name": name})

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"hybridge_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"hybridge_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"hybridge_{name}", text, labels, registry=self.registry, buckets=_SECONDS)
