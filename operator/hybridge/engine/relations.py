"""Who refers to whom among the objects, and whom a change of one concerns."""

from __future__ import annotations

from collections import defaultdict

from hybridge.api.references import Reference, references
from hybridge.core.conditions import TRUE, Type
from hybridge.core.managed import Phase
from hybridge.engine.cluster import Body
from hybridge.engine.keys import Key
from hybridge.engine.stages import is_gone, is_made, is_reverting

#: Kinds of which one object can be used by only one other.
_EXCLUSIVE = frozenset({"Volume"})
#: What of a spec decides who may use the object.
_GRANT = "allowedNamespaces"
#: Phases, as they stand in a status.
_MAKING = frozenset({None, Phase.PENDING.value, Phase.CREATING.value})


class Relations:
    """References between objects, by key, also to objects that do not exist."""

    def __init__(self) -> None:
        #: Those that grant their use by labels of namespaces, which nobody watches.
        self.granting: set[Key] = set()
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

        Those are who refers to it, when what it offers has changed, and to whom it begins or ceases to refer; and who else
        wants what it wants no more, where only one can have that.
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
        if new is not None and granted_by_labels(new):
            self.granting.add(key)
        else:
            self.granting.discard(key)
        concerned = before ^ after
        left = before if _is_leaving(new) and not _is_leaving(old) else before - after
        for target in left:
            if target.kind in _EXCLUSIVE:
                concerned |= self.referrers(target)
        if _offer(old) != _offer(new):
            concerned |= self.referrers(key)
        if _stage(old) != _stage(new):
            # Whoever it uses may wait for its going, or for the end of its making.
            concerned |= before | after
        return concerned - {key}


def granted_by_labels(body: Body) -> bool:
    """Whether labels decide which namespaces may use it."""
    return "selector" in body.get("spec", {}).get(_GRANT, ())


def is_begun(body: Body) -> bool:
    """Whether there may be something of it in the cloud."""
    status = body.get("status", {})
    return "id" in status or "intent" in status


def is_being_made(body: Body) -> bool:
    """Whether that is on its way still: it neither stands by itself nor has failed."""
    return is_begun(body) and body["status"].get("phase") in _MAKING


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
    known = status.get("id"), status.get("networkID"), spec.get("vlan")
    return body["metadata"]["uid"], _is_leaving(body), known, ready, spec.get(_GRANT)


def _is_leaving(body: Body | None) -> bool:
    return body is None or bool(body["metadata"].get("deletionTimestamp"))


def _stage(body: Body | None) -> tuple[bool, ...]:
    """Whether it goes, has begun to be made, is at it, was made, is gone, and is on its way back to a Snapshot."""
    if body is None:
        return (True,)
    return (
        _is_leaving(body),
        is_begun(body),
        is_being_made(body),
        is_made(body),
        is_gone(body),
        is_reverting(body),
    )
