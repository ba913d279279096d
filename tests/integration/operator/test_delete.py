"""The end of a machine: gone from the cloud before its object is, unless it is to stay."""

from __future__ import annotations

from tests.integration.operator.scene import Scene


def test_a_deleted_machine_is_gone_from_the_cloud_when_its_object_is(scene: Scene) -> None:
    scene.make()
    machine = scene.machine()

    scene.delete()
    scene.gone()

    assert scene.person.machine(machine.id) is None


def test_a_stopped_machine_is_deleted_too(scene: Scene) -> None:
    scene.make(powerState="Stopped")
    machine = scene.machine()

    scene.delete()
    scene.gone()

    assert scene.person.machine(machine.id) is None


def test_detach_leaves_the_machine_without_the_marker(scene: Scene) -> None:
    scene.make(lifecycle={"onDelete": "Detach"}, tags={"team": "shop"})
    before = scene.machine()

    scene.delete()
    scene.gone()

    after = scene.person.machine(before.id)
    assert after is not None
    assert (after.name, after.running, after.owner) == (before.name, True, "")
    assert after.tags.get("team") == "shop"
    scene.person.destroy(before.id)


def test_one_that_is_gone_already_is_let_go(scene: Scene) -> None:
    scene.make()
    scene.person.destroy(scene.machine().id)

    scene.delete()
    scene.gone()
