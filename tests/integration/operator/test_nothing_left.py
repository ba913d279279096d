"""What goes from EC2 with its object though it had no id of its own yet, or none any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from lab.aws import AwsCloud
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene

RAW = {"s3": {"bucket": "images", "key": "debian.raw", "format": "raw"}}


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    """The scene in EC2."""
    return make_scene("aws")


@pytest.fixture
def aws(scene: Scene) -> Iterator[AwsCloud]:
    """The cloud, whose ways are turned back in the end."""
    cloud = cast("AwsCloud", scene.person.simulated)
    yield cloud
    cloud.tune(transition_seconds=0.2)


def there(ec2: Any) -> set[str]:
    """All images and snapshots of the account, by id."""
    images = ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
    snapshots = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    return {one["ImageId"] for one in images} | {one["SnapshotId"] for one in snapshots}


@pytest.mark.parametrize("restarted", [False, True])
def test_an_image_that_is_deleted_while_it_is_imported(scene: Scene, aws: AwsCloud, *, restarted: bool) -> None:
    ec2, images = aws.client(), scene.of("Image")
    before = there(ec2)
    aws.tune(transition_seconds=6.0)
    images.apply("base", source=RAW)
    images.until(lambda: images.status("base").get("task"), "the import to run")

    images.delete("base")
    if restarted:
        scene.bed.operator.kill()
        scene.bed.operator.start().wait()
    images.gone("base")

    assert there(ec2) == before


def test_the_snapshots_of_an_image_that_somebody_deregistered(scene: Scene, aws: AwsCloud) -> None:
    ec2, images = aws.client(), scene.of("Image")
    before = there(ec2)
    images.make("base", source={"copy": {"id": aws.images["debian-12"]}})

    ec2.deregister_image(ImageId=images.status("base")["id"])
    assert len(there(ec2) - before) == 1
    images.delete("base")
    images.gone("base")

    assert there(ec2) == before


def test_the_rest_of_a_snapshot_whose_first_part_somebody_deleted(scene: Scene, aws: AwsCloud) -> None:
    ec2, snapshots = aws.client(), scene.of("Snapshot")
    before = there(ec2)
    scene.make("web")
    machine = scene.machine("web").id
    (found,) = ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"]
    volume = ec2.create_volume(AvailabilityZone=found["Placement"]["AvailabilityZone"], Size=1)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    ec2.attach_volume(InstanceId=machine, VolumeId=volume, Device="/dev/sdf")
    snapshots.make("before", sourceRef={"kind": "VirtualMachine", "name": "web"})

    ec2.delete_snapshot(SnapshotId=snapshots.status("before")["id"])
    assert len(there(ec2) - before) == 1
    snapshots.delete("before")
    snapshots.gone("before")

    assert there(ec2) == before
    scene.delete("web")
    scene.gone("web")
    ec2.delete_volume(VolumeId=volume)
