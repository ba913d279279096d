"""What is left of AMIs: EC2 deregisters one in a call, and its snapshots may outlive that.

They carry the image's marker. Where no AMI carries it any more, and none consists of them, they stand for the image, which
is deleted as long as there are any. Source: EC2 API Reference, DeregisterImage, DescribeSnapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.errors import Refused
from hybridge.core.identity import KIND, OWNER, Marker
from hybridge.core.image import Image
from hybridge.core.kinds import CloudKind
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import ami, mapping
from hybridge.drivers.aws.client import Client
from hybridge.drivers.base import Started
from hybridge.drivers.marked import prove

PAGE = 1000
_PREFIX = "snap-"
#: Results of a deletion, with that of its image, after which nobody has to do anything more.
_DONE = frozenset({"success", "skipped"})


def users(client: Client, snapshots: Iterable[str]) -> list[dict[str, Any]]:
    """The images of the account that consist of one of these snapshots, those that are disabled as well."""
    words = {"Owners": [ami.SELF], "IncludeDisabled": True}
    return client.among("DescribeImages", "Images", "block-device-mapping.snapshot-id", snapshots, size=PAGE, **words)


def kept(answer: Mapping[str, Any]) -> list[str]:
    """The snapshots that DeregisterImage was to delete and could not; those of other images are no business of it."""
    return [one["SnapshotId"] for one in answer.get("DeleteSnapshotResults", []) if one["ReturnCode"] not in _DONE]


class Remains:
    """Finds and deletes them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def of(self, marker: Marker) -> Image | None:
        """What is left of the images that carried this marker, as one; only asked where none does."""
        left = self._left(marker.owner)
        return _image(min(left, key=_id)) if left else None

    @staticmethod
    def has(known_id: str) -> bool:
        """Whether such an id is that of what is left of an image."""
        return known_id.startswith(_PREFIX)

    def get(self, known_id: str) -> Image | None:
        """What has this id, as long as it is left of an image."""
        try:
            answer = self._client.call("DescribeSnapshots", SnapshotIds=[known_id])
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return None
            raise
        found = [one for one in answer["Snapshots"] if one["SnapshotId"] == known_id]
        return next(map(_image, self._unused(one for one in found if _is_ours(one))), None)

    def delete(self, image: Image) -> Started[Image]:
        """DeleteSnapshot of all that is left with it. Raises Busy where another image was made of one meanwhile."""
        now = self.get(image.id)
        if now is None:
            return Started(image.id)
        prove(image, now.marker)
        assert now.marker is not None
        for one in self._left(now.marker.owner):
            try:
                self._client.call("DeleteSnapshot", SnapshotId=one["SnapshotId"])
            except Refused as refused:
                if refused.reason is not Reason.NOT_FOUND:
                    raise
        return Started(image.id, replace(now, state=State.DELETING))

    def _left(self, owner: str) -> list[Mapping[str, Any]]:
        filters = [
            {"Name": f"tag:{OWNER}", "Values": [owner]},
            {"Name": f"tag:{KIND}", "Values": [CloudKind.IMAGE]},
        ]
        pages = self._client.pages("DescribeSnapshots", "Snapshots", size=PAGE, OwnerIds=[ami.SELF], Filters=filters)
        return self._unused(one for page in pages for one in page)

    def _unused(self, found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        known = {_id(one): one for one in found}
        used = {part for image in users(self._client, known) for part in ami.snapshots(image)}
        return [one for part, one in known.items() if part not in used]


def _id(found: Mapping[str, Any]) -> str:
    return str(found["SnapshotId"])


def _is_ours(found: Mapping[str, Any]) -> bool:
    marker = Marker.read(mapping.pairs(found.get("Tags", [])))
    return marker is not None and marker.kind == CloudKind.IMAGE


def _image(found: Mapping[str, Any]) -> Image:
    marker = Marker.read(mapping.pairs(found.get("Tags", [])))
    told = "the snapshot of an image that is gone"
    return Image(_id(found), "", State.FAILED, marker=marker, ended=told, unfit=told, owner=(ami.SELF,), remains=True)
