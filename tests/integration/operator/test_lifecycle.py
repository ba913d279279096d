"""What all kinds have in common, in every cloud: paused, protected, observed, deleted."""

from __future__ import annotations

import pytest

from lab.faultproxy import Cloud
from lab.process import LabError
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of
from tests.things import THINGS, WARES
from tests.things.thing import Thing

NAME = "used"


@pytest.fixture(params=[things.kind for things in WARES])
def wares(request: pytest.FixtureRequest, scene: Scene, cloud: Cloud) -> Scene:
    """A scene of a kind, with what the one called ``NAME`` is made of."""
    things = THINGS[request.param]
    if cloud not in things.clouds:
        pytest.skip(f"{cloud} has no {things.kind}")
    for source in things.sources(cloud, NAME, scene.provider, scene.namespace):
        scene.bed.apply(source)
        scene.ready(source["metadata"]["name"])
    return scene.of(things.kind)


def marked(wares: Scene, name: str = NAME) -> list[Thing]:
    """All in the cloud that carry the object's marker."""
    uid = wares.uid(name)
    return [one for one in wares.things.seen(wares.person) if one.is_of(uid)]


def test_paused_it_is_neither_made_nor_changed_nor_deleted_and_protected_it_stays(wares: Scene) -> None:
    paused = wares.manifest(NAME)
    paused["metadata"]["annotations"] = {"hybridge.io/paused": "true"}
    wares.bed.apply(paused)
    wares.wait(NAME, "Synced", "False", "Paused")
    assert marked(wares) == []

    wares.annotate(NAME, paused=None)
    wares.ready(NAME)
    wares.wait(NAME, "Synced", "True")
    made = wares.thing(NAME)

    wares.annotate(NAME, paused="true")
    wares.wait(NAME, "Synced", "False", "Paused")
    wares.change(NAME, **wares.things.change(1))
    wares.delete(NAME)
    wares.wait(NAME, "Ready", "False", "Deleting")
    assert marked(wares) == [made]

    wares.change(NAME, lifecycle={"deletionProtection": True})
    wares.annotate(NAME, paused=None)
    wares.wait(NAME, "Synced", "False", "DeletionProtected")
    assert marked(wares) == [made]

    uid = wares.uid(NAME)
    wares.change(NAME, lifecycle={"deletionProtection": False})
    wares.gone(NAME)
    assert [one for one in wares.things.seen(wares.person) if one.is_of(uid)] == []


def test_protected_it_is_not_even_asked_to_go(wares: Scene) -> None:
    wares.apply(NAME, lifecycle={"deletionProtection": True})

    with pytest.raises(LabError, match="deletionProtection"):
        wares.delete(NAME)

    assert "deletionTimestamp" not in wares.body(NAME)["metadata"]


def test_who_observes_one_sees_it_and_never_writes_it(wares: Scene) -> None:
    wares.make(NAME)
    wares.wait(NAME, "Synced", "True")
    made = wares.thing(NAME)

    wares.take("watch", wanted={"management": "Observed", "import": {"id": made.id}}, **wares.things.change(7))
    seen = wares.ready("watch")
    assert seen["status"]["id"] == made.id
    assert condition_of(seen, "Stalled") == {}
    wares.delete("watch")
    wares.gone("watch")

    assert marked(wares) == [made]
    assert wares.things.differs(wares.person, wares.thing(NAME), wares.body(NAME)["spec"]) == []


@pytest.mark.parametrize("cloud", ["aws"])
@pytest.mark.parametrize("wares", THINGS, indirect=True)
def test_with_a_spec_that_its_cloud_refuses_it_can_still_go(wares: Scene) -> None:
    wares.make(NAME)
    uid = wares.uid(NAME)

    wares.change(NAME, tags={"Name": "of EC2 alone"})
    wares.wait(NAME, "Synced", "False", "InvalidSpec")
    wares.delete(NAME)
    wares.gone(NAME)

    assert [one for one in wares.things.seen(wares.person) if one.is_of(uid)] == []
