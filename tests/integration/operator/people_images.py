"""What a person sees of images in each cloud, and does to them there behind the operator's back."""

from __future__ import annotations

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from botocore.exceptions import ClientError

from hybridge.core.identity import OWNER, read_notes
from hybridge.drivers.aws.points import SET
from hybridge.drivers.proxmox.tags import decode, merge
from lab.aws import REGION, AwsCloud
from lab.bed import SimulatedCloud
from lab.manifests import IMAGE
from lab.process import LabError
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud

#: VMIDs of templates that people make, which no Provider of the tests chooses.
_VMIDS = itertools.count(8000)
#: A cloud image that the lab's Proxmox VE can download.
_URL, _SUM = "https://images.example/debian.qcow2", "ab" * 32

#: An appliance that the lab's vCenter can fetch.
_APPLIANCE = "https://images.example/debian.ova"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image as its cloud itself shows it. ``owner``: the marker's. ``text``: what it keeps beside its disks."""

    id: str
    name: str
    owner: str
    tags: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


class ImagePerson(ABC):
    """One cloud's images."""

    #: Whether images can be given another name.
    renames: ClassVar[bool] = True

    @property
    @abstractmethod
    def original(self) -> str:
        """The id of the image of which machines of the lab are made."""

    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        """Of what else than machines this cloud makes images, by name, as ``spec.source`` says it."""
        return {"copy": {"copy": {"id": self.original}}}

    @abstractmethod
    def all(self) -> list[ImageFacts]:
        """All of them that the account has itself, also those that are still being made."""

    @abstractmethod
    def make(self, name: str) -> str:
        """Makes one by hand, without any marker; its id."""

    @abstractmethod
    def destroy(self, image_id: str) -> None:
        """Deletes one with all that was made for it. An error of the lab or the cloud when it cannot be."""

    @abstractmethod
    def tag(self, image_id: str, key: str, value: str) -> None:
        """Sets a tag."""

    def rename(self, image_id: str, name: str) -> None:
        """Gives it another name, where it can have one."""
        raise NotImplementedError

    def get(self, image_id: str) -> ImageFacts | None:
        """The one of this id."""
        return next((one for one in self.all() if one.id == image_id), None)


class AwsImagePerson(ImagePerson):
    """AMIs, which keep their names."""

    renames = False

    def __init__(self, cloud: AwsCloud) -> None:
        self._cloud = cloud
        self._ec2 = cloud.client()

    @property
    def original(self) -> str:
        return self._cloud.images[IMAGE]

    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        return {**super().sources(), "s3": {"s3": {"bucket": "images", "key": "debian.raw", "format": "raw"}}}

    def all(self) -> list[ImageFacts]:
        return [_ami(one) for one in self._ec2.describe_images(Owners=["self"])["Images"]]

    def make(self, name: str) -> str:
        words = {"SourceImageId": self.original, "SourceRegion": REGION, "Name": f"{name}-{uuid4().hex[:6]}"}
        made = str(self._ec2.copy_image(**words)["ImageId"])
        self._ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        return made

    def destroy(self, image_id: str) -> None:
        (found,) = self._ec2.describe_images(ImageIds=[image_id])["Images"]
        self._ec2.deregister_image(ImageId=image_id)
        for disk in found["BlockDeviceMappings"]:
            (part,) = self._ec2.describe_snapshots(SnapshotIds=[disk["Ebs"]["SnapshotId"]])["Snapshots"]
            # What it was registered of is somebody's Snapshot.
            if all(tag["Key"] != SET for tag in part.get("Tags", [])):
                self._ec2.delete_snapshot(SnapshotId=part["SnapshotId"])

    def tag(self, image_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[image_id], Tags=[{"Key": key, "Value": value}])


class ProxmoxImagePerson(ImagePerson):
    """Templates, and guests that are to become such."""

    def __init__(self, cloud: ProxmoxCloud) -> None:
        self._pve = cloud

    @property
    def original(self) -> str:
        return next(str(one.vmid) for one in self._pve.machines() if one.template and one.name == IMAGE)

    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        self._pve.publish(_URL, 2**30, sha256=_SUM)
        return {**super().sources(), "url": {"url": {"url": _URL, "checksum": f"sha256:{_SUM}"}}}

    def all(self) -> list[ImageFacts]:
        return [
            ImageFacts(str(one.vmid), one.name, _owner(one.description), decode(one.tags), one.description)
            for one in self._pve.machines()
            if one.template or "hybridge.io/making" in one.description
        ]

    def make(self, name: str) -> str:
        vmid = next(_VMIDS)
        self._pve.create(vmid, name, scsi0="ceph:1")
        self._pve.make_template(vmid)
        return str(vmid)

    def destroy(self, image_id: str) -> None:
        self._pve.destroy(int(image_id))

    def tag(self, image_id: str, key: str, value: str) -> None:
        found = self.get(image_id)
        assert found is not None
        self._pve.set_config(int(image_id), tags=merge((), {**found.tags, key: value}))

    def rename(self, image_id: str, name: str) -> None:
        self._pve.set_config(int(image_id), name=name)


class VsphereImagePerson(ImagePerson):
    """Templates, and items of libraries that are to become such."""

    def __init__(self, cloud: VsphereCloud) -> None:
        self._vcenter = cloud

    @property
    def original(self) -> str:
        return next(one.moid for one in self._vcenter.machines() if one.template and one.name == IMAGE)

    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        checksum = self._vcenter.libraries.publish(_APPLIANCE)
        item = self._vcenter.offer(IMAGE, _APPLIANCE)
        fetched = {"url": {"url": _APPLIANCE, "checksum": checksum}}
        return {**super().sources(), "url": fetched, "library": {"copy": {"id": item}}}

    def all(self) -> list[ImageFacts]:
        attributes = self._vcenter.custom_attributes()
        items = [
            ImageFacts(f"item-{one.id}", one.name, _owner(one.description), text=one.description)
            for one in self._vcenter.libraries.items()
            if _owner(one.description)
        ]
        return items + [
            ImageFacts(one.moid, one.name, _owner(one.annotation), attributes.get(one.moid, {}), one.annotation)
            for one in self._vcenter.machines()
            if one.template
        ]

    def make(self, name: str) -> str:
        made = self._vcenter.create(name)
        self._vcenter.make_template(made)
        return made

    def destroy(self, image_id: str) -> None:
        if image_id.startswith("item-"):
            self._vcenter.libraries.destroy(image_id.removeprefix("item-"))
        else:
            self._vcenter.destroy(image_id)

    def tag(self, image_id: str, key: str, value: str) -> None:
        self._vcenter.tag(image_id, key, value)

    def rename(self, image_id: str, name: str) -> None:
        self._vcenter.rename(image_id, name)


def image_person(cloud: SimulatedCloud) -> ImagePerson:
    """Who works with the images of a cloud."""
    match cloud:
        case AwsCloud():
            return AwsImagePerson(cloud)
        case ProxmoxCloud():
            return ProxmoxImagePerson(cloud)
        case VsphereCloud():
            return VsphereImagePerson(cloud)
    raise TypeError(type(cloud).__name__)


def clear_away(person: ImagePerson, image_id: str) -> None:
    """Deletes one, as far as it is there."""
    with contextlib.suppress(LabError, ClientError):
        person.destroy(image_id)


def _owner(notes: str) -> str:
    marker = read_notes(notes)
    return marker.owner if marker else ""


def _ami(found: Mapping[str, Any]) -> ImageFacts:
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    return ImageFacts(found["ImageId"], found["Name"], tags.get(OWNER, ""), tags, found.get("Description", ""))
