"""Snapshots of first-class disks.

Their description, in which are name and marker, is given with the call and never changed; they are listed disk by disk only,
so that sweeps look at the disks of what somebody has on record.

Source: VStorageObjectCreateSnapshot_Task and RetrieveSnapshotInfo of VcenterVStorageObjectManager in the vSphere Web
Services API reference.
"""

from __future__ import annotations

from typing import Any, Final

from hybridge.core.errors import CloudError, Refused
from hybridge.core.identity import KEYS, Marker, read_notes, replace_notes
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, Snapshot
from hybridge.drivers.vsphere import errors
from hybridge.drivers.vsphere.catalog import Catalog
from hybridge.drivers.vsphere.disk_ids import disk_of
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import vim

_READ: Final = "RetrieveSnapshotInfo"
#: Why nobody can take one over.
FIXED: Final = "a snapshot of a first-class disk, whose description, where a marker would be, nobody can change"


class DiskSnapshots:
    """Reads and changes of them; their ids are the disk's and their own, with a slash."""

    def __init__(self, catalog: Catalog, picture: Picture) -> None:
        self._catalog = catalog
        self._picture = picture

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._catalog.requests

    def store(self, disk_id: str) -> str:
        """The datastore of a disk. Raises Refused NOT_FOUND."""
        found = self._catalog.get(disk_id, self._picture.volume_store(disk_id))
        if found is None:
            raise Refused(Reason.NOT_FOUND, f"spec.sourceRef: there is no volume {disk_id}")
        return found.store

    def of(self, disk_id: str, store: str = "") -> list[Snapshot] | None:
        """The snapshots of a disk; one request where its datastore is known. None only where it is proven to be gone."""
        where = store or self._picture.volume_store(disk_id)
        if where:
            try:
                return self._read(disk_id, where)
            except CloudError as error:
                if not caused_by(error, "NotFound") and not caused_by(error, "ManagedObjectNotFound"):
                    raise
        disk = self._catalog.get(disk_id)
        return None if disk is None else self._read(disk_id, disk.store)

    def all(self) -> list[Snapshot]:
        """Those of all disks: one request for each."""
        return [one for disk in self._catalog.all() for one in self.of(disk.id, disk.store) or ()]

    def get(self, snapshot_id: str) -> Snapshot | None:
        """One of them; None only where the vCenter says that its disk has it not, or that there is no such disk."""
        found = self.of(disk_of(snapshot_id)) or ()
        return next((one for one in found if one.id == snapshot_id), None)

    def take(self, disk_id: str, store: str, name: str, marker: Marker) -> Any:
        """The task of a new one."""
        return self._catalog.manager.VStorageObjectCreateSnapshot_Task(
            vim.vslm.ID(id=disk_id), vim.Datastore(store), replace_notes(name, marker)
        )

    def delete(self, found: Snapshot) -> Any:
        """The task of a deletion."""
        disk_id, _, own = found.id.partition("/")
        where = vim.vslm.ID(id=disk_id), vim.Datastore(self.store(disk_id))
        return self._catalog.manager.DeleteSnapshot_Task(*where, vim.vslm.ID(id=own))

    def _read(self, disk_id: str, store: str) -> list[Snapshot]:
        info = self._catalog.manager.RetrieveSnapshotInfo(vim.vslm.ID(id=disk_id), vim.Datastore(store))
        try:
            return [_shown(disk_id, one) for one in info.snapshots or ()]
        except (AttributeError, TypeError, ValueError, OverflowError, OSError) as error:
            raise errors.unreadable(_READ, f"{type(error).__name__}: {error}") from None


def _shown(disk_id: str, found: Any) -> Snapshot:
    text = str(found.description or "")
    lines = [line for line in text.splitlines() if line.strip().partition(": ")[0] not in KEYS]
    marker = read_notes(text)
    if not found.id.id:
        raise ValueError("a snapshot without an id")
    return Snapshot(
        f"{disk_id}/{found.id.id}",
        lines[0].strip() if lines else str(found.id.id),
        State.READY,
        marker=marker,
        unfit="" if marker else FIXED,
        created_at=None if found.createTime is None else float(found.createTime.timestamp()),
        source_id=disk_id,
        consistency=Consistency.CRASH,
    )
