"""Images through the operator: who may start from them and when, what people do behind its back, and what cannot be had."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, cast

import pytest

from lab.faultproxy import Cloud
from lab.vsphere import VsphereCloud
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.people_images import ImagePerson, image_person
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of

#: A source that its cloud has not, the reason, and the name that this tells.
IMPOSSIBLE: Mapping[Cloud, tuple[Mapping[str, Any], str, str]] = {
    "aws": ({"copy": {"id": "ami-0123456789abcdef0"}}, "ImageNotFound", "ami-0123456789abcdef0"),
    "proxmox": ({"copy": {"id": "999999"}}, "ImageNotFound", "999999"),
    "vsphere": ({"s3": {"bucket": "images", "key": "debian.raw", "format": "raw"}}, "Unsupported", "spec.source.s3"),
}


def start(namespace: str | None = None) -> dict[str, Any]:
    """What a machine's spec says to start from the Image."""
    return {"imageRef": {"name": "base", **({"namespace": namespace} if namespace else {})}}


@pytest.fixture
def images(scene: Scene) -> Scene:
    """The scene, with Images."""
    return scene.of("Image")


@pytest.fixture
def person(scene: Scene) -> ImagePerson:
    """Who works with images in its cloud."""
    return image_person(scene.person.simulated)


@pytest.fixture
def elsewhere(scene: Scene) -> Iterator[Scene]:
    """Another namespace, with Images."""
    other = replace(scene.of("Image"), namespace=scene.bed.namespace())
    yield other
    scene.bed.delete("images", "base", namespace=other.namespace)
    scene.bed.wait_gone("images", "base", namespace=other.namespace)


def copied(person: ImagePerson) -> dict[str, Any]:
    """The source of a copy of the lab's own image."""
    return {"copy": {"id": person.original}}


class TestReferences:
    def test_a_machine_waits_for_its_image_and_holds_it(self, scene: Scene, images: Scene, person: ImagePerson) -> None:
        scene.apply("web", image=start())
        told = scene.wait("web", "Synced", "False", "DependencyNotReady")
        assert f"Image {scene.namespace}/base" in told["message"]
        assert condition_of(scene.body("web"), "Stalled").get("status") != "True"

        images.apply("base", source=copied(person))
        scene.ready("web")

        image = images.thing("base")
        user = f"VirtualMachine {scene.namespace}/web"
        images.until(lambda: images.status("base").get("usedBy") == [user], "the status to tell who uses it")
        images.delete("base")
        assert user in images.wait("base", "Synced", "False", "HasDependants")["message"]
        assert person.get(image.id) is not None
        scene.delete("web")
        scene.gone("web")
        images.gone("base")
        assert person.get(image.id) is None

    def test_a_machine_and_an_image_that_need_each_other_say_so_and_can_go(self, scene: Scene, images: Scene) -> None:
        scene.apply("web", image=start())
        images.apply("base", source={"virtualMachineRef": {"name": "web"}})

        machine, image = f"VirtualMachine {scene.namespace}/web", f"Image {scene.namespace}/base"
        told = scene.wait("web", "Stalled", "True", "InvalidSpec")["message"]
        assert told.startswith(f"{machine} needs {image}, which cannot be made without")
        told = images.wait("base", "Stalled", "True", "InvalidSpec")["message"]
        assert told.startswith(f"{image} needs {machine}, which cannot be made without")
        assert scene.mine("web") == []
        images.delete("base")
        scene.delete("web")
        images.gone("base")
        scene.gone("web")

    def test_in_another_namespace_machines_start_from_it_as_long_as_that_is_granted(
        self, scene: Scene, elsewhere: Scene, person: ImagePerson
    ) -> None:
        elsewhere.make("base", source=copied(person))
        scene.apply("web", image=start(elsewhere.namespace))
        refused = scene.wait("web", "Synced", "False", "NotPermitted")["message"]
        assert f"{elsewhere.namespace}/base" in refused
        assert elsewhere.status("base")["id"] not in refused
        assert scene.mine("web") == []

        elsewhere.change("base", allowedNamespaces={"names": [scene.namespace]})
        scene.ready("web")

        elsewhere.change("base", allowedNamespaces={"names": []})
        scene.apply("late", image=start(elsewhere.namespace))
        scene.wait("late", "Synced", "False", "NotPermitted")
        assert scene.mine("late") == []
        assert condition_of(scene.body("web"), "Ready")["status"] == "True"
        scene.delete("late")
        scene.delete("web")
        scene.gone("web")

    def test_of_another_provider_it_is_refused_with_both_names(self, make_scene: MakeScene) -> None:
        here, there = make_scene("aws"), make_scene("proxmox")
        made = there.of("Image").manifest("base", source={"id": 9000})
        made["metadata"]["namespace"] = here.namespace
        here.bed.apply(made)
        here.apply("web", image=start())

        told = here.wait("web", "Stalled", "True", "InvalidSpec")["message"]

        assert there.provider in told
        assert here.provider in told
        here.bed.delete("image", "base", namespace=here.namespace)
        here.bed.wait_gone("images", "base", namespace=here.namespace)


