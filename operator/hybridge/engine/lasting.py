"""For how long an object needs what it refers to, once it is there or being made.

A Snapshot keeps its source from being deleted where it would go with it, because what is in it would be lost: on Proxmox VE
and vSphere. It keeps nobody once it has expired, or is gone. What is made from a Snapshot stands by itself, and a machine
that has gone back to one needs it no more.
"""

from __future__ import annotations

from hybridge.core.snapshot import SourceKind
from hybridge.engine.cluster import Body
from hybridge.engine.keys import Key
from hybridge.engine.relations import is_being_made
from hybridge.engine.stages import is_gone, is_made, is_reverting
from hybridge.engine.world import World

#: Who uses what only until it is made itself, by kinds: what comes of it stands by itself.
_UNTIL_MADE = frozenset({("Image", "VirtualMachine"), ("Image", "Snapshot"), ("Volume", "Snapshot")})


def lasts(world: World, user: Key, body: Body, kind: str) -> bool:
    """Whether an object still needs what it refers to, which is of this kind."""
    if (user.kind, kind) in _UNTIL_MADE:
        making = is_being_made(body) or world.is_making(user)
        return making and not body["metadata"].get("deletionTimestamp")
    if user.kind == "Snapshot":
        return not is_gone(body) and not (is_made(body) and _outlives(world, body, SourceKind(kind)))
    if (user.kind, kind) == ("VirtualMachine", "Snapshot"):
        return is_reverting(body)
    return True


def needs_to_be_made(user: Key, kind: str) -> bool:
    """Whether an object that refers to one of this kind cannot be made without it."""
    return (user.kind, kind) != ("VirtualMachine", "Snapshot")


def _outlives(world: World, body: Body, kind: SourceKind) -> bool:
    """Whether a snapshot stays when its source goes. Of a cloud that is not connected nothing is known."""
    link = world.link(body["spec"]["providerRef"]["name"])
    driver = link.driver.snapshots if link is not None else None
    return driver is not None and kind in driver.traits.outlives
