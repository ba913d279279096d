"""What machines are placed on: folders, pools, hosts, datastores and networks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

from hybridge.core.errors import Refused
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import collector
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.sdk import moid, vim

#: Seconds for which what was read here is used again.
_MAX_AGE: Final = 60.0

_ROOTS: Final = ("vmFolder", "hostFolder", "datastoreFolder", "networkFolder")

_LAYOUT: Final[Mapping[Any, tuple[str, ...]]] = {
    vim.Folder: ("name", "parent"),
    vim.ComputeResource: (
        "name",
        "parent",
        "resourcePool",
        "datastore",
        "summary.numCpuThreads",
        "summary.totalMemory",
    ),
    vim.HostSystem: (
        "name",
        "parent",
        "datastore",
        "network",
        "runtime.connectionState",
        "runtime.inMaintenanceMode",
        "summary.hardware.memorySize",
        "summary.hardware.numCpuThreads",
        "summary.quickStats.overallMemoryUsage",
    ),
    vim.ResourcePool: ("name", "parent", "owner"),
    vim.StoragePod: ("name", "parent"),
    vim.Datastore: (
        "name",
        "parent",
        "summary.accessible",
        "summary.capacity",
        "summary.freeSpace",
        "summary.maintenanceMode",
        "summary.url",
    ),
    vim.Network: ("name", "parent"),
    vim.OpaqueNetwork: ("name", "parent", "summary"),
    vim.dvs.DistributedVirtualPortgroup: ("name", "parent", "key", "config.distributedVirtualSwitch"),
    vim.DistributedVirtualSwitch: ("name", "parent", "uuid"),
}

FOLDERS: Final = ("Folder",)
COMPUTE: Final = ("ComputeResource", "ClusterComputeResource")
HOSTS: Final = ("HostSystem",)
POOLS: Final = ("ResourcePool", "VirtualApp")
STORES: Final = ("Datastore", "StoragePod")
SWITCHES: Final = ("DistributedVirtualSwitch", "VmwareDistributedVirtualSwitch")
NETWORKS: Final = ("Network", "OpaqueNetwork", "DistributedVirtualPortgroup")

T = TypeVar("T")


class Kept(Generic[T]):
    """Values that were read, for a while. Who asks for one that is being read waits for that reading."""

    def __init__(self, max_age: float = _MAX_AGE) -> None:
        """``max_age``: the while, in seconds."""
        self._max_age = max_age
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, T]] = {}

    def get(self, key: str, read: Callable[[], T]) -> T:
        """The value of ``key``, read when it is missing or old."""
        with self._lock:
            now = time.monotonic()
            known = self._values.get(key)
            if known is None or now - known[0] > self._max_age:
                known = self._values[key] = now, read()
            return known[1]

    def clear(self) -> None:
        """Forgets all values."""
        with self._lock:
            self._values.clear()


class Layout:
    """The objects of a datacenter that machines are placed on, by id."""

    def __init__(self, datacenter: Found, found: Iterable[Found]) -> None:
        self.items: dict[str, Found] = {entry.id: entry for entry in found}
        self.roots: dict[str, str] = {root: moid(datacenter.properties[root]) for root in _ROOTS}

    def of(self, kinds: Iterable[str]) -> list[Found]:
        """All objects of these kinds."""
        return [entry for entry in self.items.values() if entry.kind in kinds]

    def name(self, object_id: str) -> str:
        """The name of an object, or its id where it is not known."""
        found = self.items.get(object_id)
        return str(found.properties.get("name", object_id)) if found else object_id

    def path(self, object_id: str) -> str:
        """The names from below the datacenter's own folder down to the object, with slashes."""
        names: list[str] = []
        while object_id in self.items and object_id not in self.roots.values():
            found = self.items[object_id]
            names.append(self.name(object_id))
            parent = found.properties.get("parent")
            object_id = moid(parent) if parent is not None else ""
        return "/".join(reversed(names))

    def resolve(self, what: str, wanted: str, kinds: Iterable[str], below: str | None = None) -> Found:
        """The object of this id, name or path. ``below``: under which of the datacenter's folders it has to be.

        Raises Refused: NOT_FOUND with near names, INVALID_SPEC when several have the name.
        """
        known = [entry for entry in self.of(kinds) if below is None or self.is_below(entry.id, self.roots[below])]
        for entry in known:
            if entry.id == wanted:
                return entry
        ending = f"/{wanted.strip('/')}"
        found = [entry for entry in known if self.is_called(entry.id, wanted)]
        exact = [entry for entry in found if f"/{self.path(entry.id)}" == ending] or found
        if len(exact) == 1:
            return exact[0]
        if exact:
            ids = ", ".join(f"{self.path(entry.id)} ({entry.id})" for entry in exact[:5])
            raise Refused(
                Reason.INVALID_SPEC, f"{len(exact)} {what}s are called {wanted!r}; give one of the ids: {ids}"
            )
        raise Refused(Reason.NOT_FOUND, not_found(what, wanted, (self.name(entry.id) for entry in known)))

    def is_called(self, object_id: str, wanted: str) -> bool:
        """Whether this is the id, the name or a path of the object."""
        return object_id == wanted or f"/{self.path(object_id)}".endswith(f"/{wanted.strip('/')}")

    def is_below(self, object_id: str, root: str) -> bool:
        """Whether an object is somewhere under another."""
        while object_id != root:
            found = self.items.get(object_id)
            parent = found.properties.get("parent") if found else None
            if parent is None:
                return False
            object_id = moid(parent)
        return True


