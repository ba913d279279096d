"""Two Providers that lead to one and the same account or cluster do not fight over it."""

from __future__ import annotations

from functools import partial
from typing import Any

from lab.faultproxy import Cloud
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene


def status(scene: Scene) -> dict[str, Any]:
    body = scene.bed.get("provider", scene.provider)
    assert body is not None
    found: dict[str, Any] = body["status"]
    return found


def identity(scene: Scene) -> str:
    return str(status(scene)["identity"])


def owns(scene: Scene, machines: int) -> bool:
    """Whether the Provider counts so many machines as its own."""
    return bool(status(scene).get("inventory", {}).get("virtualMachines") == machines)


def test_each_counts_its_own_and_neither_touches_what_is_the_others(make_scene: MakeScene, cloud: Cloud) -> None:
    one, two = make_scene(cloud), make_scene(cloud)
    assert identity(one) == identity(two)

    for scene in (one, two):
        for name in ("web", "db"):
            scene.apply(name)
    for scene in (one, two):
        for name in ("web", "db"):
            scene.ready(name)

    ids = [scene.machine(name).id for scene in (one, two) for name in ("web", "db")]
    assert len(set(ids)) == 4
    for scene in (one, two):
        scene.until(partial(owns, scene, 2), "each to count its own two")

    two.faults.reset_counts()
    one.change(tags={"team": "shop"})
    one.wait_machine(lambda machine: machine.tags.get("team") == "shop", "to be tagged")
    one.delete("db")
    one.gone("db")
    one.wait("web", "Synced", "True")

    assert two.faults.mutating() == 0
    assert two.here() == {two.machine("web").id, two.machine("db").id}
    one.until(partial(owns, one, 1), "one to count what is left")
    assert owns(two, 2)


def test_with_the_same_range_of_vmids_none_is_given_twice(make_scene: MakeScene) -> None:
    one, two = make_scene("proxmox"), make_scene("proxmox")
    shared = {"from": one.first_vmid, "to": one.first_vmid + 19}
    two.bed.patch("provider", two.provider, {"spec": {"proxmox": {"vmIDRange": shared}}})
    two.wait_provider("Ready", "True")

    names = ("a", "b", "c")
    for name in names:
        one.apply(name)
        two.apply(name)
    for scene in (one, two):
        for name in names:
            scene.ready(name)

    ids = [int(scene.machine(name).id) for scene in (one, two) for name in names]
    assert len(set(ids)) == 6
    assert all(shared["from"] <= vmid <= shared["to"] for vmid in ids)
