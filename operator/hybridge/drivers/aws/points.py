"""EBS snapshots: what EC2 shows as the core's snapshots, and what a spec means in EC2's words. Pure.

A snapshot of a machine is a set: one snapshot of each of its volumes, all of the same moment, which CreateSnapshots marks
and tags alike. It has the id of the one of the disk that the machine boots from; where that is gone, the others remain.
Source: EC2 API Reference, CreateSnapshot, CreateSnapshots, DescribeSnapshots.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import OWNER, PREFIX, Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, Snapshot, SnapshotSpec
from hybridge.drivers.aws import ami, launch, mapping
from hybridge.drivers.aws.mapping import NAME, RESERVED

#: Tags of all snapshots of a set: the attempt that took it, what it was taken of, the volume whose snapshot has the id, of
#: how many volumes it was taken, and which of these were not lent to the machine: ``/dev/xvda=vol-1 /dev/sdf=vol-2``.
SET, SOURCE, ROOT, COUNT, OWN = (f"{PREFIX}{word}" for word in ("set", "source", "root", "volumes", "own"))
CALL, ALL, ONE = "Call", "CreateSnapshots", "CreateSnapshot"

_STATES = {
    "pending": State.PENDING,
    "completed": State.READY,
    "error": State.FAILED,
    "recoverable": State.GONE,
    "recovering": State.PENDING,
}
#: How snapshots are described that EC2 itself takes for images.
_OF_IMAGES = ("Created by CreateImage(", "Copied for DestinationAmi ", "Auto-created snapshot for AMI ", "AWS-VMImport")
#: The volume of every copy of a snapshot: there is none. Source: EC2 API Reference, CopySnapshot.
_OF_A_COPY = "vol-ffffffff"
#: Characters of the longest value of a tag.
_LONGEST = 256
#: Seconds after which all snapshots of a set are shown that there are.
_LATE = 300.0


@dataclass(frozen=True, slots=True)
class Point:
    """A snapshot, and the ids of all that it consists of; its own is the last. ``disks``: those of the disks that were the
    machine's own, by the device; none where that is not known.
    """

    snapshot: Snapshot
    ids: tuple[str, ...]
    disks: Mapping[str, str] = field(default_factory=dict)


def points(found: Iterable[Mapping[str, Any]], now: float) -> dict[str, Point]:
    """All of DescribeSnapshots, by id, each set as one; ``now`` in Unix seconds."""
    sets: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    alone: list[Mapping[str, Any]] = []
    for one in sorted(found, key=_age):
        tags = mapping.pairs(one.get("Tags", []))
        parts = sets.setdefault((tags[SET], tags.get(OWNER, "")), {}) if ROOT in tags and SET in tags else None
        volume = one.get("VolumeId", "")
        # What carries the same tags and is not of the set, such as a copy, stands for itself.
        if parts is None or volume in parts or volume == _OF_A_COPY:
            alone.append(one)
        else:
            parts[volume] = one
    whole = [_point([*parts.values()], now) for parts in sets.values() if parts]
    shown = [_alone(_point([one], now)) for one in alone] + whole
    return {point.snapshot.id: point for point in shown}


def check(spec: SnapshotSpec) -> None:
    """Refused when the spec asks for what EC2 does not have; it names the field."""
    launch.check_tags(spec)
    if spec.memory:
        raise Refused(Reason.UNSUPPORTED, "spec.memory: EC2 keeps disks, and no running guests")


def request(intent: Intent, marker: Marker) -> tuple[str, dict[str, Any]]:
    """The call of this intent and all its words."""
    made = dict(intent.parameters)
    call, given, besides = str(made.pop(CALL)), made.pop(launch.TAGS, {}), made.pop("Set", {})
    assert isinstance(given, Mapping)
    assert isinstance(besides, Mapping)
    tags = {**given, NAME: intent.name, **besides, SET: intent.token, **marker.pairs()}
    made["Description"] = mapping.description(marker)
    made["TagSpecifications"] = [{"ResourceType": "snapshot", "Tags": mapping.words(tags)}]
    return call, made


def of_machine(instance: Mapping[str, Any], spec: SnapshotSpec, lent: Collection[str]) -> dict[str, Any]:
    """The words of CreateSnapshots but for the marker, as JSON values. ``lent``: devices of volumes that were lent to the
    instance. Refused (UNSUPPORTED).
    """
    known, root = instance["InstanceId"], mapping.root_volume(instance)
    volumes = mapping.attached(instance)
    if root is None or not volumes:
        raise Refused(Reason.UNSUPPORTED, f"spec.sourceRef: {known} has no EBS volume that it boots from")
    own = " ".join(f"{one.device}={one.volume}" for one in volumes if one.device not in lent)
    told = {OWN: own} if len(own) <= _LONGEST else {}
    return {
        CALL: ALL,
        "InstanceSpecification": {"InstanceId": known},
        "Set": {SOURCE: known, ROOT: root, COUNT: str(len(volumes)), **told},
        launch.TAGS: dict(spec.tags),
    }


def of_volume(volume_id: str, spec: SnapshotSpec) -> dict[str, Any]:
    """The words of CreateSnapshot, likewise."""
    return {CALL: ONE, "VolumeId": volume_id, "Set": {SOURCE: volume_id}, launch.TAGS: dict(spec.tags)}


def _point(parts: Sequence[Mapping[str, Any]], now: float) -> Point:
    tags = mapping.pairs(parts[0].get("Tags", []))
    root = tags.get(ROOT)
    first = next((one for one in parts if root is not None and one.get("VolumeId") == root), parts[0])
    shown = _snapshot(first)
    ids = (*(one["SnapshotId"] for one in parts if one is not first), shown.id)
    if root is None:
        return Point(shown, ids)
    each = [_snapshot(one) for one in parts]
    wanted = int(text) if (text := tags.get(COUNT, "")).isdecimal() and len(text) < 4 else 0
    state, ended = _together([one.state for one in each]), next((one.ended for one in each if one.ended), "")
    if len(parts) < wanted and state is not State.FAILED:
        late = shown.created_at is None or now - shown.created_at > _LATE
        words = f"{wanted - len(parts)} of the {wanted} snapshots of its volumes are gone"
        state, ended = (State.FAILED, words) if late else (State.PENDING, "")
    sizes = [one.size for one in each]
    by_volume = {str(one.get("VolumeId", "")): str(one["SnapshotId"]) for one in parts}
    return Point(
        replace(
            shown,
            state=state,
            ended=ended,
            progress=sum(one.progress or 0 for one in each) // len(each) if state is State.PENDING else None,
            size=sum(size for size in sizes if size is not None) if None not in sizes else None,
            parts=by_volume,
            remains=root not in by_volume,
        ),
        ids,
        _own(tags, by_volume),
    )


def _alone(point: Point) -> Point:
    return replace(point, snapshot=replace(point.snapshot, remains=False))


def _own(tags: Mapping[str, str], by_volume: Mapping[str, str]) -> dict[str, str]:
    places = (word.partition("=") for word in tags.get(OWN, "").split())
    return {device: by_volume[volume] for device, _, volume in places if volume in by_volume}


def _together(states: Sequence[State]) -> State:
    for state in (State.FAILED, State.GONE, State.UNKNOWN, State.PENDING):
        if state in states:
            return state
    return State.READY


def _snapshot(found: Mapping[str, Any]) -> Snapshot:
    tags = mapping.pairs(found.get("Tags", []))
    state, marker = _STATES.get(found["State"], State.UNKNOWN), Marker.read(tags)
    begun: datetime | None = found.get("StartTime")
    image = found.get("Description", "").startswith(_OF_IMAGES) or (
        marker is not None and marker.kind == CloudKind.IMAGE
    )
    return Snapshot(
        id=found["SnapshotId"],
        name=tags.get(NAME, ""),
        state=state,
        marker=None if image else marker,
        tags={key: value for key, value in tags.items() if key != NAME and not key.startswith((PREFIX, RESERVED))},
        ended=found.get("StateMessage", "") if state is State.FAILED else "",
        unfit="it belongs to an image" if image else "",
        progress=ami.percent(found.get("Progress", "")) if state is State.PENDING else None,
        created_at=begun.timestamp() if begun else None,
        source_id=tags.get(SOURCE) or found.get("VolumeId", ""),
        consistency=Consistency.CRASH,
        size=found.get("FullSnapshotSizeInBytes") or None,
    )


def _age(found: Mapping[str, Any]) -> tuple[float, str]:
    begun: datetime | None = found.get("StartTime")
    return (begun.timestamp() if begun else 0.0, str(found["SnapshotId"]))
