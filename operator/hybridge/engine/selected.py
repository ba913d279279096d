"""The machines that a Firewall chooses by their labels, as they are now: who comes under it, who does not and why, and at
which addresses they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from hybridge.api.firewall import Firewall
from hybridge.api.selectors import LabelSelector
from hybridge.api.shared import Management
from hybridge.engine.cluster import Body
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.world import World

_ADDRESSES = frozenset({"InternalIP", "ExternalIP"})


@dataclass(frozen=True, slots=True)
class Selected:
    """``members``: the cloud's ids of those to which a firewall is applied, or stays applied. ``left_out``: why it is not to
    others, in words, by their names.
    """

    members: Collection[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def members(world: World, told: Firewall, link: Link, present: Collection[str]) -> Selected:
    """Whom ``spec.selector`` chooses. ``present``: the ids of those to which it is applied now.

    It is applied to a machine once that provably is the one of its object; one that cannot be proven for a moment keeps it,
    as does one that is being deleted, until the machine is gone. A machine that does not exist yet is nobody.
    """
    if told.spec.selector is None:
        return Selected()
    found: set[str] = set()
    left_out: dict[str, str] = {}
    for key, body in _chosen(world, told.metadata.namespace, told.spec.selector):
        provider = body["spec"]["providerRef"]["name"]
        if provider != link.name:
            left_out[key.name] = f"it is in Provider {provider}"
            continue
        if (body["spec"].get("lifecycle") or {}).get("management") == Management.OBSERVED.value:
            left_out[key.name] = "it is only observed"
            continue
        known, proven = _id(world, link, body)
        leaving = bool(body["metadata"].get("deletionTimestamp"))
        if known is not None and ((proven and not leaving) or known in present):
            found.add(known)
        elif known is not None and not proven and link.machines.inventory.settled:
            left_out[key.name] = f"{known} is not provably its own"
    return Selected(found, left_out)


def peers(world: World, told: Firewall) -> Mapping[str, Collection[str]]:
    """Whom the selectors of rules choose, as ranges of one address each, by the names of the rules."""
    namespace = told.metadata.namespace
    return {
        rule.name: {address for _, body in _chosen(world, namespace, rule.machines) for address in _addresses(body)}
        for rule in told.spec.rules
        if rule.machines is not None
    }


def owners(world: World, link: Link, ids: Collection[str]) -> Mapping[str, Key]:
    """Whose machines these are, by id, as far as they are this cluster's.

    By what is on record or by their markers: a machine may not have had its turn since the operator started.
    """
    found = ((known_id, link.machines.owners.get(known_id) or _marked(world, link, known_id)) for known_id in ids)
    return {known_id: key for known_id, key in found if key is not None}


def _marked(world: World, link: Link, known_id: str) -> Key | None:
    """The object whose machine this provably is."""
    machine = link.machines.inventory.get(known_id)
    marker = machine.marker if machine is not None else None
    key = world.store.by_uid(marker.uid) if marker is not None and marker.cluster == world.cluster_id else None
    body = world.store.get(key) if key is not None else None
    return key if body is not None and body["status"].get("id") == known_id else None


def _chosen(world: World, namespace: str, selector: LabelSelector) -> Iterator[tuple[Key, Body]]:
    """The bodies as they are: a firewall may choose thousands, of each of which a few words are needed."""
    for key in sorted(world.store.selections.chosen(namespace, selector)):
        body = world.store.get(key)
        if body is not None:
            yield key, body


def _id(world: World, link: Link, body: Body) -> tuple[str | None, bool]:
    """The id of an object's machine, and whether its marker proves that; with no id on record it is the only carrier's."""
    carriers = link.machines.inventory.owned_by(f"{world.cluster_id}/{body['metadata']['uid']}")
    known = body["status"].get("id")
    if known is None:
        return (carriers[0].id, True) if len(carriers) == 1 else (None, False)
    return known, any(one.id == known for one in carriers)


def _addresses(body: Body) -> Iterator[str]:
    """Those at which others can reach a machine: agents in guests report also what is the guest's own."""
    for told in body["status"].get("addresses") or ():
        if told.get("type") not in _ADDRESSES:
            continue
        try:
            address = ip_address(told.get("address", ""))
        except ValueError:
            continue
        if not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified):
            yield str(ip_network(address))
