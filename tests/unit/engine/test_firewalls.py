"""Machines and Firewalls with the real engine around them, in virtual time: who comes under one, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.core.firewall import Direction, Entry, Firewall, Ports, Protocol
from hybridge.core.identity import Marker
from hybridge.engine.keys import Key
from tests.unit.engine.estate import Estate, Remote, estate
from tests.unit.engine.firewall_cloud import FirewallCloud
from tests.unit.engine.segment_cloud import SegmentCloud
from tests.unit.engine.virtual_threads import ThreadedLoop, run

CLOUD, SOON = "aws", 120.0
WEB = {"matchLabels": {"tier": "web"}}
HTTP = {"name": "http", "direction": "Ingress", "protocol": "TCP", "ports": [{"from": 80}], "cidrs": ["0.0.0.0/0"]}
SSH = {"name": "ssh", "direction": "Ingress", "protocol": "TCP", "ports": [{"from": 22}], "cidrs": ["10.0.0.0/8"]}
DB = {"name": "db", "direction": "Egress", "protocol": "TCP", "machines": {"matchLabels": {"tier": "db"}}}
OPENED = Entry(Direction.INGRESS, Protocol.ANY, "0.0.0.0/0")

Story = Callable[[Estate, FirewallCloud], Coroutine[Any, Any, None]]


def live(story: Story) -> FirewallCloud:
    """The cloud after a story."""
    loop = ThreadedLoop()
    clouds: list[FirewallCloud] = []

    async def told() -> None:
        async with estate(loop, [CLOUD], FirewallCloud) as made:
            clouds.append(cast("FirewallCloud", made.clouds[CLOUD]))
            await story(made, clouds[0])

    run(loop, told())
    assert clouds[0].firewalls.faults == []
    return clouds[0]


def protect(made: Estate, *rules: Mapping[str, object], **spec: object) -> None:
    """The Firewall ``web``."""
    made.apply("Firewall", "web", CLOUD, **{"selector": WEB, "rules": list(rules or (HTTP,)), **spec})


def status(made: Estate, name: str = "web", kind: str = "Firewall") -> Any:
    return made.api.objects[Key(kind, "shop", name)]["status"]


def told(made: Estate, type_: str, name: str = "web", kind: str = "Firewall") -> tuple[str, str]:
    """Reason and message of a condition."""
    (found,) = (one for one in status(made, name, kind)["conditions"] if one["type"] == type_)
    return found["reason"], found.get("message", "")


def names(cloud: FirewallCloud) -> set[str]:
    """The machines to which the one firewall applies."""
    (firewall,) = cloud.firewalls.there.values()
    return {cloud.there[one].name.rsplit("-", 1)[0] for one in firewall.members}


def allowed(cloud: FirewallCloud) -> list[str]:
    (firewall,) = cloud.firewalls.there.values()
    return sorted(map(str, firewall.entries))


@pytest.mark.parametrize("first", ["machine", "firewall"])
def test_in_whatever_order_they_are_applied(first: str) -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        if first == "firewall":
            protect(made)
            await made.settle(CLOUD, SOON)
        made.make("a", CLOUD, {"tier": "web"})
        made.make("b", CLOUD, {"tier": "db"})
        if first == "machine":
            await made.settle(CLOUD, SOON)
            protect(made)
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        assert (names(cloud), allowed(cloud)) == ({"a"}, ["Ingress TCP 80 from 0.0.0.0/0"])
        assert (status(made)["machines"], status(made)["entries"]) == (1, 1)

    cloud = live(story)
    assert cloud.firewalls.calls == ["create", "allow", "join"]


def test_a_new_machine_comes_under_it_within_seconds() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made)
        await made.settle(CLOUD, SOON)
        made.make("a", CLOUD, {"tier": "web"})
        await asyncio.sleep(5.0)
        assert names(cloud) == {"a"}

    live(story)


def test_labels_decide_who_is_under_it() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made)
        made.make("a", CLOUD, {"tier": "web"})
        made.make("b", CLOUD)
        await made.settle(CLOUD, SOON)
        made.relabel("a", tier="db")
        made.relabel("b", tier="web", more="1")
        await asyncio.sleep(5.0)
        assert names(cloud) == {"b"}
        assert told(made, "Synced")[0] == "InSync"
        assert told(made, "Drifted")[0] == "NoDrift"

    live(story)


def test_a_machine_is_under_all_firewalls_that_choose_it() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made)
        expressions = [{"key": "tier", "operator": "Exists"}]
        made.apply("Firewall", "all", CLOUD, selector={"matchExpressions": expressions}, rules=[SSH])
        made.make("a", CLOUD, {"tier": "web"})
        made.make("b", CLOUD, {"tier": "db"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        members = {one.name.rsplit("-", 1)[0]: len(one.members) for one in cloud.firewalls.there.values()}
        assert members == {"web": 1, "all": 2}

    live(story)


def test_others_are_allowed_by_the_addresses_that_they_have() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made, DB)
        await made.settle(CLOUD, SOON)
        assert allowed(cloud) == []
        made.make("one", CLOUD, {"tier": "db"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        (db,) = cloud.there
        assert allowed(cloud) == [f"Egress TCP to 10.0.0.{db}/32"]
        address = cloud.there[db].addresses[0]
        cloud.change(
            db, addresses=(type(address)("InternalIP", "10.0.0.77"), type(address)("ExternalIP", "2001:db8::7"))
        )
        await made.rest()
        assert allowed(cloud) == ["Egress TCP to 10.0.0.77/32", "Egress TCP to 2001:db8::7/128"]
        assert told(made, "Drifted")[0] == "NoDrift"
        made.delete("one")
        await made.settle(CLOUD, SOON, gone="one")
        await asyncio.sleep(5.0)
        assert allowed(cloud) == []

    live(story)


def test_a_machine_that_goes_keeps_its_firewall_to_the_end() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made)
        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        made.delete("a")
        await made.settle(CLOUD, SOON, gone="a")
        await made.rest()
        assert status(made)["machines"] == 0

    cloud = live(story)
    assert "leave" not in cloud.firewalls.calls


def test_machines_of_another_provider_and_observed_ones_are_left_out_and_named() -> None:
    loop = ThreadedLoop()

    async def story() -> None:
        async with estate(loop, [CLOUD, "proxmox"], FirewallCloud) as made:
            cloud = cast("FirewallCloud", made.clouds[CLOUD])
            made.make("a", CLOUD, {"tier": "web"})
            made.make("elsewhere", "proxmox", {"tier": "web"})
            await made.settle(CLOUD, SOON)
            (known,) = cloud.there
            seen = {"management": "Observed", "import": {"id": known}}
            made.make("seen", CLOUD, {"tier": "web"}, lifecycle=seen)
            protect(made)
            await made.settle(CLOUD, SOON)
            await asyncio.sleep(5.0)
            assert names(cloud) == {"a"}
            assert status(made)["leftOut"] == [
                {"name": "elsewhere", "reason": "it is in Provider proxmox"},
                {"name": "seen", "reason": "it is only observed"},
            ]
            words = "sg-1 is there; not applied to elsewhere (it is in Provider proxmox), seen (it is only observed)"
            assert told(made, "Ready") == ("Available", words)

    run(loop, story())


def test_what_has_the_id_of_a_machine_and_is_not_provably_it_is_left_alone() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        (known,) = cloud.there
        cloud.change(known, marker=Marker("cluster", "uid-9", "VirtualMachine", "shop", "other"))
        await made.rest()
        protect(made)
        await made.rest()
        assert names(cloud) == set()
        assert status(made)["leftOut"] == [{"name": "a", "reason": f"{known} is not provably its own"}]

    live(story)


def test_rules_are_changed_without_a_gap() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made, HTTP, SSH)
        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        cloud.firewalls.calls.clear()
        https = {**HTTP, "name": "https", "ports": [{"from": 443}]}
        made.change("web", "Firewall", rules=[https, SSH])
        await made.settle(CLOUD, SOON)

    cloud = live(story)
    assert cloud.firewalls.calls == ["allow", "forbid"]
    ssh = Entry(Direction.INGRESS, Protocol.TCP, "10.0.0.0/8", Ports(22, 22))
    assert all(ssh in entries for entries, _ in cloud.firewalls.history if len(entries) > 1)


def test_what_a_person_changes_is_put_back_and_told() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made, lifecycle={"drift": "Report"})
        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        (known,) = cloud.firewalls.there
        cloud.firewalls.change(known, entries=(*cloud.firewalls.there[known].entries, OPENED), members=())
        await made.rest()
        assert {one["field"] for one in status(made)["drift"]} == {
            "rules[Ingress Any from 0.0.0.0/0]",
            f"members[{next(iter(cloud.there))}]",
        }
        made.make("b", CLOUD, {"tier": "web"})
        await made.rest()
        assert names(cloud) == {"b"}, "who comes is no drift, and who was taken away by hand stays so"
        made.change("web", "Firewall", lifecycle={"drift": "Correct"})
        await made.settle(CLOUD, SOON)
        assert names(cloud) == {"a", "b"}
        assert allowed(cloud) == ["Ingress TCP 80 from 0.0.0.0/0"]

    live(story)


def test_all_deleted_at_once_ends_clean() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made)
        for name in "abc":
            made.make(name, CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        made.delete("web", "Firewall")
        for name in "abc":
            made.delete(name)
        await made.gone(SOON)
        assert (cloud.there, cloud.firewalls.there) == ({}, {})

    live(story)


def test_a_firewall_goes_from_its_machines_first_and_waits_for_nobody_elses() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made)
        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        (known,) = cloud.firewalls.there
        stranger = type(next(iter(cloud.there.values())))("999", "stranger", next(iter(cloud.there.values())).power)
        cloud.there["999"] = stranger
        cloud.firewalls.change(known, members=(*cloud.firewalls.there[known].members, "999"))
        await made.rest()
        assert names(cloud) == {"a", "stranger"}
        made.delete("web", "Firewall")
        await made.rest()
        reason, message = told(made, "Synced")
        assert (reason, "999" in message) == ("HasDependants", True)
        cloud.firewalls.forget("999")
        await made.settle(CLOUD, SOON, gone="web")
        assert cloud.firewalls.there == {}
        assert len(cloud.there) == 2

    cloud = live(story)
    assert cloud.firewalls.calls[-2:] == ["leave", "delete"]


@pytest.mark.parametrize("lost", ["create", "allow", "join", "leave", "delete"])
def test_an_answer_that_is_lost_makes_nothing_twice(lost: str) -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        cloud.firewalls.lost.add(lost)
        protect(made)
        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        assert names(cloud) == {"a"}
        assert len(cloud.firewalls.there) == 1
        made.delete("web", "Firewall")
        await made.settle(CLOUD, SOON, gone="web")
        assert cloud.firewalls.there == {}

    live(story)


def test_an_operator_that_has_just_started_takes_nothing_away() -> None:
    """The machines' objects have not had their turn yet, and nothing is known of whose they are but by their markers."""

    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made)
        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        cloud.firewalls.calls.clear()
        await made.restart()
        await made.rest()
        assert (names(cloud), cloud.firewalls.calls) == ({"a"}, [])
        link = made.world.link(CLOUD)
        assert link is not None
        link.unbind(Key("VirtualMachine", "shop", "a"))
        made.relabel("a", tier="db")
        await asyncio.sleep(5.0)
        assert names(cloud) == set()

    live(story)


