"""What a network should be, and what it is: a segment that machines attach to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybridge.core.lifecycle import Guarantees
from hybridge.core.machine import Change, Known
from hybridge.core.managed import ManagedObject, ManagedSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec(ManagedSpec):
    """What the user wants. None means *chosen at create, not managed afterwards*.

    ``cidr`` is the range of its addresses. ``options`` (the block of the network's own cloud) is keyed as in the custom
    resource. ``parts``: what belongs to it besides the thing that has its id, in the order in which it is made; a driver's
    ``normalize`` says so: a subnet in a VPC of its own, the zone's configuration that has the vnet in effect.
    """

    cidr: str | None = None
    vlan: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(ManagedObject):
    """One network as its cloud shows it.

    ``id`` is that of the thing which is made first and goes last. ``attaches``: the word by which machines are put into it:
    a subnet's id, the name of a bridge, a vnet or a port group; empty while it has none. ``settings`` are the fields that a
    spec can set and this cloud shows, by path: ``cidr``, ``vlan``, and those of the block of options under its name.
    ``parts``: those that are there. ``machines``: ids of all that are in it.
    """

    attaches: str = ""
    settings: Mapping[str, Known] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkTraits(Guarantees):
    """How a cloud's networks differ where the plan has to know.

    ``block``: the name of the cloud's options in a spec. ``changes``: what changing a field takes, by path as in
    ``Network.settings``; STOPPED: that no machine is in it. What is not listed takes another network.
    """

    chooses_uuid: bool = False
    block: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)
