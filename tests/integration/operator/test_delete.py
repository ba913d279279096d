"""The end of a machine: gone from the cloud before its object is, unless it is to stay."""

from __future__ import annotations

from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of


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


def test_what_the_cloud_itself_protects_is_explained_and_never_forced(scene: Scene) -> None:
    scene.make()
    machine = scene.machine()
    scene.person.protect(machine.id, on=True)
    scene.delete()

    synced = scene.wait("web", "Synced", "False", "DeletionProtected")
    words = {"aws": "termination", "proxmox": "protection", "vsphere": "Destroy_Task"}[scene.cloud]
    assert words in synced["message"]
    assert condition_of(scene.body(), "Stalled")["reason"] == "DeletionProtected"
    assert [found.id for found in scene.mine()] == [machine.id]

    scene.person.protect(machine.id, on=False)
    scene.annotate(sync_now="1")
    scene.gone()
    assert scene.person.machine(machine.id) is None
