"""Sizes and types of root disks, which EC2 shows only with the volumes and not with the instances."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from hybridge.core.identity import OWNER, Marker
from hybridge.core.machine import Known, Machine, Power
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.mapping import Disk, Seen, disk
from hybridge.drivers.aws.offers import InstanceType

PAGE = 500


class Disks:
    """Disks by volume id, as last read, and by instance id for instances that were launched since."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._read: dict[str, Disk] = {}
        self._launched: dict[str, Disk] = {}
        self._read_at = float("-inf")
        self._read_since: dict[str, float] = {}

    def launched(self, instance_id: str, asked: Disk) -> None:
        """An instance whose root disk was asked to be so; valid until all volumes are read again."""
        with self._lock:
            self._launched[instance_id] = asked

    def changed(self, volume_id: str, accepted: Disk) -> None:
        """A volume that was accepted to become so."""
        with self._lock:
            self._read[volume_id] = accepted

    def complete(self, seen: Seen, types: Mapping[str, InstanceType], networks: Mapping[str, Known]) -> Machine:
        """The machine with what is known besides."""
        root = self._read.get(seen.root_volume or "") or self._launched.get(seen.machine.id)
        return seen.complete(types, root, networks)

    def read(self, volume_ids: Collection[str]) -> Mapping[str, Disk]:
        """These volumes, read now: a request for each 200 of them."""
        started = time.monotonic()
        found = _disks(self._client.among("DescribeVolumes", "Volumes", "volume-id", volume_ids, size=PAGE))
        with self._lock:
            self._read.update(found)
            self._read_since.update(dict.fromkeys(found, started))
        return found

    def unknown(self, seen: Seen) -> str | None:
        """The root volume of this instance when nothing is known of it: it was neither read nor asked for here."""
        known = seen.root_volume in self._read or seen.machine.id in self._launched
        return None if known or seen.machine.power is Power.GONE else seen.root_volume

    def read_missing(self, seen: Seen) -> None:
        """Reads the root volume of this instance when it never was."""
        if seen.root_volume and seen.root_volume not in self._read:
            self.read([seen.root_volume])

    def read_all(self, each: Callable[[Mapping[str, Any]], object] = lambda _: None) -> None:
        """Reads all volumes: a request for each 500 of them. ``each`` is shown every one."""
        started, before = time.monotonic(), set(self._launched)
        found: dict[str, Disk] = {}
        for page in self._client.pages("DescribeVolumes", "Volumes", size=PAGE):
            found.update(_disks(page))
            for volume in page:
                each(volume)
        with self._lock:
            self._read, self._read_at = found, started
            self._read_since.clear()
            for instance_id in before:
                del self._launched[instance_id]

    @property
    def age(self) -> float:
        """Seconds since all volumes were read."""
        return time.monotonic() - self._read_at

    def is_older(self, volume_id: str, seconds: float) -> bool:
        """Whether this volume was last read longer ago than that."""
        return time.monotonic() - self._read_since.get(volume_id, self._read_at) > seconds

    def marked(self, instance_id: str, marker: Marker) -> list[str]:
        """The ids of the volumes at this instance that carry this marker."""
        filters = [
            {"Name": "attachment.instance-id", "Values": [instance_id]},
            {"Name": f"tag:{OWNER}", "Values": [marker.owner]},
        ]
        return [
            volume["VolumeId"] for volume in self._client.call("DescribeVolumes", Filters=filters).get("Volumes", [])
        ]


def _disks(volumes: Iterable[Mapping[str, Any]]) -> dict[str, Disk]:
    return {volume["VolumeId"]: disk(volume) for volume in volumes}