class TestFound:
    def test_what_is_found_stays_in_the_cloud(self, scene: Scene, images: Scene, person: ImagePerson) -> None:
        before = person.get(person.original)
        images.make("base", source={"id": person.original})

        assert images.status("base")["id"] == person.original
        scene.make("web", image=start())
        scene.delete("web")
        images.delete("base")

        images.gone("base")
        assert person.get(person.original) == before

    def test_the_newest_of_a_name_is_chosen_once_and_a_newer_one_told(self, images: Scene, person: ImagePerson) -> None:
        stem = f"nightly-{images.namespace}"
        first = person.make(f"{stem}-1")
        find: dict[str, str] = {"name": f"{stem}-*"}
        if images.cloud == "aws":
            find["owner"] = "self"
        images.make("base", source={"find": find})
        assert images.status("base")["id"] == first

        # The clouds tell in seconds when an image was made.
        seconds = int(time.time())
        images.until(lambda: int(time.time()) > seconds, "the next second")
        second = person.make(f"{stem}-2")
        looks = count()

        def is_told() -> bool:
            # What is pushed may come a moment after what was asked for.
            images.annotate("base", sync_now=str(next(looks)))
            newer: dict[str, Any] = images.status("base").get("newer", {})
            return newer.get("id") == second

        images.until(is_told, "the newer one to be told")
        assert images.status("base")["id"] == first
        images.delete("base")
        images.gone("base")
        assert {one.id for one in person.all()} >= {first, second}
        person.destroy(first)
        person.destroy(second)

    def test_none_that_fits_is_waited_for(self, images: Scene, person: ImagePerson) -> None:
        stem = f"later-{images.namespace}"
        find = {"name": f"{stem}*", **({"owner": "self"} if images.cloud == "aws" else {})}
        images.apply("base", source={"find": find}, syncInterval="10s")
        assert stem in images.wait("base", "Synced", "False")["message"]

        made = person.make(stem)

        images.ready("base")
        assert images.status("base")["id"] == made
        images.delete("base")
        images.gone("base")
        person.destroy(made)


class TestByHand:
    def test_its_name_and_tags_are_put_back(self, images: Scene, person: ImagePerson) -> None:
        images.make("base", source=copied(person), tags={"team": "shop"})
        before = person.get(images.thing("base").id)
        assert before is not None

        person.tag(before.id, "team", "thieves")
        if person.renames:
            person.rename(before.id, f"stolen-{images.namespace}")

        images.until(lambda: any(one == "Drifted" for one, _ in images.events("base")), "an Event about the drift")
        images.until(lambda: person.get(before.id) == before, "it to be as before")
        images.wait("base", "Synced", "True")

    def test_destroyed_it_is_lost_until_another_one_is_allowed(self, images: Scene, person: ImagePerson) -> None:
        images.make("base", source=copied(person))
        lost = images.thing("base").id

        person.destroy(lost)
        images.annotate("base", sync_now="1")

        assert lost in images.wait("base", "Stalled", "True", "Lost")["message"]
        images.change("base", lifecycle={"onLost": "Recreate"})
        images.ready("base")
        assert images.thing("base").id != lost


