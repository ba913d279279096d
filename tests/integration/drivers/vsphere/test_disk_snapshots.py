"""Snapshots of first-class disks, whose tasks do not tell of which disk they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy
from hybridge.core.identity import Marker
from hybridge.core.snapshot import Snapshot, SnapshotSource, SnapshotSpec, SourceKind
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Rule
from lab.vsphere import VsphereCloud
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import error_of
from tests.contract.snapshot_eye import SnapshotEye, snapshot_eye
from tests.contract.volume_eye import VolumeEye

#: Longer than a process takes to begin anew.
LONG = 4.0


@pytest.fixture(autouse=True)
def paced(bed: VsphereBed, vcenter: VsphereCloud) -> Iterator[None]:
    yield
    bed.pace(0.0)
    for one in vcenter.disks.snapshots():
        vcenter.disks.forget(one.disk, one.id)


@pytest.fixture
def marker(bed: VsphereBed) -> Marker:
    return replace(bed.marker(), kind="Snapshot")


def connected(bed: VsphereBed, driver: Driver) -> SnapshotEye:
    eye = snapshot_eye(bed, driver)
    eye.eye.settle()
    return eye


def of_a_volume(bed: VsphereBed, eye: SnapshotEye) -> SnapshotSpec:
    volumes = VolumeEye(bed, eye.driver)
    volumes.eye.settle()
    volume = volumes.make(bed.volume_spec(), bed.volume_marker())
    return SnapshotSpec(f"before-{volume.id[:8]}", source=SnapshotSource(SourceKind.VOLUME, "data", volume.id))


def test_one_that_is_still_being_taken_is_waited_for_by_the_next_process(
    bed: VsphereBed, driver: Driver, vcenter: VsphereCloud, marker: Marker
) -> None:
    eye = connected(bed, driver)
    spec = of_a_volume(bed, eye)
    intent = eye.intent(spec, marker)
    bed.pace(LONG)
    bed.proxy.inject(Rule("VStorageObjectCreateSnapshot_Task", LoseAnswer(), times=1))
    lost = error_of(lambda: eye.part.create(intent, spec, marker))
    assert lost is not None
    assert lost.took_effect_possible

    with bed.connected() as next_driver:
        after = connected(bed, next_driver)
        with pytest.raises(Busy, match="being taken"):
            after.part.find(marker, intent)
        with pytest.raises(Busy, match="being taken"):
            after.part.create(intent, spec, marker)
        (found,) = found_at_last(after, marker, intent)
        assert after.part.create(intent, spec, marker).id == found.id

    assert [f"{one.disk}/{one.id}" for one in vcenter.disks.snapshots()] == [found.id]


def found_at_last(eye: SnapshotEye, marker: Marker, intent: Intent) -> list[Snapshot]:
    return eye.insist(lambda: eye.part.find(marker, intent))


def test_those_of_other_disks_are_not_waited_for(
    bed: VsphereBed, driver: Driver, vcenter: VsphereCloud, marker: Marker
) -> None:
    eye = connected(bed, driver)
    first, second = of_a_volume(bed, eye), of_a_volume(bed, eye)
    other = replace(bed.marker(), kind="Snapshot")
    bed.pace(LONG)

    begun = eye.part.create(eye.intent(first, marker), first, marker)
    assert begun.task is not None
    eye.eye.look(tasks=[begun.task])

    assert eye.part.find(other, eye.intent(second, other)) == []
    eye.eye.finish(eye.part.create(eye.intent(second, other), second, other))
    eye.eye.finish(begun)
    assert len(vcenter.disks.snapshots()) == 2