def test_a_machine_that_is_not_read_in_detail_for_a_moment_stays_under_it() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made)
        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        (known,) = cloud.there
        cloud.change(known, marker=None, detailed=False)
        await made.rest()
        assert names(cloud) == {"a"}

    cloud = live(story)
    assert cloud.firewalls.calls == ["create", "allow", "join"]


@pytest.mark.parametrize("at", ["create", "allow", "join", "leave", "delete"])
def test_an_operator_that_ends_in_between_has_made_nothing_twice(at: str) -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        async def crash(work: Callable[[], None]) -> None:
            cloud.firewalls.lost.add(at)
            work()
            for _ in range(400):
                if at not in cloud.firewalls.lost:
                    await made.restart()
                    break
                await asyncio.sleep(0.05)

        made.make("a", CLOUD, {"tier": "web"})
        await made.settle(CLOUD, SOON)
        await crash(lambda: protect(made))
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        assert (names(cloud), len(cloud.firewalls.there)) == ({"a"}, 1)
        await crash(lambda: made.delete("web", "Firewall"))
        await made.settle(CLOUD, SOON, gone="web")
        assert cloud.firewalls.there == {}

    cloud = live(story)
    assert cloud.firewalls.calls.count("create") == 1


MOMENTS = [0.02, 0.07, 0.12, 0.17, 0.22, 0.27, 0.32, 0.37, 0.42, 0.5, 0.6, 0.8, 1.1, 1.6]


