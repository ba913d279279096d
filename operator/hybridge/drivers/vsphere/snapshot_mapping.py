"""Snapshots of machines as a vCenter has them, and Hybridge's. Pure: no request is made here.

Source: VirtualMachineSnapshotInfo and VirtualMachineSnapshotTree in the vSphere Web Services API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker, read_notes
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, Snapshot, SnapshotSpec, SourceKind
from hybridge.drivers.vsphere import errors
from hybridge.drivers.vsphere.places import readable
from hybridge.drivers.vsphere.sdk import moid

#: The longest name that a vCenter takes for a snapshot.
_LONGEST: Final = 80
#: How snapshots are told, by whichever call.
_READING: Final = "RetrievePropertiesEx"
#: No chain is longer: a machine has 32 snapshots in a row at most.
_DEEPEST: Final = 256


@dataclass(frozen=True, slots=True)
class Taken:
    """One snapshot of a machine, in plain values. ``parent``: the one that it builds on; ``depth``: on how many."""

    id: str
    name: str
    description: str = ""
    created_at: float | None = None
    memory: bool = False
    quiesced: bool = False
    parent: str | None = None
    depth: int = 0


def is_snapshot_id(known_id: str) -> bool:
    """Whether this is the id of a machine's snapshot, as opposed to those of machines."""
    return known_id.startswith("snapshot-")


def taken(info: Any) -> tuple[Taken, ...]:
    """The snapshots of a machine, each after the one that it builds on. Raises Unreachable for what is no such tree."""
    try:
        return tuple(_walk(getattr(info, "rootSnapshotList", None) or (), None, 0))
    except (AttributeError, TypeError) as error:
        raise errors.unreadable(_READING, f"a tree of snapshots: {type(error).__name__}: {error}") from None


def _walk(tree: Iterable[Any], parent: str | None, depth: int) -> Iterator[Taken]:
    for one in tree:
        found = moid(one.snapshot)
        yield Taken(
            id=found,
            name=str(one.name or ""),
            description=str(one.description or ""),
            created_at=_time(one.createTime),
            memory=str(one.state) == "poweredOn",
            quiesced=bool(one.quiesced),
            parent=parent,
            depth=depth,
        )
        if depth < _DEEPEST:
            yield from _walk(one.childSnapshotList or (), found, depth + 1)


def _time(value: Any) -> float | None:
    try:
        return None if value is None else float(value.timestamp())
    except (AttributeError, OverflowError, ValueError, OSError):
        return None


def snapshot(found: Taken, machine_id: str) -> Snapshot:
    """The snapshot of a machine. With the running guest in it, what the guest held back is in there as well."""
    consistency = Consistency.QUIESCED if found.quiesced else Consistency.CRASH
    return Snapshot(
        found.id,
        readable(found.name),
        State.READY,
        marker=read_notes(found.description),
        created_at=found.created_at,
        source_id=machine_id,
        consistency=Consistency.MEMORY if found.memory else consistency,
        depth=found.depth,
        parent=found.parent,
    )


def normalize(spec: SnapshotSpec) -> SnapshotSpec:
    """Without tags: a vCenter keeps none of a snapshot. Raises Refused for what vSphere does not have."""
    if len(spec.name) > _LONGEST:
        raise Refused(Reason.INVALID_SPEC, f"spec.name is longer than the {_LONGEST} characters of a snapshot's name")
    if spec.memory and spec.source is not None and spec.source.kind is SourceKind.VOLUME:
        raise Refused(Reason.UNSUPPORTED, "spec.memory: a Volume has none")
    return replace(spec, tags={})


def carries(found: Snapshot, marker: Marker) -> bool:
    """Whether a snapshot carries the marker of this object."""
    return found.marker is not None and found.marker.owner == marker.owner
