"""The kind Provider: connected, swept and reported; gone only when nothing uses it any more."""

from __future__ import annotations

import asyncio
import logging

from hybridge.api.kinds import KINDS
from hybridge.api.provider import Provider
from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.kinds import CloudKind
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_duration
from hybridge.engine.keys import Key
from hybridge.engine.link import Change, Link
from hybridge.engine.meter import ProviderMeter
from hybridge.engine.outcome import Again, Done, Failed, Outcome
from hybridge.engine.provider_connection import Connections
from hybridge.engine.provider_report import ProviderReporter
from hybridge.engine.queue import Priority
from hybridge.engine.shelf import Shelf
from hybridge.engine.store import provider_of
from hybridge.engine.world import Failure, World

log = logging.getLogger(__name__)

#: Seconds between two attempts to connect, and between two looks whether the last user is gone.
PROBE = 5.0


#: Kinds of which those who refer to them go by the object alone. In the cloud thousands may come and go in one of them.
_TOLD = frozenset({CloudKind.NETWORK, CloudKind.IMAGE})


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
        """Connects when the spec or the Secret changed, and reports. One that is to go works until its last user has."""
        provider = self._world.decode(key, Provider)
        if provider is None:
            await self._connections.forget(key.name)
            return Done()
        dependants = ""
        if provider.metadata.deletion_timestamp:
            dependants = await self._dependants(key.name)
            if not dependants:
                return await self._release(key)
        else:
            await self._world.add_finalizer(key)
        interval = parse_duration(provider.spec.sweep_interval)
        try:
            link = await self._connections.ensure(provider)
        except CloudError as error:
            self._fail(key.name, error)
            await self._reporter.report(key, provider, _held(error, dependants))
            return Failed("error", after=min(interval, PROBE))
        if link.trouble is not None:
            self._meter.up(key.name, up=False)
        await self._reporter.report(key, provider, _held(link.trouble, dependants))
        if provider.spec.allowed_namespaces.selector is not None or self._grants_by_labels(key.name):
            await self._world.surroundings(key.name)
        return Again(min(interval, PROBE) if dependants else interval)

    async def close(self) -> None:
        """Disconnects from every cloud."""
        await asyncio.gather(*(self._connections.close(link.name) for link in self._world.links()))

    def _grants_by_labels(self, name: str) -> bool:
        """Whether labels of namespaces decide who may use what this Provider's objects stand for."""
        store = self._world.store
        return any(provider_of(store.get(key) or {}) == name for key in store.relations.granting)

    def _fail(self, name: str, error: CloudError) -> None:
        state = self._world.providers.get(name)
        known = state if isinstance(state, Failure) else None
        since = known.since if known and known.error.reason is error.reason else self._world.clock()
        self._world.providers[name] = Failure(error, since)
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
        waiting = {link.waiting_for(task.id) for task in change.tasks}
        for kind, ids in change.ids.items():
            shelf = link.shelf(kind)
            # What carries our marker and is not bound yet has been found by this sweep.
            found = {self._owner(shelf, known_id) for known_id in ids if known_id not in shelf.owners}
            concerned = shelf.concerned(ids) | found
            # What a machine is waiting for may be how a volume is, such as at which machine; a firewall, how a machine is.
            store = world.store
            waiting |= concerned
            if kind not in _TOLD:
                waiting.update(*(store.relations.referrers(key) for key in concerned if key))
            waiting.update(*(store.selections.choosing(key) for key in concerned if key))
        for key in filter(None, waiting):
            world.enqueue(key, Priority.SWEEP)

    def _owner(self, shelf: Shelf[CloudObject], known_id: str) -> Key | None:
        found = shelf.inventory.get(known_id)
        if found is None or found.marker is None:
            return None
        return self._world.store.by_uid(found.marker.uid)

    def _lost(self, link: Link, error: CloudError) -> None:
        """A sweep failed. Objects are told when the breaker has opened, so that one lost answer makes no noise."""
        self._meter.up(link.name, up=False)
        self._world.enqueue(Key("Provider", "", link.name), Priority.SWEEP)
        if link.bulkhead.breaker.just_opened or error.disposition is Disposition.STOP:
            log.warning("%s: %s", error.reason, error.message, extra={"provider": link.name})
            self._world.enqueue_users(link.name)

    async def _dependants(self, name: str) -> str:
        """In words, the objects that use this Provider; empty when it is certain that there are none."""
        users = self._world.store.users(name)
        if not users:
            # After a start, or behind a slow watch, objects that exist may not be known yet.
            users = frozenset(
                [
                    Key(kind.kind, body["metadata"]["namespace"], body["metadata"]["name"])
                    for kind in KINDS
                    if kind.namespaced
                    for body in await self._world.cluster.list(kind.kind)
                    if provider_of(body) == name
                ]
            )
        names = sorted(f"{user.namespace}/{user.name}" for user in users)
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        return f"{len(names)} objects use this Provider: {', '.join(names[:8])}{more}" if names else ""

    async def _release(self, key: Key) -> Outcome:
        await self._connections.forget(key.name)
        self._reporter.forget(key.name)
        self._meter.forget(key.name)
        self._meter.gone(key.kind, "", key.name)
        await self._world.drop_finalizer(key)
        return Done()


def _held(error: CloudError | None, dependants: str) -> CloudError | None:
    """What is to be told: why the cloud cannot be worked with, and what keeps a Provider that is to go."""
    if not dependants:
        return error
    if error is None:
        return Refused(Reason.HAS_DEPENDANTS, dependants)
    return CloudError(error.reason, f"{error.message}; {dependants}", disposition=error.disposition)
