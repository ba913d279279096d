"""Restarts by token: once for each new value, whatever happens in between."""

from __future__ import annotations

import pytest

from lab.faultproxy import Cloud
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene

STOPS = ("StopInstances", "shutdown", "/stop", "PowerOffVM_Task", "ShutdownGuest")


def stops(scene: Scene) -> int:
    """How often the cloud was asked to stop a machine."""
    return sum(any(word in call for word in STOPS) for call in scene.mutations())


@pytest.fixture
def hard(make_scene: MakeScene, cloud: Cloud) -> Scene:
    """A scene of its own with a machine whose plug is pulled, so that each stop is one call."""
    scene = make_scene(cloud)
    scene.make(powerOff={"mode": "Hard"}, restartToken="0")
    scene.wait("web", "Synced", "True")
    scene.forget_requests()
    return scene


def test_a_new_token_restarts_once(hard: Scene) -> None:
    before = hard.machine()
    hard.change(restartToken="1")
    hard.until(lambda: hard.status().get("restart") == {"token": "1", "phase": "Done"}, "the restart is done")
    hard.ready()
    assert hard.machine().running
    assert hard.machine().id == before.id
    assert stops(hard) == 1

    hard.change(tags={"team": "shop"})
    hard.wait("web", "Synced", "True")
    assert stops(hard) == 1


def test_a_restart_survives_the_operator(hard: Scene) -> None:
    hard.change(restartToken="1")
    hard.until(lambda: hard.status().get("restart", {}).get("token") == "1", "the restart is on record")
    hard.bed.operator.kill()
    hard.bed.operator.start().wait()
    hard.until(lambda: hard.status().get("restart") == {"token": "1", "phase": "Done"}, "the restart is done")
    hard.ready()
    assert stops(hard) == 1


def test_a_restart_takes_with_it_what_waits_for_one(hard: Scene) -> None:
    hard.change(cpus=4, memory="16Gi")
    hard.wait("web", "Synced", "False", "RestartRequired")
    hard.change(restartToken="1")
    hard.wait("web", "Synced", "True")
    assert (hard.machine().cpus, hard.machine().running) == (4, True)
    assert stops(hard) == 1


def test_a_stopped_machine_has_nothing_to_restart(hard: Scene) -> None:
    hard.change(powerState="Stopped")
    hard.wait("web", "Synced", "True")
    hard.forget_requests()
    hard.change(restartToken="1")
    hard.until(lambda: hard.status()["restart"] == {"token": "1", "phase": "Done"}, "the token is on record")
    assert hard.mutations() == []
    assert not hard.machine().running
