"""Images, what they are made of, and the machines that start from them, with the real engine, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from hybridge.core.image import Image
from hybridge.core.managed import State
from hybridge.engine import images
from hybridge.engine.keys import Key
from tests.unit.engine.estate import Estate
from tests.unit.engine.segment_cloud import SegmentCloud
from tests.unit.engine.segment_stories import CLOUD, SOON, changes, image, is_ready, live, status, told

GOLDEN: dict[str, object] = {"imageRef": {"name": "golden"}}
OF_WEB: dict[str, object] = {"virtualMachineRef": {"name": "web"}}


def stock(name: str, known_id: str, day: int) -> Image:
    """An image that was always there."""
    return Image(known_id, name, created_at=86_400.0 * day, owner=("debian",))


def find(made: Estate, *, interval: str = "10m") -> None:
    """An Image that is the newest Debian."""
    image(made, source={"find": {"name": "debian-*", "owner": "debian"}}, syncInterval=interval)


# -------------------------------------------------------------------- an image by itself


def test_an_image_is_made_once() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made, tags={"team": "shop"})
        await made.settle(CLOUD, SOON)
        assert {"id": "img-1", "phase": "Ready"}.items() <= status(made, "golden", "Image").items()
        before = list(cloud.images.calls)
        for _ in range(3):
            await made.rest()
        assert changes(cloud.images.calls) == changes(before)

    assert live(story).images.calls.count("create") == 1


def test_a_create_whose_answer_is_lost_is_found_and_not_repeated() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.lose = 1
        image(made)
        await made.settle(CLOUD, SOON)
        assert len(cloud.images.there) == 1

    assert live(story).images.calls == ["create"]


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5])
def test_an_operator_that_ends_at_any_moment_makes_one_of_each(seconds: float, lost: int) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.lose = lost
        made.make("web", CLOUD)
        image(made, source=OF_WEB)
        made.make("copy", CLOUD, image=GOLDEN)
        await asyncio.sleep(seconds)
        await made.restart()
        await made.settle(CLOUD, SOON)
        assert (len(cloud.images.there), len(cloud.there)) == (1, 2)
        for name, kind in (("golden", "Image"), ("web", "VirtualMachine"), ("copy", "VirtualMachine")):
            made.delete(name, kind)
        await asyncio.sleep(seconds)
        await made.restart()
        await made.gone(SOON)
        assert {**cloud.images.there, **cloud.there} == {}

    live(story)


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0])
def test_an_image_that_is_made_in_several_calls_is_made_to_the_end(seconds: float) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.steps = ("disk", "template", "rest")
        image(made, tags={"team": "shop"})
        made.make("web", CLOUD, image=GOLDEN)
        await asyncio.sleep(seconds)
        await made.restart()
        await made.settle(CLOUD, SOON)
        (found,) = cloud.images.there.values()
        assert (found.missing, dict(found.tags)) == ((), {"team": "shop"})
        assert {"id": "img-1", "phase": "Ready"}.items() <= status(made, "golden", "Image").items()

    assert live(story).started == ["img-1"]


def test_an_image_that_is_half_made_can_be_deleted() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.steps = ("disk", "template")
        image(made)
        await made.rest()
        cloud.images.change("img-1", missing=("disk", "template"), unfit="half made")
        made.delete("golden", "Image")
        await made.gone(SOON)
        assert cloud.images.there == {}

    live(story)


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_left_of_an_image_goes_with_its_object(restarted: bool) -> None:
    """As where its cloud deletes it in two calls, and the operator ended between them."""

    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made)
        await made.settle(CLOUD, SOON)
        gone = cloud.images.there.pop("img-1")
        cloud.images.there["img-left"] = replace(gone, id="img-left", state=State.FAILED, remains=True)
        if restarted:
            await made.restart()
        await made.rest()
        assert told(made, "golden", "Image")[0] == "Lost"
        assert list(cloud.images.there) == ["img-left"]
        made.delete("golden", "Image")
        await made.gone(SOON)
        assert cloud.images.there == {}

    assert live(story).images.calls == ["create", "delete"]


def test_an_image_tells_how_far_its_making_is_and_who_starts_from_it_waits() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.slow = True
        image(made)
        made.make("web", CLOUD, image=GOLDEN)
        await made.rest()
        found = status(made, "golden", "Image")
        assert (found["phase"], found["progress"]) == ("Creating", 40)
        assert "(40 %)" in told(made, "golden", "Image")[1]
        assert told(made, "web") == ("DependencyNotReady", "Image shop/golden is not ready (Creating)")
        assert cloud.calls == []
        cloud.images.change("img-1", state=State.READY, progress=None)
        await made.settle(CLOUD, SOON)
        assert "progress" not in status(made, "golden", "Image")

    assert live(story).started == ["img-1"]


def test_what_failed_in_the_cloud_is_told_and_can_be_deleted() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.slow = True
        image(made)
        await made.rest()
        cloud.images.change("img-1", state=State.FAILED, ended="no room")
        await made.rest()
        reason, message = told(made, "golden", "Image")
        assert (reason, "no room" in message) == ("TaskFailed", True)
        made.delete("golden", "Image")
        await made.gone(SOON)
        assert cloud.images.there == {}

    live(story)


def test_an_image_that_a_machine_cannot_be_without_stays_whoever_it_is() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made)
        await made.settle(CLOUD, SOON)
        cloud.images.change("img-1", machines=("7",))
        made.delete("golden", "Image")
        await made.rest()
        assert told(made, "golden", "Image")[0] == "HasDependants"
        cloud.images.change("img-1", machines=())
        await made.gone(SOON)

    live(story)


@pytest.mark.parametrize("management", ["Managed", "Observed"])
def test_an_image_that_exists_is_taken_over_or_looked_at(management: str) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.change(CLOUD, "Provider", "", imports="Managed")
        cloud.images.there["ami-7"] = stock("base", "ami-7", 1)
        lifecycle = {"management": management, "import": {"filter": {"name": "base"}}, "onDelete": "Detach"}
        made.make_any(Key("Image", "shop", "golden"), CLOUD, {"lifecycle": lifecycle})
        made.make("web", CLOUD, image=GOLDEN)
        await made.settle(CLOUD, SOON)
        assert cloud.started == ["ami-7"]
        assert (cloud.images.there["ami-7"].marker is not None) == (management == "Managed")
        made.delete("web")
        made.delete("golden", "Image")
        await made.gone(SOON)
        assert cloud.images.there["ami-7"].marker is None

    assert changes(live(story).images.calls) == (["mark", "mark"] if management == "Managed" else [])


# -------------------------------------------------------------------- the newest of several


def test_the_newest_is_chosen_once_and_a_newer_one_is_told() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.public = {"ami-1": stock("debian-12", "ami-1", 1), "ami-2": stock("debian-13", "ami-2", 2)}
        find(made)
        made.make("web", CLOUD, image=GOLDEN)
        await made.settle(CLOUD, SOON)
        assert {"id": "ami-2", "imageName": "debian-13"}.items() <= status(made, "golden", "Image").items()
        assert "newer" not in status(made, "golden", "Image")
        cloud.images.public["ami-3"] = stock("debian-14", "ami-3", 3)
        cloud.images.public["ami-4"] = Image("ami-4", "debian-15", created_at=1e6, owner=("stranger",))
        await asyncio.sleep(700.0)
        found = status(made, "golden", "Image")
        assert (found["id"], found["newer"]["id"], found["newer"]["name"]) == ("ami-2", "ami-3", "debian-14")
        assert is_ready(made, "golden", "Image")

    cloud = live(story)
    assert cloud.started == ["ami-2"]
    assert changes(cloud.images.calls) == []


def test_strangers_are_asked_for_once_in_a_while_and_not_with_each_sweep() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.public = {"ami-1": stock("debian-12", "ami-1", 1)}
        find(made)
        await made.settle(CLOUD, SOON)
        for _ in range(20):
            await made.rest()
        seconds = 20 * 65.0
        assert cloud.images.calls.count("seek debian-*") <= 2 + seconds / 600.0

    live(story)


def test_none_that_fits_is_waited_for() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.public = {"ami-9": stock("ubuntu-24", "ami-9", 9)}
        find(made)
        made.make("web", CLOUD, image=GOLDEN)
        await made.rest()
        assert told(made, "golden", "Image") == ("ImportNotFound", "no image has the name debian-*")
        assert told(made, "web")[0] == "DependencyNotReady"
        cloud.images.public["ami-1"] = stock("debian-12", "ami-1", 1)
        await asyncio.sleep(700.0)
        assert status(made, "golden", "Image")["id"] == "ami-1"
        await made.settle(CLOUD, SOON)

    live(story)


def test_one_of_our_own_that_comes_is_taken_with_the_sweep_that_shows_it() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        find(made)
        await made.rest()
        cloud.images.there["ami-1"] = stock("debian-12", "ami-1", 1)
        await made.rest()
        assert status(made, "golden", "Image")["id"] == "ami-1"

    live(story)


def test_an_image_that_is_only_looked_at_stays_in_the_cloud() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.there["ami-1"] = stock("debian-12", "ami-1", 1)
        image(made, source={"id": "ami-1"}, tags={"a": "b"})
        await made.rest()
        assert is_ready(made, "golden", "Image")
        made.delete("golden", "Image")
        await made.gone(SOON)

    cloud = live(story)
    assert changes(cloud.images.calls) == []
    assert set(cloud.images.there) == {"ami-1"}


def test_a_newer_one_that_cannot_be_asked_for_is_nobodys_trouble() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.public = {"ami-1": stock("debian-12", "ami-1", 1)}
        find(made, interval="1m")
        await made.settle(CLOUD, SOON)
        cloud.images.denied = True
        for _ in range(3):
            await made.rest()
        assert is_ready(made, "golden", "Image")
        assert told(made, "golden", "Image")[0] == "InSync"

    live(story)


# -------------------------------------------------------------------- machines that start from it


@pytest.mark.parametrize("first", ["machine", "image"])
def test_in_whatever_order_they_are_applied(first: str) -> None:
    async def story(made: Estate, _cloud: SegmentCloud) -> None:
        if first == "image":
            image(made)
        made.make("web", CLOUD, image=GOLDEN)
        if first == "machine":
            await asyncio.sleep(1.0)
            image(made)
        await made.settle(CLOUD, SOON)

    assert live(story).started == ["img-1"]


def test_an_image_names_who_uses_it_and_waits_for_them() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made)
        made.make("web", CLOUD, image=GOLDEN)
        made.make("db", CLOUD, image=GOLDEN)
        await made.settle(CLOUD, SOON)
        assert status(made, "golden", "Image")["usedBy"] == ["VirtualMachine shop/db", "VirtualMachine shop/web"]
        made.delete("golden", "Image")
        await made.rest()
        words = "used by VirtualMachine shop/db, VirtualMachine shop/web"
        assert told(made, "golden", "Image") == ("HasDependants", words)
        made.delete("db")
        made.delete("web")
        await made.gone(SOON)
        assert (cloud.there, cloud.images.there) == ({}, {})

    live(story)


def test_of_hundreds_of_users_it_is_told_once_in_a_while_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_MANY", 2)

    async def story(made: Estate, _cloud: SegmentCloud) -> None:
        image(made)
        for number in range(4):
            made.make(f"web-{number}", CLOUD, image=GOLDEN)
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(35.0)
        assert len(status(made, "golden", "Image")["usedBy"]) == 4
        made.make("web-4", CLOUD, image=GOLDEN)
        await made.settle(CLOUD, SOON)
        assert len(status(made, "golden", "Image")["usedBy"]) == 4
        await asyncio.sleep(35.0)
        assert len(status(made, "golden", "Image")["usedBy"]) == 5

    live(story)


def test_a_machine_that_is_there_does_not_need_its_image_any_more() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made)
        made.make("web", CLOUD, image=GOLDEN)
        await made.settle(CLOUD, SOON)
        cloud.images.there.clear()
        made.change("web", tags={"a": "b"})
        await made.rest()
        assert told(made, "golden", "Image")[0] == "Lost"
        assert told(made, "web")[0] == "InSync"
        (machine,) = cloud.there.values()
        assert machine.tags == {"a": "b"}

    live(story)


# -------------------------------------------------------------------- made of a machine


def test_an_image_of_a_machine_waits_for_it_and_is_made_once() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made, source=OF_WEB)
        await made.rest()
        assert told(made, "golden", "Image") == ("DependencyNotReady", "VirtualMachine shop/web does not exist")
        assert cloud.images.calls == []
        made.make("web", CLOUD)
        await made.settle(CLOUD, SOON)

    assert live(story).images.calls == ["create"]


def test_a_machine_of_another_namespace_is_none() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.make("web", CLOUD, namespace="other")
        image(made, source={"virtualMachineRef": {"name": "web"}})
        await made.rest()
        assert told(made, "golden", "Image") == ("DependencyNotReady", "VirtualMachine shop/web does not exist")
        assert cloud.images.calls == []

    live(story)


def test_a_machine_of_another_provider_is_refused_with_both_names() -> None:
    async def story(made: Estate, _cloud: SegmentCloud) -> None:
        made.make("web", "elsewhere")
        image(made, source=OF_WEB)
        await made.rest()
        words = "spec.source.virtualMachineRef: VirtualMachine shop/web is in Provider elsewhere, not in aws"
        assert told(made, "golden", "Image") == ("InvalidSpec", words)

    live(story)


def test_a_machine_stays_until_the_image_of_it_is_made_and_no_longer() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        cloud.images.slow = True
        made.make("web", CLOUD)
        await made.settle(CLOUD, SOON)
        image(made, source=OF_WEB)
        await asyncio.sleep(5.0)
        made.delete("web")
        await made.rest()
        assert told(made, "web") == ("HasDependants", "used by Image shop/golden")
        assert len(cloud.there) == 1
        cloud.images.change("img-1", state=State.READY, progress=None)
        await made.settle(CLOUD, SOON, gone="web")
        assert set(cloud.images.there) == {"img-1"}

    live(story)


def test_a_machine_is_made_anew_from_the_image_of_its_predecessor() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        made.make("web", CLOUD)
        image(made, source=OF_WEB)
        await made.settle(CLOUD, SOON)
        made.delete("web")
        await made.settle(CLOUD, SOON, gone="web")
        made.make("web", CLOUD, image=GOLDEN)
        await made.settle(CLOUD, SOON)
        assert cloud.started == ["debian", "img-1"]
        assert told(made, "golden", "Image")[0] == "InSync"
        made.delete("golden", "Image")
        made.delete("web")
        await made.gone(SOON)

    live(story)


@pytest.mark.parametrize("order", [("Image", "VirtualMachine"), ("VirtualMachine", "Image")])
def test_two_that_need_each_other_say_so_and_can_both_be_deleted(order: tuple[str, str]) -> None:
    names = {"Image": "golden", "VirtualMachine": "web"}

    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made, source=OF_WEB)
        made.make("web", CLOUD, image=GOLDEN)
        await made.rest()
        reason, message = told(made, "web")
        assert reason == "InvalidSpec"
        assert message.startswith("VirtualMachine shop/web needs Image shop/golden, which cannot be made without")
        reason, message = told(made, "golden", "Image")
        assert reason == "InvalidSpec"
        assert message.startswith("Image shop/golden needs VirtualMachine shop/web, which cannot be made without")
        assert changes(cloud.calls) + cloud.images.calls == []
        for kind in order:
            made.delete(names[kind], kind)
        await made.gone(SOON)

    live(story)


def test_a_long_circle_is_told_and_ends_when_somebody_breaks_it() -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        image(made, "one", source={"virtualMachineRef": {"name": "a"}})
        image(made, "two", source={"virtualMachineRef": {"name": "b"}})
        made.make("a", CLOUD, image={"imageRef": {"name": "two"}})
        made.make("b", CLOUD, image={"imageRef": {"name": "one"}})
        await asyncio.sleep(200.0)
        assert {told(made, name)[0] for name in "ab"} == {"InvalidSpec"}
        assert {told(made, name, "Image")[0] for name in ("one", "two")} == {"InvalidSpec"}
        made.delete("one", "Image")
        await asyncio.sleep(1.0)
        image(made, "one")
        await asyncio.sleep(200.0)
        await made.settle(CLOUD, 600.0)
        assert cloud.started == ["img-1", "img-2"]

    live(story)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 5.0])
def test_a_whole_folder_deleted_at_any_time_ends_clean(seconds: float) -> None:
    async def story(made: Estate, cloud: SegmentCloud) -> None:
        objects: list[tuple[str, str]] = [("golden", "Image"), ("late", "Image"), ("web", "VirtualMachine")]
        image(made)
        image(made, "late", source=OF_WEB)
        made.make("web", CLOUD, image=GOLDEN)
        await asyncio.sleep(seconds)
        for name, kind in objects:
            if Key(kind, "shop", name) in made.api.objects:
                made.delete(name, kind)
        await made.gone(600.0)
        left: dict[str, Any] = {**cloud.there, **cloud.images.there}
        assert left == {}

    live(story)
