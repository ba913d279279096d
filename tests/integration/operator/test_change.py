"""Changes of a machine that exists: done at once where nobody is disturbed, otherwise only with leave."""

from __future__ import annotations

import pytest

from tests.integration.operator.people import GIB
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of


def test_stopped_and_started_by_the_spec(scene: Scene) -> None:
    scene.make()
    before = scene.machine()

    scene.change(powerState="Stopped")
    stopped = scene.ready()
    assert not scene.machine().running
    assert (stopped["status"]["phase"], stopped["status"]["powerState"]) == ("Stopped", "Stopped")
    assert condition_of(stopped, "Ready")["reason"] == "Stopped"
    assert condition_of(stopped, "Synced")["status"] == "True"

    scene.change(powerState="Running")
    started = scene.ready()
    assert scene.machine().running
    assert started["status"]["phase"] == "Running"
    assert scene.machine().id == before.id


def test_a_resize_of_a_running_machine_waits_for_leave(scene: Scene) -> None:
    scene.make(cpus=2, memory="4Gi")
    before = scene.machine()

    scene.change(cpus=4, memory="16Gi")
    synced = scene.wait("web", "Synced", "False", "RestartRequired")
    body = scene.body()
    assert "cpus 2 to 4" in synced["message"]
    assert "memory 4Gi to 16Gi" in synced["message"]
    assert condition_of(body, "Ready")["status"] == "True"
    assert condition_of(body, "Stalled")["reason"] == "RestartRequired"
    assert not condition_of(body, "Reconciling")
    assert body["status"]["restartRequired"] is True
    plan = {entry["field"]: entry for entry in body["status"]["plan"]}
    assert (plan["cpus"]["from"], plan["cpus"]["to"], plan["cpus"]["disruptive"]) == ("2", "4", True)
    assert (plan["memory"]["from"], plan["memory"]["to"]) == ("4Gi", "16Gi")
    assert scene.machine() == before

    scene.change(lifecycle={"disruption": "Allow"})
    scene.wait("web", "Synced", "True")
    after = scene.machine()
    assert (after.id, after.running, after.cpus, after.memory) == (before.id, True, 4, 16 * GIB)
    status = scene.status()
    assert "plan" not in status
    assert "restartRequired" not in status
    assert (status["cpus"], status["memory"], status["phase"]) == (4, "16Gi", "Running")
    assert not condition_of(scene.body(), "Stalled")


def test_a_stopped_machine_is_resized_at_once(scene: Scene) -> None:
    scene.make(powerState="Stopped")
    before = scene.machine()

    scene.change(cpus=4, memory="16Gi")
    scene.wait("web", "Synced", "True")

    after = scene.machine()
    assert (after.id, after.running, after.cpus, after.memory) == (before.id, False, 4, 16 * GIB)


def test_what_waits_for_a_restart_is_done_when_the_user_stops_the_machine(scene: Scene) -> None:
    scene.make(cpus=2)
    scene.change(cpus=4, memory="16Gi")
    scene.wait("web", "Synced", "False", "RestartRequired")

    scene.change(powerState="Stopped")
    scene.wait("web", "Synced", "True")

    assert (scene.machine().running, scene.machine().cpus) == (False, 4)


def test_the_root_disk_grows_and_tags_change_while_it_runs(scene: Scene) -> None:
    scene.make(rootDisk={"size": "16Gi"}, tags={"team": "shop", "stage": "test"})
    before = scene.machine()

    scene.change(rootDisk={"size": "24Gi"}, tags={"team": "bakery"})
    scene.wait("web", "Synced", "True")

    after = scene.machine()
    assert (after.id, after.running, after.disk) == (before.id, True, 24 * GIB)
    assert (after.tags.get("team"), after.tags.get("stage")) == ("bakery", "test")


class TestTypesOfEc2:
    """EC2 knows no cpus and memory, only types."""

    @pytest.fixture
    def cloud(self) -> str:
        return "aws"

    @pytest.mark.parametrize(
        ("cpus", "memory", "kind"), [(1, "1Gi", "t3.micro"), (2, "8Gi", "t3.large"), (4, "32Gi", "r5.xlarge")]
    )
    def test_the_smallest_that_fits_is_chosen(self, scene: Scene, cpus: int, memory: str, kind: str) -> None:
        body = scene.make(cpus=cpus, memory=memory)

        assert scene.machine().kind == kind
        assert body["status"]["instanceType"] == kind

    def test_a_type_that_still_fits_is_kept(self, scene: Scene) -> None:
        scene.make(cpus=2, memory="8Gi")
        before = scene.machine()

        scene.change(memory="4Gi")
        scene.wait("web", "Synced", "True")

        assert scene.machine() == before

    def test_the_given_one_is_taken_and_changed(self, scene: Scene) -> None:
        scene.make(aws={"instanceType": "m5.large"})
        assert scene.machine().kind == "m5.large"

        scene.change(aws={"instanceType": "m5.xlarge"}, lifecycle={"disruption": "Allow"})
        scene.wait("web", "Synced", "True")

        assert (scene.machine().kind, scene.machine().running) == ("m5.xlarge", True)
