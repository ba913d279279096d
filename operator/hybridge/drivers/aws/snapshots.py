"""EBS snapshots of machines and volumes.

Neither CreateSnapshot nor CreateSnapshots has a token, and both take another one each time. So they are marked with the
call, also with the attempt that they are of; ``create`` looks for these before it asks, and the engine looks through
``visibility`` before it asks again. Nothing is asked of guests: a snapshot holds the disks as a power failure would.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, Disposition, Refused, Unclear
from hybridge.core.identity import OWNER, Marker
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot, SnapshotSpec, SnapshotTraits, SourceKind
from hybridge.drivers.aws import attachments, points, remains, tags
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.points import Point
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for

PAGE = 1000


class Snapshots:
    """The SnapshotDriver of EC2. Ids are never used again there, so acting by id is acting on what was proven."""

    traits = SnapshotTraits(visibility=300.0, lag=300.0, remains=True, outlives=frozenset(SourceKind))

    def __init__(self, client: Client) -> None:
        self._client = client

    def normalize(self, spec: SnapshotSpec) -> SnapshotSpec:
        """Nothing is rounded; what EC2 does not have is refused."""
        points.check(spec)
        return spec

    def prepare(self, spec: SnapshotSpec, taken: Collection[str]) -> Prepared:
        """Looks at what it is taken of. ``taken`` says nothing here: EC2 chooses the ids."""
        del taken
        points.check(spec)
        source = spec.source
        if source is None:
            raise Refused(Reason.INVALID_SPEC, "spec.sourceRef is needed to take a snapshot")
        if source.id is None:
            words = f"{source.kind} {source.name} is not there yet"
            raise CloudError(Reason.DEPENDENCY_NOT_READY, words, disposition=Disposition.WAIT)
        try:
            if source.kind is SourceKind.VOLUME:
                self._client.call("DescribeVolumes", VolumeIds=[source.id])
                return Prepared(points.of_volume(source.id, spec))
            answer = self._client.call("DescribeInstances", InstanceIds=[source.id])
        except Refused as refused:
            if refused.reason is not Reason.NOT_FOUND:
                raise
            raise Refused(Reason.NOT_FOUND, f"spec.sourceRef: there is no {source.id}") from refused
        instances = (one for group in answer["Reservations"] for one in group["Instances"])
        found = next((one for one in instances if one["InstanceId"] == source.id), None)
        if found is None:
            raise Unclear(f"DescribeInstances: the answer does not tell of {source.id}")
        further = len(found.get("BlockDeviceMappings", [])) > 1
        lent = attachments.lent(self._client, source.id) if further else []
        return Prepared(points.of_machine(found, spec, lent))

    def create(self, intent: Intent, spec: SnapshotSpec, marker: Marker) -> Started[Snapshot]:
        """CreateSnapshots of a machine, CreateSnapshot of a volume; what this attempt has taken already is taken for it."""
        del spec
        there = self._points(Filters=[*_owned(marker), {"Name": f"tag:{points.SET}", "Values": [intent.token]}])
        if there:
            known = min(there)
            return Started(known, there[known].snapshot)
        call, words = points.request(intent, marker)
        answer = self._client.call(call, **words)
        made = answer["Snapshots"] if call == points.ALL else [answer]
        if not made:
            raise Unclear(f"{call}: the answer names no snapshot", took_effect_possible=True)
        marks = words["TagSpecifications"][0]["Tags"]
        (point,) = points.points([{**one, "Tags": marks} for one in made], time.time()).values()
        return Started(point.snapshot.id, point.snapshot)

    def find(self, marker: Marker, intent: Intent | None) -> list[Snapshot]:
        """By the marker's tag, which comes with the create."""
        del intent
        return [point.snapshot for point in self._points(Filters=_owned(marker)).values()]

    def get(self, known_id: str) -> Snapshot | None:
        """DescribeSnapshots by id, and with it the others of its set."""
        point = self.point(known_id)
        return None if point is None else point.snapshot

    def configure(
        self, snapshot: Snapshot, spec: SnapshotSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Snapshot]:
        """Name and tags of all that it consists of."""
        del intent, marker
        asked = {field.partition(".")[0] if field.startswith("tags.") else field for field in fields}
        if final := sorted(asked - {"name", "tags"}):
            raise Refused(Reason.UNSUPPORTED, f"{', '.join(final)}: EC2 never changes that of a snapshot")
        now = self._look(snapshot.id)
        prove(snapshot, now.snapshot.marker)
        return Started(snapshot.id, tags.retag(self._client, now.snapshot, spec, asked, now.ids[:-1]))

    def mark(self, snapshot: Snapshot, marker: Marker | None) -> Started[Snapshot]:
        """Tags of all that it consists of. DescribeSnapshots comes first: what somebody else has taken over stays his."""
        now = self._look(snapshot.id)
        prove_for(snapshot, now.snapshot.marker, marker)
        if now.snapshot.unfit:
            raise Refused(Reason.NOT_PERMITTED, f"{snapshot.id} cannot be taken over: {now.snapshot.unfit}")
        tags.mark(self._client, now.ids, snapshot.marker, marker)
        return Started(snapshot.id, replace(now.snapshot, marker=marker))

    def delete(self, snapshot: Snapshot) -> Started[Snapshot]:
        """DeleteSnapshot of all that it consists of; the one that has the id goes last. EC2 keeps what others build on.

        Raises Busy (HAS_DEPENDANTS) while an image consists of one of them: then none is deleted.
        """
        now = self.point(snapshot.id)
        if now is None or now.snapshot.gone:
            return Started(snapshot.id)
        prove(snapshot, now.snapshot.marker)
        self._be_in_no_image(now)
        for one in now.ids:
            try:
                self._client.call("DeleteSnapshot", SnapshotId=one)
            except Refused as refused:
                if refused.reason is not Reason.NOT_FOUND:
                    raise
            except Busy as busy:
                raise Busy(busy.message, reason=Reason.HAS_DEPENDANTS) from busy
        return Started(snapshot.id, replace(now.snapshot, state=State.DELETING))

    # ------------------------------------------------------------------ sweeps

    def all(self) -> Mapping[str, Snapshot]:
        """All of our own, a request for each 1000 of them."""
        return {known: point.snapshot for known, point in self._points().items()}

    # ------------------------------------------------------------------- parts

    def _be_in_no_image(self, point: Point) -> None:
        """EC2 itself would keep those that one needs, and the rest would be gone by then."""
        users = [f"{one['ImageId']} ({one.get('Name', '')})" for one in remains.users(self._client, point.ids)]
        if users:
            told = f"{point.snapshot.id} is part of the image {', '.join(users[:8])}, and stays as long as that does"
            raise Busy(told, reason=Reason.HAS_DEPENDANTS)

    def _points(self, **words: Any) -> dict[str, Point]:
        pages = self._client.pages("DescribeSnapshots", "Snapshots", size=PAGE, OwnerIds=["self"], **words)
        return points.points((one for page in pages for one in page), time.time())

    def point(self, known_id: str) -> Point | None:
        """See ``get``, with the ids of what it consists of."""
        try:
            answer = self._client.call("DescribeSnapshots", SnapshotIds=[known_id])
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return None
            raise
        found = next((one for one in answer["Snapshots"] if one["SnapshotId"] == known_id), None)
        if found is None:
            # Of a snapshot that does not exist EC2 says just that: an answer without it proves nothing.
            raise Unclear(f"DescribeSnapshots: the answer does not tell of {known_id}")
        same = {tag["Key"]: tag.get("Value", "") for tag in found.get("Tags", [])}.get(points.SET)
        if same is None:
            return points.points([found], time.time()).get(known_id)
        together = self._points(Filters=[{"Name": f"tag:{points.SET}", "Values": [same]}])
        whole = next((one.snapshot.id for one in together.values() if known_id in one.ids[:-1]), None)
        if whole is not None:
            raise Refused(
                Reason.INVALID_SPEC, f"{known_id} is one part of the snapshot {whole} of a machine: name that"
            )
        if known_id not in together:
            # The list is older than the answer.
            raise Unclear(f"DescribeSnapshots: the list of its set does not tell of {known_id}")
        return together[known_id]

    def _look(self, known_id: str) -> Point:
        point = self.point(known_id)
        if point is None:
            raise Refused(Reason.NOT_FOUND, f"{known_id} does not exist")
        return point


def _owned(marker: Marker) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{OWNER}", "Values": [marker.owner]}]
