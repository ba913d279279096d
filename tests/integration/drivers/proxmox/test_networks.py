"""Networks on Proxmox VE: vnets come into effect with the whole SDN configuration, and bridges belong to their nodes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, IdTaken, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Nic
from hybridge.core.network import Network, NetworkSpec
from hybridge.core.network_plan import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Portion, SweepRequest
from lab import permissions
from lab.proxmox_estate import OPERATOR
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker

BOTH = (CloudKind.MACHINE, CloudKind.NETWORK)
SPEC = NetworkSpec("frontend", vlan=7, options={"vnet": "front", "sdnZone": "shop"})
APPLIED = "parts.applied"


def owner() -> Marker:
    return Marker("cluster", str(uuid4()), "Network", "shop", "frontend")


def intent(bench: Bench, spec: NetworkSpec) -> Intent:
    prepared = bench.driver.networks.prepare(bench.driver.networks.normalize(spec), ())
    return Intent(1, "token", spec.name, "", "here", 0.0, prepared.parameters, prepared.id)


def seen(bench: Bench, *refresh: str) -> Portion[Network]:
    found: Portion[Network] = bench.driver.sweep(SweepRequest(kinds=BOTH, refresh=refresh)).portions[CloudKind.NETWORK]  # type: ignore[assignment]
    return found


def make(bench: Bench, spec: NetworkSpec = SPEC, whose: Marker | None = None) -> tuple[Network, Marker]:
    """A vnet in effect, as the next sweep shows it."""
    whose, spec = whose or owner(), bench.driver.networks.normalize(spec)
    started = bench.driver.networks.create(intent(bench, spec), spec, whose)
    assert started.found is not None
    assert started.found.parts == ()
    configure(bench, started.found, spec, {APPLIED}, whose)
    return seen(bench).objects[started.found.id], whose


def configure(bench: Bench, network: Network, spec: NetworkSpec, fields: Collection[str], whose: Marker) -> None:
    spec = bench.driver.networks.normalize(spec)
    bench.driver.networks.configure(network, spec, fields, None, whose)


def running(lab: Lab) -> dict[str, dict[str, object]]:
    return lab.pve.sdn_running["vnets"]


def person(lab: Lab, kind: str, name: str, **words: object) -> None:
    """Writes a section, as somebody does who does not apply it."""
    lab.pve.sdn[kind][name] = words


# ---------------------------------------------------------------- in effect


def test_a_vnet_is_written_and_put_into_effect(lab: Lab, bench: Bench) -> None:
    network, whose = make(bench)

    assert running(lab)["front"]["tag"] == 7
    assert (network.marker, network.name, network.attaches) == (whose, "frontend", "front")
    spec = bench.driver.networks.normalize(SPEC)
    assert differences(spec, network, bench.driver.networks.traits, named=True) == ()


def test_two_vnets_of_ours_come_into_effect_together(lab: Lab, bench: Bench) -> None:
    other = replace(SPEC, name="backend", vlan=8, options={"vnet": "back", "sdnZone": "shop"})
    first = bench.driver.networks.create(intent(bench, SPEC), SPEC, owner())
    whose = owner()
    second = bench.driver.networks.create(intent(bench, other), other, whose)
    assert first.found is not None
    assert second.found is not None

    configure(bench, second.found, other, {APPLIED}, whose)
    bench.requests.clear()
    configure(bench, first.found, SPEC, {APPLIED}, first.found.marker or whose)

    assert running(lab).keys() == {"front", "back"}
    assert bench.requests["ApplyNetworks"] == 0


@pytest.mark.parametrize(
    ("kind", "name", "words", "told"),
    [
        ("zones", "dmz", {"zone": "dmz", "type": "simple"}, "zone dmz"),
        ("vnets", "dmz", {"vnet": "dmz", "type": "vnet", "zone": "plain"}, "vnet dmz"),
        ("controllers", "bgp", {"controller": "bgp", "type": "bgp"}, "controller bgp"),
        ("fabrics", "fab", {"id": "fab", "type": "ospf"}, "fabric fab"),
        (
            "subnets",
            "shop-sub",
            {"subnet": "shop-sub", "type": "subnet", "vnet": "front"},
            "subnet shop-sub",
        ),
    ],
)
def test_changes_of_others_are_never_applied(
    lab: Lab, bench: Bench, kind: str, name: str, words: dict[str, object], told: str
) -> None:
    bench.driver.check()
    whose = owner()
    made = bench.driver.networks.create(intent(bench, SPEC), SPEC, whose).found
    assert made is not None
    person(lab, kind, name, **words)

    with pytest.raises(Busy, match=f"{told}.* applied as a whole"):
        configure(bench, made, SPEC, {APPLIED}, whose)

    assert running(lab) == {}
    assert seen(bench).objects["front"].parts == ()
    del lab.pve.sdn[kind][name]
    configure(bench, made, SPEC, {APPLIED}, whose)
    assert seen(bench).objects["front"].parts == ("applied",)


def test_nothing_is_added_to_changes_of_others(lab: Lab, bench: Bench) -> None:
    person(lab, "zones", "dmz", zone="dmz", type="simple")

    with pytest.raises(Busy, match="zone dmz"):
        bench.driver.networks.create(intent(bench, SPEC), SPEC, owner())

    assert lab.pve.sdn["vnets"] == {}


def test_a_person_who_changes_our_vnet_otherwise_is_not_helped(lab: Lab, bench: Bench) -> None:
    network, whose = make(bench)
    lab.pve.sdn["vnets"]["front"]["isolate-ports"] = 1

    with pytest.raises(Busy, match="vnet front"):
        configure(bench, seen(bench).objects["front"], SPEC, {APPLIED}, whose)

    with pytest.raises(Busy, match="vnet front"):
        bench.driver.networks.delete(network)


def test_a_tag_that_was_changed_by_hand_does_not_come_into_effect_on_the_way(lab: Lab, bench: Bench) -> None:
    _, whose = make(bench)
    lab.pve.sdn["vnets"]["front"]["tag"] = 99
    network = seen(bench).objects["front"]
    assert (network.settings["vlan"], network.parts) == (("99",), ())
    bench.requests.clear()

    configure(bench, network, SPEC, {APPLIED}, whose)

    assert (running(lab)["front"]["tag"], lab.pve.sdn["vnets"]["front"]["tag"]) == (7, 7)
    assert bench.requests["ApplyNetworks"] == 0


def test_a_vnet_that_was_deleted_by_hand_and_runs_still_is_written_again(lab: Lab, bench: Bench) -> None:
    _, whose = make(bench)
    del lab.pve.sdn["vnets"]["front"]
    network = seen(bench).objects["front"]
    assert (network.marker, network.parts) == (whose, ())

    configure(bench, network, SPEC, {APPLIED}, whose)

    assert seen(bench).objects["front"].parts == ("applied",)


def test_the_lock_of_others_is_waited_for(lab: Lab, bench: Bench) -> None:
    lab.pve.sdn_lock = "theirs"

    with pytest.raises(Busy, match="lock token"):
        bench.driver.networks.create(intent(bench, SPEC), SPEC, owner())


def test_what_was_changed_since_it_was_read_is_not_written_over(lab: Lab, bench: Bench) -> None:
    network, _ = make(bench)
    lab.pve.sdn["vnets"]["front"]["alias"] = "nobody's"

    with pytest.raises(NotProven):
        bench.driver.networks.mark(network, owner())
    with pytest.raises(NotProven):
        bench.driver.networks.delete(network)


# ------------------------------------------------------------ makes and ends


def test_a_name_that_a_stranger_has_is_not_taken(lab: Lab, bench: Bench) -> None:
    prepared = intent(bench, SPEC)
    for sections in (lab.pve.sdn, lab.pve.sdn_running):
        sections["vnets"]["front"] = {"vnet": "front", "type": "vnet", "zone": "plain", "alias": "DMZ"}

    with pytest.raises(IdTaken, match="import"):
        bench.driver.networks.create(prepared, SPEC, owner())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"options": {"vnet": "front", "sdnZone": "shpo"}}, Reason.NOT_FOUND),
        ({"options": {"vnet": "front", "sdnZone": "plain"}}, Reason.INVALID_SPEC),
        ({"vlan": None}, Reason.INVALID_SPEC),
        ({"options": {"vnet": "x", "sdnZone": "shop"}}, Reason.INVALID_SPEC),
        ({"options": {}}, Reason.INVALID_SPEC),
        ({"options": {"switch": "dvs"}}, Reason.UNSUPPORTED),
    ],
)
def test_bad_input_is_refused(bench: Bench, words: dict[str, object], reason: Reason) -> None:
    with pytest.raises(Refused) as refusal:
        intent(bench, replace(SPEC, **words))  # type: ignore[arg-type]

    assert refusal.value.reason is reason


def test_two_objects_do_not_get_one_vnet(bench: Bench) -> None:
    with pytest.raises(Refused, match="another object"):
        bench.driver.networks.prepare(SPEC, ["front"])


def test_a_deletion_that_was_cut_off_is_brought_to_its_end(lab: Lab, bench: Bench) -> None:
    network, _ = make(bench)
    del lab.pve.sdn["vnets"]["front"]

    bench.driver.networks.delete(network)

    assert running(lab) == {}
    assert bench.driver.networks.get("front") is None


def test_a_vnet_with_a_guest_in_it_stays(lab: Lab, bench: Bench) -> None:
    network, _ = make(bench)
    machine, _ = bench.make(bench.spec(networks=(Nic("nic0", "front"),)), marker())
    assert seen(bench, machine.id).objects["front"].machines == (machine.id,)

    with pytest.raises(Refused) as refusal:
        bench.driver.networks.delete(network)

    assert refusal.value.reason is Reason.HAS_DEPENDANTS
    assert "front" in running(lab)


def test_a_vnet_in_which_a_foreign_guest_runs_stays(lab: Lab, bench: Bench) -> None:
    """Its configuration is never read, for it cannot be ours."""
    network, _ = make(bench)
    lab.pve.add_vm(555, "foreign", node="pve3", status="running", config={"net0": "virtio,bridge=front"})

    with pytest.raises(Refused, match="guest 555"):
        bench.driver.networks.delete(network)


def test_subnets_that_people_made_keep_a_vnet(lab: Lab, bench: Bench) -> None:
    network, _ = make(bench)
    for sections in (lab.pve.sdn, lab.pve.sdn_running):
        sections["subnets"]["s"] = {"subnet": "s", "type": "subnet", "vnet": "front", "zone": "shop"}

    with pytest.raises(Refused) as refusal:
        bench.driver.networks.delete(network)

    assert refusal.value.reason is Reason.HAS_DEPENDANTS


def test_a_vnet_is_let_go_and_taken_over_again(lab: Lab, bench: Bench) -> None:
    network, _ = make(bench)

    bench.driver.networks.mark(network, None)
    free = seen(bench).objects["front"]
    assert (free.marker, free.parts, running(lab)["front"]["alias"]) == (None, ("applied",), "frontend")
    other = owner()
    bench.driver.networks.mark(free, other)

    taken = seen(bench).objects["front"]
    assert (taken.marker, taken.parts) == (other, ())
    configure(bench, taken, SPEC, {APPLIED}, other)
    assert seen(bench).objects["front"].parts == ("applied",)


@pytest.mark.parametrize("read", ["/sdn/vnets", "/sdn/zones", "/sdn/controllers"])
def test_nothing_is_let_go_half(lab: Lab, bench: Bench, read: str) -> None:
    """Without its marker a vnet would be nobody's, and nobody would put into effect that it is."""
    network, whose = make(bench)
    lab.pve.fail("GET", read, 500, "unexpected", times=1)

    with pytest.raises(CloudError):
        bench.driver.networks.mark(network, None)

    assert seen(bench).objects["front"].marker == whose
    bench.driver.networks.mark(network, None)
    free = seen(bench).objects["front"]
    assert (free.marker, free.parts) == (None, ("applied",))


