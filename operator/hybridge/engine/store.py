"""The newest known body of every custom resource, and who is found by what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from hybridge.core.kinds import CloudKind
from hybridge.engine.cluster import Body
from hybridge.engine.keys import Key
from hybridge.engine.relations import Relations
from hybridge.engine.selections import Selections

#: What of metadata the engine reads; the rest (managedFields above all) is not kept.
_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "annotations",
    "labels",
)
#: What of a status is never taken away by us for good.
_RECORD = ("conditions", "id", "intent")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def trim(body: Body) -> dict[str, Any]:
    """The parts of a body that the engine works with."""
    metadata = {name: body["metadata"][name] for name in _METADATA if name in body["metadata"]}
    annotations = metadata.get("annotations")
    if annotations:
        metadata["annotations"] = {name: value for name, value in annotations.items() if name != _LAST_APPLIED}
    return {
        "kind": body.get("kind", ""),
        "metadata": metadata,
        "spec": body.get("spec", {}),
        "status": body.get("status", {}),
    }


class Store:
    """Bodies by key. An older body never replaces a newer one, also of an object that was made anew.

    ``call`` is called with the key of each other object that a change concerns, because it refers to what has changed, was
    referred to, or chooses it by its labels.
    """

    def __init__(self) -> None:
        self.call: Callable[[Key], None] = lambda _: None
        self.relations = Relations()
        self.selections = Selections()
        self._bodies: dict[Key, dict[str, Any]] = {}
        self._uids: dict[str, Key] = {}
        self._users: defaultdict[str, set[Key]] = defaultdict(set)
        self._kinds: defaultdict[str, Counter[CloudKind]] = defaultdict(Counter)

    def put(self, key: Key, body: Body) -> bool:
        """Keeps the body; True when something besides its status and version changed, or its status lost what it told."""
        new = trim(body)
        old = self._bodies.get(key)
        if old is not None and _version(old) >= _version(new):
            return False
        if old is not None:
            self._forget(key, old)
        self._bodies[key] = new
        self._tell(key, old, new)
        self._uids[new["metadata"]["uid"]] = key
        provider = provider_of(new)
        if provider:
            self._users[provider].add(key)
            self._kinds[provider][CloudKind(key.kind)] += 1
        return old is None or _substance(old) != _substance(new) or _is_wiped(old["status"], new["status"])

    def drop(self, key: Key, uid: str | None = None) -> None:
        """Forgets the object; with ``uid`` only that incarnation."""
        body = self._bodies.get(key)
        if body is None or (uid is not None and body["metadata"]["uid"] != uid):
            return
        del self._bodies[key]
        self._forget(key, body)
        self._tell(key, body, None)

    def get(self, key: Key) -> dict[str, Any] | None:
        """The newest known body."""
        return self._bodies.get(key)

    def by_uid(self, uid: str) -> Key | None:
        """The key of the object with this uid."""
        return self._uids.get(uid)

    def users(self, provider: str) -> frozenset[Key]:
        """Objects whose spec.providerRef names this Provider."""
        return frozenset(self._users.get(provider, ()))

    def kinds_of(self, provider: str) -> frozenset[CloudKind]:
        """The kinds of these objects."""
        return frozenset(self._kinds.get(provider, ()))

    def inside(self, namespace: str) -> Iterator[Key]:
        """All keys in a namespace."""
        return (key for key in tuple(self._bodies) if key.namespace == namespace)

    def keys(self, kind: str | None = None) -> Iterator[Key]:
        """All keys, or those of one kind."""
        return (key for key in tuple(self._bodies) if kind is None or key.kind == kind)

    def __len__(self) -> int:
        return len(self._bodies)

    def _tell(self, key: Key, old: Body | None, new: Body | None) -> None:
        for other in self.relations.note(key, old, new) | self.selections.note(key, old, new):
            if other in self._bodies:
                self.call(other)

    def _forget(self, key: Key, body: Body) -> None:
        if self._uids.get(body["metadata"]["uid"]) == key:
            del self._uids[body["metadata"]["uid"]]
        provider = provider_of(body)
        if provider:
            self._users[provider].discard(key)
            self._kinds[provider] -= Counter([CloudKind(key.kind)])


def provider_of(body: Body) -> str:
    """The name of the Provider that the spec refers to, or an empty string."""
    reference = body["spec"].get("providerRef")
    return str(reference.get("name", "")) if isinstance(reference, dict) else ""


def _version(body: Body) -> int:
    # Versions of one object are comparable as integers (Kubernetes KEP-5504).
    version = body["metadata"].get("resourceVersion", "0")
    return int(version) if version.isdigit() else 0


def _substance(body: Body) -> tuple[object, ...]:
    metadata = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
    return metadata, body["spec"]


def _is_wiped(old: Body, new: Body) -> bool:
    """Whether somebody has taken away what was on record: ``kubectl replace --subresource=status``."""
    return any(name in old and name not in new for name in _RECORD)
