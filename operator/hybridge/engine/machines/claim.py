"""Whether this object may take over a machine that exists: the Provider allows where it is, and nobody else is at it."""

from __future__ import annotations

from hybridge.api.shared import Management
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_duration
from hybridge.engine.keys import Key
from hybridge.engine.machines.case import Case
from hybridge.engine.restrictions import outside
from hybridge.engine.world import World


def allow(case: Case, machine_id: str) -> None:
    """Raises Refused (NOT_PERMITTED) where the Provider's restrictions keep tenants from a machine to be imported."""
    machine = case.link.machines.inventory.get(machine_id)
    if machine is None or case.spec.imports is None or (machine.marker and machine.marker.owner == case.marker.owner):
        return
    named = outside(machine, case.provider)
    if named:
        raise Refused(
            Reason.NOT_PERMITTED,
            f"{machine_id} may not be imported: {named} is not among what spec.restrict of the Provider allows",
        )


def claim(world: World, case: Case, machine_id: str) -> None:
    """Reserves the machine for this object. Raises Refused: ALREADY_OWNED or NOT_PERMITTED."""
    link = case.link
    allow(case, machine_id)
    owner = link.machines.owners.get(machine_id)
    if owner is None or owner == case.key or world.store.get(owner) is None:
        owner = _recorded(world, case, machine_id)
    if owner is not None:
        raise Refused(Reason.ALREADY_OWNED, f"{machine_id} is taken by {owner.kind} {owner.namespace}/{owner.name}")
    # From here to the binding nothing else runs, so that of two objects that want the same machine only one gets it.
    link.machines.bind(machine_id, case.key, parse_duration(case.machine.spec.sync_interval))


def _recorded(world: World, case: Case, machine_id: str) -> Key | None:
    """Another object that has the machine on record: it may have begun to take it over before a restart of ours, and not
    have had its turn since.
    """
    for key in world.store.users(case.link.name) - {case.key}:
        other = world.decode(key, VirtualMachine) if key.kind == case.key.kind else None
        if other is None or other.spec.lifecycle.management is Management.OBSERVED:
            continue
        intent = other.status.intent
        if machine_id in {other.status.id, intent.id if intent and not intent.rejected else None}:
            return key
    return None
