"""References that cross namespaces: only where the target grants it, and never with a word about what does not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridge.engine.keys import Key
from tests.unit.engine.estate import Estate
from tests.unit.engine.segment_cloud import SegmentCloud
from tests.unit.engine.segment_stories import CLOUD, SOON, image, is_ready, live, network, told

CORE: list[dict[str, object]] = [{"name": "nic0", "networkRef": {"name": "core", "namespace": "net"}}]
GOLDEN: dict[str, object] = {"imageRef": {"name": "golden", "namespace": "net"}}
TEAM: dict[str, object] = {"selector": {"matchLabels": {"team": "a"}}}
SHOP: dict[str, object] = {"names": ["shop"]}
#: What is granted to shop, or not, by names alone.
GRANTS = [
    (SHOP, True),
    ({"names": ["sho*"]}, True),
    ({"names": ["*"]}, True),
    ({"names": ["xshop", "shop-a", "Shop", "shop."]}, False),
    ({"names": []}, False),
    ({}, False),
]


def core(made: Estate, grant: dict[str, object]) -> None:
    """A Network of the namespace net."""
    network(made, "core", namespace="net", allowedNamespaces=grant)


def refused(name: str) -> tuple[str, str]:
    """What a machine is told of a Network that it may not use."""
    words = f"{name} does not grant namespace shop: its spec.allowedNamespaces has to name it"
    return "NotPermitted", words


@pytest.mark.parametrize(("grant", "granted"), GRANTS)
def test_a_network_is_reached_only_where_it_grants_that(grant: dict[str, object], granted: bool) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        core(made, grant)
        made.make("web", CLOUD, networks=CORE)
        await made.rest()
        expected = ("InSync", "") if granted else refused("spec.networks[nic0]: Network net/core")
        assert told(made, "web") == expected
        assert len(cloud.there) == granted

    live(story)


@pytest.mark.parametrize(("grant", "granted"), GRANTS[::3])
def test_an_image_is_reached_only_where_it_grants_that(grant: dict[str, object], granted: bool) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made, namespace="net", allowedNamespaces=grant)
        made.make("web", CLOUD, image=GOLDEN)
        await made.rest()
        expected = ("InSync", "") if granted else refused("spec.image: Image net/golden")
        assert told(made, "web") == expected
        assert cloud.started == ["img-1"] * granted

    live(story)


def test_nothing_is_told_of_what_is_not_granted() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        core(made, {})
        image(made, namespace="net", allowedNamespaces={})
        made.make("web", CLOUD, networks=CORE)
        made.make("db", CLOUD, image=GOLDEN)
        made.make("old", CLOUD)
        await made.rest()
        made.change("old", networks=CORE)
        await made.rest()
        for name in ("web", "db", "old"):
            words = json.dumps(made.api.objects[Key("VirtualMachine", "shop", name)]["status"])
            assert not [word for word in ("net-1", "in-net-1", "img-1", "10.0.1") if word in words]
        assert told(made, "old")[0] == "NotPermitted"
        assert [one.ports for one in cloud.there.values()] == [()]

    live(story)


def test_the_labels_of_a_namespace_grant_and_no_longer_do() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        core(made, TEAM)
        made.make("web", CLOUD, networks=CORE)
        await made.rest()
        assert told(made, "web")[0] == "NotPermitted"
        made.api.labels["shop"] = {"team": "a"}
        await made.rest()
        assert is_ready(made, "web")
        made.api.labels["shop"] = {"team": "b"}
        await made.rest()
        assert told(made, "web") == refused("spec.networks[nic0]: Network net/core")
        made.make("more", CLOUD, networks=CORE)
        await made.rest()
        assert len(cloud.there) == 1

    live(story)


def test_a_label_that_went_a_moment_ago_makes_nothing_any_more() -> None:
    """What is known of a namespace may be seconds old; what is made is decided on what is so now."""

    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.api.labels["shop"] = {"team": "a"}
        core(made, TEAM)
        made.make("old", CLOUD)
        await made.settle(CLOUD, SOON)
        made.api.labels["shop"] = {}
        made.make("web", CLOUD, networks=CORE)
        made.change("old", networks=CORE)
        await made.rest()
        assert [one.ports for one in cloud.there.values()] == [()]

    live(story)


def test_a_grant_that_was_taken_back_cuts_nobody_off_and_is_told_at_once() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        core(made, SHOP)
        made.make("web", CLOUD, networks=CORE)
        await made.settle(CLOUD, SOON)
        (machine,) = cloud.there.values()
        made.change("core", "Network", "net", allowedNamespaces={})
        await asyncio.sleep(1.0)
        assert told(made, "web") == refused("spec.networks[nic0]: Network net/core")
        assert is_ready(made, "web")
        made.change("web", tags={"a": "b"}, restartToken="1")
        await made.rest()
        assert cloud.there[machine.id].tags == {"a": "b"}
        assert cloud.there[machine.id].ports == machine.ports
        assert cloud.calls.count("Running") == 1
        made.make("more", CLOUD, networks=CORE)
        await made.rest()
        assert len(cloud.there) == 1
        made.change("core", "Network", "net", allowedNamespaces=SHOP)
        await made.settle(CLOUD, SOON)
        assert len(cloud.there) == 2

    live(story)


def test_a_machine_whose_grant_was_taken_back_is_not_moved_and_can_be_deleted() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        core(made, SHOP)
        made.make("web", CLOUD, networks=CORE)
        await made.settle(CLOUD, SOON)
        (machine,) = cloud.there.values()
        made.change("core", "Network", "net", allowedNamespaces={})
        cloud.change(machine.id, ports=())
        await made.rest()
        assert cloud.there[machine.id].ports == ()
        made.delete("web")
        await made.settle(CLOUD, SOON, gone="web")

    live(story)


def test_what_another_namespace_uses_waits_for_it_and_names_it() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        core(made, SHOP)
        image(made, namespace="net", allowedNamespaces=SHOP)
        made.make("web", CLOUD, networks=CORE, image=GOLDEN)
        await made.settle(CLOUD, SOON)
        made.delete("core", "Network", "net")
        made.delete("golden", "Image", "net")
        await made.rest()
        for name, kind in (("core", "Network"), ("golden", "Image")):
            assert told(made, name, kind, "net") == ("HasDependants", "used by VirtualMachine shop/web")
        made.delete("web")
        await made.gone(SOON)
        assert {**cloud.there, **cloud.networks.there, **cloud.images.there} == {}

    live(story)


@pytest.mark.parametrize("grant", [{}, TEAM])
def test_who_is_not_granted_does_not_keep_it(grant: dict[str, object]) -> None:
    """Or every tenant could keep what is another's by naming it."""

    async def story(made: Estate, cloud: SegmentCloud) -> None:
        core(made, grant)
        made.make("old", CLOUD)
        await made.settle(CLOUD, SOON)
        made.change("old", networks=CORE)
        await made.rest()
        made.delete("core", "Network", "net")
        await made.rest()
        assert cloud.networks.there == {}

    live(story)


