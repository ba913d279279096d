"""Snapshots of machines of the lab's vCenter, in the hands of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from hybridge.core.identity import read_notes
from hybridge.core.machine import Machine
from hybridge.core.snapshot import SnapshotSource, SnapshotSpec, SourceKind
from lab.vsphere import VsphereCloud
from lab.vsphere_disks import FirstClassDisks
from lab.vsphere_snapshots import MachineSnapshots
from tests.contract.points import Points, ShownSnapshot


class VspherePoints(Points):
    """Snapshots of machines, chained; and of first-class disks."""

    create_call = "CreateSnapshot_Task"
    revert_call = "RevertToSnapshot_Task"
    tags = False
    of_volumes = True
    restore_call = "CreateDiskFromSnapshot_Task"
    missing = "snapshot-999999"
    sweep_cost = 0
    life_cost = 6

    @property
    def _snapshots(self) -> MachineSnapshots:
        return cast("VsphereCloud", self.bed.cloud).snapshots

    @property
    def _disks(self) -> FirstClassDisks:
        return cast("VsphereCloud", self.bed.cloud).disks

    def impossible(self, machine: Machine) -> Sequence[SnapshotSpec]:
        return (
            self.spec(machine, source=SnapshotSource(SourceKind.VOLUME, "data", self.bed.missing_volume)),
            self.spec(machine, source=SnapshotSource(SourceKind.VOLUME, "data", self.bed.missing_volume), memory=True),
            self.spec(machine, name="n" * 81),
            self.spec(machine, source=None),
            self.spec(machine, source=SnapshotSource(SourceKind.MACHINE, "gone", "vm-999999")),
        )

    def shown(self) -> dict[str, ShownSnapshot]:
        of_disks = {
            f"{one.disk}/{one.id}": ShownSnapshot(
                f"{one.disk}/{one.id}",
                one.description.partition("\n")[0],
                marker.owner if (marker := read_notes(one.description)) else None,
            )
            for one in self._disks.snapshots()
        }
        return of_disks | {
            one.id: ShownSnapshot(one.id, one.name, marker.owner if (marker := read_notes(one.description)) else None)
            for one in self._snapshots.all()
        }

    def stranger(self, machine: Machine, name: str) -> str:
        return self._snapshots.take(machine.id, name)

    def destroy(self, snapshot_id: str) -> None:
        disk_id, _, own = snapshot_id.partition("/")
        if own:
            self._disks.forget(disk_id, own)
        else:
            self._snapshots.remove(snapshot_id)

    def copy(self, snapshot_id: str) -> str | None:
        found = self._snapshots.snapshot(snapshot_id)
        return self._snapshots.take(found.machine, f"copy-of-{found.name}", description=found.description)

    def rename(self, snapshot_id: str, name: str) -> None:
        self._snapshots.rename(snapshot_id, name)
