"""What the hosts and datastores of a datacenter could hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hybridge.drivers.base import Capacity, StorageCapacity
from hybridge.drivers.vsphere import collector
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.inventory import COMPUTE, Inventory
from hybridge.drivers.vsphere.sdk import vim

_PROPERTIES: Final = {
    vim.ComputeResource: ("summary.numCpuThreads", "summary.totalMemory"),
    vim.Datastore: ("name", "summary.capacity", "summary.freeSpace"),
}


def read(session: Session, inventory: Inventory) -> Capacity:
    """One request. Raises CloudError."""
    roots = inventory.datacenter.properties
    trees = [collector.tree(roots[root]) for root in ("hostFolder", "datastoreFolder")]
    return total(collector.retrieve(session, collector.selection(_PROPERTIES, *trees)))


def total(found: Iterable[Found]) -> Capacity:
    """Threads and memory of all compute resources, and the datastores."""
    everything = list(found)
    compute = [entry.properties for entry in everything if entry.kind in COMPUTE]
    storage = [
        StorageCapacity(
            name=str(entry.properties.get("name", entry.id)),
            total=int(entry.properties.get("summary.capacity", 0)),
            used=int(entry.properties.get("summary.capacity", 0)) - int(entry.properties.get("summary.freeSpace", 0)),
        )
        for entry in everything
        if entry.kind == "Datastore"
    ]
    return Capacity(
        cpus=sum(int(properties.get("summary.numCpuThreads", 0)) for properties in compute) or None,
        memory=sum(int(properties.get("summary.totalMemory", 0)) for properties in compute) or None,
        storage=tuple(sorted(storage, key=lambda entry: entry.name)),
    )
