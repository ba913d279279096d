"""The Snapshot: a point in time of a machine or a volume."""

from __future__ import annotations

from typing import Annotated, ClassVar

from hybridge.api.fields import (
    Model,
    Rule,
    atomic,
    duration,
    kept,
    moment,
    note,
    number,
    quantity,
    settled,
    text,
)
from hybridge.api.managed import BOUND, IMPORTED, NAMED, ManagedObject, ManagedSpec, ManagedStatus, required
from hybridge.api.shared import API_VERSION, Name, ObjectMeta
from hybridge.core.managed import Phase
from hybridge.core.snapshot import Consistency, SourceKind


class SnapshotSourceRef(Model, frozen=True, kw_only=True):
    """Names what a snapshot is taken of, in the same namespace."""

    kind: Annotated[SourceKind, note("VirtualMachine, with all its disks, or Volume.")]
    name: Name


class SnapshotSpec(ManagedSpec, frozen=True, kw_only=True):
    """What the snapshot should be."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        required("sourceRef"),
        NAMED,
        kept("sourceRef", "sourceRef cannot be changed or removed: make another Snapshot"),
        settled("memory", "memory cannot be set, changed or removed: make another Snapshot"),
        settled("quiesce", "quiesce cannot be set, changed or removed: make another Snapshot"),
        Rule(
            f"!has(self.sourceRef) || !({IMPORTED})",
            "sourceRef and lifecycle.import exclude each other: what exists is not taken",
            path=".sourceRef",
        ),
        Rule(
            "!has(self.memory) || !self.memory || !has(self.sourceRef) || self.sourceRef.kind == 'VirtualMachine'",
            "memory is a machine's: a Volume has none",
            path=".memory",
        ),
        Rule(
            "!has(self.memory) || !has(self.quiesce) || !self.memory || !self.quiesce",
            "memory and quiesce exclude each other: a guest whose memory is kept need not write what it holds back",
            path=".quiesce",
        ),
    )

    source_ref: Annotated[
        SnapshotSourceRef | None,
        note(
            "What it is taken of. Cannot be changed. Where the snapshot would go with it (Proxmox, vSphere), its deletion"
            " waits until this object is deleted or has expired."
        ),
    ] = None
    memory: Annotated[
        bool | None, note("Whether the running guest is kept too (Proxmox, vSphere). Cannot be changed.")
    ] = None
    quiesce: Annotated[
        bool | None,
        note("Whether the guest is asked to write what it holds back. The status tells what was achieved."),
    ] = None
    expires_after: Annotated[
        str | None,
        duration(
            "How long after it was taken it is deleted in the cloud; this object stays, as Expired. Default: never.",
            "1m",
            "87600h",
        ),
    ] = None


class PartStatus(Model, frozen=True, kw_only=True):
    """The snapshot of one volume of a machine."""

    volume: Annotated[str, text("The id of the volume in the cloud.", 128)]
    id: Annotated[str, text("The id of its snapshot in the cloud.", 128)]


class SnapshotStatus(ManagedStatus, frozen=True, kw_only=True):
    """What the snapshot is."""

    phase: Annotated[Phase | None, note("How the snapshot is, in one word for people.")] = None
    progress: Annotated[int | None, number("How much of it is made, in percent.", 0, 100)] = None
    consistency: Annotated[
        Consistency | None, note("What was achieved: Crash, Quiesced, or Memory with the running guest.")
    ] = None
    size: Annotated[int | str | None, quantity("What it takes up, where the cloud says so.", "0", "8Ei")] = None
    depth: Annotated[int | None, number("How many snapshots it builds on, where they are chained.", 0, 4096)] = None
    parent: Annotated[str | None, text("The snapshot that it builds on, by its id in the cloud.", 128)] = None
    parts: Annotated[
        tuple[PartStatus, ...], atomic("The snapshots of the machine's volumes, where each has one.", 64)
    ] = ()
    taken_at: Annotated[str | None, moment("When it was taken.")] = None
    expires_at: Annotated[str | None, moment("When it is deleted in the cloud.")] = None
    expired: Annotated[bool, note("Whether it was deleted in the cloud because its time was over.")] = False


class Snapshot(ManagedObject, frozen=True, kw_only=True):
    """A point in time of a machine or a volume, in one of the clouds."""

    RULES: ClassVar[tuple[Rule, ...]] = (BOUND,)

    metadata: ObjectMeta
    spec: SnapshotSpec
    status: SnapshotStatus = SnapshotStatus()
    api_version: str = API_VERSION
    kind: str = "Snapshot"
