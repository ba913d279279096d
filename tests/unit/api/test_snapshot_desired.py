"""From a Snapshot to the core."""

from __future__ import annotations

from typing import Any

import msgspec

from hybridge.api.snapshot import Snapshot
from hybridge.api.snapshot_desired import snapshot_spec
from hybridge.core.snapshot import SnapshotSource, SnapshotSpec, SourceKind

UID = "1a2b3c4d-0000-4000-8000-000000000000"


def snapshot(**spec: Any) -> Snapshot:
    source = {"kind": "VirtualMachine", "name": "web"}
    body = {
        "metadata": {"name": "before", "uid": UID},
        "spec": {"providerRef": {"name": "p"}, "sourceRef": source} | spec,
    }
    return msgspec.convert(body, Snapshot)


def test_the_least_snapshot() -> None:
    source = SnapshotSource(SourceKind.MACHINE, "web")
    assert snapshot_spec(snapshot()) == SnapshotSpec("before-1a2b3c4d", source=source)


def test_a_whole_snapshot() -> None:
    wanted = snapshot(sourceRef={"kind": "Volume", "name": "data"}, quiesce=True, expiresAfter="24h")
    assert snapshot_spec(wanted, "vol-1") == SnapshotSpec(
        "before-1a2b3c4d",
        source=SnapshotSource(SourceKind.VOLUME, "data", "vol-1"),
        quiesce=True,
        expires_after=86400.0,
    )