class TestBadInput:
    def test_what_it_is_made_from_has_to_be_there(self, images: Scene, person: ImagePerson) -> None:
        source, reason, name = IMPOSSIBLE[images.cloud]
        before = {one.id for one in person.all()}
        images.apply("base", source=source)

        assert name in images.wait("base", "Stalled", "True", reason)["message"]
        assert condition_of(images.body("base"), "Ready")["status"] == "False"
        assert {one.id for one in person.all()} <= before
        images.delete("base")
        images.gone("base")

    def test_its_source_is_for_ever(self, make_scene: MakeScene) -> None:
        images = make_scene("proxmox").of("Image")
        images.apply("base", source={"id": "debian-12"})

        assert "spec.source.find.name" in images.wait("base", "Stalled", "True", "InvalidSpec")["message"]
        assert "make another Image" in images.bed.refused(images.manifest("base", source={"id": "9000"}))

    def test_from_where_it_is_fetched_is_the_providers_word(self, make_scene: MakeScene) -> None:
        images = make_scene("proxmox", restrict={"imageSources": ["https://images.example/linux/"]}).of("Image")
        url = {"url": "https://metadata.internal/secret.qcow2", "checksum": f"sha256:{'0' * 64}"}
        images.forget_requests()
        images.apply("base", source={"url": url})

        told = images.wait("base", "Stalled", "True", "NotPermitted")["message"]

        assert "spec.source.url" in told
        assert "https://metadata.internal/secret.qcow2" in told
        assert images.mutations() == []

    def test_what_a_vcenter_could_not_fetch_is_told_in_its_words_and_had_later(self, make_scene: MakeScene) -> None:
        scene = make_scene("vsphere")
        images, cloud = scene.of("Image"), cast("VsphereCloud", scene.person.simulated)
        url = f"https://images.example/{images.namespace}.ova"
        checksum = cloud.libraries.publish("https://images.example/as-it-should-be.ova")
        cloud.libraries.publish(url, b"something else")
        images.apply("base", source={"url": {"url": url, "checksum": checksum}})

        told = images.wait("base", "Synced", "False", "TaskFailed")["message"]
        assert "checksum of file" in told
        assert condition_of(images.body("base"), "Ready")["status"] == "False"

        cloud.libraries.publish(url)
        images.bed.patch(
            "image", "base", {"metadata": {"annotations": {"hybridge.io/sync-now": "1"}}}, images.namespace
        )
        images.ready("base")
        scene.apply("web", image=start())
        scene.ready("web")
        assert images.status("base")["id"] in {one.moid for one in cloud.machines() if one.template}
        scene.delete("web")
        scene.gone("web")
        images.delete("base")
        images.gone("base")
        assert [one for one in cloud.libraries.items() if images.namespace in one.description] == []

    def test_one_that_a_vcenter_cannot_fetch_goes_without_a_trace(self, make_scene: MakeScene) -> None:
        scene = make_scene("vsphere")
        images, cloud = scene.of("Image"), cast("VsphereCloud", scene.person.simulated)
        url = {"url": "https://nowhere.example/x.ova", "checksum": f"sha256:{'0' * 64}"}
        images.apply("base", source={"url": url})
        assert "no route to host" in images.wait("base", "Synced", "False", "TaskFailed")["message"]

        images.delete("base")
        images.gone("base")

        assert [one for one in cloud.libraries.items() if images.namespace in one.description] == []
