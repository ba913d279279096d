"""How far an object is, as far as that decides whether it still needs what it refers to. Read from its body alone."""

from __future__ import annotations

from hybridge.core.conditions import Type
from hybridge.core.machine import RevertPhase
from hybridge.core.reasons import Reason
from hybridge.engine.cluster import Body

_GONE = frozenset({Reason.EXPIRED.value, Reason.LOST.value})
_REVERTING = frozenset({RevertPhase.STOPPING.value, RevertPhase.REVERTING.value})


def is_made(body: Body) -> bool:
    """Whether it was seen whole once."""
    return "createdAt" in body.get("status", {})


def is_gone(body: Body) -> bool:
    """Whether nothing of it is left in the cloud, and its object stays."""
    conditions = body.get("status", {}).get("conditions", ())
    return any(one.get("type") == Type.SYNCED.value and one.get("reason") in _GONE for one in conditions)


def is_reverting(body: Body) -> bool:
    """Whether it is a machine on its way back to a Snapshot, which it does not give up."""
    if body["metadata"].get("deletionTimestamp"):
        return False
    return body.get("status", {}).get("revert", {}).get("phase") in _REVERTING
