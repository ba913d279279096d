"""What is paused is looked at and not touched."""

from __future__ import annotations

import pytest

from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of


@pytest.mark.parametrize("holder", ["object", "namespace", "provider", "provider annotation"])
@pytest.mark.parametrize("cloud", ["vsphere"])
def test_nothing_is_made_while_paused(make_scene: MakeScene, cloud: str, holder: str) -> None:
    scene = make_scene(cloud)
    _pause(scene, holder, paused=True)
    manifest = scene.manifest()
    if holder == "object":
        manifest["metadata"]["annotations"] = {"hybridge.io/paused": "true"}
    scene.bed.apply(manifest)

    synced = scene.wait("web", "Synced", "False", "Paused")
    assert "paused" in synced["message"]
    assert scene.here() == set()
    assert scene.faults.mutating() == 0

    _pause(scene, holder, paused=False)
    scene.ready()
    assert len(scene.here()) == 1


def test_a_paused_machine_keeps_its_state_and_is_brought_to_its_spec_afterwards(own: Scene) -> None:
    own.make()
    own.annotate(paused="true")
    own.wait("web", "Synced", "False", "Paused")
    own.faults.reset_counts()

    own.change(powerState="Stopped", tags={"team": "shop"})
    own.wait("web", "Synced", "False", "Paused")
    own.person.power(own.machine().id, on=False)
    own.person.power(own.machine().id, on=True)
    assert own.faults.mutating() == 0
    assert own.status()["id"] == own.machine().id

    own.annotate(paused=None)
    own.wait_machine(
        lambda machine: not machine.running and machine.tags.get("team") == "shop", "to be as the spec says"
    )
    own.wait("web", "Synced", "True")


def test_a_paused_machine_that_runs_stays_ready(scene: Scene) -> None:
    scene.make()

    scene.annotate(paused="true")
    scene.wait("web", "Synced", "False", "Paused")

    assert condition_of(scene.body(), "Ready")["status"] == "True"


def test_a_paused_machine_is_not_deleted(own: Scene) -> None:
    own.make()
    own.annotate(paused="true")
    own.wait("web", "Synced", "False", "Paused")
    own.faults.reset_counts()

    own.delete()
    own.wait("web", "Ready", "False", "Deleting")
    assert own.faults.mutating() == 0
    assert len(own.here()) == 1

    own.annotate(paused=None)
    own.gone()
    assert own.here() == set()


def _pause(scene: Scene, holder: str, *, paused: bool) -> None:
    annotation = {"metadata": {"annotations": {"hybridge.io/paused": "true" if paused else None}}}
    match holder:
        case "object":
            if not paused:
                scene.annotate(paused=None)
        case "namespace":
            scene.bed.patch("namespace", scene.namespace, annotation)
        case "provider":
            scene.bed.patch("provider", scene.provider, {"spec": {"paused": paused}})
        case "provider annotation":
            scene.bed.patch("provider", scene.provider, annotation)
