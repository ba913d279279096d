"""What a snapshot should be, and what it is: a point in time of a machine or a volume. Sizes are bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hybridge.core.lifecycle import Guarantees
from hybridge.core.managed import ManagedObject, ManagedSpec


class SourceKind(StrEnum):
    """What snapshots are taken of, by the kinds of the custom resources."""

    MACHINE = "VirtualMachine"
    VOLUME = "Volume"


class Consistency(StrEnum):
    """What a snapshot holds.

    ``CRASH``: the disks as a power failure would leave them, all at the same moment. ``QUIESCED``: the guest was asked to
    write what it held back. ``MEMORY``: the running guest as well.
    """

    CRASH = "Crash"
    QUIESCED = "Quiesced"
    MEMORY = "Memory"


@dataclass(frozen=True, slots=True)
class SnapshotSource:
    """What it is taken of: the object, and what that has in the cloud; None: it has nothing yet."""

    kind: SourceKind
    name: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSpec(ManagedSpec):
    """What the user wants.

    ``source`` is None where it exists already. ``memory`` and ``quiesce`` are asked for: what was achieved the snapshot
    shows. ``expires_after``: seconds after which it is deleted in the cloud; None: never.
    """

    source: SnapshotSource | None = None
    memory: bool = False
    quiesce: bool = False
    expires_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(ManagedObject):
    """One snapshot as its cloud shows it.

    ``source_id``: what it was taken of. ``depth``: how many snapshots it builds on, and ``parent`` the nearest of them,
    where the cloud chains them. ``size``: what it takes up, as far as the cloud says. ``parts``: the snapshots of a
    machine's volumes, by the ids of these, where each has one of its own.
    """

    source_id: str = ""
    consistency: Consistency | None = None
    size: int | None = None
    depth: int | None = None
    parent: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SnapshotTraits(Guarantees):
    """What a cloud guarantees of the snapshots that it is asked to take. ``outlives``: the kinds of sources whose snapshots
    stay when the source goes; those of others go with it.
    """

    chooses_uuid: bool = False
    outlives: frozenset[SourceKind] = frozenset()
