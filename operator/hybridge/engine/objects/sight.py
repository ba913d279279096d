"""What the plan looks at, put together from the status, the inventory and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from hybridge.core.imports import matches, near
from hybridge.core.lifecycle import Guarantees
from hybridge.core.situation import Record, Sight
from hybridge.core.units import parse_duration
from hybridge.engine.objects.case import C, Case, M, W
from hybridge.engine.objects.claim import Outside
from hybridge.engine.references import users
from hybridge.engine.world import World

G = TypeVar("G", bound=Guarantees)

#: Seconds for which the cloud is not asked again for details that it did not give.
UNREADABLE = 60.0


def bounded(world: World, traits: G) -> G:
    """The guarantees, as far as the operator was told to wait for them."""
    most = world.visibility
    if most is None:
        return traits
    return replace(traits, visibility=min(traits.visibility, most), lag=min(traits.lag, most))


def look(world: World, case: Case[M, W, C], record: Record, outside: Outside[C]) -> Sight[C]:
    """Also has changes of what is on record, and of what an import may come to mean, call this object."""
    memo, shelf = case.memo, case.shelf
    inventory, imports = shelf.inventory, case.spec.imports
    intent_id = record.intent.id if record.intent and not record.intent.rejected else None
    known_id = record.id or intent_id
    if known_id:
        shelf.bind(known_id, case.key, parse_duration(case.object.spec.sync_interval), observed=case.spec.observed)
    else:
        shelf.release(case.key)
    meant_id = known_id or (imports.id if imports else None)
    if meant_id and inventory.get(meant_id) is not None:
        memo.absent = None
    carriers = inventory.owned_by(case.marker.owner)
    seeking = imports is not None and not known_id and not carriers
    shelf.seek(case.key, seeking=seeking)
    within = [one for one in inventory.all() if outside(one, case.provider) is None] if seeking else []
    found = matches(imports, within) if imports else ()
    return Sight(
        settled=inventory.settled,
        recorded=inventory.get(meant_id) if meant_id and (known_id or case.spec.observed) else None,
        absent=meant_id is not None and memo.absent == meant_id,
        denied_since=memo.denied_since,
        denied_at=memo.denied_at,
        ending=meant_id is not None and memo.ending == meant_id,
        carriers=carriers,
        predecessors=() if known_id or carriers or record.intent else _predecessors(case),
        matches=found,
        near=near(imports, within) if imports and seeking and not found else (),
        task=memo.task,
        searched_at=memo.searched_at,
        token_spent=memo.token_spent,
        refused=memo.attempts.refused,
        users=users(world, case.key) if record.deleting else (),
        owners=case.link.machines.owners_in_words,
        unreadable=memo.unreadable_at is not None and world.clock() - memo.unreadable_at < UNREADABLE,
    )


def is_to_be_made(case: Case[M, W, C]) -> bool:
    """Whether it is to be made, as far as is seen, so that it may have to wait for others.

    What carries its marker, or that of an earlier object of its name, is there: others may wait for it.
    """
    memo = case.memo
    if memo.created_at is not None or memo.intent(case.object) is not None or case.deleting or case.spec.imports:
        return False
    return not (case.shelf.inventory.owned_by(case.marker.owner) or _predecessors(case))


def _predecessors(case: Case[M, W, C]) -> tuple[C, ...]:
    return tuple(
        one
        for one in case.shelf.inventory.all()
        if one.marker is not None
        and one.marker.uid != case.marker.uid
        and one.marker.names_same_object(case.marker)
        and not one.remains
    )
