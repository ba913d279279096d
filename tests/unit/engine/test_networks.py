"""Networks and the machines in them, with the real engine around them, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from hybridge.core.errors import Throttled
from hybridge.core.identity import Marker
from hybridge.core.network import Network
from hybridge.engine.keys import Key
from tests.unit.engine.estate import Estate, Trouble
from tests.unit.engine.segment_cloud import SegmentCloud
from tests.unit.engine.segment_stories import (
    CLOUD,
    FRONT,
    SOON,
    bridged,
    changes,
    is_ready,
    live,
    network,
    status,
    told,
)


def ports(cloud: SegmentCloud, name: str) -> list[tuple[str, str]]:
    """The networks and tags of a machine's interfaces."""
    (machine,) = (one for one in cloud.there.values() if one.name.startswith(name))
    return [(port.network[0], port.vlan) for port in machine.ports or ()]


# ------------------------------------------------------------------ a network by itself


def test_a_network_is_made_once_then_completed_and_tells_the_word_by_which_machines_are_put_into_it() -> None:
    async def story(made: Estate, _cloud: SegmentCloud) -> None:
        network(made)
        await made.settle(CLOUD, SOON)
        found = status(made, "front", "Network")
        expected = {"id": "net-1", "networkID": "in-net-1", "cidr": "10.0.1.0/24", "parts": ["gate"], "phase": "Ready"}
        assert expected.items() <= found.items()

    assert live(story).networks.calls == ["create", "configure parts.gate"]


def test_a_create_whose_answer_is_lost_is_found_and_not_repeated() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.networks.lose = 1
        network(made)
        await made.settle(CLOUD, SOON)
        assert len(cloud.networks.there) == 1

    assert live(story).networks.calls == ["create", "configure parts.gate"]


def test_a_part_whose_answer_is_lost_is_not_made_twice() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        await asyncio.sleep(1.0)
        cloud.networks.lose = 1
        await made.settle(CLOUD, SOON)

    cloud = live(story)
    assert [one.parts for one in cloud.networks.there.values()] == [("gate",)]


MOMENTS = [0.02, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5]


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("seconds", MOMENTS)
def test_an_operator_that_ends_at_any_moment_makes_one_of_each(seconds: float, lost: int) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.networks.lose = lost
        network(made)
        made.make("web", CLOUD, networks=FRONT)
        await asyncio.sleep(seconds)
        await made.restart()
        await made.settle(CLOUD, SOON)
        assert (len(cloud.networks.there), len(cloud.there)) == (1, 1)
        await made.restart()
        made.delete("front", "Network")
        made.delete("web")
        await asyncio.sleep(seconds)
        await made.restart()
        await made.gone(SOON)
        assert (cloud.networks.there, cloud.there) == ({}, {})

    live(story)


def test_what_is_as_it_should_be_is_left_alone() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made, tags={"team": "shop"})
        await made.settle(CLOUD, SOON)
        before = list(cloud.networks.calls)
        for _ in range(5):
            await made.rest()
        assert changes(cloud.networks.calls) == changes(before)

    live(story)


@pytest.mark.parametrize("drift", ["Correct", "Report"])
def test_a_network_renamed_by_hand_is_drift(drift: str) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made, lifecycle={"drift": drift})
        await made.settle(CLOUD, SOON)
        name = cloud.networks.there["net-1"].name
        cloud.networks.change("net-1", name="by-hand")
        await made.rest()
        if drift == "Correct":
            assert cloud.networks.there["net-1"].name == name
            return
        (one,) = status(made, "front", "Network")["drift"]
        assert (one["field"], one["want"], one["found"]) == ("name", name, "by-hand")
        assert cloud.networks.there["net-1"].name == "by-hand"

    live(story)


def test_a_half_made_network_is_completed_after_somebody_took_its_part() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        await made.settle(CLOUD, SOON)
        cloud.networks.change("net-1", parts=())
        await made.rest()
        assert cloud.networks.there["net-1"].parts == ("gate",)

    live(story)


def test_a_network_that_is_observed_is_never_written_and_stays() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.networks.there["net-x"] = Network("net-x", "theirs", attaches="in-x")
        network(made, lifecycle={"management": "Observed", "import": {"id": "net-x"}}, tags={"a": "b"})
        await made.rest()
        assert status(made, "front", "Network")["networkID"] == "in-x"
        assert is_ready(made, "front", "Network")
        made.delete("front", "Network")
        await made.gone(SOON)

    cloud = live(story)
    assert changes(cloud.networks.calls) == []
    assert "net-x" in cloud.networks.there


