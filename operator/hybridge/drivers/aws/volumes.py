"""EBS volumes."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused, Unclear
from hybridge.core.identity import OWNER, Marker
from hybridge.core.machine import Change
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.core.volume import Volume, VolumeSpec, VolumeTraits
from hybridge.drivers.aws import ebs, tags
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.disks import PAGE, Disks
from hybridge.drivers.aws.placement import Placement
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for

MODIFY = "ModifyVolume"

#: States of a modification; from ``optimizing`` on the volume is as it was asked to be.
_BEGUN = frozenset({"optimizing", "completed"})
_FAILED = "failed"

#: Seconds after which nobody waits any more for a modification that EC2 does not show.
_LOST = 300.0


class Volumes:
    """The VolumeDriver of EC2. Ids are never used again there, so acting by id is acting on what was proven."""

    traits = VolumeTraits(
        visibility=300.0,
        lag=300.0,
        token_lifetime=3600.0,
        block="aws",
        changes=dict.fromkeys(ebs.MODIFIED, Change.ONLINE),
    )

    def __init__(self, client: Client, placement: Placement, disks: Disks) -> None:
        self._client = client
        self._placement = placement
        self._disks = disks

    def normalize(self, spec: VolumeSpec) -> VolumeSpec:
        """Volumes have whole GiB, options that are empty ask for nothing; what EC2 does not have is refused."""
        ebs.check(spec)
        return ebs.normal(spec)

    def prepare(self, spec: VolumeSpec, taken: Collection[str]) -> Prepared:
        """Chooses the zone. ``taken`` says nothing here: EC2 chooses the ids."""
        del taken
        ebs.check(spec)
        placed = self._placement.zone(spec.placement.get("zone"))
        assert placed.zone
        return Prepared(ebs.parameters(spec, placed.zone), placed=placed)

    def create(self, intent: Intent, spec: VolumeSpec, marker: Marker) -> Started[Volume]:
        """CreateVolume with the intent's token: a repetition gives the volume that the first call made."""
        del spec
        made = ebs.volume(self._client.call("CreateVolume", **ebs.request(intent, marker)))
        return Started(made.id, replace(made, marker=marker, name=intent.name))

    def find(self, marker: Marker, intent: Intent | None) -> list[Volume]:
        """By the marker's tag, which comes with the create."""
        del intent
        filters = [{"Name": f"tag:{OWNER}", "Values": [marker.owner]}]
        pages = self._client.pages("DescribeVolumes", "Volumes", size=PAGE, Filters=filters)
        return [ebs.volume(found) for page in pages for found in page]

    def get(self, volume_id: str) -> Volume | None:
        """DescribeVolumes by id."""
        try:
            answer = self._client.call("DescribeVolumes", VolumeIds=[volume_id])
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return None
            raise
        found = next((one for one in answer["Volumes"] if one["VolumeId"] == volume_id), None)
        if found is None:
            # Of a volume that does not exist EC2 says just that: an answer without it proves nothing.
            raise Unclear(f"DescribeVolumes: the answer does not tell of {volume_id}")
        return ebs.volume(found)

    def configure(
        self, volume: Volume, spec: VolumeSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Volume]:
        """Name and tags in one call; size, class and figures in another, of which EBS takes the next only hours later."""
        del intent, marker
        asked = {field.partition(".")[0] if field.startswith("tags.") else field for field in fields}
        if final := sorted(asked - ebs.MODIFIED - {"name", "tags"}):
            raise Refused(Reason.UNSUPPORTED, f"{', '.join(final)}: EC2 never changes that of a volume")
        now = self._look(volume)
        prove(volume, now.marker)
        if asked & {"name", "tags"}:
            now = tags.retag(self._client, now, spec, asked)
        words = ebs.modification(now, spec, asked)
        if not words:
            return Started(volume.id, now)
        self._client.call(MODIFY, VolumeId=volume.id, **words)
        return Started(volume.id, now, Task(f"{MODIFY}:{volume.id}", MODIFY, time.time()))

    def mark(self, volume: Volume, marker: Marker | None) -> Started[Volume]:
        """Its tags. DescribeVolumes comes first, as in ``delete``: what somebody else has taken over since stays his."""
        prove_for(volume, self._look(volume).marker, marker)
        tags.mark(self._client, [volume.id], volume.marker, marker)
        return Started(volume.id, replace(volume, marker=marker))

    def delete(self, volume: Volume) -> Started[Volume]:
        """DeleteVolume. DescribeVolumes comes first: the picture may be as old as the last sweep.

        Raises Refused (HAS_DEPENDANTS) while an instance has it.
        """
        now = self.get(volume.id)
        if now is None or now.gone or now.state is State.DELETING:
            return Started(volume.id, now)
        prove(volume, now.marker)
        if now.attachments:
            machines = ", ".join(one.machine_id for one in now.attachments)
            raise Refused(Reason.HAS_DEPENDANTS, f"{volume.id} is attached to {machines}")
        try:
            self._client.call("DeleteVolume", VolumeId=volume.id)
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return Started(volume.id)
            raise
        return Started(volume.id, replace(now, state=State.DELETING))

    # ------------------------------------------------------------------ sweeps

    def all(self) -> Mapping[str, Volume]:
        """All volumes, a request for each 500 of them. What is known of root disks is as new then."""
        found: dict[str, Volume] = {}

        def see(one: Mapping[str, Any]) -> None:
            found[one["VolumeId"]] = ebs.volume(one)

        self._disks.read_all(see)
        return found

    def follow(self, tasks: Iterable[Task], now: float) -> Mapping[str, Task]:
        """How far modifications are: a request for each 200 of them, and none where there are none."""
        mine = {task.id.partition(":")[2]: task for task in tasks if task.id.startswith(f"{MODIFY}:")}
        try:
            newest = self._modifications(mine)
        except Refused as refused:
            if refused.reason is not Reason.NOT_PERMITTED:
                raise
            # The sweep goes on for all else.
            return {task.id: _failed(task, refused.message, refused.reason) for task in mine.values()}
        return {task.id: _judged(task, newest.get(volume_id), now) for volume_id, task in mine.items()}

    def _modifications(self, volume_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """The newest modification of each of these volumes that has one."""
        newest: dict[str, Mapping[str, Any]] = {}
        operation, key = "DescribeVolumesModifications", "VolumesModifications"
        for one in self._client.among(operation, key, "volume-id", volume_ids, size=PAGE):
            known = newest.get(one["VolumeId"])
            if known is None or known["StartTime"] <= one["StartTime"]:
                newest[one["VolumeId"]] = one
        return newest

    def _look(self, volume: Volume) -> Volume:
        now = self.get(volume.id)
        if now is None:
            raise Refused(Reason.NOT_FOUND, f"{volume.id} does not exist")
        return now


def _failed(task: Task, words: str, reason: Reason | None = None) -> Task:
    return replace(task, state=TaskState.FAILED, error=words, reason=reason)


def _judged(task: Task, found: Mapping[str, Any] | None, now: float) -> Task:
    if found is None:
        return replace(task, state=TaskState.UNKNOWN) if now - task.started_at > _LOST else task
    state = found["ModificationState"]
    if state == _FAILED:
        return _failed(task, found.get("StatusMessage") or "EBS could not change it, and does not say why")
    if state in _BEGUN:
        return replace(task, state=TaskState.SUCCEEDED)
    return replace(task, progress=min(found.get("Progress", 0), 100))
