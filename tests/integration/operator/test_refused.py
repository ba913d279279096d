"""Specs that cannot be had: each is told in a sentence, nothing is made, and a correction is enough."""

from __future__ import annotations

from typing import Any

import pytest

from lab import manifests
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene, unique
from tests.operator_bed import condition_of


def refused(scene: Scene, reason: str, name: str = "web") -> str:
    """Waits until a machine is refused for a reason that a person has to deal with; the sentence."""
    stalled = scene.wait(name, "Stalled", "True", reason)
    assert stalled["message"], "a person has to act, and is not told how"
    synced = scene.wait(name, "Synced", "False", reason)
    body = scene.body(name)
    assert condition_of(body, "Ready")["status"] == "False"
    assert body["status"]["phase"] in {"Failed", "Pending"}
    assert scene.mine(name) == []
    return str(synced["message"])


def test_the_block_of_another_cloud_is_refused(scene: Scene) -> None:
    block = scene.person.foreign_block
    scene.apply(**{block: {}})

    message = refused(scene, "InvalidSpec")

    assert f"spec.{block}" in message
    assert scene.cloud in message


def test_a_missing_image_is_told_with_near_names(scene: Scene) -> None:
    scene.apply(image={"id": "debian-21"})

    message = refused(scene, "ImageNotFound")

    assert "debian-21" in message
    assert "debian-12" in message


def test_a_missing_network_is_told(scene: Scene) -> None:
    name = "subnet-0123456789abcdef0" if scene.cloud == "aws" else "vmbr77"
    scene.apply(networks=[{"name": "nic0", "id": name}])

    assert name in refused(scene, "NotFound")


def test_a_missing_place_is_told(scene: Scene) -> None:
    scene.apply(placement={"zone" if scene.cloud == "aws" else "node": "nowhere-1"})

    synced = scene.wait("web", "Synced", "False")

    assert synced["reason"] in {"NotFound", "InvalidSpec"}
    assert "nowhere-1" in synced["message"]
    assert scene.mine() == []


def test_a_missing_secret_of_user_data_is_told_and_waited_for(scene: Scene) -> None:
    scene.apply(cloudInit={"userData": {"secretRef": {"name": "later", "key": "userData"}}})
    assert f"{scene.namespace}/later" in refused(scene, "SecretNotFound")

    scene.bed.apply(manifests.secret("later", {"userdata": "#cloud-config\n"}, scene.namespace))
    scene.annotate(sync_now="1")
    message = scene.until(
        lambda: _says(scene.wait("web", "Synced", "False", "SecretNotFound"), "no key"), "the missing key to be named"
    )
    assert "'userData'" in message
    assert "userdata" in message

    scene.bed.apply(manifests.secret("later", {"userData": "#cloud-config\n"}, scene.namespace))
    scene.annotate(sync_now="2")
    scene.ready()
    assert len(scene.mine()) == 1


def test_an_unknown_provider_is_waited_for(make_scene: MakeScene) -> None:
    scene = make_scene("aws")
    missing = unique("own-later")
    scene.apply("web", providerRef={"name": missing})

    synced = scene.wait("web", "Synced", "False", "DependencyNotReady")
    assert missing in synced["message"]

    later = {**scene.provider_manifest(), "metadata": {"name": missing}}
    scene.bed.apply(later)
    scene.ready()
    scene.delete()
    scene.gone()
    scene.bed.delete("provider", missing)
    scene.bed.wait_gone("providers", missing)


def test_an_object_whose_provider_never_was_can_be_deleted(scene: Scene) -> None:
    scene.apply("web", providerRef={"name": "never-was"})
    scene.wait("web", "Synced", "False", "DependencyNotReady")

    scene.delete()

    scene.gone()


@pytest.mark.parametrize("cloud", ["aws"])
def test_a_namespace_that_is_not_granted_is_refused_until_it_is(make_scene: MakeScene, cloud: Any) -> None:
    scene = make_scene(cloud, allowedNamespaces={"names": ["somebody-else-*"]})
    scene.apply()
    message = refused(scene, "NotPermitted")
    assert scene.namespace in message
    assert scene.provider in message

    scene.bed.patch("provider", scene.provider, {"spec": {"allowedNamespaces": {"names": [scene.namespace]}}})
    scene.ready()

    # A grant that was taken back leaves what is there alone, and lets it be deleted.
    scene.bed.patch("provider", scene.provider, {"spec": {"allowedNamespaces": {"names": ["somebody-else-*"]}}})
    scene.wait("web", "Synced", "False", "NotPermitted")
    assert len(scene.mine()) == 1
    machine = scene.machine()
    scene.delete()
    scene.gone()
    assert scene.person.machine(machine.id) is None


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"memory": "lots"}, "memory"),
        ({"cpus": 0}, "spec.cpus"),
        ({"powerState": "On"}, "spec.powerState"),
        ({"syncInterval": "soon"}, "spec.syncInterval"),
        ({"tags": {"hybridge.io/owner": "me"}}, "tags that start with hybridge.io/"),
        ({"image": {}}, "exactly one of id and imageRef"),
        ({"aws": {"instanceType": "large"}}, "must be an instance type such as"),
        ({"aws": {}, "vsphere": {}}, "at most one of aws, proxmox and vsphere"),
    ],
)
def test_a_malformed_spec_is_refused_at_apply(bed: Any, spec: dict[str, Any], sentence: str) -> None:
    made = manifests.machine("web", "aws")
    made["spec"] |= spec

    assert sentence in bed.refused(made)


def _says(condition: dict[str, Any], words: str) -> str:
    message = str(condition["message"])
    return message if words in message else ""
