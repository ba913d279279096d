"""Disk images that are Volumes: the reserved owner, the name that says whose one is, and the id. Pure.

Proxmox VE keeps neither notes nor tags on an image. What it keeps is the name, which begins with the VMID of the owner; a
guest's end takes only images along that it owns (PVE::QemuServer, destroy_vm), and taking one off a guest registers it as
unused, to be destroyed with the guest, only if the guest owns it (vmconfig_register_unused_drive). So a Volume is owned by
a VMID that no guest has: ``vm-999999999-<name>_<cluster id>_<uid>``, UUIDs in base 32, and another cluster id as it is,
after one more ``_``.
"""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Disk
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.guest import LENDER, Drive, Words, drives

#: The kind that a marker read from a name has.
KIND = "Volume"
#: Types of storage that keep images as files, whose names end with their format.
FILES = frozenset({"dir", "nfs", "cifs", "btrfs", "cephfs", "glusterfs"})

#: Characters of the name of a spec within that of an image, and of an id, which stands in fields of a plan: LVM takes 127
#: for a name, and its device mapper doubles each dash.
_LONGEST_NAME, _LONGEST_ID = 16, 119
_CLUSTER = re.compile(r"[A-Za-z0-9-]{1,26}")
_ODD = re.compile(r"[^A-Za-z0-9-]+")
_NAMED = re.compile(
    rf"vm-{LENDER}-(?P<name>[A-Za-z0-9-]*)_(?P<cluster>[a-z2-7]{{26}}|_[A-Za-z0-9-]{{1,26}})_(?P<uid>[a-z2-7]{{26}})"
    r"(?:\.(?:raw|qcow2|vmdk))?"
)
_ID = re.compile(r"(?:(?P<node>[A-Za-z0-9][A-Za-z0-9.-]*)/)?(?P<volume>(?P<storage>[A-Za-z][A-Za-z0-9_.-]*):\S+)")


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image: PVE's own id of it, such as ``ceph:vm-999999999-db_…``, and the node where only that one has it."""

    volume: str
    storage: str
    node: str | None = None

    def __str__(self) -> str:
        """As an id for the whole cluster."""
        return f"{self.node}/{self.volume}" if self.node else self.volume

    @classmethod
    def read(cls, text: str) -> ImageRef | None:
        """What an id means; None when it is none."""
        found = _ID.fullmatch(text)
        return cls(found["volume"], found["storage"], found["node"]) if found else None


def plain_name(name: str) -> str:
    """A name in the alphabet of images, and no longer than there is room."""
    return _ODD.sub("-", name)[:_LONGEST_NAME].strip("-")


def file_name(name: str, marker: Marker) -> str:
    """The name of the image of an object. Raises Refused."""
    cluster = _coded(marker.cluster)
    if cluster is None:
        if not _CLUSTER.fullmatch(marker.cluster):
            words = f"the cluster id {marker.cluster!r} does not fit into the name of an image in Proxmox VE"
            raise Refused(Reason.UNSUPPORTED, f"{words}: it is a UUID, or has at most 26 letters, digits and dashes")
        cluster = f"_{marker.cluster}"
    uid = _coded(marker.uid)
    if uid is None:
        raise Refused(Reason.INVALID_SPEC, f"the uid {marker.uid!r} is no UUID")
    return f"vm-{LENDER}-{plain_name(name)}_{cluster}_{uid}"


def check_length(ref: ImageRef) -> None:
    """Nothing, when there is room for the id wherever it has to stand. Raises Refused."""
    if len(str(ref)) > _LONGEST_ID:
        words = f"{ref} has {len(str(ref))} characters, and {_LONGEST_ID} is the most"
        raise Refused(Reason.UNSUPPORTED, f"{words}: the storage needs a shorter name")


def read_name(volume: str) -> tuple[str, Marker | None]:
    """The name of an image for people, and its marker, of which PVE keeps neither namespace nor name."""
    last = volume.partition(":")[2].rpartition("/")[2]
    found = _NAMED.fullmatch(last)
    if found is None:
        return last, None
    cluster = found["cluster"][1:] if found["cluster"].startswith("_") else _decoded(found["cluster"])
    uid = _decoded(found["uid"])
    if not (cluster and uid):
        return last, None
    return found["name"], Marker(cluster, uid, KIND, "", "")


def _coded(text: str) -> str | None:
    """A UUID in 26 characters; None for what is none, or not written as Kubernetes does."""
    try:
        one = UUID(text)
    except ValueError:
        return None
    return b32encode(one.bytes).decode().rstrip("=").lower() if str(one) == text else None


def _decoded(text: str) -> str | None:
    """The UUID of 26 characters; None where it would be written otherwise."""
    try:
        found = str(UUID(bytes=b32decode(f"{text.upper()}======")))
    except ValueError:
        return None
    return found if _coded(found) == text else None


def lent(words: Words) -> tuple[tuple[str, str], ...]:
    """PVE's ids of the Volumes that a guest has, and as what."""
    return tuple((drive.volume, drive.key) for drive in drives(words) if drive.lent)


def key_of(words: Words, volume: str) -> str | None:
    """As what a guest has an image."""
    return next((drive.key for drive in drives(words) if drive.volume == volume), None)


def disks(known: Collection[tuple[str, str]], node: str, shared: Collection[str]) -> tuple[Disk, ...]:
    """What ``lent`` found of a guest on this node; ``shared``: the storages that all nodes share."""
    return tuple(Disk(str(image(volume, node, shared)), key) for volume, key in known)


def image(volume: str, node: str, shared: Collection[str]) -> ImageRef:
    """An image as a node shows it."""
    storage = volume.partition(":")[0]
    return ImageRef(volume, storage, None if storage in shared else node)


def place(words: Words, root: Drive | None) -> str | None:
    """Where another disk goes, on a bus that can be plugged while the guest runs; None when it is full.

    On the bus of the root disk where that is one: of a guest without a boot order PVE boots the first disk of it.
    """
    bus, most = ("virtio", 16) if root is not None and root.key.startswith("virtio") else ("scsi", 31)
    return next((key for key in (f"{bus}{number}" for number in range(most)) if key not in words), None)
