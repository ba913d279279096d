"""The store keeps the newest body of every object."""

from __future__ import annotations

from typing import Any

from hybridge.engine.keys import Key
from hybridge.engine.store import Store, provider_of, trim

KEY = Key("VirtualMachine", "shop", "web")


def body(version: int, uid: str = "u1", *, provider: str = "aws", **words: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "uid": uid, "resourceVersion": str(version), "generation": 1}
    spec = {"providerRef": {"name": provider}, "cpus": 2}
    return {"kind": "VirtualMachine", "metadata": metadata, "spec": spec, "status": {}, **words}


def version_of(store: Store) -> str:
    kept = store.get(KEY)
    assert kept is not None
    return str(kept["metadata"]["resourceVersion"])


def test_an_older_or_equal_version_never_replaces_a_newer_one() -> None:
    store = Store()
    assert store.put(KEY, body(9))
    assert not store.put(KEY, body(8, spec={"cpus": 99}))
    assert not store.put(KEY, body(9, spec={"cpus": 99}))
    # As a number, not as a text.
    assert store.put(KEY, body(10, spec={"cpus": 4}))
    assert version_of(store) == "10"


def test_a_new_object_of_the_same_name_replaces_the_old_one() -> None:
    store = Store()
    store.put(KEY, body(9))
    assert store.put(KEY, body(12, "u2", provider="pve"))
    assert store.by_uid("u1") is None
    assert store.by_uid("u2") == KEY
    assert store.users("aws") == frozenset()
    assert store.users("pve") == {KEY}


def test_what_changes_only_the_status_is_no_news() -> None:
    store = Store()
    store.put(KEY, body(1))
    assert not store.put(KEY, body(2, status={"phase": "Running"}))
    kept = store.get(KEY)
    assert kept is not None
    assert kept["status"] == {"phase": "Running"}
    assert version_of(store) == "2"


def test_a_status_that_somebody_has_emptied_is_news() -> None:
    store = Store()
    store.put(KEY, body(1, status={"id": "101", "conditions": [], "phase": "Running"}))
    assert not store.put(KEY, body(2, status={"id": "101", "conditions": []}))
    assert store.put(KEY, body(3, status={}))


def test_every_other_change_is_news() -> None:
    store = Store()
    store.put(KEY, body(1))
    for version, name in enumerate(("deletionTimestamp", "annotations", "labels", "finalizers", "generation"), start=2):
        changed = body(version)
        changed["metadata"][name] = {"x": "y"}
        assert store.put(KEY, changed), name
    changed = body(99)
    changed["spec"]["cpus"] = 4
    assert store.put(KEY, changed)


def test_what_the_engine_does_not_read_is_not_kept() -> None:
    large = body(1)
    large["metadata"] |= {
        "managedFields": ["x" * 1000],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x" * 1000, "hybridge.io/paused": "true"},
    }
    kept = trim(large)
    assert "managedFields" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == {"hybridge.io/paused": "true"}
    store = Store()
    store.put(KEY, body(1) | {"metadata": kept["metadata"]})
    again = body(2) | {"metadata": large["metadata"] | {"managedFields": [], "resourceVersion": "2"}}
    assert not store.put(KEY, again)


def test_only_the_named_incarnation_is_dropped() -> None:
    store = Store()
    store.put(KEY, body(1, "u2"))
    store.drop(KEY, "u1")
    assert store.get(KEY) is not None
    store.drop(KEY, "u2")
    store.drop(KEY)
    assert store.get(KEY) is None
    assert store.by_uid("u2") is None
    assert store.users("aws") == frozenset()
    assert len(store) == 0


def test_objects_are_found_by_kind_and_by_provider() -> None:
    store = Store()
    other, provider = Key("VirtualMachine", "shop", "db"), Key("Provider", "", "aws")
    store.put(KEY, body(1))
    store.put(other, body(2, "u2"))
    store.put(provider, {"metadata": {"name": "aws", "uid": "u3", "resourceVersion": "3"}, "spec": {}})
    assert set(store.keys()) == {KEY, other, provider}
    assert set(store.keys("Provider")) == {provider}
    assert store.users("aws") == {KEY, other}
    assert provider_of({"spec": {}}) == provider_of({"spec": {"providerRef": None}}) == ""


def test_a_late_answer_about_an_earlier_object_does_not_replace_the_new_one() -> None:
    store = Store()
    store.put(KEY, body(20, "new"))

    assert not store.put(KEY, body(12, "old"))

    assert store.by_uid("new") == KEY
