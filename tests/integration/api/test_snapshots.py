"""What the API server says about Snapshots."""

from __future__ import annotations

import pytest

from hybridge.api.snapshot import Snapshot
from tests.integration.api.bodies import Body, snapshot
from tests.integration.api.conftest import Api
from tests.integration.api.judged import accepts, agrees, judges, refuses

IMPORT: Body = {"lifecycle": {"import": {"id": "snap-0abc"}}}
VOLUME: Body = {"sourceRef": {"kind": "Volume", "name": "data"}}
WHOLE: Body = {"name": "before", "tags": {"team": "shop"}, "memory": True, "quiesce": False, "expiresAfter": "24h"}

ACCEPTED: dict[str, Body] = {
    "the least": {},
    "everything": WHOLE,
    "of a volume": {**VOLUME, "quiesce": True},
    "an import": {"sourceRef": None, **IMPORT},
}

REFUSED: list[tuple[Body, str]] = [
    ({"sourceRef": None}, "spec.sourceRef: Required value: sourceRef is required unless lifecycle.import is set"),
    ({"sourceRef": {"kind": "Image", "name": "x"}}, 'supported values: "VirtualMachine", "Volume"'),
    ({"sourceRef": {"kind": "Volume"}}, "spec.sourceRef.name: Required value"),
    (IMPORT, "sourceRef and lifecycle.import exclude each other"),
    ({**VOLUME, "memory": True}, "memory is a machine's: a Volume has none"),
    ({"memory": True, "quiesce": True}, "memory and quiesce exclude each other"),
    ({"expiresAfter": "1d"}, "must be a duration such as 90s, 10m or 24h"),
    ({"expiresAfter": "1s"}, "must be from 1m to 87600h"),
]

SETTLED = "cannot be set, changed or removed: make another Snapshot"

#: What was, what is changed, and the sentence; empty: allowed.
CHANGES: list[tuple[Body, Body, str]] = [
    ({}, {"tags": {"a": "b"}, "expiresAfter": "1h"}, ""),
    (WHOLE, {"expiresAfter": None}, ""),
    ({}, {"name": "other"}, "name cannot be set, changed or removed"),
    ({}, VOLUME, "sourceRef cannot be changed or removed: make another Snapshot"),
    (WHOLE, {"memory": False}, f"memory {SETTLED}"),
    ({}, {"memory": True}, f"memory {SETTLED}"),
    (WHOLE, {"quiesce": None}, f"quiesce {SETTLED}"),
]

STATUS: Body = {
    "observedGeneration": 1,
    "id": "snap-0abc",
    "phase": "Ready",
    "progress": 100,
    "consistency": "Quiesced",
    "size": "8Gi",
    "depth": 2,
    "parent": "snap-0aaa",
    "parts": [{"volume": "vol-1", "id": "snap-1"}],
    "takenAt": "2026-01-31T12:00:00Z",
    "expiresAt": "2026-02-01T12:00:00Z",
    "expired": True,
    "createdAt": "2026-01-31T12:00:00Z",
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_good_snapshot_is_stored_as_it_was_written(api: Api, name: str, spec: Body) -> None:
    accepts(api, snapshot(name, **spec))


@pytest.mark.parametrize(("spec", "sentence"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_mistake_is_refused_with_a_sentence(api: Api, name: str, spec: Body, sentence: str) -> None:
    refuses(api, snapshot(name, **spec), sentence)


@pytest.mark.parametrize(("before", "change", "sentence"), CHANGES, ids=lambda value: str(value)[:60])
def test_a_change_is_judged_by_what_was_before(api: Api, name: str, before: Body, change: Body, sentence: str) -> None:
    judges(api, snapshot(name, **before), change, sentence)


def test_the_import_is_settled_once_a_snapshot_is_bound(api: Api, name: str) -> None:
    elsewhere: Body = {"lifecycle": {"import": {"id": "snap-0def"}}}
    judges(api, snapshot(name, sourceRef=None, **IMPORT), elsewhere, "lifecycle.import cannot be", {"id": "snap-0abc"})


def test_the_model_and_the_server_agree_on_everything(api: Api, name: str) -> None:
    agrees(api, snapshot(name, **WHOLE), STATUS, Snapshot)
