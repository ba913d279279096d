"""What a person sees of snapshots in each cloud, and does to them there behind the operator's back."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from hybridge.core.identity import OWNER, PREFIX, read_notes
from lab.aws import AwsCloud
from lab.bed import SimulatedCloud
from lab.process import LabError
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud

#: Tags of a set: what tells it from others, and the volume whose snapshot has the id of the whole.
_SET, _ROOT = f"{PREFIX}set", f"{PREFIX}root"
#: How snapshots are described that EC2 itself takes for images.
_OF_IMAGES = ("Created by CreateImage(", "Copied for DestinationAmi ", "Auto-created snapshot for AMI ")


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """A snapshot as its cloud itself shows it. ``owner``: the marker's. ``parts``: ids of all that it consists of."""

    id: str
    name: str
    owner: str
    parts: frozenset[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class SnapshotPerson(ABC):
    """One cloud's snapshots."""

    #: Whether snapshots have tags, whether machines go back to them, and whether volumes have some of their own.
    tags: ClassVar[bool] = False
    reverts: ClassVar[bool] = True
    of_volumes: ClassVar[bool] = True

    @abstractmethod
    def all(self) -> list[SnapshotFacts]:
        """All of them."""

    @abstractmethod
    def take(self, machine_id: str, name: str) -> str:
        """Takes one of a machine by hand, without any marker; its id."""

    @abstractmethod
    def destroy(self, snapshot_id: str) -> None:
        """Deletes one. An error of the lab or the cloud when it cannot be."""

    def tag(self, snapshot_id: str, key: str, value: str) -> None:
        """Sets a tag, where snapshots have tags."""
        raise NotImplementedError

    def get(self, snapshot_id: str) -> SnapshotFacts | None:
        """The one of this id."""
        return next((one for one in self.all() if one.id == snapshot_id), None)


class AwsSnapshotPerson(SnapshotPerson):
    """Of EBS: those of one machine, which were taken at once, are one; parts of images are nobody's."""

    tags = True
    reverts = False

    def __init__(self, cloud: AwsCloud) -> None:
        self._ec2 = cloud.client()

    def all(self) -> list[SnapshotFacts]:
        sets: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for one in self._ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
            if one.get("Description", "").startswith(_OF_IMAGES):
                continue
            tags = _pairs(one)
            key = (tags[_SET], tags.get(OWNER, "")) if _ROOT in tags and _SET in tags else (one["SnapshotId"], "")
            sets.setdefault(key, []).append(one)
        return [_point(parts) for parts in sets.values()]

    def take(self, machine_id: str, name: str) -> str:
        filters = [{"Name": "attachment.instance-id", "Values": [machine_id]}]
        volume = self._ec2.describe_volumes(Filters=filters)["Volumes"][0]["VolumeId"]
        tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "Name", "Value": name}]}]
        return str(self._ec2.create_snapshot(VolumeId=volume, TagSpecifications=tags)["SnapshotId"])

    def destroy(self, snapshot_id: str) -> None:
        found = self.get(snapshot_id)
        for part in found.parts if found is not None else ():
            self._ec2.delete_snapshot(SnapshotId=part)

    def tag(self, snapshot_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[snapshot_id], Tags=[{"Key": key, "Value": value}])


class ProxmoxSnapshotPerson(SnapshotPerson):
    """Of guests, with all their disks."""

    of_volumes = False

    def __init__(self, cloud: ProxmoxCloud) -> None:
        self._snapshots = cloud.snapshots

    def all(self) -> list[SnapshotFacts]:
        found = []
        for vmid, snapshots in self._snapshots.all().items():
            for name, description in snapshots.items():
                known = f"{vmid}/{name}"
                found.append(SnapshotFacts(known, name, _owner(description), frozenset({known})))
        return found

    def take(self, machine_id: str, name: str) -> str:
        self._snapshots.take(int(machine_id), name)
        return f"{machine_id}/{name}"

    def destroy(self, snapshot_id: str) -> None:
        vmid, _, name = snapshot_id.partition("/")
        self._snapshots.remove(int(vmid), name)


class VsphereSnapshotPerson(SnapshotPerson):
    """Of machines, and of first-class disks."""

    def __init__(self, cloud: VsphereCloud) -> None:
        self._snapshots = cloud.snapshots
        self._disks = cloud.disks

    def all(self) -> list[SnapshotFacts]:
        found = [
            SnapshotFacts(one.id, one.name, _owner(one.description), frozenset({one.id}))
            for one in self._snapshots.all()
        ]
        for one in self._disks.snapshots():
            known = f"{one.disk}/{one.id}"
            name = one.description.partition("\n")[0]
            found.append(SnapshotFacts(known, name, _owner(one.description), frozenset({known})))
        return found

    def take(self, machine_id: str, name: str) -> str:
        return self._snapshots.take(machine_id, name)

    def destroy(self, snapshot_id: str) -> None:
        disk_id, slash, own = snapshot_id.partition("/")
        if slash:
            self._disks.forget(disk_id, own)
        else:
            self._snapshots.remove(snapshot_id)


def snapshot_person(cloud: SimulatedCloud) -> SnapshotPerson:
    """Who works with the snapshots of a cloud."""
    match cloud:
        case AwsCloud():
            return AwsSnapshotPerson(cloud)
        case ProxmoxCloud():
            return ProxmoxSnapshotPerson(cloud)
        case VsphereCloud():
            return VsphereSnapshotPerson(cloud)
    raise TypeError(type(cloud).__name__)


def clear_away(person: SnapshotPerson, snapshot_id: str) -> None:
    """Deletes one, as far as it is there."""
    with contextlib.suppress(LabError, ClientError):
        person.destroy(snapshot_id)


def _owner(description: str) -> str:
    marker = read_notes(description)
    return marker.owner if marker else ""


def _point(parts: list[dict[str, Any]]) -> SnapshotFacts:
    tags = _pairs(parts[0])
    whole = next((one for one in parts if one["VolumeId"] == tags.get(_ROOT)), parts[0])
    ids = frozenset(one["SnapshotId"] for one in parts)
    return SnapshotFacts(whole["SnapshotId"], tags.get("Name", ""), tags.get(OWNER, ""), ids, tags)


def _pairs(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
