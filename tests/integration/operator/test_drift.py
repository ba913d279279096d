"""What others change in the cloud: corrected, reported or ignored as asked, and nobody is fought without end."""

from __future__ import annotations

from itertools import count

from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of


def test_a_machine_that_was_stopped_by_hand_is_started_and_that_is_told(scene: Scene) -> None:
    scene.make()
    machine = scene.machine()
    scene.person.power(machine.id, on=False)
    scene.until(lambda: any(reason == "Drifted" for reason, _ in scene.events()), "an Event about the drift")
    scene.wait_machine(lambda found: found.running, "it runs again")
    scene.wait("web", "Synced", "True")
    assert "drift" not in scene.status()
    assert scene.machine().id == machine.id


def test_drift_that_is_to_be_reported_is_itemised_and_left(scene: Scene) -> None:
    scene.make(lifecycle={"drift": "Report"})
    machine = scene.machine()
    scene.person.power(machine.id, on=False)

    scene.wait("web", "Drifted", "True")
    # It may have been looked at while it was stopping.
    scene.until(lambda: scene.status()["drift"][0]["found"] != "Stopping", "it is shown as stopped")
    body = scene.body()
    (entry,) = body["status"]["drift"]
    assert (entry["field"], entry["want"], entry["found"]) == ("powerState", "Running", "Stopped")
    assert entry["since"]
    assert "plan" not in body["status"]
    assert condition_of(body, "Ready")["status"] == "False"
    assert condition_of(body, "Stalled")["reason"] == "Drifted"
    assert not scene.machine().running

    scene.change(lifecycle={"drift": "Correct"})
    scene.wait_machine(lambda found: found.running, "it runs again")
    scene.wait("web", "Drifted", "False")
    assert "drift" not in scene.status()


def test_while_drift_is_reported_the_spec_is_still_followed(scene: Scene) -> None:
    scene.make(lifecycle={"drift": "Report"})
    scene.change(tags={"team": "shop"})
    scene.wait("web", "Synced", "True")
    assert scene.machine().tags["team"] == "shop"

    scene.person.power(scene.machine().id, on=False)
    scene.wait("web", "Drifted", "True")
    scene.change(tags={"team": "cellar"})
    scene.wait_machine(lambda found: found.tags["team"] == "cellar", "the new tag is there")
    scene.wait("web", "Drifted", "True")
    assert not scene.machine().running


def test_ignored_drift_is_neither_told_nor_touched(scene: Scene) -> None:
    scene.make(lifecycle={"drift": "Ignore"})
    machine = scene.machine()
    scene.person.power(machine.id, on=False)
    scene.until(lambda: scene.status()["phase"] == "Stopped", "it is shown as stopped")
    body = scene.body()
    assert condition_of(body, "Ready")["status"] == "True"
    assert condition_of(body, "Drifted")["status"] == "False"
    assert "drift" not in body["status"]
    assert not scene.machine().running


def test_who_keeps_changing_it_back_is_not_fought_but_told(scene: Scene) -> None:
    scene.make(tags={"team": "shop"})
    rounds = count(1)

    def contested() -> bool:
        if condition_of(scene.body(), "Synced").get("reason") == "Contested":
            return True
        if _undone(scene):
            scene.annotate(sync_now=str(next(rounds)))
        return False

    scene.until(contested, "it is told that somebody changes it back")
    synced = condition_of(scene.body(), "Synced")
    assert "changed back each time" in synced["message"]
    assert condition_of(scene.body(), "Drifted")["status"] == "True"


def _undone(scene: Scene) -> bool:
    """Whether a person has changed back what is as wanted: the power, or a tag where power is told some ten seconds late."""
    machine = scene.machine()
    if scene.cloud == "proxmox":
        if undone := machine.tags.get("team") == "shop":
            scene.bed.lab.proxmox.set_config(int(machine.id), delete="tags")
    elif undone := machine.running:
        scene.person.power(machine.id, on=False)
    return undone
