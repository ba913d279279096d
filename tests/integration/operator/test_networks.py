"""Networks through the operator: who may use them and when, what people do behind its back, and specs that cannot be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from lab.faultproxy import Cloud
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.people_networks import NetworkFacts, NetworkPerson, network_person
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of

#: What a spec says of a network that its cloud cannot make, and the name that this tells.
IMPOSSIBLE: Mapping[Cloud, tuple[Mapping[str, Any], str]] = {
    "aws": ({"aws": {"vpcID": "vpc-0123456789abcdef0"}, "cidr": "10.96.0.0/24"}, "vpc-0123456789abcdef0"),
    "proxmox": ({"proxmox": {"sdnZone": "nowhere", "vnet": "v1"}}, "nowhere"),
    "vsphere": ({"vsphere": {"switch": "DVS9"}}, "DVS9"),
}


def nic(namespace: str | None = None, name: str = "front") -> list[dict[str, Any]]:
    """The interfaces of a machine in a Network."""
    return [{"name": "nic0", "networkRef": {"name": name, **({"namespace": namespace} if namespace else {})}}]


@pytest.fixture
def networks(scene: Scene) -> Scene:
    """The scene, with Networks."""
    return scene.of("Network")


@pytest.fixture
def person(scene: Scene) -> NetworkPerson:
    """Who works with networks in its cloud."""
    return network_person(scene.person.simulated)


@pytest.fixture
def elsewhere(scene: Scene) -> Iterator[Scene]:
    """Another namespace, with Networks."""
    other = replace(scene.of("Network"), namespace=scene.bed.namespace())
    yield other
    scene.bed.delete("networks", "front", namespace=other.namespace)


def facts(networks: Scene, person: NetworkPerson) -> NetworkFacts:
    found = person.get(networks.thing("front").id)
    assert found is not None
    return found


class TestReferences:
    def test_a_machine_waits_for_its_network_and_holds_it(
        self, scene: Scene, networks: Scene, person: NetworkPerson
    ) -> None:
        scene.apply("web", networks=nic())
        told = scene.wait("web", "Synced", "False", "DependencyNotReady")
        assert f"Network {scene.namespace}/front" in told["message"]
        assert condition_of(scene.body("web"), "Stalled").get("status") != "True"

        networks.apply("front")
        scene.ready("web")

        machine, network = scene.machine("web"), facts(networks, person)
        assert machine.networks == (network.word,)
        networks.delete("front")
        assert f"VirtualMachine {scene.namespace}/web" in networks.wait("front", "Synced", "False")["message"]
        assert person.get(network.id) == network
        scene.delete("web")
        scene.gone("web")
        networks.gone("front")
        assert person.get(network.id) is None

    def test_in_another_namespace_it_is_used_as_long_as_that_is_granted(self, scene: Scene, elsewhere: Scene) -> None:
        elsewhere.make("front")
        scene.apply("web", networks=nic(elsewhere.namespace))
        refused = scene.wait("web", "Synced", "False", "NotPermitted")["message"]
        assert f"{elsewhere.namespace}/front" in refused
        assert elsewhere.status("front")["id"] not in refused
        assert scene.mine("web") == []

        elsewhere.change("front", allowedNamespaces={"names": [scene.namespace]})
        scene.ready("web")

        elsewhere.change("front", allowedNamespaces={"names": []})
        scene.wait("web", "Synced", "False", "NotPermitted")
        body = scene.body("web")
        assert condition_of(body, "Ready")["status"] == "True"
        assert scene.machine("web").running
        scene.apply("late", networks=nic(elsewhere.namespace))
        scene.wait("late", "Synced", "False", "NotPermitted")
        assert scene.mine("late") == []
        scene.delete("late")
        scene.delete("web")
        scene.gone("web")

    def test_of_another_provider_it_is_refused_with_both_names(self, make_scene: MakeScene) -> None:
        here, there = make_scene("aws"), make_scene("proxmox")
        made = there.of("Network").manifest("front")
        made["metadata"]["namespace"] = here.namespace
        here.bed.apply(made)
        here.apply("web", networks=nic())

        told = here.wait("web", "Stalled", "True", "InvalidSpec")["message"]

        assert there.provider in told
        assert here.provider in told
        here.bed.delete("network", "front", namespace=here.namespace)
        here.bed.wait_gone("networks", "front", namespace=here.namespace)


class TestByHand:
    def test_renamed_it_gets_its_name_back(self, networks: Scene, person: NetworkPerson) -> None:
        networks.make("front")
        before = facts(networks, person)

        person.rename(before.id, "by-hand")

        networks.until(lambda: any(one == "Drifted" for one, _ in networks.events("front")), "an Event about the drift")
        networks.until(lambda: facts(networks, person) == before, "its name to be back")
        networks.wait("front", "Synced", "True")

    def test_spoilt_it_is_mended_while_no_machine_is_in_it(self, networks: Scene, person: NetworkPerson) -> None:
        networks.make("front", **person.rich())
        before = facts(networks, person)

        person.spoil(before.id)

        networks.until(lambda: facts(networks, person) == before, "it to be as before")
        networks.wait("front", "Synced", "True")

    def test_another_vlan_waits_until_no_machine_is_cut_off(
        self, scene: Scene, networks: Scene, person: NetworkPerson
    ) -> None:
        wanted = person.rich()
        networks.apply("front", **wanted)
        scene.make("web", networks=nic())
        before = facts(networks, person)

        networks.change("front", **person.retuned())

        told = networks.wait("front", "Synced", "False", "HasDependants")["message"]
        assert scene.machine("web").id in told or "web" in told
        assert (facts(networks, person).vlan, facts(networks, person).internet) == (before.vlan, before.internet)
        scene.delete("web")
        networks.wait("front", "Synced", "True")
        after = facts(networks, person)
        assert (after.vlan, after.internet) != (before.vlan, before.internet)

    def test_destroyed_it_is_lost_until_another_one_is_allowed(self, networks: Scene, person: NetworkPerson) -> None:
        networks.make("front")
        lost = networks.thing("front").id

        person.destroy(lost)
        networks.annotate("front", sync_now="1")

        assert lost in networks.wait("front", "Stalled", "True", "Lost")["message"]
        networks.change("front", lifecycle={"onLost": "Recreate"})
        networks.ready("front")
        assert facts(networks, person).word


class TestBadInput:
    def test_what_it_is_made_in_has_to_be_there(self, networks: Scene, person: NetworkPerson) -> None:
        spec, name = IMPOSSIBLE[networks.cloud]
        before = {one.id for one in person.all()}
        networks.apply("front", **spec)

        assert name in networks.wait("front", "Stalled", "True", "NotFound")["message"]
        assert condition_of(networks.body("front"), "Ready")["status"] == "False"
        assert {one.id for one in person.all()} <= before
        networks.delete("front")
        networks.gone("front")

    def test_its_range_is_for_ever(self, make_scene: MakeScene) -> None:
        networks = make_scene("aws").of("Network")
        networks.apply("front")

        assert "make another Network" in networks.bed.refused(networks.manifest("front", cidr="10.96.1.0/24"))
