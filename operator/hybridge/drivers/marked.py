"""The proof right before a deletion and before another marker: what was seen with its marker has it still, or again."""

from __future__ import annotations

from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import NotProven
from hybridge.core.identity import Marker


def same_owner(carried: Marker | None, marker: Marker | None) -> bool:
    """Whether both name the same object, or neither names any."""
    return carried is None if marker is None else carried is not None and carried.owner == marker.owner


def prove(found: CloudObject, carried: Marker | None) -> None:
    """Nothing, when a fresh reading shows it with the marker of ``found``. Raises NotProven."""
    if not same_owner(carried, found.marker):
        what = f"the marker of {carried.owner}" if carried else "no marker"
        raise NotProven(f"{found.id} ({found.name}) now carries {what}")


def prove_for(found: CloudObject, carried: Marker | None, marker: Marker | None) -> None:
    """``prove`` for who gives it another marker, or none; one that has arrived already is as good. Raises NotProven."""
    if marker is None or not same_owner(carried, marker):
        prove(found, carried)
