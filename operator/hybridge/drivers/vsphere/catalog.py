"""First-class disks, which are the volumes of vSphere: the catalog of all, and each by itself.

The catalog is a service beside the vCenter (VSLM): it tells of a thousand disks with one request, and may be some moments
behind. What the vCenter itself says of one disk is what counts.

Source: VslmVStorageObjectManager in the Virtual Storage Lifecycle Management API reference; VStorageObject and
VcenterVStorageObjectManager in the vSphere Web Services API reference.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hybridge.core.errors import CloudError, Disposition
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import errors
from hybridge.drivers.vsphere.beside import BesideStub
from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.sdk import moid, vim, vslm
from hybridge.drivers.vsphere.seen import MIB

_PATH: Final = "/vslm/sdk"
_VERSION: Final = "vslm.version.v7_0"
#: Of how many disks one answer tells at most.
PAGE: Final = 1000
_LIST: Final = "VslmListVStorageObjectForSpec"
_ONE: Final = "RetrieveVStorageObject"
_KEEP: Final = "keepAfterDeleteVm"
_LARGEST: Final = 2**43  # MiB that bytes can be made of


@dataclass(frozen=True, slots=True)
class Disk:
    """A first-class disk. ``store``: its datastore by id, empty where it is not known; ``metadata``: None where the catalog
    has an error for it. ``consumers``: ids of what has it, in words of the vCenter's own, and ``keeps``, that it stays when
    its machine is deleted: only the vCenter itself tells them.
    """

    id: str
    name: str
    size: int
    store: str = ""
    metadata: Mapping[str, str] | None = field(default_factory=dict)
    created_at: float | None = None
    consumers: tuple[str, ...] = ()
    keeps: bool = False


class CatalogStub(BesideStub):
    """Calls of the catalog."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, _PATH, _VERSION)


class Catalog:
    """Reads of disks. ``calls`` and ``listing`` are through which they go: sweeps have their own."""

    def __init__(self, session: Session, inventory: Inventory, calls: Stub, listing: CatalogStub) -> None:
        self._session = session
        self._inventory = inventory
        self._calls = calls
        self._listing = listing
        self._manager_id = ""

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._calls.requests + self._listing.requests

    @property
    def manager(self) -> Any:
        """What changes disks. Raises CloudError where a vCenter has none."""
        found = self._session.content.vStorageObjectManager
        if found is None:
            raise errors.unreadable("RetrieveServiceContent", "it has no vStorageObjectManager")
        return vim.vslm.vcenter.VStorageObjectManager(moid(found), self._calls)

    def all(self, name: str | None = None) -> list[Disk]:
        """All disks, or those of a name: one request for a thousand. Raises CloudError."""
        stores = {
            str(entry.properties["summary.url"]): entry.id
            for entry in self._inventory.layout().of(("Datastore",))
            if entry.properties.get("summary.url")
        }
        found: list[Disk] = []
        named = [_query("name", "equals", name)] if name else []
        last = ""
        while True:
            page = self._page([*named, *([_query("id", "greaterThan", last)] if last else [])])
            with _readable(_LIST):
                disks = [_listed(entry, stores) for entry in page.queryResults or ()]
            found += disks
            if page.allRecordsReturned:
                return found
            if not disks or max(disk.id for disk in disks) <= last:
                raise errors.unreadable(_LIST, "a page of it has nothing new")
            last = max(disk.id for disk in disks)

    def read(self, disk_id: str, store: str) -> Disk | None:
        """A disk of a datastore, as the vCenter itself has it. None only where it says that the datastore has it not."""
        try:
            found = self.manager.RetrieveVStorageObject(vim.vslm.ID(id=disk_id), vim.Datastore(store))
        except CloudError as error:
            if caused_by(error, "NotFound"):
                return None
            raise
        with _readable(_ONE):
            return _whole(found, disk_id)

    def ids(self, store: str) -> frozenset[str]:
        """The ids of the disks of a datastore. Raises CloudError."""
        found = self.manager.ListVStorageObject(vim.Datastore(store)) or ()
        with _readable("ListVStorageObject"):
            return frozenset(_text(one.id, "ListVStorageObject") for one in found)

    def locate(self, disk_id: str) -> Disk | None:
        """A disk wherever it is. None only where every datastore has been asked, and of each the vCenter says that it has it
        not.

        One request a datastore, and one more.
        """
        self._inventory.forget()
        stores = self._inventory.layout().of(("Datastore",))
        dark = [
            str(one.properties.get("name", one.id)) for one in stores if not one.properties.get("summary.accessible")
        ]
        for store in stores:
            if store.properties.get("summary.accessible") and (found := self.read(disk_id, store.id)):
                return found
        if dark or not stores:
            why = f"datastore {', '.join(dark[:3])} is not accessible" if dark else "no datastore is in sight"
            raise CloudError(
                Reason.PROVIDER_DOWN,
                f"whether there is a volume {disk_id} cannot be told: {why}",
                disposition=Disposition.WAIT,
            )
        return None

    def get(self, disk_id: str, store: str = "") -> Disk | None:
        """A disk; ``store``: where it was last seen. None only where it is proven not to be there."""
        found: Disk | None = None
        if store:
            try:
                found = self.read(disk_id, store)
            except CloudError as error:
                if not caused_by(error, "ManagedObjectNotFound"):  # the datastore itself is gone
                    raise
        return found or self.locate(disk_id)

    def keep(self, disk: Disk) -> None:
        """Sees to it that a disk stays when a machine is deleted that has it: one request where that is not so yet."""
        if not disk.keeps:
            self.manager.SetVStorageObjectControlFlags(vim.vslm.ID(id=disk.id), vim.Datastore(disk.store), [_KEEP])

    def _page(self, query: Sequence[Any]) -> Any:
        if not self._manager_id:
            content = vslm.ServiceInstance("ServiceInstance", self._listing).RetrieveContent()
            if content.vStorageObjectManager is None:
                raise errors.unreadable("RetrieveContent", "it has no vStorageObjectManager")
            self._manager_id = moid(content.vStorageObjectManager)
        manager = vslm.vso.VStorageObjectManager(self._manager_id, self._listing)
        page = manager.VslmListVStorageObjectForSpec(list(query), PAGE)
        if page is None or page.allRecordsReturned is None:
            raise errors.unreadable(_LIST, "it does not say whether it is all")
        return page


