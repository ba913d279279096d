"""Users who are faster than a cloud: exactly the wanted machines, and nothing left."""

from __future__ import annotations

from tests.integration.operator.scene import Scene

NUMBER = 5


def test_edited_several_times_in_its_first_second(scene: Scene) -> None:
    names = [f"quick-{number}" for number in range(NUMBER)]
    for name in names:
        scene.apply(name, powerState="Stopped")
    for step in range(4):
        for name in names:
            scene.patch(name, {"metadata": {"labels": {"step": str(step)}}, "spec": {"tags": {"step": str(step)}}})
    for name in names:
        scene.change(name, cpus=4, memory="16Gi")

    for name in names:
        scene.wait(name, "Ready", "True")
        scene.wait(name, "Synced", "True")

    for name in names:
        machine = scene.machine(name)
        assert (machine.cpus, machine.tags.get("step")) == (4, "3")
    assert scene.here() == {scene.machine(name).id for name in names}


def test_deleted_in_its_first_second(scene: Scene) -> None:
    names = [f"brief-{number}" for number in range(NUMBER)]
    uids = {}
    for name in names:
        uids[name] = scene.apply(name)["metadata"]["uid"]
        scene.delete(name)

    scene.bed.wait_gone("virtualmachines", *names, namespace=scene.namespace)

    assert [machine for uid in uids.values() for machine in scene.person.find(uid)] == []
    assert scene.here() == set()


def test_deleted_while_it_is_being_made(scene: Scene) -> None:
    """The finalizer is there, so the creation has begun."""
    uid = scene.apply()["metadata"]["uid"]
    scene.until(lambda: scene.body()["metadata"].get("finalizers"), "the finalizer")

    scene.delete()
    scene.gone()

    assert scene.person.find(uid) == []
    assert scene.here() == set()


def test_recreated_under_the_same_name_at_once(scene: Scene) -> None:
    first = scene.make()["metadata"]["uid"]

    scene.delete()
    scene.gone()
    second = scene.make()["metadata"]["uid"]

    assert first != second
    assert scene.person.find(first) == []
    assert scene.here() == {scene.machine().id}


def test_recreated_under_the_same_name_in_the_cloud_at_once(scene: Scene) -> None:
    name = f"fixed.{scene.namespace}"
    scene.make("one", name=name)
    scene.delete("one")
    scene.gone("one")

    scene.make("two", name=name)

    assert [machine.name for machine in scene.person.machines()].count(name) == 1
    assert scene.machine("two").name == name