def test_who_has_lost_the_grant_and_is_in_it_still_keeps_it() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        core(made, SHOP)
        made.make("web", CLOUD, networks=CORE)
        await made.settle(CLOUD, SOON)
        await made.rest()
        made.change("core", "Network", "net", allowedNamespaces={})
        made.delete("core", "Network", "net")
        await made.rest()
        reason, message = told(made, "core", "Network", "net")
        assert (reason, "VirtualMachine shop/web" in message) == ("HasDependants", True)
        made.delete("web")
        await made.gone(SOON)
        assert cloud.networks.there == {}

    live(story)


EVENTS = ["grant", "revoke", "label", "unlabel", "machine", "network", "leave"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0.0, 40.0)), min_size=1, max_size=8))
def test_whatever_happens_in_whatever_order_all_goes_in_the_end(events: list[tuple[str, float]]) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        there = made.api.objects
        for event, pause in events:
            _happen(made, event, there)
            await asyncio.sleep(pause)
        for key in list(there):
            if key.kind != "Provider" and key in there:
                made.delete(key.name, key.kind, key.namespace)
        await made.gone(900.0)
        assert {**cloud.there, **cloud.networks.there} == {}

    live(story)


def _happen(made: Estate, event: str, there: Any) -> None:
    network_key, machine_key = Key("Network", "net", "core"), Key("VirtualMachine", "shop", "web")
    match event:
        case "network" if network_key not in there:
            core(made, {**SHOP, **TEAM})
        case "machine" if machine_key not in there:
            made.make("web", CLOUD, networks=CORE)
        case "leave" if network_key in there:
            made.delete("core", "Network", "net")
        case "label" | "unlabel":
            made.api.labels["shop"] = {"team": "a"} if event == "label" else {}
        case "grant" | "revoke" if network_key in there:
            made.change("core", "Network", "net", allowedNamespaces=TEAM if event == "grant" else {})
        case _:
            pass