@pytest.mark.parametrize("seconds", MOMENTS)
def test_an_operator_that_is_killed_at_any_moment_has_made_one(seconds: float) -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made, HTTP, DB)
        made.make("a", CLOUD, {"tier": "web"})
        made.make("b", CLOUD, {"tier": "db"})
        await asyncio.sleep(seconds)
        await made.kill()
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        assert (names(cloud), len(allowed(cloud)), len(cloud.there)) == ({"a"}, 2, 2)
        made.delete("web", "Firewall")
        made.delete("a")
        await asyncio.sleep(seconds)
        await made.kill()
        await made.settle(CLOUD, SOON, gone="web")
        assert cloud.firewalls.there == {}

    cloud = live(story)
    assert cloud.firewalls.calls.count("create") == 1


def test_what_is_only_observed_is_told_and_never_written() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        cloud.firewalls.there["sg-9"] = Firewall("sg-9", "old", entries=(OPENED,))
        made.make("a", CLOUD, {"tier": "web"})
        protect(made, lifecycle={"management": "Observed", "import": {"id": "sg-9"}})
        await made.rest()
        assert told(made, "Drifted")[0] == "Drifted"
        assert status(made)["entries"] == 1
        made.delete("web", "Firewall")
        await made.settle(CLOUD, SOON, gone="web")

    cloud = live(story)
    assert (cloud.firewalls.calls, list(cloud.firewalls.there)) == ([], ["sg-9"])


