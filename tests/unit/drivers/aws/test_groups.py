"""What EC2 shows of security groups, as firewalls, and what rules mean in its words."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.core.errors import Refused
from hybridge.core.firewall import Direction, Entry, FirewallSpec, Ports, Protocol, Rule
from hybridge.core.identity import Marker
from hybridge.drivers.aws import groups

MINE = Marker("c", "u1", "Firewall", "shop", "web")
IN, OUT = Direction.INGRESS, Direction.EGRESS


def shown(*ingress: dict[str, Any], egress: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in {**MINE.pairs(), "team": "shop", "Name": "web"}.items()]
    return {
        "GroupId": "sg-1",
        "GroupName": "web",
        "VpcId": "vpc-1",
        "IpPermissions": [*ingress],
        "IpPermissionsEgress": [*egress],
        "Tags": tags,
    }


def normalized(spec: FirewallSpec) -> FirewallSpec:
    groups.check(spec)
    return groups.normal(spec)


def ranges(protocol: str, first: int | None = None, last: int | None = None, **peers: Any) -> dict[str, Any]:
    ports = {} if first is None else {"FromPort": first, "ToPort": last}
    return {"IpProtocol": protocol, **ports, **(peers or {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]})}


PLAIN = [
    (Entry(IN, Protocol.TCP, "10.0.0.0/8", Ports(443, 443)), ranges("tcp", 443, 443)),
    (Entry(IN, Protocol.UDP, "10.0.0.0/8", Ports(5000, 5010)), ranges("udp", 5000, 5010)),
    (Entry(IN, Protocol.TCP, "10.0.0.0/8"), ranges("tcp", 0, 65535)),
    (Entry(IN, Protocol.ICMP, "10.0.0.0/8"), ranges("icmp", -1, -1)),
    (Entry(IN, Protocol.ICMP, "fd00::/8"), ranges("icmpv6", -1, -1, Ipv6Ranges=[{"CidrIpv6": "fd00::/8"}])),
    (Entry(IN, Protocol.ANY, "10.0.0.0/8"), ranges("-1")),
    (Entry(IN, Protocol.ANY, "sg-2"), ranges("-1", UserIdGroupPairs=[{"GroupId": "sg-2"}])),
]


@pytest.mark.parametrize(("entry", "words"), PLAIN)
def test_an_entry_and_its_words_mean_the_same(entry: Entry, words: dict[str, Any]) -> None:
    assert groups.permissions([entry]) == {IN: [words]}
    assert list(groups.allowed(shown(words))) == [(entry, words)]


@pytest.mark.parametrize(
    "words",
    [
        ranges("50"),
        ranges("icmp", 8, -1),
        ranges("-1", PrefixListIds=[{"PrefixListId": "pl-1"}]),
    ],
)
def test_what_no_spec_asks_for_is_seen_as_that_and_can_be_taken_away(words: dict[str, Any]) -> None:
    ((entry, again),) = groups.allowed(shown(words))

    assert again == words
    assert entry not in {one for one, _ in PLAIN}


def test_a_permission_of_many_peers_is_as_many_entries() -> None:
    many = ranges("tcp", 22, 22, IpRanges=[{"CidrIp": "10.0.0.0/8", "Description": "x"}, {"CidrIp": "192.0.2.7/32"}])

    found = groups.firewall(shown(many, egress=(ranges("-1"),)), {"i-2", "i-1"})

    assert {str(one) for one in found.entries} == {
        "Ingress TCP 22 from 10.0.0.0/8",
        "Ingress TCP 22 from 192.0.2.7/32",
        "Egress Any to 10.0.0.0/8",
    }
    assert (found.marker, dict(found.tags), found.members) == (MINE, {"team": "shop"}, ("i-1", "i-2"))


def test_the_default_group_cannot_be_taken_over() -> None:
    assert groups.firewall({**shown(), "GroupName": "default"}, ()).unfit


def test_a_group_is_a_firewalls_by_its_marker() -> None:
    assert groups.is_firewall(shown())
    assert not groups.is_firewall({**shown(), "Tags": []})


def test_ranges_are_written_as_ec2_does() -> None:
    spec = FirewallSpec("web", rules=(Rule("r", IN, Protocol.ANY, ("2001:DB8:0::/32", "2001:db8::/32", "sg-2")),))

    assert groups.normal(spec).rules[0].peers == ("2001:db8::/32", "sg-2")


@pytest.mark.parametrize(
    "spec",
    [
        FirewallSpec("sg-1"),
        FirewallSpec("default"),
        FirewallSpec("web", tags={"aws:x": "y"}),
        FirewallSpec("web", rules=(Rule("r", IN, Protocol.ANY, ("me",)),)),
    ],
)
def test_what_ec2_does_not_have_is_refused(spec: FirewallSpec) -> None:
    with pytest.raises(Refused):
        normalized(spec)
