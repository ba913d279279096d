"""Snapshots of guests of the lab's Proxmox VE, in the hands of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from hybridge.core.identity import read_notes
from hybridge.core.machine import Machine
from hybridge.core.snapshot import SnapshotSource, SnapshotSpec, SourceKind
from lab.proxmox import ProxmoxCloud
from tests.contract.points import Points, ShownSnapshot


class ProxmoxPoints(Points):
    """Snapshots of machines, chained."""

    create_call = "POST /nodes/{node}/qemu/{vmid}/snapshot"
    revert_call = "POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback"
    keeps_marker = True
    tags = False
    renames = False
    marker_of_then = False
    missing = "999999/none"
    sweep_cost = 0
    life_cost = 8

    @property
    def _snapshots(self) -> ProxmoxCloud:
        return cast("ProxmoxCloud", self.bed.cloud)

    def impossible(self, machine: Machine) -> Sequence[SnapshotSpec]:
        return (
            self.spec(machine, source=SnapshotSource(SourceKind.VOLUME, "data", "ceph:vm-999999999-x")),
            self.spec(machine, source=None),
            self.spec(machine, source=SnapshotSource(SourceKind.MACHINE, "gone", "999999")),
            self.spec(machine, source=SnapshotSource(SourceKind.MACHINE, "template", "9000")),
        )

    def shown(self) -> dict[str, ShownSnapshot]:
        found = {}
        for vmid, snapshots in self._snapshots.snapshots.all().items():
            for name, description in snapshots.items():
                marker = read_notes(description)
                found[f"{vmid}/{name}"] = ShownSnapshot(f"{vmid}/{name}", name, marker.owner if marker else None)
        return found

    def stranger(self, machine: Machine, name: str) -> str:
        self._snapshots.snapshots.take(int(machine.id), name)
        return f"{machine.id}/{name}"

    def destroy(self, snapshot_id: str) -> None:
        vmid, name = snapshot_id.split("/")
        self._snapshots.snapshots.remove(int(vmid), name)

    def copy(self, snapshot_id: str) -> str | None:
        vmid, name = snapshot_id.split("/")
        description = self._snapshots.snapshots.all()[int(vmid)][name]
        self._snapshots.snapshots.take(int(vmid), f"copy-{name}", description)
        return f"{vmid}/copy-{name}"