def test_an_import_is_taken_over_and_let_go() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        cloud.firewalls.there["sg-9"] = Firewall("sg-9", "old", entries=(OPENED,))
        made.make("a", CLOUD, {"tier": "web"})
        provider = made.api.objects[Key("Provider", "", CLOUD)]
        made.api.put(Key("Provider", "", CLOUD), {**provider, "spec": {**provider["spec"], "imports": "Managed"}})
        protect(made, lifecycle={"import": {"filter": {"name": "old"}}, "onDelete": "Detach"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        assert (names(cloud), allowed(cloud)) == ({"a"}, ["Ingress TCP 80 from 0.0.0.0/0"])
        made.delete("web", "Firewall")
        await made.settle(CLOUD, SOON, gone="web")
        assert cloud.firewalls.there["sg-9"].marker is None
        assert names(cloud) == {"a"}

    live(story)


def test_what_is_protected_or_paused_is_left() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made, lifecycle={"deletionProtection": True})
        await made.settle(CLOUD, SOON)
        made.delete("web", "Firewall")
        await made.rest()
        assert told(made, "Synced")[0] == "DeletionProtected"
        provider = made.api.objects[Key("Provider", "", CLOUD)]
        made.api.put(Key("Provider", "", CLOUD), {**provider, "spec": {**provider["spec"], "paused": True}})
        made.change("web", "Firewall", lifecycle={})
        await made.rest()
        assert told(made, "Synced")[0] == "Paused"
        made.api.put(Key("Provider", "", CLOUD), provider)
        await made.settle(CLOUD, SOON, gone="web")

    cloud = live(story)
    assert cloud.firewalls.calls == ["create", "allow", "delete"]


def test_a_tenant_may_import_only_the_groups_that_it_may_name() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        provider = made.api.objects[Key("Provider", "", CLOUD)]
        spec = {**provider["spec"], "imports": "Managed", "restrict": {"securityGroupIDs": ["sg-1"]}}
        made.api.put(Key("Provider", "", CLOUD), {**provider, "spec": spec})
        cloud.firewalls.there["sg-9"] = Firewall("sg-9", "old", entries=(OPENED,))
        protect(made, lifecycle={"import": {"id": "sg-9"}})
        await made.rest()
        assert told(made, "Synced")[0] == "NotPermitted"

    cloud = live(story)
    assert cloud.firewalls.there["sg-9"].marker is None


def test_a_cloud_without_firewalls_says_so_and_what_helps() -> None:
    loop = ThreadedLoop()

    async def story() -> None:
        async with estate(loop, ["vsphere"], Remote) as made:
            made.apply("Firewall", "web", "vsphere", selector=WEB, rules=[HTTP])
            await made.rest()
            reason, message = told(made, "Stalled")
            assert reason == "Unsupported"
            assert "without NSX" in message
            assert "filter in the guests" in message
            made.delete("web", "Firewall")
            await made.gone(SOON)

    run(loop, story())


def test_a_firewall_waits_for_its_network() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made, networkRef={"name": "front"})
        await made.rest()
        assert told(made, "Synced") == ("DependencyNotReady", "Network shop/front does not exist")
        assert cloud.firewalls.calls == []

    live(story)


