"""A machine that exists is changed in place, moved, kept apart from others; what cannot be is refused for a reason."""

from __future__ import annotations

import pytest

from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of

#: A second network of each cloud, and the name under which it is asked for.
SECOND = {"aws": "lab-a-storage", "proxmox": "vmbr1", "vsphere": "backend"}
HOSTS = ("proxmox", "vsphere")


def first(scene: Scene) -> str:
    """The network that machines get by themselves."""
    return scene.machine().networks[0]


def test_interfaces_come_and_go_while_the_machine_runs(scene: Scene) -> None:
    scene.make()
    machine, second = scene.machine(), SECOND[scene.cloud]

    nics = [{"name": "nic0", "id": first(scene)}]
    scene.change(networks=[*nics, {"name": "nic1", "id": second}])
    scene.wait("web", "Synced", "True")
    with_two = scene.machine()
    assert (with_two.id, with_two.running, len(with_two.networks)) == (machine.id, True, 2)

    scene.change(networks=nics)
    scene.wait("web", "Synced", "True")
    assert (scene.machine().id, scene.machine().networks) == (machine.id, machine.networks)


def test_several_changes_are_one_power_cycle(scene: Scene) -> None:
    scene.make(lifecycle={"disruption": "Allow"})
    before = scene.machine()
    nics = [{"name": "nic0", "id": first(scene)}, {"name": "nic1", "id": SECOND[scene.cloud]}]
    scene.change(cpus=4, memory="16Gi", tags={"team": "shop"}, networks=nics)
    scene.wait("web", "Synced", "True")

    after = scene.machine()
    assert (after.id, after.running, after.cpus, len(after.networks)) == (before.id, True, 4, 2)
    assert after.tags["team"] == "shop"
    stopped = [words for _, words in scene.events() if "powerState from Running to Stopped" in words]
    assert len(stopped) == 1


@pytest.mark.parametrize("cloud", HOSTS)
def test_a_machine_is_moved_while_it_runs(scene: Scene) -> None:
    scene.make()
    before = scene.machine()
    placement, place = scene.person.placement
    assert before.place != place

    scene.change(placement=dict(placement))
    scene.wait("web", "Synced", "True")

    after = scene.machine()
    assert (after.id, after.place, after.running) == (before.id, place, True)
    assert scene.status()["host"] == place


@pytest.mark.parametrize("cloud", HOSTS)
def test_machines_of_a_group_are_put_on_different_hosts_and_people_are_told_why(scene: Scene) -> None:
    for name in ("a", "b"):
        scene.apply(name, placement={"antiAffinityGroup": "web"})
    places = set()
    for name in ("a", "b"):
        scene.ready(name)
        places.add(scene.machine(name).place)
        placed = scene.status(name)["placement"]
        assert placed["host"] == scene.machine(name).place
        assert placed["reason"]
    assert len(places) == 2


@pytest.mark.parametrize("cloud", ["aws"])
def test_machines_of_a_group_are_spread_over_the_zones(scene: Scene) -> None:
    for name in ("a", "b"):
        scene.apply(name, placement={"antiAffinityGroup": "web"})
    zones = set()
    for name in ("a", "b"):
        scene.ready(name)
        zones.add(scene.machine(name).place)
        assert scene.status(name)["placement"]["reason"]
    assert len(zones) == 2


@pytest.mark.parametrize("cloud", ["aws"])
def test_what_would_take_another_machine_is_refused(scene: Scene) -> None:
    scene.make()
    before = scene.machine()
    other = "eu-central-1b" if before.place != "eu-central-1b" else "eu-central-1a"

    scene.change(placement={"zone": other})
    synced = scene.wait("web", "Synced", "False", "ReplacementRequired")
    assert other in synced["message"]
    body = scene.body()
    assert condition_of(body, "Ready")["status"] == "True"
    assert condition_of(body, "Stalled")["reason"] == "ReplacementRequired"
    (entry,) = [one for one in body["status"]["plan"] if one["field"] == "placement.zone"]
    assert (entry["action"], entry["to"]) == ("Replace", other)
    assert scene.machine() == before

    scene.change(placement={"zone": before.place})
    scene.wait("web", "Synced", "True")


def test_the_story_is_told_once(scene: Scene) -> None:
    scene.make()
    scene.change(tags={"team": "shop"})
    scene.wait("web", "Synced", "True")
    scene.annotate(sync_now="1")
    scene.change(tags={"team": "shop"})
    machine = scene.machine()

    def story() -> list[tuple[str, str]]:
        told = [event for event in scene.events() if "creating" in event[1] or "tags.team" in event[1]]
        return told if len(told) >= 2 else []

    told = scene.until(story, "Events about the creation and the tag")
    assert sorted(reason for reason, _ in told) == ["Creating", "Updating"]
    assert any(machine.name in words for _, words in told)
