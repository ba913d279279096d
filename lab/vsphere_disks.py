"""First-class disks of the lab's vCenter, as a person sees and changes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.process import LabError
from lab.vsphere_sdk import id_of, vim
from lab.vsphere_session import VsphereSession

_MIB = 2**20
_KEEP = "keepAfterDeleteVm"


@dataclass(frozen=True, slots=True)
class VsphereDisk:
    """One first-class disk as the vCenter itself holds it. ``size`` is in bytes; ``machine`` the id of what has it."""

    id: str
    name: str
    size: int
    datastore: str
    keeps: bool
    metadata: Mapping[str, str] = field(default_factory=dict)
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class VsphereDiskSnapshot:
    """One snapshot of a first-class disk as the vCenter itself holds it."""

    disk: str
    id: str
    description: str


class FirstClassDisks:
    """The disks that have an id of their own, and need no machine."""

    def __init__(self, session: VsphereSession) -> None:
        self._session = session

    def all(self) -> list[VsphereDisk]:
        """All of them, on all datastores."""
        with self._session.lock:
            owners = self._owners()
            return [
                self._described(found.config, owners)
                for store in self._stores()
                for one in self._manager.ListVStorageObject(store)
                if (found := self._manager.RetrieveVStorageObject(one, store))
            ]

    def disk(self, disk_id: str) -> VsphereDisk:
        """One of them; LabError when there is none."""
        for disk in self.all():
            if disk.id == disk_id:
                return disk
        raise LabError(f"vSphere has no disk {disk_id}")

    def create(
        self,
        name: str,
        size: int,
        datastore: str = "LocalDS_0",
        *,
        metadata: Mapping[str, str] | None = None,
        keeps: bool = False,
    ) -> str:
        """Make a disk of so many bytes; its id."""
        with self._session.lock:
            spec = vim.vslm.CreateSpec(
                name=name,
                keepAfterDeleteVm=keeps,
                capacityInMB=size // _MIB,
                backingSpec=vim.vslm.CreateSpec.DiskFileBackingSpec(
                    datastore=self._session.named(vim.Datastore, datastore), provisioningType="thin"
                ),
                metadata=_pairs(metadata or {}),
            )
            made = self._session.task(lambda: self._manager.CreateDisk_Task(spec))
            return str(made.config.id.id)

    def destroy(self, disk_id: str) -> None:
        """Delete a disk that no machine has."""
        self._change(disk_id, self._manager.DeleteVStorageObject_Task)

    def grow(self, disk_id: str, size: int) -> None:
        """Give a disk so many bytes, whoever has it."""
        machine = self.disk(disk_id).machine
        if machine is None:
            self._change(disk_id, lambda one, store: self._manager.ExtendDisk_Task(one, store, size // _MIB))
            return
        with self._session.lock:
            device = next(one for one in self._devices(machine) if getattr(one.vDiskId, "id", None) == disk_id)
            device.capacityInKB, device.capacityInBytes = size // 1024, size
            edit = vim.vm.device.VirtualDeviceSpec(operation="edit", device=device)
            self._session.reconfigure(machine, vim.vm.ConfigSpec(deviceChange=[edit]))

    def set_metadata(self, disk_id: str, words: Mapping[str, str]) -> None:
        """Set metadata; an empty value removes what it has of that name."""
        given = {key: value for key, value in words.items() if value}
        self._change(
            disk_id,
            lambda one, store: self._manager.VCenterUpdateVStorageObjectMetadataEx_Task(
                one, store, _pairs(given), sorted(words.keys() - given.keys())
            ),
        )

    def tie(self, disk_id: str) -> None:
        """Have a disk go with its machine."""
        with self._session.lock:
            one, store = self._where(disk_id)
            self._manager.ClearVStorageObjectControlFlags(one, store, [_KEEP])

    def rename(self, disk_id: str, name: str) -> None:
        """Give a disk another name."""
        with self._session.lock:
            one, store = self._where(disk_id)
            self._manager.RenameVStorageObject(one, store, name)

    def attach(self, moid: str, disk_id: str) -> None:
        """Give a disk to a machine."""
        self._change(disk_id, lambda one, store: self._session.vm(moid).AttachDisk_Task(one, store))

    def detach(self, moid: str, disk_id: str) -> None:
        """Take a disk from a machine."""
        self._change(disk_id, lambda one, _: self._session.vm(moid).DetachDisk_Task(one))

    def snapshots(self) -> list[VsphereDiskSnapshot]:
        """The snapshots of all disks."""
        with self._session.lock:
            return [
                VsphereDiskSnapshot(disk.id, found.id.id, found.description)
                for disk in self.all()
                for found in self._manager.RetrieveSnapshotInfo(
                    vim.vslm.ID(id=disk.id), self._session.managed(vim.Datastore, disk.datastore)
                ).snapshots
                or ()
            ]

    def take(self, disk_id: str, description: str) -> str:
        """Take a snapshot of a disk; its id."""
        with self._session.lock:
            one, store = self._where(disk_id)
            return str(
                self._session.task(lambda: self._manager.VStorageObjectCreateSnapshot_Task(one, store, description)).id
            )

    def forget(self, disk_id: str, snapshot_id: str) -> None:
        """Delete a snapshot of a disk."""
        own = vim.vslm.ID(id=snapshot_id)
        self._change(disk_id, lambda one, store: self._manager.DeleteSnapshot_Task(one, store, own))

    def restore(self, disk_id: str, snapshot_id: str, name: str) -> str:
        """Make another disk from a snapshot; its id."""
        with self._session.lock:
            one, store = self._where(disk_id)
            own = vim.vslm.ID(id=snapshot_id)
            made = self._session.task(lambda: self._manager.CreateDiskFromSnapshot_Task(one, store, own, name))
            return str(made.config.id.id)

    @property
    def _manager(self) -> Any:
        found = self._session.instance.RetrieveContent().vStorageObjectManager
        return self._session.managed(vim.vslm.vcenter.VStorageObjectManager, id_of(found))

    def _change(self, disk_id: str, begin: Callable[[Any, Any], Any]) -> None:
        with self._session.lock:
            one, store = self._where(disk_id)
            self._session.task(lambda: begin(one, store))

    def _where(self, disk_id: str) -> tuple[Any, Any]:
        return vim.vslm.ID(id=disk_id), self._session.managed(vim.Datastore, self.disk(disk_id).datastore)

    def _stores(self) -> list[Any]:
        found = self._session.properties(vim.Datastore, ["name"])
        return [self._session.managed(vim.Datastore, moid) for moid in found]

    def _devices(self, moid: str) -> list[Any]:
        """The disks of a machine."""
        path = "config.hardware.device"
        devices = self._session.properties(vim.VirtualMachine, [path])[moid][path]
        return [device for device in devices if isinstance(device, vim.vm.device.VirtualDisk)]

    def _owners(self) -> dict[str, str]:
        """Which machines have disks, by the disks' ids."""
        path = "config.hardware.device"
        read = self._session.properties(vim.VirtualMachine, [path])
        return {
            device.vDiskId.id: moid
            for moid, values in read.items()
            for device in values.get(path, ())
            if getattr(device, "vDiskId", None) is not None
        }

    @staticmethod
    def _described(config: Any, owners: Mapping[str, str]) -> VsphereDisk:
        return VsphereDisk(
            id=config.id.id,
            name=config.name,
            size=config.capacityInMB * _MIB,
            datastore=id_of(config.backing.datastore),
            keeps=bool(config.keepAfterDeleteVm),
            metadata={pair.key: pair.value for pair in config.metadata},
            machine=owners.get(config.id.id),
        )


def _pairs(words: Mapping[str, str]) -> list[Any]:
    return [vim.KeyValue(key=key, value=value) for key, value in words.items()]
