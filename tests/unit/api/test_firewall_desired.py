"""From a Firewall to the core."""

from __future__ import annotations

from typing import Any

import msgspec

from hybridge.api.firewall import Firewall
from hybridge.api.firewall_desired import firewall_spec
from hybridge.core.firewall import Direction, FirewallSpec, Ports, Protocol, Rule

UID = "1a2b3c4d-0000-4000-8000-000000000000"


def firewall(**spec: Any) -> Firewall:
    body = {"metadata": {"name": "web", "uid": UID}, "spec": {"providerRef": {"name": "p"}} | spec}
    return msgspec.convert(body, Firewall)


def test_the_least_firewall() -> None:
    assert firewall_spec(firewall(), (), {}) == FirewallSpec("web-1a2b3c4d")


def test_a_whole_firewall() -> None:
    wanted = firewall(
        selector={"matchLabels": {"tier": "web"}},
        rules=[
            {
                "name": "web",
                "direction": "Ingress",
                "protocol": "TCP",
                "ports": [{"from": 8000, "to": 8010}, {"from": 80}],
                "cidrs": ["::/0", "0.0.0.0/0"],
            },
            {"name": "db", "direction": "Egress", "protocol": "Any", "machines": {"matchLabels": {"tier": "db"}}},
            {"name": "none", "direction": "Egress", "protocol": "ICMP", "machines": {"matchLabels": {"tier": "x"}}},
        ],
    )
    spec = firewall_spec(wanted, {"m-2", "m-1"}, {"db": {"10.0.0.7/32", "10.0.0.6/32"}}, "vpc-1")
    assert spec == FirewallSpec(
        "web-1a2b3c4d",
        network="vpc-1",
        members=("m-1", "m-2"),
        rules=(
            Rule(
                "web",
                Direction.INGRESS,
                Protocol.TCP,
                ("0.0.0.0/0", "::/0"),
                (Ports(80, 80), Ports(8000, 8010)),
            ),
            Rule("db", Direction.EGRESS, Protocol.ANY, ("10.0.0.6/32", "10.0.0.7/32")),
            Rule("none", Direction.EGRESS, Protocol.ICMP, ()),
        ),
    )
