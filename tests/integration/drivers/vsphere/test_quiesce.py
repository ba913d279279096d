"""Guests that are asked to write what they hold back, and cannot."""

from __future__ import annotations

from dataclasses import replace

from hybridge.core.identity import Marker
from hybridge.core.snapshot import Consistency, SnapshotSource, SnapshotSpec, SourceKind
from hybridge.core.task import TaskState
from hybridge.drivers.base import Driver
from lab.vsphere import VsphereCloud
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.snapshot_eye import snapshot_eye


def test_a_guest_that_could_not_be_made_quiet_is_not_asked_again(
    bed: VsphereBed, driver: Driver, vcenter: VsphereCloud, marker: Marker
) -> None:
    eye = snapshot_eye(bed, driver)
    eye.eye.settle()
    machine = eye.eye.make(bed.spec(), bed.marker())
    machine = eye.eye.see(machine.id, lambda seen: bool(seen.agent))
    vcenter.set_extra_config(machine.id, {"lab.noQuiesce": "1"})
    source = SnapshotSource(SourceKind.MACHINE, "web", machine.id)
    spec, marker = SnapshotSpec("before", source=source, quiesce=True), replace(marker, kind="Snapshot")

    failed = eye.eye.end(eye.part.create(eye.intent(spec, marker), spec, marker))
    snapshot = eye.create(spec, marker, eye.intent(spec, marker, attempt=2))

    assert failed is not None
    assert (failed.state, failed.reason) == (TaskState.FAILED, None)
    assert "FilesystemQuiesceFault" in failed.error
    assert snapshot.consistency is Consistency.CRASH
    eye.delete(snapshot)