def test_a_network_that_is_imported_is_marked_and_let_go_with_detach() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.change(CLOUD, "Provider", "", imports="Managed")
        cloud.networks.there["net-x"] = Network("net-x", "theirs", attaches="in-x", parts=("gate",))
        lifecycle = {"management": "Managed", "onDelete": "Detach", "import": {"filter": {"name": "theirs"}}}
        made.make_any(Key("Network", "shop", "front"), CLOUD, {"lifecycle": lifecycle})
        await made.settle(CLOUD, SOON)
        assert cloud.networks.there["net-x"].marker is not None
        made.delete("front", "Network")
        await made.gone(SOON)
        assert cloud.networks.there["net-x"].marker is None

    assert live(story).networks.calls == ["mark", "mark"]


def test_a_network_that_is_paused_is_left_as_it_is() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        await made.settle(CLOUD, SOON)
        made.change(CLOUD, "Provider", "", paused=True)
        made.change("front", "Network", tags={"a": "b"})
        await made.rest()
        assert told(made, "front", "Network")[0] == "Paused"
        assert cloud.networks.there["net-1"].tags == {}

    live(story)


def test_a_network_that_is_protected_stays() -> None:
    async def story(made: Estate, _cloud: SegmentCloud) -> None:
        network(made, lifecycle={"deletionProtection": True})
        await made.settle(CLOUD, SOON)
        made.delete("front", "Network")
        await made.rest()
        assert told(made, "front", "Network")[0] == "DeletionProtected"

    assert "delete" not in live(story).networks.calls


@pytest.mark.parametrize(
    ("networks", "named"),
    [(["vpc-2"], "spec.aws.vpcID 'vpc-1'"), (["vpc-1"], None)],
)
def test_what_tenants_may_not_name_is_refused(networks: list[str], named: str | None) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.change(CLOUD, "Provider", "", restrict={"networkIDs": networks})
        network(made)
        await made.rest()
        reason, message = told(made, "front", "Network")
        assert (reason == "NotPermitted" and named in message) if named else reason == "InSync"
        assert len(cloud.networks.there) == (not named)

    live(story)


def test_a_provider_counts_networks_and_names_those_without_an_object() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        await made.settle(CLOUD, SOON)
        left = Marker("cluster", "gone", "Network", "shop", "old")
        cloud.networks.there["net-9"] = Network("net-9", "left", marker=left)
        await asyncio.sleep(400.0)
        found = made.api.objects[Key("Provider", "", CLOUD)]["status"]
        assert (found["inventory"]["networks"], found["inventory"]["orphans"]) == (1, 1)
        assert [one["id"] for one in found["orphans"]] == ["net-9"]

    live(story)


# ------------------------------------------------------------------ machines in networks


@pytest.mark.parametrize("first", ["machine", "network"])
def test_in_whatever_order_they_are_applied(first: str) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        if first == "network":
            network(made)
        made.make("web", CLOUD, networks=FRONT)
        if first == "machine":
            await asyncio.sleep(1.0)
            network(made)
        await made.settle(CLOUD, SOON)
        assert ports(cloud, "web") == [("in-net-1", "")]

    assert live(story).calls.count("create") == 1


def test_a_machine_says_which_network_it_waits_for() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.make("web", CLOUD, networks=FRONT)
        await made.rest()
        assert told(made, "web") == ("DependencyNotReady", "Network shop/front does not exist")
        made.make("far", CLOUD, networks=[{"name": "nic0", "networkRef": {"name": "core", "namespace": "net"}}])
        await made.rest()
        assert told(made, "far") == ("DependencyNotReady", "Network net/core does not exist")
        assert cloud.calls == []

    live(story)


def test_a_machine_waits_until_its_network_is_whole() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.change(CLOUD, "Provider", "", restrict={"networkIDs": ["vpc-2"]})
        network(made)
        made.make("web", CLOUD, networks=FRONT)
        await made.rest()
        assert told(made, "web") == ("DependencyNotReady", "Network shop/front is not ready (NotPermitted)")
        assert cloud.calls == []
        made.change(CLOUD, "Provider", "", restrict={})
        await made.settle(CLOUD, SOON)

    live(story)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_network_that_is_half_made_is_not_ready_and_no_machine_comes_into_it(*, restarted: bool) -> None:
    """An answer that nobody understands comes between its thing and its part: a machine would be in another network."""

    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.networks.deaf = 1000
        made.make("web", CLOUD, networks=FRONT)
        network(made)
        await made.rest()
        if restarted:
            await made.restart()
            await made.rest()
        assert not is_ready(made, "front", "Network")
        assert status(made, "front", "Network")["phase"] == "Creating"
        assert "createdAt" not in status(made, "front", "Network")
        assert told(made, "web")[0] == "DependencyNotReady"
        assert cloud.there == {}
        cloud.networks.deaf = 0
        await made.settle(CLOUD, 600.0)

    live(story)


