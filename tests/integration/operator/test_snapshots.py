"""Snapshots through the operator: what they tell, what they keep, what becomes of them, and what a cloud does not have."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.core.units import parse_time
from lab.vsphere import VsphereCloud
from tests.integration.operator.people_snapshots import SnapshotPerson, snapshot_person
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of

OF_DB: dict[str, Any] = {"sourceRef": {"kind": "VirtualMachine", "name": "db"}}
OF_DATA: dict[str, Any] = {"sourceRef": {"kind": "Volume", "name": "data"}}


@pytest.fixture
def points(scene: Scene) -> Scene:
    """The scene, with Snapshots."""
    return scene.of("Snapshot")


@pytest.fixture
def person(scene: Scene) -> SnapshotPerson:
    """Who works with snapshots in its cloud."""
    return snapshot_person(scene.person.simulated)


def furnish(scene: Scene, points: Scene, **spec: object) -> None:
    """A Snapshot, which waits for its machine, and then the machine."""
    points.apply("before", **{**OF_DB, **spec})
    told = points.wait("before", "Synced", "False", "DependencyNotReady")
    assert f"{scene.namespace}/db" in told["message"]
    assert condition_of(points.body("before"), "Stalled").get("status") != "True"
    scene.make("db")
    points.ready("before")


def test_what_it_tells_and_that_a_machine_does_not_take_it_along(
    scene: Scene, points: Scene, person: SnapshotPerson
) -> None:
    """EBS snapshots outlive the machine; elsewhere the machine waits for its Snapshot and names it."""
    furnish(scene, points, expiresAfter="24h")
    status, known = points.status("before"), points.thing("before").id
    assert status["id"] == known
    assert status["consistency"] in {"Crash", "Quiesced"}
    assert parse_time(status["expiresAt"]) - parse_time(status["takenAt"]) == 24 * 3600

    scene.delete("db")

    if scene.cloud == "aws":
        scene.gone("db")
        assert condition_of(points.body("before"), "Ready")["status"] == "True"
    else:
        assert "before" in scene.wait("db", "Synced", "False")["message"]
    assert person.get(known) is not None
    points.delete("before")
    points.gone("before")
    scene.gone("db")
    assert person.get(known) is None


def test_an_image_is_made_of_it_and_on_ec2_keeps_it(scene: Scene, points: Scene, person: SnapshotPerson) -> None:
    """Elsewhere an image is a copy, and the Snapshot goes."""
    images = scene.of("Image")
    furnish(scene, points)
    known = points.thing("before").id
    images.make("base", source={"snapshotRef": {"name": "before"}})
    image = images.status("base")["id"]

    points.delete("before")

    if scene.cloud == "aws":
        assert image in points.wait("before", "Synced", "False", "HasDependants")["message"]
        assert person.get(known) is not None
        scene.make("web", image={"imageRef": {"name": "base"}})
        scene.delete("web")
        scene.gone("web")
        images.delete("base")
        images.gone("base")
    points.gone("before")
    assert person.get(known) is None
    images.delete("base")
    images.gone("base")


def test_a_machine_goes_back_once_or_says_what_to_do_instead(
    scene: Scene, points: Scene, person: SnapshotPerson
) -> None:
    furnish(scene, points)
    machine = scene.machine("db")

    scene.change("db", revertTo={"snapshot": "before", "token": "1"})

    if person.reverts:
        scene.until(lambda: (scene.status("db").get("revert") or {}).get("phase") == "Done", "the machine to be back")
        scene.wait("db", "Synced", "True")
        scene.until(lambda: scene.machine("db").running, "the machine to run again")
    else:
        assert "make a Volume" in scene.wait("db", "Stalled", "True", "Unsupported")["message"]
    assert scene.machine("db") == machine
    scene.delete("db")
    points.delete("before")
    scene.gone("db")
    points.gone("before")


def test_deleted_by_hand_it_is_lost_and_never_taken_again(scene: Scene, points: Scene, person: SnapshotPerson) -> None:
    furnish(scene, points)
    lost = points.thing("before").id

    person.destroy(lost)
    points.annotate("before", sync_now="1")

    assert lost in points.wait("before", "Stalled", "True", "Lost")["message"]
    assert not [one for one in person.all() if one.owner.endswith(points.uid("before"))]


@pytest.mark.parametrize("cloud", ["aws"], indirect=True)
def test_retagged_it_gets_its_tags_back(scene: Scene, points: Scene, person: SnapshotPerson) -> None:
    furnish(scene, points, tags={"team": "shop"})
    known = points.thing("before").id

    person.tag(known, "team", "bakery")

    def team() -> str | None:
        found = person.get(known)
        return found.tags.get("team") if found is not None else None

    points.until(lambda: team() == "shop", "the tag to be as the spec has it")


@pytest.mark.parametrize(
    ("cloud", "spec"), [("aws", {**OF_DB, "memory": True}), ("proxmox", OF_DATA)], indirect=["cloud"]
)
def test_what_the_cloud_does_not_have_is_told(
    scene: Scene, points: Scene, person: SnapshotPerson, spec: dict[str, Any]
) -> None:
    before = {one.id for one in person.all()}
    scene.make("db")
    scene.of("Volume").make("data")

    points.apply("before", **spec)

    points.wait("before", "Stalled", "True", "Unsupported")
    assert {one.id for one in person.all()} <= before


@pytest.mark.parametrize("cloud", ["vsphere"], indirect=True)
def test_what_snapshots_leave_behind_is_told_and_held_against_nobody(scene: Scene) -> None:
    scene.make("db")
    vcenter = scene.person.simulated
    assert isinstance(vcenter, VsphereCloud)
    known = scene.machine("db").id

    vcenter.scatter(known)

    def message() -> str:
        return str(condition_of(scene.body("db"), "Ready")["message"])

    scene.until(lambda: "need consolidation" in message(), "the message to tell it")
    assert condition_of(scene.body("db"), "Ready")["status"] == "True"
    assert condition_of(scene.body("db"), "Synced")["status"] == "True"
    vcenter.scatter(known, so=False)
    scene.until(lambda: "need consolidation" not in message(), "the message to be gone")
