"""Images that are made from snapshots of machines, and so other machines from these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError
from hybridge.core.image import Image, ImageSpec, Taken
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, Power
from hybridge.core.snapshot import Snapshot, SnapshotSpec
from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
from tests.contract.clouds import GALLERIES, POINTS
from tests.contract.galleries import Gallery
from tests.contract.object_eye import ObjectEye
from tests.contract.points import Points

pytestmark = pytest.mark.parametrize("shared_bed", sorted(POINTS.keys() & GALLERIES.keys()), indirect=True)


@pytest.fixture(scope="session")
def shared_points(shared_bed: Bed) -> Points:
    return POINTS[shared_bed.kind](shared_bed)


@pytest.fixture(scope="session")
def shared_gallery(shared_bed: Bed) -> Gallery:
    return GALLERIES[shared_bed.kind](shared_bed)


@pytest.fixture
def points(shared_points: Points, shared_gallery: Gallery, bed: Bed) -> Iterator[Points]:
    yield shared_points
    bed.proxy.clear()
    bed.tidy()
    shared_gallery.tidy()
    shared_points.tidy()


@pytest.fixture
def images(bed: Bed, driver: Driver) -> ObjectEye[ImageSpec, Image]:
    assert driver.images is not None
    eye: ObjectEye[ImageSpec, Image] = ObjectEye(bed, driver, CloudKind.IMAGE, driver.images)
    eye.eye.settle()
    return eye


@pytest.fixture
def snapshots(bed: Bed, driver: Driver) -> ObjectEye[SnapshotSpec, Snapshot]:
    assert driver.snapshots is not None
    return ObjectEye(bed, driver, CloudKind.SNAPSHOT, driver.snapshots)


def test_a_machine_is_made_as_another_was(
    bed: Bed,
    points: Points,
    shared_gallery: Gallery,
    images: ObjectEye[ImageSpec, Image],
    snapshots: ObjectEye[SnapshotSpec, Snapshot],
) -> None:
    source, spec = bed.marker(), bed.spec(power=Power.STOPPED, cpus=2)
    machine: Machine = images.eye.make(spec, source)
    snapshot = snapshots.create(points.spec(machine), points.marker())
    changed = images.eye.configure(machine, replace(spec, cpus=4), {"cpus"}, source)
    assert changed.cpus == 4
    taken = Taken("before", snapshot.id, machine.id)
    wish = shared_gallery.spec(taken)
    marker = shared_gallery.marker()

    image = images.create(wish, marker)

    assert shared_gallery.cpus(image.id) in {2, None}
    assert image.marker is not None
    assert image.marker.owner == marker.owner
    assert images.eye.see(machine.id).marker == source
    for wrong in (Taken("before", points.missing, machine.id), Taken("before")):
        with pytest.raises(CloudError, match=r"[Ss]napshot|no id"):
            images.part.prepare(images.part.normalize(shared_gallery.spec(wrong)), ())