def test_nothing_new_comes_into_a_network_that_its_provider_does_not_allow_any_more() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        made.make("old", CLOUD, networks=FRONT)
        await made.settle(CLOUD, SOON)
        made.change(CLOUD, "Provider", "", restrict={"networkIDs": ["vpc-2"]})
        await made.rest()
        made.make("web", CLOUD, networks=FRONT)
        await made.rest()
        assert told(made, "web") == ("DependencyNotReady", "Network shop/front is not ready (NotPermitted)")
        assert told(made, "old")[0] == "InSync"
        assert len(cloud.there) == 1

    live(story)


def test_a_network_of_another_provider_is_refused_with_both_names() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.make_any(Key("Network", "shop", "front"), "elsewhere", {"cidr": "10.0.1.0/24"})
        made.make("web", CLOUD, networks=FRONT)
        await made.rest()
        words = "spec.networks[nic0]: Network shop/front is in Provider elsewhere, not in aws"
        assert told(made, "web") == ("InvalidSpec", words)
        assert cloud.calls == []

    live(story)


def test_a_network_waits_for_the_machine_that_uses_it_and_names_it() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        made.make("web", CLOUD, networks=FRONT)
        await made.settle(CLOUD, SOON)
        made.delete("front", "Network")
        await made.rest()
        assert told(made, "front", "Network") == ("HasDependants", "used by VirtualMachine shop/web")
        assert told(made, "web")[0] == "InSync"
        made.delete("web")
        await made.gone(SOON)
        assert (cloud.there, cloud.networks.there) == ({}, {})

    assert live(story).networks.calls[-1] == "delete"


@pytest.mark.parametrize("order", [("Network", "VirtualMachine"), ("VirtualMachine", "Network")])
def test_all_deleted_at_once_ends_clean(order: tuple[str, str]) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        made.make("web", CLOUD, networks=FRONT)
        await made.settle(CLOUD, SOON)
        for kind in order:
            made.delete("front" if kind == "Network" else "web", kind)
        await made.gone(SOON)
        assert (cloud.there, cloud.networks.there) == ({}, {})

    live(story)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.06, 0.2, 0.5, 1.0, 3.0])
def test_what_is_deleted_while_it_is_being_made_ends_clean(seconds: float) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        made.make("web", CLOUD, networks=FRONT)
        await asyncio.sleep(seconds)
        made.delete("front", "Network")
        made.delete("web")
        await made.gone(SOON)
        assert (cloud.there, cloud.networks.there) == ({}, {})

    live(story)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.6])
def test_a_network_does_not_go_under_a_machine_that_is_about_to_be_made(seconds: float) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        await made.settle(CLOUD, SOON)
        made.make("web", CLOUD, networks=FRONT)
        await asyncio.sleep(seconds)
        made.delete("front", "Network")
        await made.rest()
        if cloud.there:
            assert told(made, "front", "Network") == ("HasDependants", "used by VirtualMachine shop/web")
        else:
            assert told(made, "web") == ("DependencyNotReady", "Network shop/front does not exist")
            assert cloud.networks.there == {}

    live(story)


def test_who_waits_for_a_network_that_goes_does_not_hold_it() -> None:
    """Or each would wait for the other."""

    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        made.make("old", CLOUD, networks=FRONT)
        await made.settle(CLOUD, SOON)
        made.delete("front", "Network")
        await made.rest()
        made.make("web", CLOUD, networks=FRONT)
        await made.rest()
        assert told(made, "web") == ("DependencyNotReady", "Network shop/front is being deleted")
        made.delete("old")
        await made.rest()
        assert cloud.networks.there == {}
        network(made)
        await made.settle(CLOUD, SOON)
        assert ports(cloud, "web") == [("in-net-2", "")]

    live(story)


def test_what_a_stranger_has_in_it_keeps_a_network() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        made.make("web", CLOUD, networks=FRONT)
        await made.settle(CLOUD, SOON)
        (machine,) = cloud.there.values()
        cloud.change(machine.id, marker=None)
        made.api.objects.pop(Key("VirtualMachine", "shop", "web"))
        made.world.store.drop(Key("VirtualMachine", "shop", "web"))
        made.delete("front", "Network")
        await made.rest()
        reason, message = told(made, "front", "Network")
        assert (reason, machine.id in message) == ("HasDependants", True)

    live(story)


