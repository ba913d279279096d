"""Which node a new guest goes to: the one with most free memory of those that can take it, and why not the others."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from hybridge.core.errors import Refused
from hybridge.core.machine import MachineSpec
from hybridge.core.names import not_found
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes
from hybridge.drivers.proxmox.picture import Node, Picture

_GIB = 2**30
#: Most nodes that one sentence tells of.
_MOST = 8


@dataclass(frozen=True, slots=True)
class Need:
    """What a clone takes of a node: bytes of memory, and on each storage bytes.

    ``home`` is where its template is; ``bound`` tells why it cannot be on another node, if that is so.
    """

    home: str
    memory: int
    space: Mapping[str, int]
    bound: str = ""


class Nodes:
    """Chooses nodes. Safe for threads: what was chosen since the picture was taken counts as taken."""

    def __init__(self, default: str | None) -> None:
        """``default`` is the Provider's."""
        self._default = default
        self._planned: dict[str, tuple[str, int]] = {}
        self._planned_on = 0.0
        self._lock = threading.Lock()

    def choose(
        self,
        spec: MachineSpec,
        picture: Picture,
        need: Need,
        apart: Collection[Placed],
        unfit: Mapping[str, str],
    ) -> Placed:
        """The node, and why that one. ``unfit``: what else keeps the guest from a node. Raises Refused."""
        asked = spec.placement.get("node")
        wanted = asked or self._default
        if wanted and picture.nodes and wanted not in picture.nodes:
            raise Refused(Reason.NOT_FOUND, not_found("node", wanted, picture.nodes))
        if wanted and wanted != need.home and need.bound:
            raise Refused(Reason.UNSUPPORTED, f"node: {need.bound}, so it cannot be cloned to {wanted}")
        if not picture.online(need.home):
            raise Refused(Reason.CAPACITY, f"node: {need.home}, which holds the template, is offline")
        if not picture.nodes:
            return Placed(need.home, why="the template is there, and no nodes are in sight")
        taken = {placed.host for placed in apart}
        only = wanted or (need.home if need.bound else None)
        allowed = _allowed(spec, picture, only, need)
        reasons = {
            name: next(_obstacles(spec, node, picture, need, taken), unfit.get(name, ""))
            for name, node in sorted(picture.nodes.items())
            if name in allowed
        }
        able = [picture.nodes[name] for name, reason in reasons.items() if not reason]
        with self._lock:
            free = self._free(able, picture, spec.name)
            short = {name for name, left in free.items() if picture.nodes[name].memory and left < need.memory}
            if only is None and short:
                reasons |= {name: f"has {_gib(max(free.pop(name), 0))} GiB of memory free" for name in short}
            if not free:
                hint = "; placement.node takes one that shares out more memory than it has" if short else ""
                raise Refused(Reason.CAPACITY, f"{_told(spec, need, reasons)}{hint}")
            best = min(free, key=lambda name: (-free[name], name))
            self._planned[spec.name] = (best, need.memory)
        if asked:
            return Placed(best)
        if only is not None:
            return Placed(best, why=f"{best}: {need.bound or 'the default of the Provider'}")
        return Placed(best, why=_why(picture.nodes[best], free, reasons))

    def _free(self, nodes: Collection[Node], picture: Picture, name: str) -> dict[str, int]:
        """Bytes of memory that running guests, and those planned since the picture, leave; a repetition finds the same."""
        if self._planned_on != picture.taken_at:
            self._planned, self._planned_on = {}, picture.taken_at
        free = {node.name: node.memory - node.committed for node in nodes}
        for other, (node, memory) in self._planned.items():
            if other != name and node in free:
                free[node] -= memory
        return free


def _allowed(spec: MachineSpec, picture: Picture, only: str | None, need: Need) -> Collection[str]:
    """The nodes among which may be chosen. Raises Refused (NOT_PERMITTED); others than ``only`` are not named then."""
    known = picture.nodes.keys() if only is None else {only}
    hosts = spec.within.hosts
    allowed = known if hosts is None else known & hosts
    if allowed:
        return allowed
    why = f"only {only} comes into question ({need.bound or 'the default of the Provider'}), and " if only else ""
    raise Refused(Reason.NOT_PERMITTED, f"node: {why}spec.restrict.nodes of the Provider allows none that there is")


def _obstacles(
    spec: MachineSpec, node: Node, picture: Picture, need: Need, taken: Collection[str | None]
) -> Iterator[str]:
    """Why a guest cannot be on a node. Sizes of 0 are not known: this account may not see them."""
    if node.away:
        yield node.away
    if node.name in taken:
        yield f"holds a machine of the group {spec.group or ''}".rstrip()
    for name, space in need.space.items():
        storage = picture.storages.get(name)
        if storage is not None and node.name not in storage.nodes:
            yield f"does not have the storage {name}"
        elif storage is not None and space > storage.free.get(node.name, space):
            yield f"has {_gib(storage.free[node.name])} GiB free on {name}, and the disks take {_gib(space)} GiB"
    if node.cpus and (spec.cpus or 0) > node.cpus:
        yield f"has {node.cpus} CPUs"
    if node.memory and need.memory > node.memory:
        yield f"has {_gib(node.memory)} GiB of memory"


def _why(node: Node, free: Mapping[str, int], reasons: Mapping[str, str]) -> str:
    others = f"most free memory of {len(free)} nodes that fit" if len(free) > 1 else "the only node that fits"
    amount = f" ({_gib(free[node.name])} of {_gib(node.memory)} GiB)" if node.memory else ""
    return "; ".join([f"{node.name}: {others}{amount}", *_list(reasons)])


def _told(spec: MachineSpec, need: Need, reasons: Mapping[str, str]) -> str:
    sizes = f"{spec.cpus} CPUs and {format_bytes(need.memory)}"
    return f"no node can take {sizes}: {'; '.join(_list(reasons))}" + (f" ({need.bound})" if need.bound else "")


def _list(reasons: Mapping[str, str]) -> list[str]:
    found = [f"{name} {reason}" for name, reason in reasons.items() if reason]
    return [*found[:_MOST], f"and {len(found) - _MOST} more"] if len(found) > _MOST else found


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f}"