def test_a_vnet_without_an_alias_is_taken_over(lab: Lab, bench: Bench) -> None:
    for sections in (lab.pve.sdn, lab.pve.sdn_running):
        sections["vnets"]["dmz"] = {"vnet": "dmz", "type": "vnet", "zone": "plain"}
    whose = owner()

    bench.driver.networks.mark(seen(bench).objects["dmz"], whose)

    assert (seen(bench).objects["dmz"].marker, seen(bench).objects["dmz"].name) == (whose, "dmz")


# ------------------------------------------------------------------- bridges


def test_bridges_are_seen_on_their_nodes_and_never_changed(bench: Bench) -> None:
    bridge = seen(bench).objects["vmbr0"]

    assert (bridge.attaches, bridge.settings["placement.node"]) == ("vmbr0", ("pve1", "pve2", "pve3"))
    assert "observed" in bridge.unfit
    for call in (
        lambda: bench.driver.networks.mark(bridge, owner()),
        lambda: bench.driver.networks.delete(bridge),
        lambda: configure(bench, bridge, replace(SPEC, options={"bridge": "vmbr0", "vnet": "aa"}), {"vlan"}, owner()),
    ):
        with pytest.raises(Refused, match="does not change"):
            call()


def test_what_is_absent_is_proven(lab: Lab, bench: Bench) -> None:
    assert bench.driver.networks.get("vmbr7") is None
    assert bench.driver.networks.get("nothing") is None
    lab.pve.quorate = False

    with pytest.raises(CloudError, match="quorum"):
        bench.driver.networks.get("nothing")


