"""Where a machine goes: names in the spec and the Provider's defaults, made into ids, and the rest chosen. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hybridge.core.errors import Refused
from hybridge.core.machine import MachineSpec
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes
from hybridge.drivers.vsphere import hosts, inventory
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.hosts import Need
from hybridge.drivers.vsphere.inventory import Layout
from hybridge.drivers.vsphere.places import readable
from hybridge.drivers.vsphere.sdk import moid
from hybridge.drivers.vsphere.seen import Seen
from hybridge.drivers.vsphere.templates import Template

#: From the narrowest to the widest: what the spec names wins over any default.
COMPUTE_KEYS = ("resourcePool", "node", "cluster")


@dataclass(frozen=True, slots=True)
class Place:
    """Ids of the folder, resource pool, datastore and host of a new machine, and what of it people are told.

    Where no host can be read, the vCenter chooses one.
    """

    folder: str
    pool: str
    datastore: str
    host: str | None = None
    placed: Placed = field(default_factory=Placed)


@dataclass(frozen=True, slots=True)
class Target:
    """Ids of where a machine is moved to; None: it stays."""

    pool: str | None
    datastore: str | None
    host: str | None


@dataclass(frozen=True, slots=True)
class Load:
    """What is known of the hosts besides the layout: why nothing can go there, and promised memory in bytes, by id."""

    unfit: Mapping[str, str] = field(default_factory=dict)
    promised: Mapping[str, int] = field(default_factory=dict)


IDLE = Load()


def place(
    layout: Layout,
    template: Template,
    spec: MachineSpec,
    defaults: Mapping[str, str],
    load: Load = IDLE,
    apart: Collection[Placed] = (),
) -> Place:
    """Where a new machine goes. Raises Refused: NOT_FOUND, INVALID_SPEC, CAPACITY."""
    wanted = spec.placement
    chosen = wanted if any(wanted.get(key) for key in COMPUTE_KEYS) else defaults
    pool, compute, host = _compute(layout, chosen, _usual(layout, template.host))
    name = layout.name(compute.id)
    thick = getattr(getattr(template.disk, "backing", None), "thinProvisioned", None) is False
    room = (spec.root_disk or template.size) if thick else 0
    stores = _datastores(layout, compute, wanted.get("storage") or defaults.get("storage"), room)
    networks = [nic.network for nic in spec.networks] or [defaults.get("network") or ""]
    need = Need(
        cpus=spec.cpus or 0,
        memory=spec.memory or 0,
        datastores=frozenset(stores),
        networks=frozenset(layout.resolve("network", one, inventory.NETWORKS).id for one in networks if one),
        group=spec.group or "",
        apart=frozenset(other.host for other in apart if other.host),
    )
    known = hosts.within(layout, hosts.of(layout, compute.id, load.unfit, load.promised), spec.within.hosts)
    within = list(stores)
    placed = Placed(zone=readable(name))
    if host is not None:
        asked = hosts.named(known, host)
        hosts.admit(asked, need)
        placed = Placed(asked.name, readable(name))
        within = _reached(stores, asked.datastores)
    elif known:
        best, why = hosts.choose(readable(name), known, need)
        host, placed = best.id, Placed(best.name, readable(name), why)
        within = _reached(stores, best.datastores)
    return Place(
        folder=folder(layout, wanted.get("folder") or defaults.get("folder")),
        pool=pool,
        datastore=str(template.datastore) if template.datastore in within else _roomiest(stores, within),
        host=host,
        placed=placed,
    )


def target(layout: Layout, spec: MachineSpec, now: Seen, load: Load = IDLE) -> Target | None:
    """Where a machine has to be moved to; None where it is there already. Raises as ``place`` does."""
    wanted = spec.placement
    here = layout.items.get(now.host)
    current = layout.items[moid(here.properties["parent"])] if here else _usual(layout, None)
    pool, compute, host = _compute(layout, wanted, current)
    elsewhere = current is None or compute.id != current.id
    stores = _datastores(layout, compute, wanted.get("storage"), 0)
    known = hosts.of(layout, compute.id, load.unfit, load.promised)
    if elsewhere:
        known = hosts.within(layout, known, spec.within.hosts)
    if host is None and elsewhere and known:
        need = Need(
            now.cpus or 0, now.memory or 0, frozenset(stores), frozenset(card.network for card in now.cards.values())
        )
        host = hosts.choose(readable(layout.name(compute.id)), known, need)[0].id
    new_host = next((one for one in known if one.id == host), None)
    if new_host is not None and new_host.id != now.host:
        hosts.admit(new_host, Need())
    reached = _reached(stores, new_host.datastores) if new_host else list(stores)
    found = Target(
        pool=pool if (wanted.get("resourcePool") or elsewhere) and pool != now.pool else None,
        datastore=None if now.store in reached or not now.store else _roomiest(stores, reached),
        host=host if host != now.host else None,
    )
    return found if found.pool or found.datastore or found.host else None


def folder(layout: Layout, wanted: str | None) -> str:
    """The id of the folder, by default of the datacenter's own."""
    return layout.resolve("folder", wanted, inventory.FOLDERS, "vmFolder").id if wanted else layout.roots["vmFolder"]