class Inventory:
    """Reads of the datacenter, each one request, each kept for a minute."""

    def __init__(self, session: Session, datacenter: str) -> None:
        """``datacenter`` is a name or a path below the vCenter's root folder."""
        self._session = session
        self._name = datacenter
        self._center: Found | None = None
        self._layouts: Kept[Layout] = Kept()

    @property
    def datacenter(self) -> Found:
        """The datacenter, looked for once. Raises Refused NOT_FOUND with near names."""
        if self._center is None:
            self._center = self._find_datacenter()
        return self._center

    def datacenter_reference(self) -> Any:
        """The datacenter as a managed object."""
        return vim.Datacenter(self.datacenter.id, self._session.calls)

    def layout(self) -> Layout:
        """What machines are placed on."""
        return self._layouts.get("layout", self._read_layout)

    def look(self, find: Callable[[Layout], T]) -> T:
        """What is found in the layout; where something is missing, in one that is read now: it may have come since.

        Raises Refused NOT_FOUND, as ``find`` does.
        """
        try:
            return find(self.layout())
        except Refused as refused:
            if refused.reason is not Reason.NOT_FOUND:
                raise
        self.forget()
        return find(self.layout())

    def forget(self) -> None:
        """What was read turned out to be old."""
        self._layouts.clear()

    def machines(self, *paths: str) -> list[Found]:
        """These properties of all machines of the datacenter, read now: for when nothing was pushed yet."""
        root = self.datacenter.properties["vmFolder"]
        everything = collector.selection({vim.VirtualMachine: paths}, collector.tree(root))
        return [entry for entry in collector.retrieve(self._session, everything) if entry.kind == "VirtualMachine"]

    def _find_datacenter(self) -> Found:
        below = collector.step(vim.Folder, "childEntity", collector.again("children"), name="children")
        properties = {vim.Datacenter: ("name", "parent", *_ROOTS), vim.Folder: ("name", "parent")}
        chosen = collector.selection(properties, collector.start(self._session.content.rootFolder, below, skip=True))
        found = {entry.id: entry for entry in collector.retrieve(self._session, chosen)}
        centers = {_path(entry, found): entry for entry in found.values() if entry.kind == "Datacenter"}
        wanted = f"/{self._name.strip('/')}"
        fitting = [entry for path, entry in centers.items() if f"/{path}".endswith(wanted)]
        exact = [entry for path, entry in centers.items() if f"/{path}" == wanted] or fitting
        if len(exact) != 1:
            raise Refused(Reason.NOT_FOUND, not_found("datacenter", self._name, centers))
        return exact[0]

    def _read_layout(self) -> Layout:
        center = self.datacenter
        starts = [collector.tree(center.properties[root]) for root in _ROOTS]
        found = collector.retrieve(self._session, collector.selection(_LAYOUT, *starts))
        return Layout(center, found)


def _path(entry: Found, known: Mapping[str, Found]) -> str:
    names = [str(entry.properties["name"])]
    parent = entry.properties.get("parent")
    while parent is not None and moid(parent) in known:
        above = known[moid(parent)].properties
        names.append(str(above["name"]))
        parent = above.get("parent")
    return "/".join(reversed(names))
