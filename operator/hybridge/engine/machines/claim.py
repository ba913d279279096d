"""Whether this object may take over a machine that exists: the Provider allows where it is, and nobody else is at it."""

from __future__ import annotations

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_duration
from hybridge.engine.admission import outside
from hybridge.engine.machines.case import Case
from hybridge.engine.world import World


def claim(world: World, case: Case, machine_id: str) -> None:
    """Reserves the machine for this object. Raises Refused: ALREADY_OWNED or NOT_PERMITTED."""
    machine, link = case.link.inventory.get(machine_id), case.link
    named = outside(machine, case.provider) if machine is not None and case.spec.imports is not None else None
    if named:
        raise Refused(
            Reason.NOT_PERMITTED,
            f"{machine_id} may not be imported: {named} is not among what spec.restrict of the Provider allows",
        )
    owner = link.owners.get(machine_id)
    if owner not in {None, case.key} and owner is not None and world.store.get(owner) is not None:
        raise Refused(Reason.ALREADY_OWNED, f"{machine_id} is taken by {owner.kind} {owner.namespace}/{owner.name}")
    # From here to the binding nothing else runs, so that of two objects that want the same machine only one gets it.
    link.bind(machine_id, case.key, parse_duration(case.machine.spec.sync_interval))
