"""What a firewall should be, and what it is: what it allows, and to which machines it applies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hybridge.core.lifecycle import Guarantees
from hybridge.core.managed import ManagedObject, ManagedSpec


class Direction(StrEnum):
    """Which way traffic goes, as the machine sees it."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


class Protocol(StrEnum):
    """What is allowed."""

    TCP = "TCP"
    UDP = "UDP"
    ICMP = "ICMP"
    ANY = "Any"


@dataclass(frozen=True, slots=True, order=True)
class Ports:
    """A range of ports, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is allowed, in the smallest form that a cloud keeps.

    ``peer``: a CIDR, or the id of a group of machines. ``ports``: None for all, and where there are none.
    """

    direction: Direction
    protocol: Protocol
    peer: str
    ports: Ports | None = None

    def __str__(self) -> str:
        ports = f" {self.ports}" if self.ports else ""
        return f"{self.direction} {self.protocol}{ports} {_PREPOSITIONS[self.direction]} {self.peer}"


_PREPOSITIONS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A wanted rule. ``ports``: empty for all. ``peers``: empty for nobody, as where no machine is selected."""

    name: str
    direction: Direction
    protocol: Protocol
    peers: tuple[str, ...]
    ports: tuple[Ports, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The rule in its smallest parts."""
        return tuple(
            Entry(self.direction, self.protocol, peer, ports) for peer in self.peers for ports in self.ports or (None,)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallSpec(ManagedSpec):
    """What the user wants. ``network``: the cloud's id of the network in which it is, where it needs one. ``members``: ids
    of the machines to which it applies, which the selector chose just now. ``left_out``: why it does not apply to others
    that the selector chose, in words, by the names of their objects.
    """

    network: str | None = None
    rules: tuple[Rule, ...] = ()
    members: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall(ManagedObject):
    """One firewall as its cloud shows it. ``members``: ids of all machines to which it applies."""

    entries: tuple[Entry, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirewallTraits(Guarantees):
    """What a cloud guarantees of the firewalls that it is asked to make."""

    chooses_uuid: bool = False


def missing(spec: FirewallSpec, firewall: Firewall) -> Mapping[str, tuple[Entry, ...]]:
    """What is to be allowed and is not yet, by the field of the action that brings it about."""
    present = set(firewall.entries)
    found: dict[str, tuple[Entry, ...]] = {}
    for rule in spec.rules:
        lacking = tuple(one for one in dict.fromkeys(rule.entries) if one not in present)
        if lacking:
            found[f"rules.{rule.name}"] = lacking
            present.update(lacking)
    return found


def surplus(spec: FirewallSpec, firewall: Firewall) -> Mapping[str, tuple[Entry, ...]]:
    """What is allowed and not wanted, by the field of the action that takes it away."""
    wanted = {entry for rule in spec.rules for entry in rule.entries}
    return {f"rules[{one}]": (one,) for one in sorted(set(firewall.entries) - wanted, key=str)}


def joining(spec: FirewallSpec, firewall: Firewall) -> Mapping[str, str]:
    """The machines to which it is to apply and does not yet, by the field of the action."""
    return {f"members[{one}]": one for one in sorted({*spec.members} - {*firewall.members})}


def leaving(wanted: Collection[str], firewall: Firewall, ours: Collection[str]) -> Mapping[str, str]:
    """The machines to which it applies and is not to, by the field of the action; only of those that are ``ours``."""
    return {f"members[{one}]": one for one in sorted({*firewall.members} - {*wanted}) if one in ours}


def in_short(entries: Iterable[Entry]) -> str:
    """Entries for people, always in the same order."""
    return ", ".join(sorted(str(one) for one in entries))
