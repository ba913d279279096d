"""Images: what is EC2's own about how they come, and how they go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, NotProven
from hybridge.core.identity import OWNER, Marker, token
from hybridge.core.image import Copy, Image, ImageSpec, Source, Stored
from hybridge.core.reasons import Reason
from lab.aws import AwsCloud
from tests.integration.drivers.aws.bench import Bench, wait_until


@pytest.fixture
def tuned(cloud: AwsCloud) -> Iterator[AwsCloud]:
    """The cloud, whose ways are turned back in the end."""
    yield cloud
    cloud.tune(transition_seconds=0.0, snapshots_kept="")


def marker() -> Marker:
    uid = str(uuid4())
    return Marker("cluster", uid, "Image", "shop", f"debian-{uid}")


def intent(bench: Bench, mark: Marker, source: Source) -> Intent:
    spec = ImageSpec(name=f"debian-{mark.uid}", source=source, tags={"team": "shop"})
    prepared = bench.driver.images.prepare(spec, ())
    return Intent(1, token(mark.uid, 1), spec.name, "", "aws", 0.0, parameters=prepared.parameters)


def begin(bench: Bench, cloud: AwsCloud, mark: Marker, source: Source) -> Intent:
    """Asks for an image that takes its time, as an operator does that ends right after that."""
    asked = intent(bench, mark, source)
    cloud.tune(transition_seconds=0.3)
    assert bench.driver.images.create(asked, ImageSpec(name=asked.name, source=source), mark).id is None
    return asked


def searched(bench: Bench, mark: Marker, asked: Intent) -> list[Image]:
    """What a search finds, as soon as it tells."""
    told: list[list[Image]] = []

    def ended() -> bool:
        with suppress(Busy):
            told.append(bench.driver.images.find(mark, asked))
        return bool(told)

    wait_until(ended)
    return told[0]


def marks(ec2: Any, mark: Marker) -> set[str]:
    """The ids of all images and snapshots that carry this marker."""
    words = {"Filters": [{"Name": f"tag:{OWNER}", "Values": [mark.owner]}]}
    images = ec2.describe_images(**words, IncludeDisabled=True)["Images"]
    return {one["ImageId"] for one in images} | {
        one["SnapshotId"] for one in ec2.describe_snapshots(**words)["Snapshots"]
    }


def snapshots(ec2: Any) -> set[str]:
    return {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}


RAW = Stored("images", "debian.raw", "raw")


def test_what_an_import_made_is_found_marked_and_deleted_though_the_create_is_never_repeated(
    bench: Bench, tuned: AwsCloud
) -> None:
    """As where the object was deleted while it was imported: nobody asks for it again then."""
    ec2, mark, images = tuned.client(), marker(), bench.driver.images
    before = snapshots(ec2)
    asked = begin(bench, tuned, mark, RAW)

    (image,) = searched(bench, mark, asked)

    assert (image.marker, image.name, dict(image.tags)) == (mark, asked.name, {"team": "shop"})
    assert marks(ec2, mark) == {image.id, *(snapshots(ec2) - before)}
    assert [(one.id, one.marker) for one in images.find(mark, asked)] == [(image.id, mark)]
    images.delete(image)
    assert (snapshots(ec2), images.find(mark, asked)) == (before, [])


def test_nobody_says_that_there_is_none_while_it_is_imported(bench: Bench, tuned: AwsCloud) -> None:
    mark = marker()
    asked = begin(bench, tuned, mark, RAW)

    with pytest.raises(Busy, match="ImportImage") as busy:
        bench.driver.images.find(mark, asked)

    assert busy.value.reason is Reason.CREATING


def test_an_import_that_failed_has_made_none(bench: Bench, tuned: AwsCloud) -> None:
    mark = marker()
    asked = begin(bench, tuned, mark, Stored("images", "broken.raw", "raw"))
    assert searched(bench, mark, asked) == []


def test_what_was_imported_and_is_another_objects_by_now_is_none_of_this_one(bench: Bench, tuned: AwsCloud) -> None:
    mark, other = marker(), marker()
    asked = begin(bench, tuned, mark, RAW)
    (image,) = searched(bench, mark, asked)

    bench.driver.images.mark(image, other)

    assert bench.driver.images.find(mark, asked) == []
    assert [one.id for one in bench.driver.images.find(other, None)] == [image.id]


def copied(bench: Bench, cloud: AwsCloud) -> Image:
    """A copy that is there."""
    mark, images = marker(), bench.driver.images
    source = Copy(cloud.images["debian-12"])
    made = images.create(intent(bench, mark, source), ImageSpec(name=f"debian-{mark.uid}", source=source), mark)
    assert made.id
    found = images.get(made.id)
    assert found
    return found


def test_one_that_somebody_has_disabled_is_seen_and_can_go(bench: Bench, tuned: AwsCloud) -> None:
    image, images = copied(bench, tuned), bench.driver.images
    assert image.marker is not None
    tuned.client().disable_image(ImageId=image.id)

    shown = images.get(image.id)

    assert shown is not None
    assert (shown.marker, shown.unfit) == (image.marker, "it is disabled in EC2")
    assert images.find(image.marker, None) == [shown]
    assert images.all({}, ())[image.id] == shown
    images.delete(shown)
    assert (images.get(image.id), marks(tuned.client(), image.marker)) == (None, set())


def remains(bench: Bench, mark: Marker) -> Image:
    """What is found of an image that is gone."""
    (left,) = bench.driver.images.find(mark, None)
    assert left.remains
    assert bench.driver.images.get(left.id) == left
    return left


@pytest.mark.parametrize("code", ["internal-error", "missing-permissions", "client-error"])
def test_snapshots_that_ec2_did_not_delete_with_their_image_are_deleted(
    bench: Bench, tuned: AwsCloud, code: str
) -> None:
    image = copied(bench, tuned)
    assert image.marker is not None
    tuned.tune(snapshots_kept=code)
    bench.driver.images.delete(image)
    assert marks(tuned.client(), image.marker) == set()


def test_what_is_left_of_an_image_is_found_and_goes(bench: Bench, tuned: AwsCloud) -> None:
    """As where the operator ended after DeregisterImage, or a person deregistered it and kept its snapshots."""
    ec2, image, images = tuned.client(), copied(bench, tuned), bench.driver.images
    assert image.marker is not None
    ec2.deregister_image(ImageId=image.id)
    assert images.get(image.id) is None

    left = remains(bench, image.marker)
    images.delete(left)

    assert marks(ec2, image.marker) == set()
    assert (images.get(left.id), images.find(image.marker, None)) == (None, [])
    assert images.delete(left).found is None


def test_what_another_image_consists_of_is_not_left(bench: Bench, tuned: AwsCloud) -> None:
    ec2, image, images = tuned.client(), copied(bench, tuned), bench.driver.images
    assert image.marker is not None
    (disk,) = ec2.describe_images(ImageIds=[image.id])["Images"][0]["BlockDeviceMappings"]
    root = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": disk["Ebs"]["SnapshotId"]}}
    words = {"Name": f"of-{image.id}", "RootDeviceName": "/dev/xvda", "BlockDeviceMappings": [root]}
    other = ec2.register_image(**words)["ImageId"]
    images.delete(image)
    assert images.find(image.marker, None) == []
    ec2.disable_image(ImageId=other)
    assert images.find(image.marker, None) == []
    assert images.get(disk["Ebs"]["SnapshotId"]) is None

    ec2.deregister_image(ImageId=other)
    images.delete(remains(bench, image.marker))
    assert marks(ec2, image.marker) == set()


def test_what_is_left_and_carries_another_marker_is_not_touched(bench: Bench, tuned: AwsCloud) -> None:
    ec2, image = tuned.client(), copied(bench, tuned)
    assert image.marker is not None
    ec2.deregister_image(ImageId=image.id)
    left = remains(bench, image.marker)
    with pytest.raises(NotProven):
        bench.driver.images.delete(replace(left, marker=marker()))
    assert left.id in marks(ec2, image.marker)
