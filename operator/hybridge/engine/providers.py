"""The kind Provider: connected, swept and reported; gone only when nothing uses it any more."""

from __future__ import annotations

import asyncio
import logging

from hybridge.api.provider import Provider
from hybridge.api.shared import FINALIZER
from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_duration
from hybridge.engine.keys import Key
from hybridge.engine.link import Change, Link
from hybridge.engine.meter import ProviderMeter
from hybridge.engine.outcome import Again, Done, Failed, Outcome
from hybridge.engine.provider_connection import Connections
from hybridge.engine.provider_report import ProviderReporter
from hybridge.engine.queue import Priority
from hybridge.engine.world import Failure, World

log = logging.getLogger(__name__)

#: Seconds between two attempts to connect.
PROBE = 5.0


class ProviderKind:
    """Reconciles Providers: one link to a cloud for each."""

    def __init__(self, world: World, meter: ProviderMeter) -> None:
        self._world = world
        self._meter = meter
        self._connections = Connections(world, meter, on_change=self._changed, on_error=self._lost)
        self._reporter = ProviderReporter(world, meter)

    def group(self, key: Key) -> str:
        """A Provider is in its own group."""
        return key.name

    async def reconcile(self, key: Key) -> Outcome:
        """Connects when the spec or the Secret changed, and reports."""
        provider = self._world.decode(key, Provider)
        if provider is None:
            await self._connections.close(key.name)
            return Done()
        if provider.metadata.deletion_timestamp:
            return await self._delete(key, provider)
        await self._world.add_finalizer(key)
        interval = parse_duration(provider.spec.sweep_interval)
        try:
            link = await self._connections.ensure(provider)
        except CloudError as error:
            self._fail(key.name, error)
            await self._reporter.report(key, provider, error)
            return Failed("error", after=min(interval, PROBE))
        if link.trouble is not None:
            self._meter.up(key.name, up=False)
        await self._reporter.report(key, provider, link.trouble)
        return Again(interval)

    async def close(self) -> None:
        """Disconnects from every cloud."""
        await asyncio.gather(*(self._connections.close(name) for name in tuple(self._world.links)))

    def _fail(self, name: str, error: CloudError) -> None:
        known = self._world.failures.get(name)
        since = known.since if known and known.error.reason is error.reason else self._world.clock()
        self._world.failures[name] = Failure(error, since)
        self._meter.up(name, up=False)
        if known is None or known.error.message != error.message:
            log.warning("%s: %s", error.reason, error.message, extra={"provider": name})
            self._world.enqueue_users(name)

    def _changed(self, link: Link, change: Change) -> None:
        """A sweep ended: those whose picture changed are reconciled, and the Provider when its own state did."""
        world = self._world
        self._meter.swept(link)
        if change.first or change.recovered:
            world.enqueue_users(link.name)
            world.enqueue(Key("Provider", "", link.name), Priority.SWEEP)
        concerned = link.concerned(change.ids)
        # What carries our marker and is not bound yet has been found by this sweep.
        found = (self._owner(link, machine_id) for machine_id in change.ids if machine_id not in link.owners)
        waiting = (link.waiting_for(task.id) for task in change.tasks)
        for key in concerned.union(filter(None, found), filter(None, waiting)):
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
            await self._reporter.report(key, provider, error)
            return Again(5.0)
        await self._connections.close(key.name)
        self._world.failures.pop(key.name, None)
        self._reporter.forget(key.name)
        self._meter.forget(key.name)
        self._meter.gone(key.kind, "", key.name)
        await self._world.drop_finalizer(key)
        return Done()
