"""Looks at snapshots, and brings them to their specs."""

from __future__ import annotations

from hybridge.core.kinds import CloudKind
from hybridge.core.snapshot import Snapshot, SnapshotSpec
from hybridge.core.snapshot_plan import differences
from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
from tests.contract.object_eye import ObjectEye

SnapshotEye = ObjectEye[SnapshotSpec, Snapshot]


def snapshot_eye(bed: Bed, driver: Driver) -> SnapshotEye:
    """All its sweeps look at snapshots, too."""
    assert driver.snapshots is not None
    return ObjectEye(bed, driver, CloudKind.SNAPSHOT, driver.snapshots)


def complete(eye: SnapshotEye, spec: SnapshotSpec, snapshot: Snapshot) -> Snapshot:
    """Brings a snapshot to its spec, a step at a time, as a plan does."""
    assert snapshot.marker is not None
    for _ in range(6):
        fields = {change.field for change in differences(eye.part.normalize(spec), snapshot, named=True)}
        if not fields:
            return snapshot
        eye.configure(snapshot, spec, fields, snapshot.marker)
        eye.eye.look()
        snapshot = eye.see(snapshot.id)
    raise AssertionError(f"it never comes to its spec: {snapshot}")
