"""Whether an object may take over what exists: the Provider allows where it is, and nobody else is at it."""

from __future__ import annotations

from collections.abc import Callable

from hybridge.api.managed import ManagedObject
from hybridge.api.provider import ProviderSpec
from hybridge.api.shared import Management
from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_duration
from hybridge.engine.keys import Key
from hybridge.engine.objects.case import AnyCase, C, Case, M, W
from hybridge.engine.world import World

#: What keeps tenants from something that exists, for people; None where nothing does.
Outside = Callable[[C, ProviderSpec], str | None]


def allow(case: Case[M, W, C], known_id: str, outside: Outside[C]) -> None:
    """Raises Refused (NOT_PERMITTED) where the Provider's restrictions keep tenants from what is to be imported."""
    found = case.shelf.inventory.get(known_id)
    if found is None or case.spec.imports is None or (found.marker and found.marker.owner == case.marker.owner):
        return
    named = outside(found, case.provider)
    if named:
        raise Refused(
            Reason.NOT_PERMITTED,
            f"{known_id} may not be imported: {named} is not among what spec.restrict of the Provider allows",
        )


def claim(world: World, case: AnyCase, known_id: str) -> None:
    """Reserves it for this object. Raises Refused: ALREADY_OWNED."""
    owner = case.shelf.owners.get(known_id)
    if owner is None or owner == case.key or world.store.get(owner) is None:
        owner = _recorded(world, case, known_id)
    if owner is not None:
        raise Refused(Reason.ALREADY_OWNED, f"{known_id} is taken by {owner.kind} {owner.namespace}/{owner.name}")
    # From here to the binding nothing else runs, so that of two objects that want the same only one gets it.
    case.shelf.bind(known_id, case.key, parse_duration(case.object.spec.sync_interval))


def _recorded(world: World, case: AnyCase, known_id: str) -> Key | None:
    """Another object that has it on record: it may have begun to take it over before a restart of ours, and not have had
    its turn since.
    """
    for key in world.store.users(case.link.name) - {case.key}:
        other: ManagedObject | None = world.decode(key, type(case.object)) if key.kind == case.key.kind else None
        if other is None or other.spec.lifecycle.management is Management.OBSERVED:
            continue
        intent = other.status.intent
        if known_id in {other.status.id, intent.id if intent and not intent.rejected else None}:
            return key
    return None