class NetworkedCloud(FirewallCloud, SegmentCloud):
    """With networks."""


@pytest.mark.parametrize("granted", [True, False])
def test_a_firewall_is_in_the_vpc_of_its_network_where_that_is_granted(granted: bool) -> None:
    loop = ThreadedLoop()

    async def story() -> None:
        async with estate(loop, [CLOUD], NetworkedCloud) as made:
            cloud = cast("NetworkedCloud", made.clouds[CLOUD])
            grant = {"allowedNamespaces": {"names": ["shop"]}} if granted else {}
            segment = {"cidr": "10.0.1.0/24", "aws": {"vpcID": "vpc-1"}, **grant}
            protect(made, networkRef={"name": "front", "namespace": "net"})
            await made.rest()
            made.make_any(Key("Network", "net", "front"), CLOUD, segment)
            await made.rest()
            if not granted:
                assert told(made, "Stalled")[0] == "NotPermitted"
                assert cloud.firewalls.calls == []
                return
            await made.settle(CLOUD, SOON)
            assert cloud.firewalls.networks == list(cloud.networks.there)
            made.delete("web", "Firewall")
            made.delete("front", "Network", "net")
            await made.gone(SOON)
            assert (cloud.firewalls.there, cloud.networks.there) == ({}, {})

    run(loop, story())


def test_where_firewalls_are_of_no_network_it_waits_for_one_that_it_names_and_no_longer() -> None:
    loop = ThreadedLoop()

    async def story() -> None:
        async with estate(loop, [CLOUD], NetworkedCloud) as made:
            cloud = cast("NetworkedCloud", made.clouds[CLOUD])
            cloud.firewalls.everywhere = True
            protect(made, networkRef={"name": "front"})
            await made.rest()
            assert told(made, "Synced")[0] == "DependencyNotReady"
            made.make_any(Key("Network", "shop", "front"), CLOUD, {"cidr": "10.0.1.0/24", "aws": {"vpcID": "vpc-1"}})
            await made.settle(CLOUD, SOON)
            assert cloud.firewalls.networks == [None]

    run(loop, story())


def test_what_is_as_it_should_be_is_left_alone() -> None:
    async def story(made: Estate, cloud: FirewallCloud) -> None:
        protect(made, HTTP, DB)
        made.make("a", CLOUD, {"tier": "web"})
        made.make("b", CLOUD, {"tier": "db"})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(5.0)
        before, version = [*cloud.firewalls.calls], made.api.objects[Key("Firewall", "shop", "web")]["metadata"]
        for _ in range(5):
            await made.rest()
        assert cloud.firewalls.calls == before
        assert made.api.objects[Key("Firewall", "shop", "web")]["metadata"] == version

    live(story)


changes = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["web", "db", ""])), min_size=1, max_size=4)


@settings(max_examples=max(5, settings().max_examples // 10), deadline=None)
@given(changes, st.lists(st.sampled_from([0, 1, 2]), unique=True), st.lists(st.sampled_from([0, 1, 2]), unique=True))
def test_whatever_changes_what_stays_allowed_is_never_cut_off(
    labels: list[tuple[str, str]], before: list[int], after: list[int]
) -> None:
    rules = [HTTP, SSH, DB]

    async def story(made: Estate, cloud: FirewallCloud) -> None:
        for name in "abc":
            made.make(name, CLOUD, {"tier": "web"} if name != "c" else {"tier": "db"})
        made.apply("Firewall", "web", CLOUD, selector=WEB, rules=[rules[one] for one in before])
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(10.0)
        was = frozenset(next(iter(cloud.firewalls.there.values())).entries)
        cloud.firewalls.history.clear()
        made.change("web", "Firewall", rules=[rules[one] for one in after])
        for name, tier in labels:
            made.relabel(name, tier=tier)
            await asyncio.sleep(0.3)
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(10.0)
        chosen = {name: "db" if name == "c" else "web" for name in "abc"} | dict(labels)
        assert names(cloud) == {name for name, tier in chosen.items() if tier == "web"}
        now = frozenset(next(iter(cloud.firewalls.there.values())).entries)
        assert all((was & now) - entries == set() for entries, _ in cloud.firewalls.history)

    live(story)
