"""Firewalls through the operator: what is done to them by hand, who is under them, and vSphere's refusal."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import manifests
from lab.faultproxy import Cloud
from tests.integration.operator.people_firewalls import Allowed, FirewallFacts, FirewallPerson, firewall_person, wanted
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of
from tests.things.firewall import Firewalls

EXAMPLES = Path(__file__).parents[3] / "examples"
_SSH: dict[str, Any] = {
    "name": "ssh",
    "direction": "Ingress",
    "protocol": "TCP",
    "ports": [{"from": 22}],
    "machines": {"matchLabels": {"tier": "client"}},
}


@pytest.fixture
def walls(scene: Scene) -> Scene:
    """The scene, with Firewalls."""
    return scene.of("Firewall")


@pytest.fixture
def person(scene: Scene) -> FirewallPerson:
    """Who works with firewalls in its cloud."""
    return firewall_person(scene.person.simulated)


def facts(walls: Scene, person: FirewallPerson) -> FirewallFacts:
    found = person.get(walls.thing("edge").id)
    assert found is not None
    return found


def guarded(scene: Scene, name: str, label: str = "edge") -> None:
    """A machine under the Firewall of this name."""
    made = scene.manifest(name)
    made["metadata"]["labels"] = {"guarded": label}
    scene.bed.apply(made)


def _other(cloud: Cloud) -> Cloud:
    return "aws" if cloud == "proxmox" else "proxmox"


def _stray(scene: Scene) -> dict[str, Any]:
    """A machine of another Provider that has the Firewall's label."""
    made = manifests.machine("stray", _other(scene.cloud), scene.namespace)
    made["metadata"]["labels"] = {"guarded": "edge"}
    return made


def furnish(scene: Scene, walls: Scene, person: FirewallPerson) -> None:
    """A machine under a Firewall that looks at its details as often as it may."""
    walls.apply("edge", syncInterval="10s")
    guarded(scene, "web")
    scene.ready("web")
    walls.ready("edge")
    await_members(scene, walls, person, ["web"])


def await_members(scene: Scene, walls: Scene, person: FirewallPerson, names: Collection[str]) -> None:
    """Waits until just these machines are under it."""
    ids = {scene.machine(name).id for name in names}
    walls.until(lambda: facts(walls, person).machines == ids, f"{names} to be under it")
    walls.until(lambda: walls.status("edge").get("machines") == len(ids), "the status to tell so")


@pytest.mark.parametrize("cloud", Firewalls.clouds, indirect=True)
class TestByHand:
    def test_rules_and_members_are_put_back(self, scene: Scene, walls: Scene, person: FirewallPerson) -> None:
        furnish(scene, walls, person)
        before, machine = facts(walls, person), scene.machine("web")

        person.forbid(before.id)
        person.allow(before.id)
        person.part(before.id, machine.id)

        walls.until(lambda: any(one == "Drifted" for one, _ in walls.events("edge")), "an Event about the drift")
        walls.until(lambda: facts(walls, person) == before, "all to be as before")
        walls.wait("edge", "Synced", "True")
        assert "drift" not in walls.status("edge")
        assert scene.machine("web") == machine

    def test_drift_can_be_only_told_and_a_lost_one_is_made_again_when_allowed(
        self, walls: Scene, person: FirewallPerson
    ) -> None:
        walls.make("edge", lifecycle={"drift": "Report"})
        lost = walls.thing("edge").id
        person.allow(lost)
        walls.annotate("edge", sync_now="1")

        drifted = walls.wait("edge", "Drifted", "True")

        assert "2222" in drifted["message"] + str(walls.status("edge")["drift"])
        assert Allowed("Ingress", "TCP", "2222", "0.0.0.0/0") in facts(walls, person).allows

        person.destroy(lost)
        walls.annotate("edge", sync_now="2")

        assert lost in walls.wait("edge", "Stalled", "True", "Lost")["message"]
        walls.change("edge", lifecycle={"onLost": "Recreate"})
        walls.ready("edge")
        assert facts(walls, person).allows == wanted(walls.body("edge")["spec"]["rules"])


@pytest.mark.parametrize("cloud", Firewalls.clouds, indirect=True)
class TestMachines:
    def test_labels_decide_who_is_under_it_and_it_goes_alone(
        self, scene: Scene, walls: Scene, person: FirewallPerson
    ) -> None:
        guarded(scene, "db", "not")
        furnish(scene, walls, person)
        scene.ready("db")
        assert facts(walls, person).machines == {scene.machine("web").id}
        scene.bed.apply(_stray(scene))

        for name, label in (("db", "edge"), ("web", "not")):
            scene.patch(name, {"metadata": {"labels": {"guarded": label}}})

        await_members(scene, walls, person, ["db"])
        left_out = walls.until(lambda: walls.status("edge").get("leftOut"), "the other machine to be told as left out")
        assert [(one["name"], one["reason"]) for one in left_out] == [
            ("stray", f"it is in Provider {_other(scene.cloud)}")
        ]
        assert condition_of(walls.body("edge"), "Ready")["status"] == "True"
        known, machine = walls.thing("edge").id, scene.machine("db")
        walls.delete("edge")
        walls.gone("edge")
        assert person.get(known) is None
        assert scene.machine("db") == machine
        assert condition_of(scene.body("db"), "Synced")["status"] == "True"

    def test_machines_are_peers_by_their_labels(self, scene: Scene, walls: Scene, person: FirewallPerson) -> None:
        walls.make("edge", rules=[_SSH])
        assert facts(walls, person).allows == frozenset()

        scene.make("client")
        addresses = scene.until(
            lambda: [one["address"] for one in scene.status("client").get("addresses", [])], "the machine's addresses"
        )
        scene.patch("client", {"metadata": {"labels": {"tier": "client"}}})

        allowed = walls.until(lambda: facts(walls, person).allows, "the machine to be allowed")
        assert {one.peer.partition("/")[0] for one in allowed} <= set(addresses)
        scene.delete("client")
        walls.until(lambda: not facts(walls, person).allows, "nobody to be allowed any more")


@pytest.mark.parametrize("cloud", Firewalls.clouds, indirect=True)
def test_an_id_that_nothing_has_is_waited_for(walls: Scene, person: FirewallPerson) -> None:
    before = {one.id for one in person.all()}
    missing = {"aws": "sg-0123456789abcdef0", "proxmox": "no-such-group"}[walls.cloud]

    walls.take("edge", wanted={"management": "Observed", "import": {"id": missing}})

    assert missing in walls.wait("edge", "Synced", "False")["message"]
    assert {one.id for one in person.all()} <= before


@pytest.mark.parametrize("cloud", ["vsphere"], indirect=True)
def test_where_there_are_none_it_says_why_and_what_to_do(scene: Scene) -> None:
    """The mistake of the examples, with the words that it shows."""
    walls = scene.of("Firewall")
    mistake = yaml.safe_load((EXAMPLES / "mistakes" / "vsphere-firewall.yaml").read_text())
    name = mistake["metadata"]["name"]
    mistake["metadata"]["namespace"] = scene.namespace
    walls.bed.apply(mistake)

    stalled = walls.wait(name, "Stalled", "True", "Unsupported")

    assert "NSX" in stalled["message"]
    assert "filter in the guests" in stalled["message"]
    assert condition_of(walls.body(name), "Ready")["status"] == "False"
    assert "id" not in walls.status(name)
    walls.delete(name)
    walls.gone(name)
