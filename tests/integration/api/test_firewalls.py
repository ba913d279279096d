"""What the API server says about Firewalls."""

from __future__ import annotations

import pytest

from hybridge.api.firewall import Firewall
from tests.integration.api.bodies import Body, firewall
from tests.integration.api.conftest import Api
from tests.integration.api.judged import accepts, agrees, judges, refuses

WEB: Body = {
    "name": "web",
    "direction": "Ingress",
    "protocol": "TCP",
    "ports": [{"from": 80}, {"from": 8000, "to": 8010}],
    "cidrs": ["0.0.0.0/0", "::/0"],
}
DB: Body = {
    "name": "db",
    "direction": "Egress",
    "protocol": "Any",
    "machines": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["db"]}]},
}
NETWORK: Body = {"networkRef": {"name": "frontend", "namespace": "net"}}
IMPORT: Body = {"lifecycle": {"import": {"id": "sg-0abc"}}}
WHOLE: Body = {
    "name": "web",
    "tags": {"team": "shop"},
    "selector": {"matchLabels": {"tier": "web"}},
    "rules": [WEB, DB],
    **NETWORK,
}


def rule(**change: object) -> Body:
    """A Firewall with one rule, that of ``WEB`` with ``change``; None takes a field away."""
    return {"rules": [{key: value for key, value in {**WEB, **change}.items() if value is not None}]}


ACCEPTED: dict[str, Body] = {
    "the least": {},
    "everything": WHOLE,
    "an import": IMPORT,
    "all machines of the namespace": {"selector": {}},
    "all ports": rule(ports=None),
}

REFUSED: list[tuple[Body, str]] = [
    ({"rules": [WEB, WEB]}, "spec.rules[1]: Duplicate value"),
    (rule(cidrs=None), "exactly one of cidrs and machines must be set"),
    (rule(machines={}), "exactly one of cidrs and machines must be set"),
    (rule(protocol="Any"), "only TCP and UDP have ports"),
    (rule(protocol="GRE"), 'supported values: "TCP", "UDP", "ICMP", "Any"'),
    (rule(direction="In"), 'supported values: "Ingress", "Egress"'),
    (rule(direction=None), "spec.rules[0].direction: Required value"),
    (rule(ports=[{"from": 443, "to": 80}]), "to must not be less than from"),
    (rule(ports=[{"from": 0}]), "spec.rules[0].ports[0].from in body should be greater than or equal to 1"),
    (rule(cidrs=["10.0.0.1"]), "must be a range of addresses such as 10.0.0.0/8"),
    (rule(cidrs=["10.0.0.1/8"]), "after its length there are only zeros"),
    (rule(cidrs=["10.0.0.0/8", "10.0.0.0/8"]), "spec.rules[0].cidrs[1]: Duplicate value"),
    (rule(name="Web"), "must consist of lower-case letters, digits and '-'"),
]

#: What was, what is changed, and the sentence; empty: allowed.
CHANGES: list[tuple[Body, Body, str]] = [
    ({}, {"rules": [WEB], "selector": {"matchLabels": {"a": "b"}}}, ""),
    (WHOLE, {"rules": None, "selector": None}, ""),
    ({}, {"name": "other"}, "name cannot be set, changed or removed"),
    ({}, NETWORK, ""),
    (NETWORK, {"networkRef": {"name": "other"}}, "networkRef cannot be changed or removed"),
    (NETWORK, {"networkRef": None}, "networkRef cannot be changed or removed"),
]

STATUS: Body = {
    "observedGeneration": 1,
    "id": "sg-0abc",
    "phase": "Ready",
    "entries": 5,
    "machines": 2,
    "met": {"rules": "0123456789abcdef", "members": "0123456789abcdef"},
    "createdAt": "2026-01-31T12:00:00Z",
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_good_firewall_is_stored_as_it_was_written(api: Api, name: str, spec: Body) -> None:
    accepts(api, firewall(name, **spec))


@pytest.mark.parametrize(("spec", "sentence"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_mistake_is_refused_with_a_sentence(api: Api, name: str, spec: Body, sentence: str) -> None:
    refuses(api, firewall(name, **spec), sentence)


@pytest.mark.parametrize(("before", "change", "sentence"), CHANGES, ids=lambda value: str(value)[:60])
def test_a_change_is_judged_by_what_was_before(api: Api, name: str, before: Body, change: Body, sentence: str) -> None:
    judges(api, firewall(name, **before), change, sentence)


def test_the_import_is_settled_once_a_firewall_is_bound(api: Api, name: str) -> None:
    judges(api, firewall(name), IMPORT, "lifecycle.import cannot be changed", {"id": "sg-0abc"})


def test_the_model_and_the_server_agree_on_everything(api: Api, name: str) -> None:
    agrees(api, firewall(name, **WHOLE), STATUS, Firewall)
