"""What the plan looks at, put together from the status, the inventory and what is remembered."""

from __future__ import annotations

from dataclasses import replace

from hybridge.core.imports import matches, near
from hybridge.core.machine import Machine
from hybridge.core.machine_situation import Sight, Situation
from hybridge.core.units import parse_duration
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.group import neighbours
from hybridge.engine.restrictions import outside
from hybridge.engine.world import World

#: Seconds for which the cloud is not asked again for details that it did not give.
UNREADABLE = 60.0


def situation(world: World, case: Case) -> Situation:
    """Also has changes of the machine on record, and of what an import may come to mean, call this object."""
    memo, link = case.memo, case.link
    record = memo.record(case.machine, deleting=case.deleting)
    traits = link.driver.machines.traits
    if world.visibility is not None:
        most = world.visibility
        traits = replace(traits, visibility=min(traits.visibility, most), lag=min(traits.lag, most))
    inventory, imports = link.machines.inventory, case.spec.imports
    intent_id = record.intent.id if record.intent and not record.intent.rejected else None
    known_id = record.id or intent_id
    if known_id:
        link.machines.bind(
            known_id, case.key, parse_duration(case.machine.spec.sync_interval), observed=case.spec.observed
        )
    else:
        link.machines.release(case.key)
    meant_id = known_id or (imports.id if imports else None)
    if meant_id and inventory.get(meant_id) is not None:
        memo.absent = None
    carriers = inventory.owned_by(case.marker.owner)
    seeking = imports is not None and not known_id and not carriers
    link.machines.seek(case.key, seeking=seeking)
    within = [one for one in inventory.all() if outside(one, case.provider) is None] if seeking else []
    found = matches(imports, within) if imports else ()
    sight = Sight(
        settled=inventory.settled,
        recorded=inventory.get(meant_id) if meant_id and (known_id or case.spec.observed) else None,
        absent=meant_id is not None and memo.absent == meant_id,
        denied_since=memo.denied_since,
        denied_at=memo.denied_at,
        carriers=carriers,
        predecessors=() if known_id or carriers or record.intent else _predecessors(case),
        matches=found,
        near=near(imports, within) if imports and seeking and not found else (),
        neighbours=neighbours(world, case),
        task=memo.task,
        searched_at=memo.searched_at,
        token_spent=memo.token_spent,
        refused=memo.attempts.refused,
        unreadable=memo.unreadable_at is not None and world.clock() - memo.unreadable_at < UNREADABLE,
    )
    return Situation(case.spec, record, sight, traits, case.marker, link.connection.identity, world.clock())


def _predecessors(case: Case) -> tuple[Machine, ...]:
    return tuple(
        machine
        for machine in case.link.machines.inventory.all()
        if machine.marker is not None
        and machine.marker.uid != case.marker.uid
        and machine.marker.names_same_object(case.marker)
    )