@contextlib.contextmanager
def _readable(operation: str) -> Iterator[None]:
    """Raises Unreachable where an answer is without what every such answer has."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        raise errors.unreadable(operation, f"{type(error).__name__}: {error}") from None


def _query(field_name: str, operator: str, value: str) -> Any:
    return vslm.vso.VStorageObjectQuerySpec(queryField=field_name, queryOperator=operator, queryValue=[value])


def _listed(entry: Any, stores: Mapping[str, str]) -> Disk:
    return Disk(
        id=_text(entry.id.id, _LIST),
        name=str(entry.name or ""),
        size=_bytes(entry.capacityInMB, _LIST),
        store=stores.get(str(entry.datastoreUrl or ""), ""),
        metadata=None if entry.error is not None else _pairs(entry.metadata),
        created_at=_time(entry.createTime),
    )


def _whole(found: Any, disk_id: str) -> Disk:
    config = found.config
    if _text(config.id.id, _ONE) != disk_id:
        raise errors.unreadable(_ONE, "it tells of another disk")
    if config.backing.datastore is None:
        raise errors.unreadable(_ONE, "it does not tell the datastore")
    return Disk(
        id=disk_id,
        name=str(config.name or ""),
        size=_bytes(config.capacityInMB, _ONE),
        store=moid(config.backing.datastore),
        metadata=_pairs(getattr(config, "metadata", None)),
        created_at=_time(config.createTime),
        consumers=tuple(str(one.id) for one in config.consumerId or ()),
        keeps=bool(config.keepAfterDeleteVm),
    )


def _text(value: Any, operation: str) -> str:
    if not value:
        raise errors.unreadable(operation, "it has a disk without an id")
    return str(value)


def _bytes(mebibytes: Any, operation: str) -> int:
    if mebibytes is None or not 0 <= int(mebibytes) <= _LARGEST:
        raise errors.unreadable(operation, "a size is out of range")
    return int(mebibytes) * MIB


def _pairs(metadata: Any) -> dict[str, str]:
    return {str(pair.key): str(pair.value or "") for pair in metadata or ()}


def _time(value: Any) -> float | None:
    try:
        return None if value is None else float(value.timestamp())
    except (OverflowError, ValueError, OSError):
        return None
