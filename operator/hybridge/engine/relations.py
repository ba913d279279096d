"""Who refers to whom among the objects, and whom a change of one concerns."""

from __future__ import annotations

from collections import defaultdict

from hybridge.api.references import Reference, references
from hybridge.core.conditions import TRUE, Type
from hybridge.engine.cluster import Body
from hybridge.engine.keys import Key

#: What of a spec decides who may use the object.
_GRANT = "allowedNamespaces"


class Relations:
    """References between objects, by key, also to objects that do not exist."""

    def __init__(self) -> None:
        self._named: dict[Key, frozenset[Key]] = {}
        self._referrers: defaultdict[Key, set[Key]] = defaultdict(set)

    def referrers(self, key: Key) -> frozenset[Key]:
        """The objects that refer to this one."""
        return frozenset(self._referrers.get(key, ()))

    def named_by(self, key: Key) -> frozenset[Key]:
        """The objects to which this one refers."""
        return self._named.get(key, frozenset())

    def note(self, key: Key, old: Body | None, new: Body | None) -> frozenset[Key]:
        """Takes in that an object came, changed or went; the other objects that this concerns.

        Those are who refers to it, when what it offers has changed, and to whom it begins or ceases to refer.
        """
        before = self.named_by(key)
        after = frozenset(_key(one) for one in references(new)) if new is not None else frozenset[Key]()
        for target in before - after:
            self._referrers[target].discard(key)
            if not self._referrers[target]:
                del self._referrers[target]
        for target in after - before:
            self._referrers[target].add(key)
        if after:
            self._named[key] = after
        else:
            self._named.pop(key, None)
        concerned = before ^ after
        if _offer(old) != _offer(new):
            concerned |= self.referrers(key)
        if _is_leaving(old) != _is_leaving(new):
            # Whoever it uses may wait for its going.
            concerned |= before | after
        return concerned - {key}


def _key(reference: Reference) -> Key:
    return Key(reference.kind, reference.namespace, reference.name)


def _offer(body: Body | None) -> tuple[object, ...] | None:
    """What of an object others go by: which it is, whether it can be used, by whom, and that it stays."""
    if body is None:
        return None
    status, spec = body.get("status", {}), body.get("spec", {})
    ready = any(
        one.get("type") == Type.READY.value and one.get("status") == TRUE for one in status.get("conditions", ())
    )
    return body["metadata"]["uid"], _is_leaving(body), status.get("id"), ready, spec.get(_GRANT)


def _is_leaving(body: Body | None) -> bool:
    return body is None or bool(body["metadata"].get("deletionTimestamp"))
