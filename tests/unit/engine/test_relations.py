"""Who refers to whom, and whom a change concerns."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.engine.keys import Key
from hybridge.engine.relations import Relations

MACHINE, DATA, LOGS = Key("VirtualMachine", "shop", "db"), Key("Volume", "shop", "data"), Key("Volume", "shop", "logs")


def machine(*volumes: str, leaving: bool = False) -> dict[str, Any]:
    spec = {"volumes": [{"name": one, "volumeRef": {"name": one}} for one in volumes]}
    return _body(MACHINE, spec, leaving=leaving)


def volume(
    *, ready: bool = False, leaving: bool = False, known_id: str | None = None, uid: str = "v"
) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"conditions": conditions, **({"id": known_id} if known_id else {})}
    return {**_body(DATA, {"size": "1Gi"}, leaving=leaving, uid=uid), "status": status}


def _body(key: Key, spec: dict[str, Any], *, leaving: bool = False, uid: str = "u") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": key.name, "namespace": key.namespace, "uid": uid}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"kind": key.kind, "metadata": metadata, "spec": spec, "status": {}}


@pytest.fixture
def relations() -> Relations:
    """The machine refers to the volume."""
    made = Relations()
    made.note(MACHINE, None, machine("data"))
    return made


def test_what_is_named_need_not_exist(relations: Relations) -> None:
    assert relations.referrers(DATA) == {MACHINE}
    assert relations.named_by(MACHINE) == {DATA}
    assert relations.referrers(LOGS) == frozenset()


def test_both_whom_it_named_and_whom_it_names_are_concerned(relations: Relations) -> None:
    assert relations.note(MACHINE, machine("data"), machine("logs")) == {DATA, LOGS}
    assert relations.referrers(DATA) == frozenset()
    assert relations.referrers(LOGS) == {MACHINE}
    assert relations.note(MACHINE, machine("logs"), machine("logs")) == frozenset()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, volume()),
        (volume(), volume(ready=True)),
        (volume(), volume(known_id="vol-1")),
        (volume(), volume(leaving=True)),
        (volume(), volume(uid="another")),
        (volume(leaving=True), None),
    ],
)
def test_what_others_go_by_is_told_to_them(relations: Relations, before: Any, after: Any) -> None:
    assert relations.note(DATA, before, after) == {MACHINE}


def test_what_others_do_not_go_by_concerns_nobody(relations: Relations) -> None:
    other = volume(ready=True)
    other["status"]["size"] = "2Gi"
    assert relations.note(DATA, volume(ready=True), other) == frozenset()


@pytest.mark.parametrize("after", [machine("data", leaving=True), None])
def test_who_leaves_concerns_what_it_used(relations: Relations, after: Any) -> None:
    assert relations.note(MACHINE, machine("data"), after) == {DATA}
