"""What a Provider's status tells: conditions, identity, figures of the last sweep."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from hybridge.api.provider import (
    MOST_ORPHANS,
    InventoryStatus,
    OrphanStatus,
    Provider,
    ProviderStatus,
    SweepStatus,
)
from hybridge.core.cloudobject import CloudObject
from hybridge.core.conditions import Type
from hybridge.core.errors import CloudError
from hybridge.core.kinds import CloudKind
from hybridge.core.units import format_duration, format_time, parse_time
from hybridge.engine import conditions, provider_conditions
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.meter import ProviderMeter
from hybridge.engine.natures import NATURES
from hybridge.engine.provider_capacity import has_moved, status_of
from hybridge.engine.world import Failure, World

#: Seconds after which status.lastSweep moves although nothing else does.
HEARTBEAT = 300.0
#: Least seconds between two writes of a capacity that moves.
CAPACITY_PAUSE = 60.0


class ProviderReporter:
    """Writes the status of Providers, whenever something in it is news."""

    def __init__(self, world: World, meter: ProviderMeter) -> None:
        self._world = world
        self._meter = meter
        self._capacity_told: dict[str, float] = {}

    async def report(self, key: Key, provider: Provider, error: CloudError | None) -> None:
        """Tells how the Provider stands; ``error`` is why it does not work. Raises Conflict."""
        link = self._world.link(key.name)
        current = self._world.decode(key, Provider)
        if current is None:
            return
        old = current.status
        generation = provider.metadata.generation
        if error is None and self._is_restarting(current, link):
            return
        if error is not None:
            told = provider_conditions.failed(error, since=self._since(key.name, link))
        elif link is None or not link.settled:
            told = provider_conditions.connecting()
        else:
            told = provider_conditions.connected(link.connection, provider)
        status = msgspec.structs.replace(
            old,
            observed_generation=generation,
            type=provider.spec.type,
            conditions=conditions.write(old.conditions, told, generation=generation, now=self._world.clock()),
        )
        if link is not None:
            status = self._with_link(status, link)
        await self._world.write_status(key, status)

    def forget(self, name: str) -> None:
        """The Provider is gone."""
        self._capacity_told.pop(name, None)

    @staticmethod
    def _is_restarting(provider: Provider, link: Link | None) -> bool:
        """Whether the first sweep of a new connection is under way to what was Ready: that is no news."""
        settled = link is not None and link.settled
        known = provider.status.observed_generation == provider.metadata.generation
        return not settled and known and conditions.is_true(provider.status.conditions, Type.READY)

    def _since(self, name: str, link: Link | None) -> float | None:
        if link is not None:
            return link.bulkhead.breaker.down_since
        state = self._world.providers.get(name)
        return state.since if isinstance(state, Failure) else None

    def _with_link(self, status: ProviderStatus, link: Link) -> ProviderStatus:
        connection = link.connection
        status = msgspec.structs.replace(
            status, identity=connection.identity, version=connection.version, capabilities=_capabilities(link)
        )
        status = self._with_capacity(status, link)
        sweep = link.last_sweep
        if sweep is None or not link.settled:
            return status
        seen = self._count(link)
        inventory = InventoryStatus(
            virtual_machines=seen.owned[CloudKind.MACHINE],
            volumes=seen.owned[CloudKind.VOLUME],
            networks=seen.owned[CloudKind.NETWORK],
            images=seen.owned[CloudKind.IMAGE],
            firewalls=seen.owned[CloudKind.FIREWALL],
            snapshots=seen.owned[CloudKind.SNAPSHOT],
            unmanaged=seen.strays,
            orphans=len(seen.orphans),
        )
        self._meter.strays(link.name, unmanaged=seen.strays, orphans=len(seen.orphans))
        told = status.last_sweep
        stale = told is None or sweep.time - parse_time(told.time) >= HEARTBEAT
        if stale or inventory != status.inventory:
            told = SweepStatus(
                time=format_time(sweep.time), duration=format_duration(sweep.duration), requests=sweep.requests
            )
        return msgspec.structs.replace(
            status, inventory=inventory, orphans=tuple(map(_orphan, seen.orphans[:MOST_ORPHANS])), last_sweep=told
        )

    def _with_capacity(self, status: ProviderStatus, link: Link) -> ProviderStatus:
        """The capacity of now when it has moved noticeably; its metrics follow every sweep."""
        capacity, now = status_of(link.capacity), self._world.monotonic()
        told_at = self._capacity_told.get(link.name)
        if not has_moved(status.capacity, capacity) or (told_at is not None and now - told_at < CAPACITY_PAUSE):
            return status
        self._capacity_told[link.name] = now
        return msgspec.structs.replace(status, capacity=capacity)

    def _count(self, link: Link) -> _Seen:
        seen, users = _Seen(), self._world.store.users(link.name)
        for kind in CloudKind:
            for found in link.shelf(kind).inventory.all():
                if found.unfit or found.gone:
                    continue
                marker = found.marker
                ours = marker is not None and marker.cluster == self._world.cluster_id
                key = self._world.store.by_uid(marker.uid) if ours and marker is not None else None
                seen.owned[kind] += key in users and key is not None and key.kind == kind
                if key is None:
                    seen.strays += kind is CloudKind.MACHINE
                    if ours:
                        seen.orphans.append(found)
        seen.orphans.sort(key=lambda orphan: orphan.id)
        return seen


@dataclass(slots=True)
class _Seen:
    """What this Provider's objects have, by kind; how many machines no object here has; and whatever no object here has
    that carries this cluster's marker all the same.
    """

    owned: Counter[CloudKind] = field(default_factory=Counter)
    strays: int = 0
    orphans: list[CloudObject] = field(default_factory=list)


def _orphan(found: CloudObject) -> OrphanStatus:
    marker = found.marker
    if marker is None:
        return OrphanStatus(id=found.id[:128])
    return OrphanStatus(
        id=found.id[:128], kind=marker.kind[:64], namespace=marker.namespace[:63], name=marker.name[:253]
    )


def _capabilities(link: Link) -> tuple[str, ...]:
    """The kinds that the cloud has, and what its driver tells besides."""
    kinds = {nature.kind for nature in NATURES if nature().driver(link.driver) is not None}
    return tuple(sorted({CloudKind.MACHINE, *kinds, *link.connection.capabilities}))
