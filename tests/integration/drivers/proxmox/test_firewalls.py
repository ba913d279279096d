"""Firewalls on Proxmox VE: security groups, and all that it takes until a guest is protected by one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, IdTaken, NotProven, Refused
from hybridge.core.firewall import Direction, Firewall, FirewallSpec, Ports, Protocol, Rule
from hybridge.core.firewall_plan import differences
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Nic, Power
from hybridge.core.plan import together
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Portion, SweepRequest
from hybridge.drivers.proxmox.firewalls import group_name
from lab import permissions
from lab.proxmox_estate import OPERATOR
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker

BOTH = (CloudKind.MACHINE, CloudKind.FIREWALL)
WEB = Rule("web", Direction.INGRESS, Protocol.TCP, ("0.0.0.0/0", "::/0"), (Ports(80, 80), Ports(443, 443)))
DNS = Rule("dns", Direction.EGRESS, Protocol.UDP, ("10.0.0.53/32",), (Ports(53, 53),))
SPEC = FirewallSpec("web", rules=(WEB, DNS))


def owner() -> Marker:
    return Marker("cluster", str(uuid4()), "Firewall", "shop", "web")


def intent(bench: Bench, spec: FirewallSpec) -> Intent:
    prepared = bench.driver.firewalls.prepare(bench.driver.firewalls.normalize(spec), ())
    return Intent(1, "token", spec.name, "", "here", 0.0, prepared.parameters, prepared.id)


def seen(bench: Bench, *refresh: str) -> dict[str, Firewall]:
    found: Portion[Firewall] = bench.driver.sweep(SweepRequest(kinds=BOTH, refresh=refresh)).portions[
        CloudKind.FIREWALL
    ]  # type: ignore[assignment]
    return dict(found.objects)


def configure(bench: Bench, found: Firewall, spec: FirewallSpec, fields: Collection[str], whose: Marker) -> Firewall:
    started = bench.driver.firewalls.configure(found, spec, fields, None, whose)
    assert started.found is not None
    return started.found


def bring(bench: Bench, found: Firewall, spec: FirewallSpec, whose: Marker) -> Firewall:
    """Brings a firewall to its spec in the steps of a plan."""
    for _ in range(20):
        changes = differences(spec, found, all_ids(bench))
        if not changes:
            return found
        found = configure(bench, found, spec, {change.field for change in together(changes).actions}, whose)
    raise AssertionError("it never comes to its spec")


def all_ids(bench: Bench) -> Sequence[str]:
    return list(bench.driver.sweep(SweepRequest()).portions[CloudKind.MACHINE].objects)


def make(bench: Bench, spec: FirewallSpec = SPEC, whose: Marker | None = None) -> tuple[Firewall, Marker]:
    whose, spec = whose or owner(), bench.driver.firewalls.normalize(spec)
    seen(bench)
    started = bench.driver.firewalls.create(intent(bench, spec), spec, whose)
    assert started.found is not None
    bring(bench, started.found, spec, whose)
    return seen(bench)[started.found.id], whose


def machine(bench: Bench, **words: Any) -> str:
    made, _ = bench.make(bench.spec(**words), marker())
    return made.id


def rules(lab: Lab, group: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.pve.firewall_config("cluster")["groups"][group]
    return found


def guest(lab: Lab, vmid: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.pve.firewall_config("vm", vmid=int(vmid))
    return found


# ----------------------------------------------------------------------- rules


def test_a_group_allows_what_the_spec_says(lab: Lab, bench: Bench) -> None:
    firewall, whose = make(bench)

    assert {str(entry) for entry in firewall.entries} == {
        "Ingress TCP 80 from 0.0.0.0/0",
        "Ingress TCP 443 from 0.0.0.0/0",
        "Ingress TCP 80 from ::/0",
        "Ingress TCP 443 from ::/0",
        "Egress UDP 53 to 10.0.0.53/32",
    }
    assert (firewall.marker, firewall.name, firewall.members) == (whose, "web", ())
    assert len(rules(lab, firewall.id)) == 5
    assert bench.driver.firewalls.find(whose, None) == [firewall] == [bench.driver.firewalls.get(firewall.id)]


def test_what_people_add_is_seen_and_goes(lab: Lab, bench: Bench) -> None:
    firewall, whose = make(bench)
    for odd in (
        {"type": "in", "action": "ACCEPT", "enable": 1, "macro": "SSH"},
        {"type": "in", "action": "DROP", "enable": 1},
        {"type": "in", "action": "ACCEPT", "enable": 0, "source": "10.9.0.0/16"},
    ):
        rules(lab, firewall.id).insert(0, odd)

    found = seen(bench, firewall.id)[firewall.id]
    assert len(found.entries) == 7
    bring(bench, found, SPEC, whose)

    left = [rule for rule in rules(lab, firewall.id) if rule["enable"]]
    assert len(left) == 5
    assert not any("macro" in rule or rule["action"] == "DROP" for rule in left)


def test_of_a_rule_for_several_only_what_is_too_much_goes(lab: Lab, bench: Bench) -> None:
    firewall, whose = make(bench, replace(SPEC, rules=()))
    rules(lab, firewall.id).append(
        {"type": "in", "action": "ACCEPT", "enable": 1, "source": "10.0.0.0/8,0.0.0.0/0", "proto": "tcp", "dport": "80"}
    )
    wanted = replace(SPEC, rules=(replace(WEB, peers=("10.0.0.0/8",), ports=(Ports(80, 80),)),))

    found = bring(bench, seen(bench, firewall.id)[firewall.id], wanted, whose)

    assert [str(entry) for entry in found.entries] == ["Ingress TCP 80 from 10.0.0.0/8"]
    assert len(rules(lab, firewall.id)) == 1


def test_many_rules_are_written_in_several_calls(lab: Lab, bench: Bench) -> None:
    many = Rule("many", Direction.INGRESS, Protocol.TCP, tuple(f"10.{n}.0.0/16" for n in range(90)))

    firewall, _ = make(bench, replace(SPEC, rules=(many,)))

    assert len(rules(lab, firewall.id)) == 90


# --------------------------------------------------------------------- members


@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_a_machine_is_protected_and_let_go(lab: Lab, bench: Bench, power: Power) -> None:
    vmid = machine(bench, power=power, networks=(Nic("a", "vmbr0"), Nic("b", "vmbr1")))
    before = dict(guest(lab, vmid)["options"])

    firewall, whose = make(bench, replace(SPEC, members=(vmid,)))

    assert firewall.members == (vmid,)
    assert guest(lab, vmid)["options"] == {"enable": 1, "policy_in": "DROP", "policy_out": "DROP"}
    config = lab.guest(vmid).config
    assert all("firewall=1" in config[key] for key in ("net0", "net1"))
    assert not lab.guest(vmid).pending

    bring(bench, firewall, SPEC, whose)

    assert seen(bench, vmid)[firewall.id].members == ()
    assert {key: value for key, value in guest(lab, vmid)["options"].items() if value} == before
    assert guest(lab, vmid)["rules"] == []


def test_what_a_person_had_set_comes_back_with_the_last_firewall(lab: Lab, bench: Bench) -> None:
    vmid = machine(bench)
    theirs = {"enable": 1, "policy_in": "ACCEPT"}
    guest(lab, vmid)["options"] = dict(theirs)
    one, first = make(bench, replace(SPEC, members=(vmid,)))
    other, second = make(bench, replace(SPEC, name="other", members=(vmid,)))
    assert [seen(bench, vmid)[found.id].members for found in (one, other)] == [(vmid,), (vmid,)]

    bring(bench, one, SPEC, first)
    assert guest(lab, vmid)["options"]["policy_in"] == "DROP"
    assert seen(bench, vmid)[other.id].members == (vmid,)
    bring(bench, other, replace(SPEC, name="other"), second)

    assert guest(lab, vmid)["options"] == theirs


@pytest.mark.parametrize("undone", ["rule", "options", "policy", "interface", "datacenter", "only one interface"])
def test_who_is_not_protected_is_no_member(lab: Lab, bench: Bench, undone: str) -> None:
    vmid = machine(bench)
    spec = replace(SPEC, members=(vmid,))
    firewall, whose = make(bench, spec)
    config = guest(lab, vmid)
    if undone == "rule":
        config["rules"][0]["enable"] = 0
    elif undone == "options":
        config["options"]["enable"] = 0
    elif undone == "policy":
        config["options"]["policy_out"] = "ACCEPT"
    elif undone == "interface":
        lab.guest(vmid).config["net0"] = lab.guest(vmid).config["net0"].replace("firewall=1", "firewall=0")
    elif undone == "only one interface":
        config["rules"][0]["iface"] = "net0"
    else:
        lab.pve.firewall_config("cluster")["options"]["enable"] = 0

    assert seen(bench, vmid, firewall.id)[firewall.id].members == ()

    if undone == "datacenter":
        with pytest.raises(Refused, match="datacenter is off"):
            configure(bench, firewall, spec, {f"members[{vmid}]"}, whose)
        return
    bring(bench, seen(bench)[firewall.id], spec, whose)
    assert seen(bench, vmid, firewall.id)[firewall.id].members == (vmid,)


def test_what_is_done_to_a_member_is_seen_as_soon_as_the_firewall_wants_it(lab: Lab, bench: Bench) -> None:
    vmid = machine(bench)
    firewall, _ = make(bench, replace(SPEC, members=(vmid,)))
    guest(lab, vmid)["rules"].clear()
    assert seen(bench)[firewall.id].members == (vmid,)

    sweep = bench.driver.sweep(SweepRequest(kinds=BOTH, max_age={firewall.id: 0.0, vmid: 600.0}))

    assert sweep.portions[CloudKind.FIREWALL].objects[firewall.id].members == ()  # type: ignore[attr-defined]


def test_a_guest_that_is_not_ours_is_not_touched(lab: Lab, bench: Bench) -> None:
    firewall, whose = make(bench)
    lab.pve.add_vm(1060, "stranger", node="pve2", config={"net0": "virtio,bridge=vmbr0"})

    with pytest.raises(NotProven):
        configure(bench, firewall, replace(SPEC, members=("1060",)), {"members[1060]"}, whose)

    assert guest(lab, "1060")["rules"] == []


def test_a_machine_that_went_is_let_go(lab: Lab, bench: Bench) -> None:
    vmid = machine(bench)
    firewall, whose = make(bench, replace(SPEC, members=(vmid,)))
    lab.pve.vms.remove(lab.guest(vmid))

    configure(bench, firewall, SPEC, {f"members[{vmid}]"}, whose)

    assert seen(bench)[firewall.id].members == ()


def test_an_interface_that_is_plugged_in_later_makes_it_unprotected_until_it_is_seen_to(lab: Lab, bench: Bench) -> None:
    vmid = machine(bench)
    spec = replace(SPEC, members=(vmid,))
    firewall, whose = make(bench, spec)
    lab.guest(vmid).config["net5"] = "virtio=BC:24:11:00:00:99,bridge=vmbr1"

    found = seen(bench, vmid)[firewall.id]
    assert found.members == ()
    bring(bench, found, spec, whose)

    assert "firewall=1" in lab.guest(vmid).config["net5"]


# --------------------------------------------------------------- makes and ends


def test_while_the_datacenters_firewall_is_off_nothing_is_made(lab: Lab, bench: Bench) -> None:
    lab.pve.firewall_config("cluster")["options"]["enable"] = 0

    with pytest.raises(Refused, match="datacenter is off"):
        intent(bench, SPEC)


def test_a_repeated_create_finds_the_same_group(lab: Lab, bench: Bench) -> None:
    firewall, whose = make(bench)

    again = bench.driver.firewalls.create(intent(bench, SPEC), SPEC, whose)

    assert again.id == firewall.id == group_name(whose)
    assert list(lab.pve.firewall_config("cluster")["groups"]) == [firewall.id]


def test_a_group_of_that_name_that_is_a_strangers_is_not_taken(lab: Lab, bench: Bench) -> None:
    whose = owner()
    lab.pve.firewall_config("cluster")["groups"][group_name(whose)] = []

    with pytest.raises(IdTaken):
        bench.driver.firewalls.create(intent(bench, SPEC), SPEC, whose)


def test_a_group_that_protects_somebody_stays(lab: Lab, bench: Bench) -> None:
    vmid = machine(bench)
    firewall, whose = make(bench, replace(SPEC, members=(vmid,)))

    with pytest.raises(Refused) as refusal:
        bench.driver.firewalls.delete(firewall)
    assert refusal.value.reason is Reason.HAS_DEPENDANTS

    bring(bench, firewall, SPEC, whose)
    bench.driver.firewalls.delete(seen(bench)[firewall.id])
    assert lab.pve.firewall_config("cluster")["groups"] == {}
    assert bench.driver.firewalls.get(firewall.id) is None
    bench.driver.firewalls.delete(firewall)


def test_before_all_guests_were_read_nothing_is_deleted(bench: Bench, lab: Lab) -> None:
    whose = owner()
    started = bench.driver.firewalls.create(intent(bench, SPEC), SPEC, whose)
    assert started.found is not None

    with pytest.raises(CloudError, match="not all guests"):
        bench.driver.firewalls.delete(started.found)


def test_a_group_is_renamed_let_go_and_taken_over(lab: Lab, bench: Bench) -> None:
    firewall, whose = make(bench)
    configure(bench, firewall, replace(SPEC, name="shop"), {"name"}, whose)
    assert seen(bench)[firewall.id].name == "shop"

    bench.driver.firewalls.mark(seen(bench)[firewall.id], None)
    free = seen(bench, firewall.id)[firewall.id]
    assert (free.marker, free.name) == (None, "shop")
    other = owner()
    bench.driver.firewalls.mark(free, other)

    assert seen(bench)[firewall.id].marker == other
    with pytest.raises(NotProven):
        bench.driver.firewalls.delete(firewall)
    with pytest.raises(NotProven):
        bench.driver.firewalls.mark(firewall, None)


def test_a_settled_sweep_costs_two_requests_more(bench: Bench) -> None:
    vmid = machine(bench)
    make(bench, replace(SPEC, members=(vmid,)))
    for _ in range(2):
        seen(bench)
    bench.requests.clear()

    sweep = bench.driver.sweep(SweepRequest(kinds=BOTH))

    assert sweep.requests == sum(bench.requests.values()) == 3


def test_who_comes_next_sees_the_same(lab: Lab, bench: Bench) -> None:
    vmid = machine(bench)
    firewall, _ = make(bench, replace(SPEC, members=(vmid,)))
    fresh = Bench(bench.driver.__class__(bench.driver._settings), bench.requests)

    assert seen(fresh)[firewall.id] == firewall
    fresh.driver.close()


def test_without_the_right_it_is_refused_and_named(lab: Lab, bench: Bench) -> None:
    lab.pve.allot(OPERATOR, permissions.proxmox())
    assert bench.driver.check().optional == ()
    make(bench, replace(SPEC, members=(machine(bench),)))
    lab.pve.allot(OPERATOR, [grant for grant in permissions.proxmox() if grant.right != "Sys.Modify"])

    with pytest.raises(Refused) as refusal:
        make(bench)

    assert refusal.value.reason is Reason.NOT_PERMITTED
    assert "Sys.Modify on / (firewalls)" in [str(one) for one in bench.driver.check().optional]
