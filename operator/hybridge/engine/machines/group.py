"""Anti-affinity: where the other machines of a group are, or are going to be."""

from __future__ import annotations

from collections.abc import Mapping

from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.place import Placed
from hybridge.engine.cluster import Body
from hybridge.engine.link import Link
from hybridge.engine.machines.case import Case
from hybridge.engine.world import World


def apart(world: World, case: Case) -> tuple[Placed, ...]:
    """The places of the other machines of the group: in the same namespace, at the same Provider.

    A machine that is being made counts where its intent puts it.
    """
    group = case.spec.group
    if group is None:
        return ()
    return tuple(
        place
        for other in others(world, case.object, group)
        if other.metadata.uid != case.object.metadata.uid and (place := _place(case.link, other)) is not None
    )


def neighbours(world: World, case: Case) -> Mapping[str, str]:
    """The names of the other machines of the group by the host that each is on; where clouds show no hosts, none."""
    group = case.spec.group
    if group is None:
        return {}
    members = [one for one in others(world, case.object, group) if one.metadata.uid != case.object.metadata.uid]
    seen = ((case.link.machines.inventory.get(one.status.id or ""), one.metadata.name) for one in members)
    return {machine.host: name for machine, name in seen if machine is not None and machine.host is not None}


def others(world: World, machine: VirtualMachine, group: str) -> tuple[VirtualMachine, ...]:
    """The objects of the same group, this one included."""
    provider, namespace = machine.spec.provider_ref.name, machine.metadata.namespace
    users = (key for key in world.store.users(provider) if key.kind == "VirtualMachine" and key.namespace == namespace)
    found = (world.decode(key, VirtualMachine) for key in users if _group(world.store.get(key)) == group)
    return tuple(filter(None, found))


def _group(body: Body | None) -> object:
    """Read from the body itself: most objects are in no group, and are not worth decoding."""
    return body["spec"].get("placement", {}).get("antiAffinityGroup") if body else None


def _place(link: Link, other: VirtualMachine) -> Placed | None:
    status = other.status
    seen = link.machines.inventory.get(status.id) if status.id and status.created_at else None
    if seen is not None:
        return Placed(seen.host, seen.zone)
    planned = status.placement
    return Placed(planned.host, planned.zone) if planned else None
