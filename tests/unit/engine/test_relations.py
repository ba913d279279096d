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
    "after", [machine(), machine("data", leaving=True), None], ids=["other spec", "leaving", "gone"]
)
def test_who_else_wants_a_volume_is_concerned_when_one_wants_it_no_more(
    relations: Relations, after: dict[str, Any] | None
) -> None:
    other = Key("VirtualMachine", "shop", "db-2")
    relations.note(other, None, {**machine("data"), "metadata": {"name": "db-2", "namespace": "shop", "uid": "2"}})
    assert relations.note(MACHINE, machine("data"), machine("data")) == frozenset()
    assert relations.note(MACHINE, machine("data"), after) == {DATA, other}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, volume()),
        (volume(), volume(ready=True)),
        (volume(), volume(known_id="vol-1")),
        (volume(), {**volume(), "status": {"networkID": "subnet-1"}}),
        (volume(), {**volume(), "spec": {"vlan": 20}}),
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


@pytest.mark.parametrize(
    "status", [{"intent": {"attempt": 1}}, {"id": "i-1", "phase": "Creating"}, {"id": "i-1", "phase": "Failed"}]
)
def test_who_begins_to_be_made_or_ends_to_be_concerns_what_it_used(relations: Relations, status: Any) -> None:
    others = [{}, {"intent": {"attempt": 1}, "phase": "Creating"}, {"id": "i-1", "phase": "Running"}]
    made = {**machine("data"), "status": status}
    assert any(relations.note(MACHINE, {**machine("data"), "status": one}, made) == {DATA} for one in others)
    assert relations.note(MACHINE, made, {**made, "status": {**status, "cpus": 2}}) == frozenset()


def test_who_grants_by_labels_is_known(relations: Relations) -> None:
    by_labels = {**volume(), "spec": {"allowedNamespaces": {"selector": {}}}}
    relations.note(DATA, None, by_labels)
    assert relations.granting == {DATA}
    relations.note(DATA, by_labels, {**volume(), "spec": {"allowedNamespaces": {"names": ["*"]}}})
    assert relations.granting == set()
