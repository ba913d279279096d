"""Volumes through the operator: what people do to them behind its back, specs that cannot be had, and the last resort."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.people_volumes import VolumeFacts, VolumePerson, volume_person
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of

GIB = 2**30
DATA: list[dict[str, Any]] = [{"name": "data", "volumeRef": {"name": "data"}}]


@pytest.fixture
def volumes(scene: Scene) -> Scene:
    """The scene, with Volumes."""
    return scene.of("Volume")


@pytest.fixture
def person(scene: Scene) -> VolumePerson:
    """Who works with volumes in its cloud."""
    return volume_person(scene.person.simulated)


def facts(volumes: Scene, person: VolumePerson, name: str = "data") -> VolumeFacts:
    found = person.get(volumes.thing(name).id)
    assert found is not None
    return found


def furnish(scene: Scene, volumes: Scene, **spec: object) -> None:
    """A machine with a volume."""
    volumes.apply("data", **spec)
    scene.make("db", volumes=DATA)
    volumes.ready("data")


class TestByHand:
    def test_detached_it_is_given_back(self, scene: Scene, volumes: Scene, person: VolumePerson) -> None:
        furnish(scene, volumes)
        machine, volume = scene.machine("db"), volumes.thing("data")
        assert facts(volumes, person).machine == machine.id

        person.detach(volume.id)
        scene.annotate("db", sync_now="1")

        scene.until(lambda: any(one == "Drifted" for one, _ in scene.events("db")), "an Event about the drift")
        scene.until(lambda: facts(volumes, person).machine == machine.id, "the machine to have it again")
        scene.wait("db", "Synced", "True")
        assert volumes.thing("data").id == volume.id
        attached = volumes.until(lambda: volumes.status("data").get("attachments"), "the attachment to be told")
        assert [(one["id"], one["virtualMachine"]) for one in attached] == [(machine.id, f"{scene.namespace}/db")]

    def test_retagged_it_gets_its_tags_back(self, volumes: Scene, person: VolumePerson) -> None:
        if not person.tags:
            pytest.skip("Proxmox VE keeps no tags of a volume")
        volumes.make("data", tags={"team": "shop"})

        person.tag(volumes.thing("data").id, "team", "bakery")
        volumes.annotate("data", sync_now="1")

        volumes.until(
            lambda: person.tags_of(volumes.thing("data").id).get("team") == "shop", "the tag to be as the spec has it"
        )
        volumes.wait("data", "Synced", "True")
        assert "drift" not in volumes.status("data")

    def test_grown_it_stays_so_and_that_is_told(self, scene: Scene, volumes: Scene, person: VolumePerson) -> None:
        furnish(scene, volumes)

        person.grow(volumes.thing("data").id, 5 * GIB)
        volumes.annotate("data", sync_now="1")

        volumes.until(lambda: volumes.status("data").get("size") == "5Gi", "the status to tell its size")
        assert condition_of(volumes.body("data"), "Synced")["status"] == "True"
        assert facts(volumes, person).size == 5 * GIB

    def test_destroyed_it_is_lost_until_another_one_is_allowed(self, volumes: Scene, person: VolumePerson) -> None:
        volumes.make("data")
        lost = volumes.thing("data").id

        person.destroy(lost)

        assert lost in volumes.wait("data", "Stalled", "True", "Lost")["message"]
        volumes.change("data", lifecycle={"onLost": "Recreate"})
        volumes.ready("data")
        assert facts(volumes, person).size == 2 * GIB


class TestBadInput:
    def test_a_size_that_shrinks_is_refused_at_once(self, volumes: Scene) -> None:
        volumes.make("data")

        assert "size can grow" in volumes.bed.refused(volumes.manifest("data", size="1Gi"))

    def test_a_class_that_the_cloud_does_not_have(self, volumes: Scene, person: VolumePerson) -> None:
        before = {one.id for one in person.all()}
        volumes.apply("data", **{"class": "no-such-class"})

        stalled = volumes.wait("data", "Stalled", "True")

        assert "no-such-class" in stalled["message"]
        assert condition_of(volumes.body("data"), "Ready")["status"] == "False"
        assert {one.id for one in person.all()} <= before
        volumes.delete("data")
        volumes.gone("data")

    def test_a_volume_that_is_not_there_is_waited_for_by_its_name(self, scene: Scene, volumes: Scene) -> None:
        scene.apply("db", volumes=DATA)
        assert f"{scene.namespace}/data" in scene.wait("db", "Synced", "False", "DependencyNotReady")["message"]
        assert condition_of(scene.body("db"), "Stalled").get("status") != "True"

        volumes.apply("data")

        scene.ready("db")

    def test_two_machines_that_want_one_are_both_named(
        self, scene: Scene, volumes: Scene, person: VolumePerson
    ) -> None:
        furnish(scene, volumes)
        scene.apply("db-2", volumes=DATA)

        told = scene.wait("db-2", "Stalled", "True", "InvalidSpec")["message"]

        assert "db-2" in told
        assert "db " in f"{told} "
        assert facts(volumes, person).machine == scene.machine("db").id
        scene.change("db", volumes=[])
        scene.ready("db-2")
        assert facts(volumes, person).machine == scene.machine("db-2").id

    def test_one_that_a_machine_has_is_not_deleted_and_names_it(
        self, scene: Scene, volumes: Scene, person: VolumePerson
    ) -> None:
        furnish(scene, volumes)
        volume, machine = volumes.thing("data").id, scene.machine("db").id

        volumes.delete("data")

        assert f"VirtualMachine {scene.namespace}/db" in volumes.wait("data", "Synced", "False")["message"]
        held = person.get(volume)
        assert held is not None
        assert held.machine == machine
        scene.delete("db")
        scene.gone("db")
        volumes.gone("data")
        assert person.get(volume) is None


def test_one_of_another_provider_is_refused_with_both_names(make_scene: MakeScene) -> None:
    here, there = make_scene("aws"), make_scene("proxmox")
    volume = there.of("Volume").manifest("data")
    volume["metadata"]["namespace"] = here.namespace
    here.bed.apply(volume)
    here.apply("db", volumes=DATA)

    told = here.wait("db", "Stalled", "True", "InvalidSpec")["message"]

    assert there.provider in told
    assert here.provider in told
    here.bed.delete("volume", "data", namespace=here.namespace)
    here.bed.wait_gone("volumes", "data", namespace=here.namespace)
