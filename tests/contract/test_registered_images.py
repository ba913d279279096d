"""AMIs that are registered of the snapshots of a machine, which stay the Snapshot's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import pytest

from hybridge.core.errors import Busy, CloudError, Refused
from hybridge.core.image import Image, ImageSpec, Taken
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, Power
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot, SnapshotSpec
from hybridge.drivers.base import Driver
from lab.aws import AwsCloud
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import GIB, Bed
from tests.contract.eye import error_of
from tests.contract.galleries_aws import AwsGallery
from tests.contract.object_eye import ObjectEye
from tests.contract.points_aws import AwsPoints
from tests.contract.volume_eye import VolumeEye

#: Under which names the machine has further disks.
OWN = {"/dev/sdf", "/dev/sdg", "/dev/sdh"}
pytestmark = pytest.mark.parametrize("shared_bed", ["aws"], indirect=True)


class Studio:
    """A machine with further disks of its own, to which a volume is lent, and what is made of it."""

    def __init__(self, bed: Bed, driver: Driver, gallery: AwsGallery, points: AwsPoints) -> None:
        assert driver.images is not None
        assert driver.snapshots is not None
        self.bed, self.gallery, self.points = bed, gallery, points
        self.images: ObjectEye[ImageSpec, Image] = ObjectEye(bed, driver, CloudKind.IMAGE, driver.images)
        self.snapshots: ObjectEye[SnapshotSpec, Snapshot] = ObjectEye(bed, driver, CloudKind.SNAPSHOT, driver.snapshots)
        self.volumes = VolumeEye(bed, driver)
        self.volumes.eye.settle()
        self.spec = bed.spec(power=Power.STOPPED)

    @cached_property
    def ec2(self) -> Any:
        """A person's client."""
        return cast("AwsCloud", self.bed.cloud).client()

    @cached_property
    def machine(self) -> Machine:
        """The machine."""
        original = self.volumes.eye.see(self.bed.handmade("several disks"))
        image = self.images.create(self.gallery.spec(self.gallery.of(original)), self.gallery.marker())
        made = self.volumes.eye.make(replace(self.spec, image=image.id), self.bed.marker())
        volume = self.volumes.make(self.bed.volume_spec(), self.bed.volume_marker())
        return self.volumes.attach(made, volume)[0]

    def taken(self) -> Snapshot:
        """A snapshot of it."""
        return self.snapshots.create(self.points.spec(self.machine), self.points.marker())

    def wish(self, snapshot: Snapshot) -> ImageSpec:
        """What is wanted of the snapshot."""
        source = Taken("before", snapshot.id, snapshot.source_id)
        return self.images.part.normalize(self.gallery.spec(source, tags={"team": "shop"}))

    def made(self, snapshot: Snapshot) -> Image:
        """An image of it."""
        return self.images.create(self.wish(snapshot), self.gallery.marker())

    def shown(self, image: Image) -> dict[str, Any]:
        """The image as EC2 shows it."""
        return dict(self.ec2.describe_images(ImageIds=[image.id])["Images"][0])

    def parts(self, image: Image) -> dict[str, str]:
        """Its snapshots by device."""
        disks = self.shown(image)["BlockDeviceMappings"]
        return {disk["DeviceName"]: disk["Ebs"]["SnapshotId"] for disk in disks}


@pytest.fixture(scope="session")
def shared_points(shared_bed: Bed) -> AwsPoints:
    return AwsPoints(shared_bed)


@pytest.fixture(scope="session")
def shared_gallery(shared_bed: Bed) -> AwsGallery:
    return AwsGallery(shared_bed)


@pytest.fixture
def studio(bed: Bed, driver: Driver, shared_gallery: AwsGallery, shared_points: AwsPoints) -> Iterator[Studio]:
    yield Studio(bed, driver, shared_gallery, shared_points)
    bed.proxy.clear()
    bed.tidy()
    shared_gallery.tidy()
    shared_points.tidy()


def test_it_has_the_disks_that_were_the_machines_own_and_boots_as_that_did(studio: Studio) -> None:
    snapshot = studio.taken()

    image = studio.made(snapshot)

    assert len(snapshot.parts) == 5
    assert studio.parts(image).keys() == {"/dev/xvda", *OWN}
    assert (studio.parts(image)["/dev/xvda"], image.size) == (snapshot.id, 11 * GIB)
    assert (dict(image.tags), image.architecture) == ({"team": "shop"}, "x86_64")
    boots = {name: studio.shown(image)[name] for name in ("BootMode", "EnaSupport", "RootDeviceName")}
    assert boots == {"BootMode": "uefi", "EnaSupport": True, "RootDeviceName": "/dev/xvda"}
    assert studio.shown(image)["VirtualizationType"] == "hvm"
    other = studio.volumes.eye.make(replace(studio.spec, image=image.id), studio.bed.marker())
    assert {disk.device for disk in other.disks or ()} == OWN