def _compute(layout: Layout, chosen: Mapping[str, str], usual: Found | None) -> tuple[str, Found, str | None]:
    """The resource pool, the compute resource that it is of, and the host that was asked for."""
    host = layout.resolve("host", chosen["node"], inventory.HOSTS) if chosen.get("node") else None
    if name := chosen.get("resourcePool"):
        pool = layout.resolve("resource pool", name, inventory.POOLS)
        compute = layout.items[moid(pool.properties["owner"])]
    else:
        if name := chosen.get("cluster"):
            compute = layout.resolve("cluster", name, inventory.COMPUTE)
        elif host:
            compute = layout.items[moid(host.properties["parent"])]
        elif usual:
            compute = usual
        else:
            names = ", ".join(sorted(layout.name(entry.id) for entry in layout.of(inventory.COMPUTE))[:5])
            raise Refused(Reason.INVALID_SPEC, f"spec.placement.cluster has to name one of: {names}")
        pool = layout.items[moid(compute.properties["resourcePool"])]
    if host and moid(host.properties["parent"]) != compute.id:
        raise Refused(Reason.INVALID_SPEC, f"host {layout.name(host.id)} is not in {layout.name(compute.id)}")
    return pool.id, compute, host.id if host else None


def hosts_of(layout: Layout, chosen: Mapping[str, str]) -> list[Found]:
    """The hosts of the compute resource that these words name; all, where they name none that there is."""
    every = layout.of(inventory.HOSTS)
    try:
        _, compute, host = _compute(layout, chosen, _usual(layout, None))
    except Refused:
        return every
    return [one for one in every if (one.id == host if host else _parent(one) == compute.id)]


def _usual(layout: Layout, host: str | None) -> Found | None:
    """Where nothing is asked for: the only compute resource, else that of this host."""
    everything = layout.of(inventory.COMPUTE)
    if len(everything) == 1:
        return everything[0]
    found = layout.items.get(host or "")
    return layout.items.get(moid(found.properties["parent"])) if found else None


def _datastores(layout: Layout, compute: Found, wanted: str | None, room: int) -> dict[str, Found]:
    """The datastores that may be taken, by id: all, the one that is named, or those of the datastore cluster.

    ``room``: bytes that have to be free. Disks may be thin, for which any room will do.
    """
    name = layout.name(compute.id)
    within = {moid(store) for store in compute.properties.get("datastore", ())}
    usable = {entry.id: entry for entry in layout.of(("Datastore",)) if entry.id in within and _is_up(entry)}
    if wanted:
        found = layout.resolve("datastore", wanted, inventory.STORES)
        if found.kind == "Datastore" and found.id not in within:
            raise Refused(Reason.INVALID_SPEC, f"{name} has no access to datastore {wanted!r}")
        usable = {key: entry for key, entry in usable.items() if found.id in {key, _parent(entry)}}
    named = f" {wanted}" if wanted else ""
    if not usable:
        raise Refused(Reason.CAPACITY, f"{name} has access to no datastore{named} that is up and not in maintenance")
    fitting = {key: entry for key, entry in usable.items() if _free(entry) >= room}
    if not fitting:
        most = max(map(_free, usable.values()))
        raise Refused(
            Reason.CAPACITY, f"no datastore{named} of {name} has {format_bytes(room)} free; the most is {most} bytes"
        )
    return fitting


def _is_up(entry: Found) -> bool:
    words = entry.properties
    return bool(words.get("summary.accessible")) and words.get("summary.maintenanceMode", "normal") == "normal"


def _free(entry: Found) -> int:
    return int(entry.properties.get("summary.freeSpace", 0))


def _reached(stores: Mapping[str, Found], reached: frozenset[str]) -> list[str]:
    """Those of the datastores that a host reaches; all, where it does not tell."""
    return [key for key in stores if key in reached] or list(stores)


def _roomiest(stores: Mapping[str, Found], within: Collection[str]) -> str:
    return max(within, key=lambda key: _free(stores[key]))


def _parent(entry: Found) -> str | None:
    parent = entry.properties.get("parent")
    return moid(parent) if parent is not None else None


def network(layout: Layout, wanted: str) -> dict[str, Any]:
    """What a card has to be given to be on this network, as JSON values. Raises Refused NOT_FOUND."""
    found = layout.resolve("network", wanted, inventory.NETWORKS)
    if found.kind == "DistributedVirtualPortgroup":
        switch = layout.items.get(moid(found.properties["config.distributedVirtualSwitch"]))
        if switch is None or "uuid" not in switch.properties:
            raise Refused(Reason.NOT_PERMITTED, f"the switch of port group {wanted!r} cannot be read")
        return {"portgroup": str(found.properties["key"]), "switch": str(switch.properties["uuid"])}
    if found.kind == "OpaqueNetwork":
        summary = found.properties["summary"]
        return {"opaque": str(summary.opaqueNetworkId), "type": str(summary.opaqueNetworkType)}
    return {"network": found.id, "name": layout.name(found.id)}
