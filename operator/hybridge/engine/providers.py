"""The kind Provider: connects, checks, sweeps, and tells how the cloud stands."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping

import msgspec

from hybridge.api.provider import (
    CapacityStatus,
    InventoryStatus,
    Provider,
    ProviderStatus,
    StorageStatus,
    SweepStatus,
)
from hybridge.api.shared import FINALIZER, PAUSED
from hybridge.core.conditions import FALSE, TRUE, Condition, Type
from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes, format_duration, format_time, parse_duration, parse_time
from hybridge.drivers.base import Connection, Driver, Settings
from hybridge.engine import conditions
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.clouds import connector
from hybridge.engine.cluster import Secret
from hybridge.engine.keys import Key
from hybridge.engine.link import Change, Link
from hybridge.engine.meter import ProviderMeter
from hybridge.engine.outcome import Again, Done, Failed, Outcome
from hybridge.engine.queue import Priority
from hybridge.engine.world import Failure, World

log = logging.getLogger(__name__)

#: Seconds after which status.lastSweep moves although nothing else does.
HEARTBEAT = 300.0
#: Seconds between two attempts to connect.
PROBE = 5.0
#: Requests a second and at once where spec.limits says nothing; EC2's own limits are lower than those of the others.
RATES: Mapping[str, tuple[int, int]] = {"aws": (20, 100), "proxmox": (50, 100), "vsphere": (50, 100)}


class ProviderKind:
    """Reconciles Providers: one link to a cloud for each."""

    def __init__(self, world: World, meter: ProviderMeter) -> None:
        self._world = world
        self._meter = meter
        self._settings: dict[str, str] = {}

    def group(self, key: Key) -> str:
        """A Provider is in its own group."""
        return key.name

    async def reconcile(self, key: Key) -> Outcome:
        """Connects when the spec or the Secret changed, and reports."""
        provider = self._world.decode(key, Provider)
        if provider is None:
            await self._disconnect(key.name)
            return Done()
        if provider.metadata.deletion_timestamp:
            return await self._delete(key, provider)
        await self._world.add_finalizer(key)
        interval = parse_duration(provider.spec.sweep_interval)
        try:
            await self._connect(key, provider)
        except CloudError as error:
            self._fail(key.name, error)
            await self._report(key, provider, error)
            return Failed("error", after=min(interval, PROBE))
        link = self._world.links[key.name]
        await self._report(key, provider, link.error)
        return Again(interval)

    async def close(self) -> None:
        """Disconnects from every cloud."""
        await asyncio.gather(*(self._disconnect(name) for name in tuple(self._world.links)))

    async def _connect(self, key: Key, provider: Provider) -> None:
        secret = await self._secret(provider)
        wanted = _settings_key(provider, secret)
        if key.name in self._world.links and self._settings.get(key.name) == wanted:
            return
        await self._disconnect(key.name)
        bulkhead = self._bulkhead(key.name, provider)
        settings = self._make_settings(key.name, provider, secret, bulkhead)
        try:
            driver, connection = await bulkhead.sweep(_open, provider.spec.type, settings)
            if provider.status.identity and provider.status.identity != connection.identity:
                await asyncio.to_thread(driver.close)
                raise Refused(
                    Reason.PROVIDER_IDENTITY_MISMATCH,
                    f"the endpoint and credentials lead to {connection.identity}, not to {provider.status.identity}",
                )
        except CloudError:
            bulkhead.close()
            raise
        link = Link(
            key.name,
            driver,
            connection,
            bulkhead,
            clock=self._world.clock,
            monotonic=self._world.monotonic,
            interval=parse_duration(provider.spec.sweep_interval),
            on_change=self._changed,
            on_error=self._lost,
        )
        self._world.failures.pop(key.name, None)
        self._world.links[key.name] = link
        self._settings[key.name] = wanted
        self._meter.tls_verification_disabled(key.name, disabled=provider.spec.tls.insecure_skip_verify)
        link.start()
        log.info("connected to %s (%s)", connection.identity, connection.version, extra={"provider": key.name})

    async def _secret(self, provider: Provider) -> Secret | None:
        reference = provider.spec.credentials.secret_ref
        if reference is None:
            return None
        secret = await self._world.cluster.secret(reference.namespace, reference.name)
        if secret is None:
            raise Refused(
                Reason.SECRET_NOT_FOUND,
                f"Secret {reference.namespace}/{reference.name} does not exist, or the operator may not get it",
            )
        return secret

    def _bulkhead(self, name: str, provider: Provider) -> Bulkhead:
        limits = provider.spec.limits
        rate, burst = RATES[provider.spec.type]
        bucket = TokenBucket(limits.requests_per_second or rate, limits.burst or burst, self._world.monotonic)
        return Bulkhead(
            name,
            threads=limits.concurrent_tasks,
            bucket=bucket,
            breaker=Breaker(self._world.monotonic, wall=self._world.clock),
        )

    def _make_settings(self, name: str, provider: Provider, secret: Secret | None, bulkhead: Bulkhead) -> Settings:
        spec = provider.spec
        defaults: dict[str, str] = msgspec.to_builtins(spec.defaults)
        return Settings(
            provider=name,
            cloud=spec.cloud,
            credentials=secret.data if secret else {},
            acquire=bulkhead.bucket.acquire,
            meter=self._meter.requests(name),
            ca_bundle=spec.tls.ca_bundle,
            fingerprint=spec.tls.fingerprint_hex,
            insecure_skip_verify=spec.tls.insecure_skip_verify,
            defaults=defaults,
            concurrency=spec.limits.concurrent_tasks,
            sweep_interval=parse_duration(spec.sweep_interval),
        )

    def _fail(self, name: str, error: CloudError) -> None:
        known = self._world.failures.get(name)
        since = known.since if known and known.error.reason is error.reason else self._world.clock()
        self._world.failures[name] = Failure(error, since)
        self._meter.up(name, up=False)
        if known is None or known.error.message != error.message:
            log.warning("%s: %s", error.reason, error.message, extra={"provider": name})
            self._world.enqueue_users(name)

    async def _disconnect(self, name: str) -> None:
        link = self._world.links.pop(name, None)
        self._settings.pop(name, None)
        if link is not None:
            await link.close()

    def _changed(self, link: Link, change: Change) -> None:
        """A sweep ended: those whose picture changed are reconciled, and the Provider when its own state did."""
        world = self._world
        self._meter.swept(link)
        if change.first or change.recovered:
            world.enqueue_users(link.name)
            world.enqueue(Key("Provider", "", link.name), Priority.SWEEP)
        for machine_id in change.ids:
            key = link.owners.get(machine_id) or self._owner(link, machine_id)
            if key is not None:
                world.enqueue(key, Priority.SWEEP)
        for task in change.tasks:
            key = link.waiting_for(task.id)
            if key is not None:
                world.enqueue(key, Priority.SWEEP)

    def _owner(self, link: Link, machine_id: str) -> Key | None:
        machine = link.inventory.get(machine_id)
        if machine is None or machine.marker is None:
            return None
        return self._world.store.by_uid(machine.marker.uid)

    def _lost(self, link: Link, error: CloudError) -> None:
        """A sweep failed. Objects are told when the breaker has opened, so that one lost answer makes no noise."""
        self._meter.up(link.name, up=False)
        self._world.enqueue(Key("Provider", "", link.name), Priority.SWEEP)
        if link.bulkhead.breaker.just_opened or error.disposition is Disposition.STOP:
            log.warning("%s: %s", error.reason, error.message, extra={"provider": link.name})
            self._world.enqueue_users(link.name)

    async def _delete(self, key: Key, provider: Provider) -> Outcome:
        if FINALIZER not in provider.metadata.finalizers:
            return Done()
        users = sorted(f"{user.namespace}/{user.name}" for user in self._world.store.users(key.name))
        if users:
            names = ", ".join(users[:8]) + (f" and {len(users) - 8} more" if len(users) > 8 else "")
            error = Refused(Reason.HAS_DEPENDANTS, f"{len(users)} objects use this Provider: {names}")
            await self._report(key, provider, error)
            return Again(5.0)
        await self._disconnect(key.name)
        self._world.failures.pop(key.name, None)
        self._meter.forget(key.name)
        self._meter.gone(key.kind, "", key.name)
        await self._world.drop_finalizer(key)
        return Done()

    async def _report(self, key: Key, provider: Provider, error: CloudError | None) -> None:
        link = self._world.links.get(key.name)
        current = self._world.decode(key, Provider)
        if current is None:
            return
        old = current.status
        generation = provider.metadata.generation
        if error is None and self._is_restarting(current, link):
            return
        told = _conditions(error, link, provider, since=self._since(key.name, link))
        status = msgspec.structs.replace(
            old,
            observed_generation=generation,
            type=provider.spec.type,
            conditions=conditions.write(old.conditions, told, generation=generation, now=self._world.clock()),
        )
        if link is not None:
            status = self._with_link(status, link)
        await self._world.write_status(key, status)

    @staticmethod
    def _is_restarting(provider: Provider, link: Link | None) -> bool:
        """Whether the first sweep of a new connection is under way to what was Ready: that is no news."""
        settled = link is not None and link.inventory.settled
        known = provider.status.observed_generation == provider.metadata.generation
        return not settled and known and conditions.is_true(provider.status.conditions, Type.READY)

    def _since(self, name: str, link: Link | None) -> float | None:
        failure = self._world.failures.get(name)
        if link is not None:
            return link.bulkhead.breaker.down_since
        return failure.since if failure else None

    def _with_link(self, status: ProviderStatus, link: Link) -> ProviderStatus:
        connection = link.connection
        status = msgspec.structs.replace(
            status,
            identity=connection.identity,
            version=connection.version,
            capabilities=connection.capabilities,
            capacity=_capacity(connection),
        )
        sweep = link.last_sweep
        if sweep is None or not link.inventory.settled:
            return status
        owned, strays, orphans = self._count(link)
        inventory = InventoryStatus(virtual_machines=owned, unmanaged=strays)
        self._meter.strays(link.name, unmanaged=strays, orphans=orphans)
        told = status.last_sweep
        stale = told is None or sweep.time - parse_time(told.time) >= HEARTBEAT
        if stale or inventory != status.inventory:
            told = SweepStatus(
                time=format_time(sweep.time), duration=format_duration(sweep.duration), requests=sweep.requests
            )
        return msgspec.structs.replace(status, inventory=inventory, last_sweep=told)

    def _count(self, link: Link) -> tuple[int, int, int]:
        """Machines of this Provider's objects, machines without an object here, and those of the latter that carry this
        cluster's marker all the same.
        """
        owned = strays = orphans = 0
        users = self._world.store.users(link.name)
        for machine in link.inventory.machines():
            if machine.template or machine.power is Power.GONE:
                continue
            marker = machine.marker
            ours = marker is not None and marker.cluster == self._world.cluster_id
            key = self._world.store.by_uid(marker.uid) if ours and marker is not None else None
            owned += key in users
            if key is None:
                strays += 1
                orphans += ours
        return owned, strays, orphans


def _open(cloud: str, settings: Settings) -> tuple[Driver, Connection]:
    driver = connector(cloud)(settings)
    try:
        return driver, driver.check()
    except CloudError:
        driver.close()
        raise


def _settings_key(provider: Provider, secret: Secret | None) -> str:
    """Changes whenever a new connection is needed. Holds no secret."""
    spec = provider.spec
    parts = (spec.cloud, spec.credentials, spec.tls, spec.limits, spec.sweep_interval, spec.defaults)
    version = (secret.uid, secret.resource_version) if secret else None
    return json.dumps([msgspec.to_builtins(parts), version], sort_keys=True)


def _conditions(
    error: CloudError | None, link: Link | None, provider: Provider, *, since: float | None
) -> tuple[Condition, ...]:
    if error is not None:
        when = f" (since {format_time(since)})" if since is not None else ""
        message = f"{error.message}{when}"
        stop = error.disposition is Disposition.STOP
        return (
            Condition(Type.READY, FALSE, error.reason, message),
            Condition(Type.SYNCED, FALSE, error.reason, message),
            Condition(Type.STALLED, TRUE if stop else FALSE, error.reason, error.reason.hint),
            Condition(Type.RECONCILING, FALSE if stop else TRUE, error.reason, message),
        )
    if link is None or not link.inventory.settled:
        return (
            Condition(Type.READY, FALSE, Reason.CONNECTING, "the first sweep of the cloud has not ended"),
            Condition(Type.SYNCED, FALSE, Reason.CONNECTING),
            Condition(Type.RECONCILING, TRUE, Reason.CONNECTING),
        )
    reason = Reason.PAUSED if _paused(provider) else Reason.CONNECTED
    insecure = "; its certificate is not verified" if provider.spec.tls.insecure_skip_verify else ""
    return (
        Condition(Type.READY, TRUE, reason, f"{link.connection.identity}{insecure}"),
        Condition(Type.SYNCED, TRUE, Reason.IN_SYNC),
    )


def _paused(provider: Provider) -> bool:
    return provider.spec.paused or provider.metadata.annotations.get(PAUSED) == "true"


def _capacity(connection: Connection) -> CapacityStatus | None:
    capacity = connection.capacity
    if capacity.cpus is None and capacity.memory is None and not capacity.storage:
        return None
    return CapacityStatus(
        cpus=capacity.cpus,
        memory=None if capacity.memory is None else format_bytes(capacity.memory),
        storage=tuple(
            StorageStatus(name=storage.name, total=format_bytes(storage.total), used=format_bytes(storage.used))
            for storage in capacity.storage[:256]
        ),
    )
