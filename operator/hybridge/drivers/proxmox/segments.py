"""What guests can be plugged into, read in bulk: the vnets of the cluster in one request, and the bridges of its nodes.

Bridges change by hand, and rarely: a sweep reads those of the nodes that were never read, and of one more, in turn.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hybridge.core.errors import CloudError, Refused
from hybridge.core.network import Network
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Portion
from hybridge.drivers.proxmox import aliases
from hybridge.drivers.proxmox.answers import Member
from hybridge.drivers.proxmox.answers_sdn import Interface
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.proof import unclear
from hybridge.drivers.proxmox.sdn import Sdn, Written

_log = logging.getLogger(__name__)
T = TypeVar("T")
#: Calls a function for each node, some at a time.
Spread = Callable[[Callable[[str], T], Iterable[str]], Iterable[T]]
#: The only thing that a vnet has besides itself: that it is in effect.
APPLIED = "applied"
VLAN, VNET, ZONE, BRIDGE, NODE = "vlan", "proxmox.vnet", "proxmox.sdnZone", "proxmox.bridge", "placement.node"
#: The names that vnets may have.
VNET_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]{1,7}")
_UNFIT = "a bridge, which belongs to its nodes: it can be observed, but not managed"


@dataclass(frozen=True, slots=True)
class _Bridges:
    names: frozenset[str]
    read_at: float


class Segments:
    """Reads vnets and bridges of one cluster. Safe for threads."""

    def __init__(self, estate: Estate, sdn: Sdn) -> None:
        self._estate = estate
        self._client = estate.client
        self._sdn = sdn
        self._bridges: dict[str, _Bridges] = {}

    # ------------------------------------------------------------------ sweep

    def sweep(self, picture: Picture, spread: Spread[int]) -> tuple[Portion[Network], int]:
        """All in sight, with the guests that are plugged in, and what reading bridges cost."""
        vnets = self._try_vnets()
        spent = sum(spread(self._try_node, self._due(picture)))
        nodes = [name for name in picture.nodes if picture.online(name)]
        settled = vnets is not None and all(node in self._bridges for node in nodes)
        users = self._estate.book.plugged()
        found = {one.id: one for one in self._shown_bridges(picture, users)}
        found |= {one.vnet: shown(one, users.get(one.vnet, ())) for one in vnets or ()}
        return Portion(found, full=settled, settled=settled), spent

    def _try_vnets(self) -> list[Written] | None:
        try:
            return self.vnets()
        except CloudError as error:
            _log.warning("vnets are left for the next sweep: %s", error.message)
            return None

    def _due(self, picture: Picture) -> list[str]:
        nodes = [name for name in sorted(picture.nodes) if picture.online(name)]
        unread = [name for name in nodes if name not in self._bridges]
        known = [name for name in nodes if name in self._bridges]
        return [*unread, *sorted(known, key=lambda name: self._bridges[name].read_at)[: 0 if unread else 1]]

    def _try_node(self, node: str) -> int:
        before = self._client.sent
        try:
            self._read_node(node)
        except CloudError as error:
            _log.info("bridges of node %s were not read: %s", node, error.message)
        return self._client.sent - before

    def _read_node(self, node: str) -> frozenset[str]:
        rows = self._client.get("Bridges", list[Interface], "nodes", node, "network", type="any_bridge")
        names = frozenset(row.iface for row in rows if row.type != "vnet")
        self._bridges[node] = _Bridges(names, time.monotonic())
        return names

    def _shown_bridges(self, picture: Picture, users: Mapping[str, Collection[str]]) -> Iterable[Network]:
        nodes: dict[str, list[str]] = {}
        for node, known in sorted(self._bridges.items()):
            for name in known.names if node in picture.nodes else ():
                nodes.setdefault(name, []).append(node)
        return [_bridge(name, where, users.get(name, ())) for name, where in nodes.items()]

    # ------------------------------------------------------------- one by one

    def vnets(self) -> list[Written]:
        """All vnets; none where SDN is not installed. Raises CloudError."""
        try:
            return self._sdn.vnets()
        except Refused as refusal:
            if refusal.reason is Reason.UNSUPPORTED:
                return []
            raise

    def exists(self, name: str) -> Network | None:
        """A fresh reading of one; None when it is provably not there. Raises CloudError."""
        users = self._estate.book.plugged().get(name, ())
        for one in self.vnets():
            if one.vnet == name:
                return shown(one, users)
        picture = self._estate.look()
        online = [node for node in sorted(picture.nodes) if picture.online(node)]
        where = [node for node in online if name in self._read_node(node)]
        if where:
            return _bridge(name, where, users)
        away = [node for node in picture.nodes if node not in online]
        if any(name in self._bridges[node].names for node in away if node in self._bridges):
            raise unclear(f"bridge {name} was on node {', '.join(away)}, which is offline")
        self._confirm_absence(name)
        return None

    def _confirm_absence(self, name: str) -> None:
        """Nothing, when no vnet has this name: a list without it hides what the account may not see. Raises CloudError."""
        if VNET_NAME.fullmatch(name):
            try:
                self._sdn.vnet(name)
            except Missing:
                pass
            except Refused as refusal:
                if refusal.reason is not Reason.UNSUPPORTED:
                    raise
            else:
                raise unclear(f"vnet {name} has just come to be")
        members = self._client.get("ClusterStatus", list[Member], "cluster", "status")
        if any(member.type == "cluster" and not member.quorate for member in members):
            raise unclear(f"the cluster has no quorum, so it cannot tell whether there is a vnet or bridge {name}")


def shown(one: Written, users: Collection[str]) -> Network:
    """A vnet as the core's network. What people see as its name is its alias, where it has one."""
    name, marker = aliases.read(one.alias)
    return Network(
        one.vnet,
        name or one.vnet,
        marker=marker,
        attaches=one.vnet,
        settings={VLAN: (str(one.tag),) if one.tag else (), VNET: (one.vnet,), ZONE: (one.zone,)},
        parts=(APPLIED,) if one.applied else (),
        machines=tuple(sorted(users)),
    )


def _bridge(name: str, nodes: Iterable[str], users: Collection[str]) -> Network:
    return Network(
        name,
        name,
        unfit=_UNFIT,
        attaches=name,
        settings={BRIDGE: (name,), NODE: tuple(nodes)},
        parts=(APPLIED,),
        machines=tuple(sorted(users)),
    )
