"""Ids of snapshots of first-class disks: the disk's and their own, with a slash. Pure."""

from __future__ import annotations

from hybridge.drivers.vsphere import disks


def is_disk_snapshot_id(known_id: str) -> bool:
    """Whether this is the id of a snapshot of a first-class disk."""
    disk_id, slash, own = known_id.partition("/")
    return bool(slash and own) and disks.is_volume_id(disk_id)


def disk_of(snapshot_id: str) -> str:
    """The disk that a snapshot is of."""
    return snapshot_id.partition("/")[0]
