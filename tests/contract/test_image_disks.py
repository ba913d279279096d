"""Which disks of a machine an image of it has: those that are its own, and none that was lent to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hybridge.core.errors import CloudError
from hybridge.core.image import Image
from hybridge.core.machine import Machine, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from tests.contract.bed import GIB, Bed
from tests.contract.clouds import BEDS, GALLERIES
from tests.contract.eye import error_of
from tests.contract.galleries import Gallery
from tests.contract.image_eye import ImageEye, complete, image_eye
from tests.contract.volume_eye import VolumeEye

each_cloud = pytest.mark.parametrize(
    "shared_bed", [kind for kind in sorted(GALLERIES) if BEDS[kind].calls.create_volume], indirect=True
)
#: Where a create looks once more at what the machine has; Proxmox VE's decides on it when it is prepared.
on_aws = pytest.mark.parametrize("shared_bed", ["aws"], indirect=True)


@pytest.fixture(scope="session")
def shared_gallery(shared_bed: Bed) -> Gallery:
    return GALLERIES[shared_bed.kind](shared_bed)


@pytest.fixture
def gallery(shared_gallery: Gallery, bed: Bed) -> Iterator[Gallery]:
    yield shared_gallery
    bed.tidy()
    shared_gallery.tidy()


@pytest.fixture
def images(bed: Bed, driver: Driver) -> ImageEye:
    eye = image_eye(bed, driver)
    eye.eye.settle()
    return eye


@pytest.fixture
def volumes(bed: Bed, driver: Driver) -> VolumeEye:
    eye = VolumeEye(bed, driver)
    eye.eye.settle()
    return eye


def made(images: ImageEye, gallery: Gallery, machine: Machine) -> Image:
    """An image of a machine."""
    spec = gallery.spec(gallery.of(machine))
    return complete(images, spec, images.create(spec, gallery.marker()))


@each_cloud
def test_a_volume_that_was_lent_is_not_in_it(bed: Bed, gallery: Gallery, images: ImageEye, volumes: VolumeEye) -> None:
    machine = volumes.eye.make(bed.spec(power=Power.STOPPED), bed.marker())
    without = made(images, gallery, machine)
    machine, volume = volumes.attach(machine, volumes.make(bed.volume_spec(), bed.volume_marker()))

    image = made(images, gallery, machine)

    assert image.size == without.size
    other = volumes.eye.make(bed.spec(image=image.id, power=Power.STOPPED), bed.marker())
    assert other.disks == ()
    assert [one.machine_id for one in volumes.see(volume.id).attachments] == [machine.id]
    volumes.detach(machine, volume)


@on_aws
def test_disks_that_came_with_the_machine_are_in_it(
    bed: Bed, gallery: Gallery, images: ImageEye, volumes: VolumeEye
) -> None:
    original = made(images, gallery, volumes.eye.see(bed.handmade("several disks")))
    machine = volumes.eye.make(bed.spec(image=original.id, power=Power.STOPPED), bed.marker())
    machine, volume = volumes.attach(machine, volumes.make(bed.volume_spec(), bed.volume_marker()))

    image = made(images, gallery, machine)

    assert (original.size, image.size) == (11 * GIB, 11 * GIB)
    other = volumes.eye.make(bed.spec(image=image.id, power=Power.STOPPED), bed.marker())
    assert sorted(disk.device for disk in other.disks or ()) == ["/dev/sdf", "/dev/sdg", "/dev/sdh"]
    volumes.detach(machine, volume)


@each_cloud
def test_what_was_lent_since_it_was_decided_on_is_not_in_it_either(
    bed: Bed, gallery: Gallery, images: ImageEye, volumes: VolumeEye
) -> None:
    machine = volumes.eye.make(bed.spec(power=Power.STOPPED), bed.marker())
    without = made(images, gallery, machine)
    spec, marker = gallery.spec(gallery.of(machine)), gallery.marker()
    intent = images.intent(images.part.normalize(spec), marker)
    machine, volume = volumes.attach(machine, volumes.make(bed.volume_spec(), bed.volume_marker()))

    error = error_of(lambda: images.part.create(intent, spec, marker))

    assert isinstance(error, CloudError)
    assert (error.reason, error.took_effect_possible) == (Reason.UPDATING, False)
    assert machine.id in error.message
    assert images.part.find(marker, intent) == []
    spec = images.part.normalize(spec)
    image = complete(images, spec, images.create(spec, marker, images.intent(spec, marker, attempt=2)))
    assert image.size == without.size
    other = volumes.eye.make(bed.spec(image=image.id, power=Power.STOPPED), bed.marker())
    assert other.disks == ()
    volumes.detach(machine, volume)


@pytest.mark.parametrize("shared_bed", ["vsphere"], indirect=True)
def test_what_was_made_before_a_volume_was_lent_is_taken(
    bed: Bed, gallery: Gallery, images: ImageEye, volumes: VolumeEye
) -> None:
    machine = volumes.eye.make(bed.spec(power=Power.STOPPED), bed.marker())
    spec, marker = images.part.normalize(gallery.spec(gallery.of(machine))), gallery.marker()
    intent = images.intent(spec, marker)
    image = images.create(spec, marker, intent)
    machine, volume = volumes.attach(machine, volumes.make(bed.volume_spec(), bed.volume_marker()))

    assert images.part.create(intent, spec, marker).id == image.id

    volumes.detach(machine, volume)