def test_a_bridge_of_a_node_that_is_away_is_not_gone(lab: Lab, bench: Bench) -> None:
    seen(bench)
    for node in lab.pve.nodes.values():
        node["online"] = False
    lab.pve.nodes["pve1"]["online"] = True
    lab.pve.bridges["pve1"] = ()

    with pytest.raises(CloudError, match="offline"):
        bench.driver.networks.get("vmbr0")


def test_a_settled_sweep_costs_two_requests_more(bench: Bench) -> None:
    for _ in range(2):
        seen(bench)
    bench.requests.clear()
    sweep = bench.driver.sweep(SweepRequest(kinds=BOTH))

    assert sweep.requests == sum(bench.requests.values()) == 3
    assert (bench.requests["Vnets"], bench.requests["Bridges"]) == (1, 1)


# --------------------------------------------------------------------- rights


@pytest.mark.parametrize("right", ["SDN.Audit", "SDN.Allocate"])
def test_each_right_of_the_shipped_role_is_needed_and_named(lab: Lab, bench: Bench, right: str) -> None:
    held = [grant for grant in permissions.proxmox() if (grant.place, grant.right) != ("/sdn", right)]
    lab.pve.allot(OPERATOR, held)

    assert [one.name for one in bench.driver.check().optional] == [right]
    with pytest.raises((Refused, KeyError)) as refusal:
        bench.driver.networks.delete(make(bench)[0])
    assert not isinstance(refusal.value, Refused) or refusal.value.reason is Reason.NOT_PERMITTED


def test_the_shipped_role_is_enough(lab: Lab, bench: Bench) -> None:
    lab.pve.allot(OPERATOR, permissions.proxmox())
    assert bench.driver.check().optional == ()

    bench.driver.networks.delete(make(bench)[0])

    assert running(lab) == {}
