"""What a Snapshot wants, in the core's words. Pure."""

from __future__ import annotations

from hybridge.api.managed_desired import managed
from hybridge.api.snapshot import Snapshot
from hybridge.core.snapshot import SnapshotSource, SnapshotSpec
from hybridge.core.units import parse_duration


def snapshot_spec(snapshot: Snapshot, source_id: str | None = None) -> SnapshotSpec:
    """What the user wants. ``source_id`` is the cloud's id of what ``spec.sourceRef`` names, once it has one. ValueError
    when a duration cannot be read (the CRD refuses those).
    """
    spec, source = snapshot.spec, snapshot.spec.source_ref
    return SnapshotSpec(
        **managed(snapshot.metadata, spec),
        source=SnapshotSource(source.kind, source.name, source_id) if source else None,
        memory=bool(spec.memory),
        quiesce=bool(spec.quiesce),
        expires_after=None if spec.expires_after is None else parse_duration(spec.expires_after),
    )
