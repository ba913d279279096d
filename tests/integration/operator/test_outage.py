"""Clouds that answer badly or not at all: the last known state stays, nothing is done twice, the others do not notice."""

from __future__ import annotations

import pytest

from lab.faultproxy import Cloud, LoseAnswer, Loss, Rule
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene
from tests.integration.operator.series import value
from tests.operator_bed import condition_of

NEXT: dict[Cloud, Cloud] = {"aws": "proxmox", "proxmox": "vsphere", "vsphere": "aws"}


def test_a_dark_cloud_is_told_and_moves_nobody_else(own: Scene, make_scene: MakeScene) -> None:
    ready = own.make()
    own.faults.dark("refuse")

    synced = own.wait("web", "Synced", "False", "ProviderDown")
    body = own.body()
    assert "since 20" in synced["message"]
    assert condition_of(body, "Ready")["status"] == "True"
    assert "last known state" in condition_of(body, "Ready")["message"]
    assert not condition_of(body, "Stalled")
    kept = ("id", "phase", "powerState", "addresses", "cpus", "memory")
    assert {key: body["status"].get(key) for key in kept} == {key: ready["status"].get(key) for key in kept}
    told = own.wait_provider("Ready", "False", "ProviderDown")
    assert "since 20" in told["message"]
    assert value(own.bed.operator, "provider_up", provider=own.provider) == 0

    other = make_scene(NEXT[own.cloud])
    other.make("meanwhile")

    own.faults.light()
    own.wait("web", "Synced", "True")
    own.wait_provider("Ready", "True")
    assert own.here() == {own.machine().id}
    assert own.machine().id == ready["status"]["id"]
    assert value(own.bed.operator, "provider_up", provider=own.provider) == 1


def test_what_is_applied_in_the_dark_is_made_in_the_light(own: Scene) -> None:
    own.faults.dark("refuse")
    own.wait_provider("Ready", "False", "ProviderDown")
    own.apply()
    own.wait("web", "Synced", "False", "ProviderDown")

    own.faults.light()
    own.ready()

    assert own.here() == {own.machine().id}


def test_what_is_deleted_in_the_dark_is_held_until_it_is_provably_gone(own: Scene) -> None:
    own.make()
    machine = own.machine()
    own.faults.dark("refuse")
    own.wait("web", "Synced", "False", "ProviderDown")

    own.delete()
    own.wait("web", "Ready", "False", "Deleting")
    own.wait("web", "Synced", "False", "ProviderDown")
    assert own.body()["metadata"]["finalizers"]
    assert own.person.machine(machine.id) is not None

    own.faults.light()
    own.gone()
    assert own.here() == set()


def test_what_is_deleted_after_its_creation_had_no_answer_leaves_nothing(own: Scene) -> None:
    """The cloud goes dark at the very moment of the creation, and takes the answer with it."""
    own.faults.inject(Rule(own.person.calls.create, LoseAnswer("reset"), times=1))
    own.apply()
    own.until(own.here, "the machine to be in the cloud")
    own.faults.dark("refuse")
    own.delete()
    own.wait("web", "Ready", "False")
    assert own.body()["metadata"]["finalizers"]

    own.faults.light()
    own.gone()

    assert own.here() == set()


@pytest.mark.parametrize("how", ["reset", "503"])
def test_a_lost_answer_to_the_creation_ends_with_exactly_one(own: Scene, how: Loss) -> None:
    rule = own.faults.inject(Rule(own.person.calls.create, LoseAnswer(how), times=1))

    own.make()

    assert next(active for active in own.faults.faults() if active.id == rule).hit == 1
    assert own.here() == {own.machine().id}


def test_a_lost_answer_to_the_deletion_ends_with_none(own: Scene) -> None:
    own.make()
    rule = own.faults.inject(Rule(own.person.calls.delete, LoseAnswer("reset"), times=1))

    own.delete()
    own.gone()

    assert next(active for active in own.faults.faults() if active.id == rule).hit == 1
    assert own.here() == set()


def test_throttled_creations_are_repeated_and_counted(own: Scene) -> None:
    rule = own.faults.inject(Rule(own.person.calls.create, own.person.throttle, times=3))

    own.make()

    assert next(active for active in own.faults.faults() if active.id == rule).hit == 3
    assert own.here() == {own.machine().id}
    assert value(own.bed.operator, "provider_throttled_total", provider=own.provider) >= 3