def test_a_volume_that_is_gone_since_is_not_missed(studio: Studio) -> None:
    snapshot = studio.taken()
    (lent,) = [one for one in studio.volumes.eye.volumes.values() if one.marker and one.marker.kind == "Volume"]
    _, volume = studio.volumes.detach(studio.machine, lent)
    studio.volumes.delete(volume)

    assert studio.parts(studio.made(snapshot)).keys() == {"/dev/xvda", *OWN}


def test_it_goes_and_the_snapshot_stays(studio: Studio) -> None:
    snapshot = studio.taken()
    before = studio.points.shown()
    image = studio.made(snapshot)
    studio.snapshots.mark(snapshot, None)
    image = studio.images.mark(studio.images.mark(image, None), studio.gallery.marker())
    studio.snapshots.mark(studio.snapshots.see(snapshot.id), snapshot.marker)

    studio.images.delete(image)

    assert studio.points.shown() == before
    assert studio.snapshots.see(snapshot.id).marker == snapshot.marker


def test_a_snapshot_of_which_it_consists_is_not_deleted_in_parts(studio: Studio) -> None:
    snapshot = studio.taken()
    image = studio.made(snapshot)
    before = studio.points.shown()

    error = error_of(lambda: studio.snapshots.part.delete(snapshot))

    assert isinstance(error, Busy)
    assert error.reason is Reason.HAS_DEPENDANTS
    assert f"{image.id} ({image.name})" in error.message
    assert studio.points.shown() == before
    studio.images.delete(image)
    studio.snapshots.delete(snapshot)
    assert snapshot.id not in studio.points.shown()


def test_it_is_registered_once(studio: Studio) -> None:
    spec, marker = studio.wish(studio.taken()), studio.gallery.marker()
    intent = studio.images.intent(spec, marker)
    image = studio.images.create(spec, marker, intent)

    again = studio.images.part.create(intent, spec, marker)

    assert again.id == image.id
    assert [one.id for one in studio.gallery.shown().values() if one.owner == marker.owner] == [image.id]


def test_a_registration_whose_answer_was_lost_is_found(studio: Studio) -> None:
    spec, marker = studio.wish(studio.taken()), studio.gallery.marker()
    intent = studio.images.intent(spec, marker)
    studio.bed.proxy.inject(Rule("ec2:RegisterImage", LoseAnswer(), times=1))

    error = error_of(lambda: studio.images.part.create(intent, spec, marker))

    assert error is not None
    assert error.took_effect_possible
    (found,) = studio.images.part.find(marker, intent)
    assert studio.images.part.create(intent, spec, marker).id == found.id


def test_without_its_machine_nobody_knows_how_it_boots(studio: Studio) -> None:
    snapshot = studio.taken()
    studio.volumes.eye.delete(studio.machine, studio.spec)

    def gone() -> bool:
        return studio.volumes.eye.driver.machines.get(snapshot.source_id) is None

    studio.volumes.eye.until(gone, "EC2 to have forgotten it")
    with pytest.raises(Refused, match=r"spec\.source\.snapshotRef: .* is gone") as refusal:
        studio.images.part.prepare(studio.wish(snapshot), ())
    assert refusal.value.reason is Reason.NOT_FOUND


def test_of_one_that_people_took_nobody_knows_what_was_lent(studio: Studio) -> None:
    stranger = studio.snapshots.see(studio.points.stranger(studio.machine, "by-hand"))

    with pytest.raises(Refused, match=r"spec\.source\.snapshotRef: .* own") as refusal:
        studio.images.part.prepare(studio.wish(stranger), ())
    assert refusal.value.reason is Reason.UNSUPPORTED


def test_one_that_is_being_taken_is_waited_for(studio: Studio) -> None:
    spec, marker = studio.snapshots.part.normalize(studio.points.spec(studio.machine)), studio.points.marker()
    studio.bed.pace(1.0)
    started = studio.snapshots.part.create(studio.snapshots.intent(spec, marker), spec, marker)
    studio.bed.pace(0.0)
    assert started.found is not None

    with pytest.raises(CloudError) as error:
        studio.images.part.prepare(studio.wish(started.found), ())
    assert error.value.reason is Reason.DEPENDENCY_NOT_READY
    studio.snapshots.see(started.found.id)
