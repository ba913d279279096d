"""Volumes of machines: attached, detached, and grown while a machine has them.

Source: AttachDisk_Task and DetachDisk_Task of VirtualMachine in the API reference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from hybridge.core.errors import Busy, Refused
from hybridge.core.machine import Machine
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.base import Started
from hybridge.drivers.vsphere import clone, collector, disks, proof, seen, volume_mapping
from hybridge.drivers.vsphere.catalog import Catalog, Disk
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import moid, vim


class Attaching:
    """Each change after a look at the devices of the machine as they are now."""

    def __init__(self, session: Session, picture: Picture, catalog: Catalog) -> None:
        self._session = session
        self._picture = picture
        self._catalog = catalog

    def attach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """One AttachDisk_Task, after one look at the machine and one at the volume."""
        devices = self._devices(machine.id)
        if disks.device_of(devices, volume_id) is not None:
            return Started(machine.id, machine)
        disk = self._catalog.get(volume_id, self._picture.volume_store(volume_id))
        if disk is None:
            raise Refused(Reason.NOT_FOUND, f"there is no volume {volume_id}")
        others = [one for one, _ in self._picture.attachments().get(volume_id, ()) if one != machine.id]
        if users := others or list(disk.consumers):
            raise Refused(Reason.HAS_DEPENDANTS, f"{volume_id} ({disk.name}) is attached to {', '.join(users)}")
        controller = disks.roomy_controller(devices)
        if controller is None:
            raise Refused(Reason.QUOTA, f"no disk controller of {machine.name} ({machine.id}) has a free place")
        self._catalog.keep(disk)
        attach = self._vm(machine.id).AttachDisk_Task
        store = vim.Datastore(disk.store)
        return self._begun(machine.id, "AttachDisk", lambda: attach(vim.vslm.ID(id=volume_id), store, controller))

    def detach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """One DetachDisk_Task, after one look at the machine."""
        if disks.device_of(self._devices(machine.id), volume_id) is None:
            return Started(machine.id, machine)
        detach = self._vm(machine.id).DetachDisk_Task
        return self._begun(machine.id, "DetachDisk", lambda: detach(vim.vslm.ID(id=volume_id)))

    def grow(self, machine_id: str, disk: Disk, size: int) -> Task:
        """One ReconfigVM_Task that gives a volume its size, in bytes, while the machine has it."""
        device = disks.device_of(self._devices(machine_id), disk.id)
        if device is None:
            raise Busy(f"{disk.id} is just being taken from {machine_id}")
        change = vim.vm.ConfigSpec(deviceChange=[clone.disk_change(clone.grown(device, size))])
        started = self._begun(machine_id, "Reconfigure", lambda: self._vm(machine_id).ReconfigVM_Task(change))
        assert started.task is not None
        return started.task

    def admit_deletion(self, machine: Machine) -> None:
        """Sees to it that the volumes of a machine stay that is to be deleted: one request for each that it has, and one for
        each that would go with it. Raises Refused for such a one that is nobody's.
        """
        for volume in machine.disks or ():
            disk = self._catalog.get(volume.id, self._picture.volume_store(volume.id))
            if disk is None or disk.keeps:
                continue
            if not volume_mapping.is_marked(disk):
                raise Refused(
                    Reason.HAS_DEPENDANTS,
                    f"{machine.name} ({machine.id}) has the first-class disk {disk.name} ({disk.id}), which would be deleted"
                    " with it: detach it before, or set its control flag keepAfterDeleteVm",
                )
            self._catalog.keep(disk)

    def _vm(self, machine_id: str) -> Any:
        return vim.VirtualMachine(machine_id, self._session.calls)

    def _devices(self, machine_id: str) -> Sequence[Any]:
        start = collector.start(self._vm(machine_id))
        answer = collector.retrieve(self._session, collector.selection({vim.VirtualMachine: (seen.DEVICES,)}, start))
        found = next((entry for entry in answer if entry.id == machine_id), None)
        if found is None or seen.DEVICES not in found.properties:
            raise proof.unclear(machine_id)
        return tuple(found.properties[seen.DEVICES])

    def _begun(self, machine_id: str, operation: str, call: Callable[[], Any]) -> Started[Machine]:
        self._picture.rewiring(machine_id)
        self._picture.changing(machine_id)
        task = Task(moid(call()), operation, time.time())
        self._picture.started(task)
        self._picture.changing(machine_id, task)
        return Started(machine_id, task=task)
