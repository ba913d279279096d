"""Machines that go back to a snapshot: with their disks, volumes included, and with their configuration.

What the machine would be after that is read from the snapshot before: it has to carry the machine's marker, and to have the
volumes that the machine has now, which would otherwise come back from another machine, or be changed unseen.

Source: RevertToSnapshot_Task of VirtualMachineSnapshot in the vSphere Web Services API reference.
"""

from __future__ import annotations

import time
from typing import Any, Final

from hybridge.core.errors import Busy, CloudError, Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, Power
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.base import Started
from hybridge.drivers.marked import same_owner
from hybridge.drivers.vsphere import collector, disks, proof
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import moid, vim

_OPTIONS: Final = "config.extraConfig"
_DEVICES: Final = "config.hardware.device"


class Reverting:
    """One look at the snapshot, then one task."""

    def __init__(self, session: Session, picture: Picture) -> None:
        self._session = session
        self._picture = picture

    def revert(self, machine: Machine, present: Machine, snapshot_id: str) -> Started[Machine]:
        """One RevertToSnapshot_Task. ``present``: the machine as it was read just now."""
        if present.power is not Power.STOPPED:
            raise Busy(f"{machine.id} is not off")
        was = self._read(machine, snapshot_id)
        if not same_owner(_marker(was), machine.marker):
            words = f"{machine.id} did not carry its marker when {snapshot_id} was taken, and would lose it"
            raise Refused(Reason.IDENTITY_MISMATCH, words)
        had = {one.id for one in disks.attached(tuple(was.get(_DEVICES) or ()))}
        has = {one.id for one in present.disks or ()}
        if had != has:
            words = f"{machine.id} has {_words(has)}, and had {_words(had)} when {snapshot_id} was taken"
            raise Refused(Reason.HAS_DEPENDANTS, words)
        self._picture.rewiring(machine.id)
        self._picture.changing(machine.id)
        call = vim.vm.Snapshot(snapshot_id, self._session.calls).RevertToSnapshot_Task()
        task = Task(moid(call), "RevertToSnapshot", time.time())
        self._picture.started(task)
        self._picture.changing(machine.id, task)
        return Started(machine.id, task=task)

    def _read(self, machine: Machine, snapshot_id: str) -> dict[str, Any]:
        start = collector.start(vim.vm.Snapshot(snapshot_id))
        missing = Refused(Reason.NOT_FOUND, f"{machine.id} has no snapshot {snapshot_id}")
        try:
            chosen = collector.selection({vim.vm.Snapshot: ("vm", _OPTIONS, _DEVICES)}, start)
            read = collector.retrieve(self._session, chosen)
        except CloudError as error:
            if proof.absent(error) == snapshot_id:
                raise missing from error.__cause__
            if caused_by(error, "ManagedObjectNotFound"):
                raise proof.unclear(snapshot_id) from error
            raise
        entry = next((one for one in read if one.id == snapshot_id), None)
        if entry is None or _DEVICES not in entry.properties:
            raise proof.unclear(snapshot_id)
        if moid(entry.properties["vm"]) != machine.id:
            raise missing
        return dict(entry.properties)


def _marker(was: dict[str, Any]) -> Marker | None:
    return Marker.read({str(one.key): str(one.value) for one in was.get(_OPTIONS) or ()})


def _words(volumes: set[str]) -> str:
    return f"the volumes {', '.join(sorted(volumes))}" if volumes else "no volume"
