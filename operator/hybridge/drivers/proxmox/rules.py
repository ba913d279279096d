"""Rules of PVE's firewall as the core's entries, and back. Pure.

An entry is a rule that accepts. What else people write into a group (what refuses, macros, ports of the other side,
names of sets) is no entry that can be wanted: it is shown in words, so that it is seen and can be taken away.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from hybridge.core.errors import Refused
from hybridge.core.firewall import Direction, Entry, Ports, Protocol
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.answers_firewall import FirewallRule

ACCEPT = "ACCEPT"
_DIRECTIONS = {"in": Direction.INGRESS, "out": Direction.EGRESS}
_TYPES = {direction: word for word, direction in _DIRECTIONS.items()}
_ICMP, _ICMP6 = frozenset({"icmp", "1"}), frozenset({"ipv6-icmp", "icmpv6", "58"})
_PROTOCOLS = {"": Protocol.ANY, "tcp": Protocol.TCP, "6": Protocol.TCP, "udp": Protocol.UDP, "17": Protocol.UDP}
_EVERYBODY = {4: "0.0.0.0/0", 6: "::/0"}
_PORTS = re.compile(r"(\d{1,5})(?::(\d{1,5}))?")
_LAST_PORT = 65535
#: Characters of a rule in words, which stands in fields of a plan.
_LONGEST = 80


def network(peer: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A peer as a range; None when it is none."""
    try:
        return ipaddress.ip_network(peer, strict=False)
    except ValueError:
        return None


def plain_peer(peer: str) -> str:
    """A range in the one form in which it is compared. Raises Refused."""
    found = network(peer)
    if found is None:
        raise Refused(Reason.INVALID_SPEC, f"spec.rules: {peer!r} is no range of addresses")
    return str(found)


def entries(rule: FirewallRule) -> tuple[Entry, ...]:
    """What a rule allows; one entry in words where that is not all that it says; nothing where it is off."""
    if not rule.enable:
        return ()
    direction = _DIRECTIONS.get(rule.type)
    strange = rule.macro or rule.sport or rule.iface or rule.icmp_type or rule.action != ACCEPT
    beside = rule.dest if direction is Direction.INGRESS else rule.source
    if direction is None or strange or beside:
        return (_in_words(rule),)
    found = tuple(_read(rule, direction))
    return found or (_in_words(rule),)


def _read(rule: FirewallRule, direction: Direction) -> Iterator[Entry]:
    named = rule.source if direction is Direction.INGRESS else rule.dest
    peers = [network(one.strip()) for one in named.split(",")] if named else _everybody(rule.proto)
    ports = list(_ports(rule.dport))
    for peer in peers:
        protocol = _protocol(rule.proto, peer.version) if peer is not None else None
        if peer is None or protocol is None or None in ports:
            return
    for peer in peers:
        for one in ports or [None]:
            protocol = _protocol(rule.proto, peer.version if peer else 4)
            yield Entry(direction, protocol or Protocol.ANY, str(peer), one)


def _everybody(proto: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network | None]:
    versions = (4,) if proto in _ICMP else (6,) if proto in _ICMP6 else (4, 6)
    return [network(_EVERYBODY[version]) for version in versions]


def _protocol(proto: str, version: int) -> Protocol | None:
    if proto in (_ICMP if version == 4 else _ICMP6):
        return Protocol.ICMP
    return _PROTOCOLS.get(proto)


def _ports(dport: str) -> Iterator[Ports | None]:
    for one in dport.split(",") if dport else ():
        found = _PORTS.fullmatch(one.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        yield Ports(first, last) if first <= last <= _LAST_PORT else None


def _in_words(rule: FirewallRule) -> Entry:
    parts = {
        "proto": rule.proto,
        "source": rule.source,
        "dest": rule.dest,
        "dport": rule.dport,
        "sport": rule.sport,
        "macro": rule.macro,
        "iface": rule.iface,
        "icmp-type": rule.icmp_type,
    }
    told = " ".join([rule.type, rule.action, *(f"{key}={text}" for key, text in parts.items() if text)])
    direction = _DIRECTIONS.get(rule.type, Direction.INGRESS)
    return Entry(direction, Protocol.ANY, f"rule ({told[:_LONGEST]})")


def words(entry: Entry) -> dict[str, str | int]:
    """The parameters of the rule that allows an entry."""
    peer = network(entry.peer)
    proto = {Protocol.TCP: "tcp", Protocol.UDP: "udp"}.get(entry.protocol)
    if entry.protocol is Protocol.ICMP:
        proto = "icmp" if peer is not None and peer.version == 4 else "ipv6-icmp"
    side = "source" if entry.direction is Direction.INGRESS else "dest"
    values: dict[str, str | int] = {"type": _TYPES[entry.direction], "action": ACCEPT, "enable": 1, side: entry.peer}
    if proto:
        values["proto"] = proto
    if entry.ports:
        first, last = entry.ports.first, entry.ports.last
        values["dport"] = str(first) if first == last else f"{first}:{last}"
    return values
