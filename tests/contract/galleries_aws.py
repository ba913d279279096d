"""AMIs of the lab's EC2, in the hands of a person."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast
from uuid import uuid4

from hybridge.core.identity import OWNER
from hybridge.core.image import Copy, Download, Find, Source, Stored, Taken
from hybridge.core.machine import Machine
from hybridge.drivers.aws.points import SET
from lab.aws import REGION, AwsCloud
from lab.aws_names import FOREIGN
from tests.contract.galleries import Gallery, ShownImage


class AwsGallery(Gallery):
    """An image is an AMI, which keeps its name."""

    renames = False
    create_call = "ec2:CopyImage"
    missing = "ami-0123456789abcdef0"
    impossible = (
        {"source": Download("https://example.org/debian.qcow2", f"sha256:{'0' * 64}")},
        {"source": Copy("ami-0123456789abcdef0")},
        {"source": Taken("before", "snap-0123456789abcdef0", "i-0123456789abcdef0")},
        {"name": "a*b"},
        {"placement": {"node": "pve1"}},
        {"tags": {"aws:team": "shop"}},
        {"source": None, "find": Find("debian-12*")},
        {"source": None, "find": Find("debian-12*", "somebody")},
    )
    broken = Stored("images", "broken.vmdk", "vmdk")
    foreign = Find("debian-12-amd64-*", FOREIGN[2])
    sweep_cost = 1
    life_cost = 12

    @cached_property
    def _ec2(self) -> Any:
        return cast("AwsCloud", self.bed.cloud).client()

    def sources(self, machine: Machine) -> Mapping[str, Source]:
        return {
            **super().sources(machine),
            "s3": Stored("images", "debian.raw", "raw"),
        }

    def shown(self) -> dict[str, ShownImage]:
        return {one["ImageId"]: _shown(one) for one in self._ec2.describe_images(Owners=["self"])["Images"]}

    def stranger(self, name: str) -> str:
        return self._make(f"{name}-{uuid4().hex[:6]}", {})

    def destroy(self, image_id: str) -> None:
        (found,) = self._ec2.describe_images(ImageIds=[image_id])["Images"]
        self._ec2.deregister_image(ImageId=image_id)
        for disk in found["BlockDeviceMappings"]:
            (part,) = self._ec2.describe_snapshots(SnapshotIds=[disk["Ebs"]["SnapshotId"]])["Snapshots"]
            if SET not in _marks(part):
                self._ec2.delete_snapshot(SnapshotId=part["SnapshotId"])

    def copy(self, image_id: str) -> str | None:
        (found,) = self._ec2.describe_images(ImageIds=[image_id])["Images"]
        return self._make(f"copy-{uuid4().hex[:6]}", _marks(found))

    def tag(self, image_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[image_id], Tags=[{"Key": key, "Value": value}])

    def _make(self, name: str, tags: Mapping[str, str]) -> str:
        marks = [{"ResourceType": "image", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
        made = self._ec2.copy_image(
            SourceImageId=self.bed.image_id,
            SourceRegion=REGION,
            Name=name,
            **({"TagSpecifications": marks} if tags else {}),
        )["ImageId"]
        self._ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        return str(made)


def _marks(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}


def _shown(found: Mapping[str, Any]) -> ShownImage:
    tags = _marks(found)
    return ShownImage(found["ImageId"], found["Name"], tags.get(OWNER), tags)
