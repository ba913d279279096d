"""What a person sees of volumes in each cloud, and does to them there behind the operator's back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from hybridge.core.identity import OWNER
from hybridge.drivers.proxmox.guest import LENDER
from hybridge.drivers.proxmox.images import read_name
from lab.aws import REGION, AwsCloud
from lab.bed import SimulatedCloud
from lab.process import LabError
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """A volume as its cloud itself shows it: ``size`` in bytes, ``owner`` of its marker, the id of the ``machine`` that has
    it.
    """

    id: str
    size: int
    owner: str
    machine: str


class VolumePerson(ABC):
    """One cloud's volumes."""

    #: Whether a volume that a person made can be given a marker, and whether volumes have tags.
    marks: ClassVar[bool] = True
    tags: ClassVar[bool] = True

    @abstractmethod
    def all(self) -> list[VolumeFacts]:
        """All but the disks that machines start from."""

    @abstractmethod
    def make(self, name: str) -> str:
        """Makes one of 2 GiB by hand, without any marker; its id."""

    @abstractmethod
    def destroy(self, volume_id: str) -> None:
        """Destroys one that no machine has."""

    @abstractmethod
    def detach(self, volume_id: str) -> None:
        """Takes one off its machine."""

    @abstractmethod
    def grow(self, volume_id: str, size: int) -> None:
        """Gives one that a machine has so many bytes."""

    @abstractmethod
    def tag(self, volume_id: str, key: str, value: str) -> None:
        """Sets a tag, where volumes have tags."""

    @abstractmethod
    def tags_of(self, volume_id: str) -> dict[str, str]:
        """The tags, where volumes have tags."""

    def get(self, volume_id: str) -> VolumeFacts | None:
        """The one of this id."""
        return next((one for one in self.all() if one.id == volume_id), None)


#: Devices of which an instance boots.
_BOOT = frozenset({"/dev/sda1", "/dev/xvda"})


class AwsVolumePerson(VolumePerson):
    """Disks of EBS."""

    def __init__(self, cloud: AwsCloud) -> None:
        self._ec2 = cloud.client()

    def all(self) -> list[VolumeFacts]:
        found = []
        for volume in self._ec2.describe_volumes()["Volumes"]:
            holders = [where["InstanceId"] for where in volume["Attachments"]]
            boots = any(where["Device"] in _BOOT for where in volume["Attachments"])
            if volume["State"] != "deleting" and not boots:
                owner = _pairs(volume).get(OWNER, "")
                found.append(VolumeFacts(volume["VolumeId"], volume["Size"] * _GIB, owner, next(iter(holders), "")))
        return found

    def make(self, name: str) -> str:
        tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": name}]}]
        zone = f"{REGION}a"
        made = self._ec2.create_volume(AvailabilityZone=zone, Size=2, VolumeType="gp3", TagSpecifications=tags)
        return str(made["VolumeId"])

    def destroy(self, volume_id: str) -> None:
        self._ec2.delete_volume(VolumeId=volume_id)

    def detach(self, volume_id: str) -> None:
        self._ec2.detach_volume(VolumeId=volume_id)

    def grow(self, volume_id: str, size: int) -> None:
        self._ec2.modify_volume(VolumeId=volume_id, Size=size // _GIB)

    def tag(self, volume_id: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[volume_id], Tags=[{"Key": key, "Value": value}])

    def tags_of(self, volume_id: str) -> dict[str, str]:
        (found,) = self._ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
        return _pairs(found)


class ProxmoxVolumePerson(VolumePerson):
    """Disk images whose owner is no guest."""

    marks = False
    tags = False

    def __init__(self, cloud: ProxmoxCloud) -> None:
        self._pve = cloud

    def all(self) -> list[VolumeFacts]:
        machines = self._pve.machines()
        there, held, found = {machine.vmid for machine in machines}, self._held(), []
        for volume in self._pve.volumes():
            if volume.vmid not in there:
                marker = read_name(volume.volid)[1]
                known = f"{volume.node}/{volume.volid}" if volume.node else volume.volid
                machine, _ = held.get(volume.volid, ("", ""))
                found.append(VolumeFacts(known, volume.size, marker.owner if marker else "", machine))
        return found

    def make(self, name: str) -> str:
        return self._pve.allocate("ceph", f"vm-{LENDER}-{name}", LENDER, 2048)

    def destroy(self, volume_id: str) -> None:
        volume = _plain(volume_id)
        if volume == volume_id:
            self._pve.free(volume)
        else:
            self._pve.free(volume, node=volume_id.partition("/")[0])

    def detach(self, volume_id: str) -> None:
        machine, key = self._holder(volume_id)
        self._pve.set_config(int(machine), delete=key)

    def grow(self, volume_id: str, size: int) -> None:
        machine, key = self._holder(volume_id)
        self._pve.grow(int(machine), key, size)

    def tag(self, volume_id: str, key: str, value: str) -> None:
        raise NotImplementedError

    def tags_of(self, volume_id: str) -> dict[str, str]:
        raise NotImplementedError

    def _holder(self, volume_id: str) -> tuple[str, str]:
        """The machine that has an image, and as what. LabError while none has it."""
        held = self._held()
        if _plain(volume_id) not in held:
            raise LabError(f"no machine has {volume_id}")
        return held[_plain(volume_id)]

    def _held(self) -> dict[str, tuple[str, str]]:
        """The machine that has an image, and as what, by PVE's id of the image."""
        return {
            str(word).partition(",")[0]: (str(machine.vmid), key)
            for machine in self._pve.machines()
            for key, word in machine.config.items()
        }


class VsphereVolumePerson(VolumePerson):
    """First-class disks."""

    def __init__(self, cloud: VsphereCloud) -> None:
        self._disks = cloud.disks

    def all(self) -> list[VolumeFacts]:
        found = self._disks.all()
        return [VolumeFacts(one.id, one.size, one.metadata.get(OWNER, ""), one.machine or "") for one in found]

    def make(self, name: str) -> str:
        return self._disks.create(name, 2 * _GIB)

    def destroy(self, volume_id: str) -> None:
        self._disks.destroy(volume_id)

    def detach(self, volume_id: str) -> None:
        machine = self._disks.disk(volume_id).machine
        if machine is None:
            raise LabError(f"no machine has {volume_id}")
        self._disks.detach(machine, volume_id)

    def grow(self, volume_id: str, size: int) -> None:
        self._disks.grow(volume_id, size)

    def tag(self, volume_id: str, key: str, value: str) -> None:
        self._disks.set_metadata(volume_id, {key: value})

    def tags_of(self, volume_id: str) -> dict[str, str]:
        return dict(self._disks.disk(volume_id).metadata)


def volume_person(cloud: SimulatedCloud) -> VolumePerson:
    """Who works with the volumes of a cloud."""
    match cloud:
        case AwsCloud():
            return AwsVolumePerson(cloud)
        case ProxmoxCloud():
            return ProxmoxVolumePerson(cloud)
        case VsphereCloud():
            return VsphereVolumePerson(cloud)
    raise TypeError(type(cloud).__name__)


def _pairs(volume: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in volume.get("Tags", [])}


def _plain(volume_id: str) -> str:
    """PVE's id of an image, without the node that alone has it."""
    node, slash, volume = volume_id.partition("/")
    return volume if slash and ":" not in node else volume_id
