"""Security groups: what EC2 shows as the core's firewalls, and what rules mean in EC2's words. Pure.

What all groups of an interface allow is allowed: a group adds to the others, and takes nothing from them.
Source: EC2 API Reference, DescribeSecurityGroups, IpPermission; Amazon VPC User Guide, "Security group rules".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from hybridge.core.errors import Refused
from hybridge.core.firewall import Direction, Entry, Firewall, FirewallSpec, Ports, Protocol, Rule
from hybridge.core.identity import PREFIX, Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch, mapping
from hybridge.drivers.aws.mapping import NAME, RESERVED

DEFAULT = "default"
#: What a new group allows without being asked.
UNASKED = frozenset(
    {
        Entry(Direction.EGRESS, Protocol.ANY, "0.0.0.0/0"),
        Entry(Direction.EGRESS, Protocol.ANY, "::/0"),
    }
)
_SIDES = {Direction.INGRESS: "IpPermissions", Direction.EGRESS: "IpPermissionsEgress"}
_PROTOCOLS = {
    "tcp": Protocol.TCP,
    "udp": Protocol.UDP,
    "icmp": Protocol.ICMP,
    "icmpv6": Protocol.ICMP,
    "58": Protocol.ICMP,
}
_WORDS = {Protocol.TCP: "tcp", Protocol.UDP: "udp", Protocol.ICMP: "icmp", Protocol.ANY: "-1"}
_WITH_PORTS = frozenset({Protocol.TCP, Protocol.UDP})
_ALL_PORTS = (0, 65535)
#: A peer by how it is written, in the lists of an IpPermission.
_PEERS = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("UserIdGroupPairs", "GroupId"),
    ("PrefixListIds", "PrefixListId"),
)


def firewall(found: Mapping[str, Any], members: Collection[str]) -> Firewall:
    """One group of DescribeSecurityGroups; ``members`` are the ids of the instances that have it."""
    tags = mapping.pairs(found.get("Tags", []))
    name = found["GroupName"]
    return Firewall(
        id=found["GroupId"],
        name=name,
        marker=Marker.read(tags),
        tags={key: value for key, value in tags.items() if key != NAME and not key.startswith((PREFIX, RESERVED))},
        unfit="it is the default group of its VPC" if name == DEFAULT else "",
        entries=tuple(sorted({entry for entry, _ in allowed(found)}, key=str)),
        members=tuple(sorted(members)),
    )


def is_firewall(found: Mapping[str, Any]) -> bool:
    """Whether a group carries the marker of a Firewall."""
    marker = Marker.read(mapping.pairs(found.get("Tags", [])))
    return marker is not None and marker.kind == CloudKind.FIREWALL


def allowed(found: Mapping[str, Any]) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """All that a group allows, each with the IpPermission that stands for it alone.

    What no spec can ask for is shown as something that none asks for: another protocol as Any, and a type of ICMP as ICMP,
    both with their numbers as ports.
    """
    for direction, side in _SIDES.items():
        for permission in found.get(side, []):
            protocol, ports = _what(permission)
            plain = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
            for where, word in _PEERS:
                for one in permission.get(where, []):
                    if peer := one.get(word):
                        yield Entry(direction, protocol, peer, ports), {**plain, where: [{word: peer}]}


def permissions(entries: Iterable[Entry]) -> dict[Direction, list[dict[str, Any]]]:
    """What allows these, as IpPermissions by direction."""
    found: dict[Direction, list[dict[str, Any]]] = {}
    for entry in entries:
        where, word = _peer(entry.peer)
        protocol = _WORDS[entry.protocol]
        words: dict[str, Any] = {"IpProtocol": "icmpv6" if protocol == "icmp" and where == "Ipv6Ranges" else protocol}
        if entry.protocol in _WITH_PORTS:
            first, last = (entry.ports.first, entry.ports.last) if entry.ports else _ALL_PORTS
            words |= {"FromPort": first, "ToPort": last}
        elif entry.protocol is Protocol.ICMP:
            words |= {"FromPort": -1, "ToPort": -1}
        found.setdefault(entry.direction, []).append({**words, where: [{word: entry.peer}]})
    return found


def check(spec: FirewallSpec) -> None:
    """Refused when the spec asks for what EC2 does not have; it names the field."""
    launch.check_tags(spec)
    if spec.name.startswith("sg-") or spec.name == DEFAULT:
        raise Refused(Reason.INVALID_SPEC, f"spec.name: {spec.name} is kept by EC2 for itself")


def normal(spec: FirewallSpec) -> FirewallSpec:
    """The spec as EC2 would show it back: ranges of addresses in their usual form."""
    return replace(spec, rules=tuple(_normal(rule) for rule in spec.rules))


def _normal(rule: Rule) -> Rule:
    return replace(rule, peers=tuple(dict.fromkeys(_range(rule.name, peer) for peer in rule.peers)))


def _range(rule: str, peer: str) -> str:
    if peer.startswith("sg-"):
        return peer
    try:
        return str(ip_network(peer))
    except ValueError as error:
        raise Refused(Reason.INVALID_SPEC, f"spec.rules[{rule}]: {peer} is no range of addresses") from error


def _peer(peer: str) -> tuple[str, str]:
    if peer.startswith("sg-"):
        return _PEERS[2]
    return _PEERS[1] if ":" in peer else _PEERS[0]


def _what(permission: Mapping[str, Any]) -> tuple[Protocol, Ports | None]:
    word = permission.get("IpProtocol", "")
    protocol = _PROTOCOLS.get(word, Protocol.ANY)
    first, last = permission.get("FromPort"), permission.get("ToPort")
    if protocol is Protocol.ANY:
        number = int(word) if word.isdecimal() else 0
        return protocol, None if word == "-1" else Ports(number, number)
    if protocol is Protocol.ICMP:
        return protocol, None if first in {None, -1} else Ports(first or 0, -1 if last is None else last)
    return protocol, None if (first, last) in {_ALL_PORTS, (None, None), (-1, -1)} else Ports(first or 0, last or 0)
