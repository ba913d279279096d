"""Rules of PVE's firewall, and what they allow."""

from __future__ import annotations

import pytest

from hybridge.core.errors import Refused
from hybridge.core.firewall import Direction, Entry, Ports, Protocol
from hybridge.drivers.proxmox.answers_firewall import FirewallRule
from hybridge.drivers.proxmox.rules import entries, plain_peer, words

IN, OUT = Direction.INGRESS, Direction.EGRESS
ENTRIES = [
    Entry(IN, Protocol.TCP, "10.0.0.0/8", Ports(443, 443)),
    Entry(IN, Protocol.UDP, "0.0.0.0/0", Ports(8000, 8010)),
    Entry(OUT, Protocol.TCP, "2001:db8::/32", Ports(1, 65535)),
    Entry(OUT, Protocol.TCP, "192.0.2.7/32"),
    Entry(IN, Protocol.ICMP, "10.0.0.0/8"),
    Entry(IN, Protocol.ICMP, "::/0"),
    Entry(OUT, Protocol.ANY, "::/0"),
]


def rule(**values: str | int) -> FirewallRule:
    return FirewallRule(**{"type": "in", "action": "ACCEPT", "pos": 0, "enable": 1, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_an_entry_comes_back_from_its_rule(entry: Entry) -> None:
    assert entries(rule(**words(entry))) == (entry,)


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ({"enable": 0}, ()),
        ({"source": "192.0.2.7"}, (Entry(IN, Protocol.ANY, "192.0.2.7/32"),)),
        ({"source": "10.1.2.3/8", "proto": "6"}, (Entry(IN, Protocol.TCP, "10.0.0.0/8"),)),
        ({"proto": "icmp"}, (Entry(IN, Protocol.ICMP, "0.0.0.0/0"),)),
        ({"proto": "icmpv6"}, (Entry(IN, Protocol.ICMP, "::/0"),)),
        ({}, (Entry(IN, Protocol.ANY, "0.0.0.0/0"), Entry(IN, Protocol.ANY, "::/0"))),
        (
            {"type": "out", "dest": "10.0.0.0/8,192.0.2.0/24", "proto": "tcp", "dport": "80,443"},
            tuple(
                Entry(OUT, Protocol.TCP, peer, Ports(port, port))
                for peer in ("10.0.0.0/8", "192.0.2.0/24")
                for port in (80, 443)
            ),
        ),
    ],
)
def test_rules_of_other_forms_are_taken_apart(values: dict[str, str | int], allowed: tuple[Entry, ...]) -> None:
    assert entries(rule(**values)) == allowed


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"action": "DROP", "source": "10.0.0.0/8"}, "in DROP source=10.0.0.0/8"),
        ({"macro": "SSH"}, "in ACCEPT macro=SSH"),
        ({"source": "+blocked"}, "in ACCEPT source=+blocked"),
        ({"source": "10.0.0.1-10.0.0.9"}, "in ACCEPT source=10.0.0.1-10.0.0.9"),
        ({"dest": "10.0.0.0/8"}, "in ACCEPT dest=10.0.0.0/8"),
        ({"proto": "gre"}, "in ACCEPT proto=gre"),
        ({"proto": "tcp", "dport": "ssh"}, "in ACCEPT proto=tcp dport=ssh"),
        ({"proto": "tcp", "dport": "90:80"}, "in ACCEPT proto=tcp dport=90:80"),
        ({"proto": "icmp", "source": "::/0"}, "in ACCEPT proto=icmp source=::/0"),
        ({"proto": "icmp", "icmp_type": "echo-request"}, "in ACCEPT proto=icmp icmp-type=echo-request"),
        ({"type": "forward", "action": "DROP"}, "forward DROP"),
    ],
)
def test_what_cannot_be_wanted_is_shown_in_words(values: dict[str, str | int], told: str) -> None:
    (entry,) = entries(rule(**values))

    assert entry.peer == f"rule ({told})"


def test_peers_are_ranges() -> None:
    assert [plain_peer(peer) for peer in ("192.0.2.7/32", "2001:DB8::/32", "10.0.0.0/8")] == [
        "192.0.2.7/32",
        "2001:db8::/32",
        "10.0.0.0/8",
    ]
    with pytest.raises(Refused, match="range"):
        plain_peer("sg-123")
