"""Where a machine goes: names in the spec and the Provider's defaults, made into ids. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import inventory
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.inventory import Layout
from hybridge.drivers.vsphere.sdk import moid
from hybridge.drivers.vsphere.templates import Template

#: From the narrowest to the widest: what the spec names wins over any default.
_COMPUTE_KEYS = ("resourcePool", "node", "cluster")


@dataclass(frozen=True, slots=True)
class Place:
    """Ids of the folder, resource pool, datastore and, where one is asked for, the host."""

    folder: str
    pool: str
    datastore: str
    host: str | None = None


def place(layout: Layout, template: Template, wanted: Mapping[str, str], defaults: Mapping[str, str]) -> Place:
    """Where the machine goes. Raises Refused: NOT_FOUND, INVALID_SPEC, CAPACITY."""
    pool, compute, host = _compute(layout, template, wanted, defaults)
    folder = wanted.get("folder") or defaults.get("folder")
    found = layout.resolve("folder", folder, inventory.FOLDERS, "vmFolder").id if folder else layout.roots["vmFolder"]
    storage = wanted.get("storage") or defaults.get("storage")
    return Place(found, pool, _datastore(layout, template, compute, storage), host)


def _compute(
    layout: Layout, template: Template, wanted: Mapping[str, str], defaults: Mapping[str, str]
) -> tuple[str, Found, str | None]:
    """The resource pool, the compute resource that it is of, and the host that was asked for."""
    chosen = wanted if any(wanted.get(key) for key in _COMPUTE_KEYS) else defaults
    host = layout.resolve("host", chosen["node"], inventory.HOSTS) if chosen.get("node") else None
    if name := chosen.get("resourcePool"):
        pool = layout.resolve("resource pool", name, inventory.POOLS)
        compute = layout.items[moid(pool.properties["owner"])]
    elif name := chosen.get("cluster"):
        compute = layout.resolve("cluster", name, inventory.COMPUTE)
        pool = layout.items[moid(compute.properties["resourcePool"])]
    else:
        compute = layout.items[moid(host.properties["parent"])] if host else _usual(layout, template)
        pool = layout.items[moid(compute.properties["resourcePool"])]
    if host and moid(host.properties["parent"]) != compute.id:
        raise Refused(Reason.INVALID_SPEC, f"host {layout.name(host.id)} is not in {layout.name(compute.id)}")
    return pool.id, compute, host.id if host else None


def _usual(layout: Layout, template: Template) -> Found:
    """Where nothing is asked for: the only compute resource, else the template's."""
    everything = layout.of(inventory.COMPUTE)
    if len(everything) == 1:
        return everything[0]
    host = layout.items.get(template.host or "")
    compute = layout.items.get(moid(host.properties["parent"])) if host else None
    if compute is None:
        names = ", ".join(sorted(layout.name(entry.id) for entry in everything)[:5])
        raise Refused(Reason.INVALID_SPEC, f"spec.placement.cluster has to name one of: {names}")
    return compute


def _datastore(layout: Layout, template: Template, compute: Found, wanted: str | None) -> str:
    """The one that is named, else the template's own, else the one with most room. Disks may be thin: any room will do."""
    within = {moid(store) for store in compute.properties.get("datastore", ())}
    usable = {
        entry.id: entry
        for entry in layout.of(("Datastore",))
        if entry.id in within and entry.properties.get("summary.accessible")
    }
    name = layout.name(compute.id)
    if wanted:
        found = layout.resolve("datastore", wanted, inventory.STORES)
        if found.kind == "Datastore" and found.id not in usable:
            raise Refused(Reason.INVALID_SPEC, f"{name} has no access to datastore {wanted!r}")
        if found.kind == "Datastore":
            return found.id
        usable = {key: entry for key, entry in usable.items() if _parent(entry) == found.id}
    elif template.datastore in usable:
        return str(template.datastore)
    if not usable:
        raise Refused(Reason.CAPACITY, f"{name} has access to no datastore{f' of {wanted}' if wanted else ''}")
    return max(usable, key=lambda key: int(usable[key].properties.get("summary.freeSpace", 0)))


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