def test_a_machine_moves_to_another_network() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        network(made, "back")
        made.make("web", CLOUD, networks=FRONT)
        await made.settle(CLOUD, SOON)
        made.change("web", networks=[{"name": "nic0", "networkRef": {"name": "back"}}])
        await made.settle(CLOUD, SOON)
        words = {name: status(made, name, "Network")["networkID"] for name in ("front", "back")}
        assert ports(cloud, "web") == [(words["back"], "")]

    live(story)


def test_a_machine_stays_as_it_is_while_a_network_that_it_shall_have_besides_is_not_there() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        made.make("web", CLOUD, networks=FRONT)
        await made.settle(CLOUD, SOON)
        made.change("web", networks=[*FRONT, {"name": "nic1", "networkRef": {"name": "back"}}], tags={"a": "b"})
        await made.rest()
        assert told(made, "web") == ("DependencyNotReady", "Network shop/back does not exist")
        assert is_ready(made, "web")
        (machine,) = cloud.there.values()
        assert (ports(cloud, "web"), machine.tags) == ([("in-net-1", "")], {"a": "b"})
        network(made, "back")
        await made.settle(CLOUD, SOON)
        assert ports(cloud, "web") == [("in-net-1", ""), ("in-net-2", "")]

    live(story)


def test_an_interface_that_a_person_moved_is_put_back() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        network(made, "back")
        made.make("web", CLOUD, networks=FRONT)
        await made.settle(CLOUD, SOON)
        (machine,) = cloud.there.values()
        before = machine.ports
        cloud.change(machine.id, ports=(type(before[0])(("in-net-9",)),) if before else ())
        await made.rest()
        assert cloud.there[machine.id].ports == before

    live(story)


def test_while_the_cloud_refuses_to_work_faster_all_still_ends_clean() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        network(made)
        made.make("web", CLOUD, networks=FRONT)
        await asyncio.sleep(0.3)
        cloud.trouble = Trouble(lambda: Throttled("slow down"), 0.1)
        await asyncio.sleep(30.0)
        cloud.trouble = None
        await made.settle(CLOUD, 600.0)
        made.delete("front", "Network")
        made.delete("web")
        await made.gone(600.0)

    live(story)


# ------------------------------------------------------------------ bridges and their VLANs


def test_a_bridge_with_a_vlan_gives_interfaces_the_tag() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.networks.bridge("vmbr0")
        bridged(made, vlan=20)
        made.make("web", "proxmox", networks=FRONT)
        await made.settle("proxmox", SOON)
        assert ports(cloud, "web") == [("vmbr0", "20")]
        bridged(made, "plain")
        made.change("web", networks=[{"name": "nic0", "networkRef": {"name": "plain"}}])
        await made.settle("proxmox", SOON)
        assert ports(cloud, "web") == [("vmbr0", "")]
        made.change("front", "Network", vlan=30)
        made.change("web", networks=FRONT)
        await made.settle("proxmox", SOON)
        assert ports(cloud, "web") == [("vmbr0", "30")]

    assert changes(live(story, "proxmox").networks.calls) == []


def test_a_bridge_is_let_go_when_no_machine_refers_to_it_any_more() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.networks.bridge("vmbr0")
        bridged(made)
        made.make("web", "proxmox", networks=FRONT)
        await made.settle("proxmox", SOON)
        made.delete("front", "Network")
        await made.rest()
        assert told(made, "front", "Network") == ("HasDependants", "used by VirtualMachine shop/web")
        made.delete("web")
        await made.gone(SOON)
        assert "vmbr0" in cloud.networks.there

    live(story, "proxmox")


def test_a_machine_does_not_say_the_vlan_of_a_network() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.networks.bridge("vmbr0")
        bridged(made)
        made.make("web", "proxmox", networks=FRONT, proxmox={"vlan": 99})
        await made.rest()
        reason, message = told(made, "web")
        assert (reason, "spec.networks[nic0].networkRef" in message) == ("InvalidSpec", True)
        assert cloud.there == {}

    live(story, "proxmox")


@pytest.mark.parametrize(
    ("allowed", "vlan", "permitted"),
    [(["vmbr0.20"], 20, True), (["vmbr0"], 20, False), (["vmbr0"], None, True), (["vmbr0.20"], None, False)],
)
def test_a_vlan_is_another_network_than_its_bridge(allowed: list[str], vlan: int | None, permitted: bool) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.change("proxmox", "Provider", "", restrict={"networkIDs": allowed})
        cloud.networks.bridge("vmbr0")
        bridged(made, vlan=vlan)
        await made.rest()
        assert told(made, "front", "Network")[0] == ("InSync" if permitted else "NotPermitted")

    live(story, "proxmox")
