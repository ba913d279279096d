"""One reading of ``GET /cluster/resources``: guests, nodes and storages of the whole cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Self

from hybridge.core.machine import Known
from hybridge.drivers.base import Capacity, StorageCapacity
from hybridge.drivers.proxmox.answers import Resource
from hybridge.drivers.proxmox.client import Client

#: States that the HA manager gives a node which it does not reach, or has to fence.
_LOST = frozenset({"unknown", "fence", "gone"})


@dataclass(frozen=True, slots=True)
class Node:
    """A host. ``committed`` is the bytes of memory of the running guests on it. ``away``: why no guest may come to it."""

    name: str
    online: bool
    cpus: int
    memory: int
    committed: int
    away: str = ""


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage as configured for the cluster. ``nodes`` are those where it can be used now.

    ``kind`` is the type of its plugin, such as ``lvmthin``. ``free``: bytes by node, where they are known.
    """

    name: str
    shared: bool
    content: frozenset[str]
    nodes: frozenset[str]
    kind: str = ""
    free: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """``guests``: QEMU guests and templates by VMID; ``used``: all VMIDs, of containers too; ``taken_at``: monotonic.

    ``pools``: those that this account sees. ``shared``: the storages in sight that nodes share.
    """

    taken_at: float
    guests: Mapping[str, Resource]
    used: frozenset[int]
    nodes: Mapping[str, Node]
    storages: Mapping[str, Storage]
    capacity: Capacity
    pools: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()

    @classmethod
    def take(cls, client: Client) -> Self:
        """One request. A guest is only shown to who holds VM.Audit on it, a storage with Datastore.Audit."""
        taken_at = time.monotonic()
        return cls.of(client.get("Resources", list[Resource], "cluster", "resources"), taken_at)

    @classmethod
    def of(cls, rows: Iterable[Resource], taken_at: float) -> Self:
        """The picture that these rows make."""
        guests: dict[str, Resource] = {}
        used: set[int] = set()
        hosts: list[Resource] = []
        stores: list[Resource] = []
        pools: set[str] = set()
        for row in rows:
            if row.type == "qemu":
                row.node, row.tags, row.status = intern(row.node), intern(row.tags), intern(row.status)
                row.pool = intern(row.pool)
                guests[str(row.vmid)] = row
                used.add(row.vmid)
            elif row.type == "lxc":
                used.add(row.vmid)
            elif row.type == "node":
                hosts.append(row)
            elif row.type == "storage":
                stores.append(row)
            elif row.type == "pool":
                pools.add(row.pool)
        storages = _storages(stores)
        return cls(
            taken_at,
            guests,
            frozenset(used),
            _nodes(hosts, guests.values()),
            storages,
            _sum(hosts, stores),
            frozenset(pools),
            frozenset(name for name, one in storages.items() if one.shared),
        )

    def online(self, node: str) -> bool:
        """Whether a node is up; one that the list does not have is taken to be."""
        known = self.nodes.get(node)
        return known is None or known.online

    def pool_of(self, row: Resource) -> Known | None:
        """The pool that a guest is in; None where this account sees none at all."""
        if row.pool:
            return (row.pool,)
        return () if self.pools else None


def _nodes(hosts: Iterable[Resource], guests: Iterable[Resource]) -> dict[str, Node]:
    committed: dict[str, int] = {}
    for guest in guests:
        if guest.status == "running":
            committed[guest.node] = committed.get(guest.node, 0) + guest.maxmem
    return {
        host.node: Node(
            host.node,
            host.status == "online",
            int(host.maxcpu),
            host.maxmem,
            committed.get(host.node, 0),
            _away(host),
        )
        for host in hosts
    }


def _away(host: Resource) -> str:
    """PVE knows of maintenance only through the HA manager (``ha-manager crm-command node-maintenance``)."""
    if host.status != "online":
        return "is offline"
    if host.hastate == "maintenance":
        return "is in maintenance"
    return f"is in state {host.hastate} of the HA manager" if host.hastate in _LOST else ""


def _storages(stores: Iterable[Resource]) -> dict[str, Storage]:
    rows: dict[str, list[Resource]] = {}
    for store in stores:
        rows.setdefault(store.storage, []).append(store)
    return {
        name: Storage(
            name,
            bool(found[0].shared),
            frozenset(found[0].content.split(",")),
            frozenset(row.node for row in found if row.status == "available"),
            found[0].plugintype,
            {row.node: row.maxdisk - row.disk for row in found if row.status == "available" and row.maxdisk},
        )
        for name, found in rows.items()
    }


def _sum(hosts: Iterable[Resource], stores: Iterable[Resource]) -> Capacity:
    """What nodes that are online have together; a shared storage counts once, a local one under its node's name."""
    up = [host for host in hosts if host.status == "online"]
    names: dict[str, StorageCapacity] = {}
    for store in stores:
        if store.status == "available":
            name = store.storage if store.shared else f"{store.node}/{store.storage}"
            names.setdefault(name, StorageCapacity(name, store.maxdisk, store.disk))
    return Capacity(
        int(sum(host.maxcpu for host in up)) or None,
        sum(host.maxmem for host in up) or None,
        tuple(names[name] for name in sorted(names)),
    )
