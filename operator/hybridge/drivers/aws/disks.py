"""Sizes of root disks, which EC2 shows only with the volumes and not with the instances."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping

from hybridge.core.identity import OWNER, Marker
from hybridge.core.machine import Machine
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.mapping import GIB, InstanceType, Seen

PAGE = 500

#: Most values of one filter.
_FILTER_VALUES = 200


class Disks:
    """Bytes by volume id, as last read, and by instance id for instances that were launched since."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._launched: dict[str, int] = {}
        self._read_at = float("-inf")

    def launched(self, instance_id: str, size: int) -> None:
        """An instance whose root disk was asked to have ``size``; valid until all volumes are read again."""
        with self._lock:
            self._launched[instance_id] = size

    def grown(self, volume_id: str, size: int) -> None:
        """A volume that was accepted to have ``size``."""
        with self._lock:
            self._sizes[volume_id] = size

    def complete(self, seen: Seen, types: Mapping[str, InstanceType]) -> Machine:
        """The machine with what is known of its sizes."""
        volume, launched = seen.root_volume or "", self._launched.get(seen.machine.id)
        if volume in self._sizes or launched is None:
            return seen.complete(types, self._sizes.get(volume))
        return seen.complete(types, launched)

    def read(self, volume_ids: Collection[str]) -> Mapping[str, int]:
        """The sizes of these volumes, read now: a request for each 200 of them."""
        wanted, found = list(volume_ids), dict[str, int]()
        for start in range(0, len(wanted), _FILTER_VALUES):
            filters = [{"Name": "volume-id", "Values": wanted[start : start + _FILTER_VALUES]}]
            found.update(_sizes(self._client.call("DescribeVolumes", Filters=filters).get("Volumes", [])))
        with self._lock:
            self._sizes.update(found)
        return found

    def read_missing(self, seen: Seen) -> None:
        """Reads the root volume of this instance when nothing is known of it."""
        if seen.root_volume and seen.root_volume not in self._sizes and seen.machine.id not in self._launched:
            self.read([seen.root_volume])

    def read_all(self) -> None:
        """Reads all volumes: a request for each 500 of them."""
        started, before = time.monotonic(), set(self._launched)
        pages = self._client.pages("DescribeVolumes", "Volumes", size=PAGE)
        sizes = {volume: size for page in pages for volume, size in _sizes(page).items()}
        with self._lock:
            self._sizes, self._read_at = sizes, started
            for instance_id in before:
                del self._launched[instance_id]

    @property
    def age(self) -> float:
        """Seconds since all volumes were read."""
        return time.monotonic() - self._read_at

    def marked(self, instance_id: str, marker: Marker) -> list[str]:
        """The ids of the volumes at this instance that carry this marker."""
        filters = [
            {"Name": "attachment.instance-id", "Values": [instance_id]},
            {"Name": f"tag:{OWNER}", "Values": [marker.owner]},
        ]
        return [
            volume["VolumeId"] for volume in self._client.call("DescribeVolumes", Filters=filters).get("Volumes", [])
        ]


def _sizes(volumes: Iterable[Mapping[str, int | str]]) -> dict[str, int]:
    return {str(volume["VolumeId"]): int(volume.get("Size", 0)) * GIB for volume in volumes}
