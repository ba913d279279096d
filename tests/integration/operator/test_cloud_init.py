"""What a guest is given for cloud-init, with its first start and when the spec or the Secret changes."""

from __future__ import annotations

from typing import Any

import pytest

from lab import manifests
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHybridgeTestKeyHybridgeTestKeyHybridgeTest1 ada@example"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHybridgeTestKeyHybridgeTestKeyHybridgeTest2 bob@example"
USER_DATA = "#cloud-config\nwrite_files:\n- {path: /etc/motd, content: from-the-secret}\n"
OTHER = "#cloud-config\nbootcmd: [echo another-secret]\n"
REF = {"userData": {"secretRef": {"name": "cloud-init", "key": "userData"}}}


def user_data(scene: Scene, name: str = "cloud-init", text: str = USER_DATA) -> dict[str, Any]:
    """A Secret with user data beside the scene's machines."""
    return manifests.secret(name, {"userData": text}, scene.namespace)


def waiting(scene: Scene, path: str) -> dict[str, Any]:
    """The entry of a field in the object's plan."""
    (entry,) = [one for one in scene.status()["plan"] if one["field"] == path]
    return dict(entry)


def test_hostname_keys_and_user_data_from_a_secret_arrive(scene: Scene) -> None:
    scene.bed.apply(user_data(scene))
    scene.make(cloudInit={"hostname": "ada", "sshKeys": [KEY], **REF})

    given = scene.person.given(scene.machine().id)
    assert KEY in given
    assert '"ada"' in given
    assert "from-the-secret" in given
    assert "from-the-secret" not in str(scene.body())


@pytest.mark.parametrize("cloud", ["proxmox"])
def test_the_cd_of_a_proxmox_machine_goes_with_it(scene: Scene) -> None:
    scene.bed.apply(user_data(scene))
    scene.make(cloudInit=REF)
    prefix = f"hybridge-{scene.machine().id}-"
    assert any(prefix in iso for iso in scene.bed.lab.proxmox.isos())

    scene.delete()
    scene.gone()

    assert not any(prefix in iso for iso in scene.bed.lab.proxmox.isos())


def test_another_version_of_the_secret_waits_for_the_next_power_cycle(scene: Scene) -> None:
    scene.bed.apply(user_data(scene))
    scene.make(cloudInit={"sshKeys": [KEY], **REF})
    before = scene.machine()

    scene.bed.apply(user_data(scene, text=OTHER))
    scene.annotate(sync_now="1")

    scene.wait("web", "Synced", "False", "RestartRequired")
    body, entry = scene.body(), waiting(scene, "cloudInit.userData")
    assert condition_of(body, "Ready")["status"] == "True"
    assert condition_of(body, "Stalled")["reason"] == "RestartRequired"
    assert condition_of(body, "Drifted")["status"] == "False"
    assert body["status"]["restartRequired"]
    assert entry["disruptive"]
    assert "Secret cloud-init" in entry["to"]
    assert "from-the-secret" in scene.person.given(before.id)

    scene.change(powerState="Stopped")
    scene.wait("web", "Synced", "True")
    scene.change(powerState="Running")
    scene.wait("web", "Synced", "True")

    after, given = scene.machine(), scene.person.given(before.id)
    assert (after.id, after.running) == (before.id, True)
    assert "another-secret" in given
    assert "from-the-secret" not in given
    assert KEY in given
    assert scene.status()["cloudInit"]["userData"] == entry["to"]
    assert "another-secret" not in str(scene.body())


def test_where_it_may_be_restarted_new_user_data_and_hostname_are_one_power_cycle(scene: Scene) -> None:
    scene.bed.apply(user_data(scene))
    scene.make(cloudInit={"hostname": "ada", **REF}, lifecycle={"disruption": "Allow"})
    before = scene.machine()

    scene.bed.apply(user_data(scene, text=OTHER))
    scene.change(cloudInit={"hostname": "bob"})
    scene.wait("web", "Synced", "True")

    after, given = scene.machine(), scene.person.given(before.id)
    assert (after.id, after.running) == (before.id, True)
    assert '"bob"' in given
    assert '"ada"' not in given
    assert "another-secret" in given
    stopped = [words for _, words in scene.events() if "powerState from Running to Stopped" in words]
    assert len(stopped) == 1


def test_a_label_on_the_secret_changes_nothing(scene: Scene) -> None:
    scene.bed.apply(user_data(scene))
    scene.make(cloudInit=REF)
    first = scene.status()["cloudInit"]["userData"]

    secret = user_data(scene)
    secret["metadata"]["labels"] = {"team": "shop"}
    scene.bed.apply(secret)
    scene.annotate(sync_now="1")

    scene.until(lambda: scene.status()["cloudInit"]["userData"] != first, "the version of the Secret in the status")
    assert condition_of(scene.body(), "Synced")["status"] == "True"


def test_a_secret_that_is_gone_does_not_trouble_a_machine_that_has_read_it(scene: Scene) -> None:
    scene.bed.apply(user_data(scene))
    scene.make(cloudInit=REF)

    scene.bed.delete("secret", "cloud-init", namespace=scene.namespace)
    scene.change(tags={"team": "shop"})

    scene.wait("web", "Synced", "True")
    assert scene.machine().tags["team"] == "shop"


@pytest.mark.parametrize("cloud", ["aws", "vsphere"])
def test_other_keys_take_another_machine(scene: Scene) -> None:
    scene.make(cloudInit={"sshKeys": [KEY]})
    before = scene.machine()

    scene.change(cloudInit={"sshKeys": [OTHER_KEY]})

    scene.wait("web", "Synced", "False", "ReplacementRequired")
    assert waiting(scene, "cloudInit.sshKeys")["action"] == "Replace"
    assert scene.machine() == before
    scene.change(cloudInit={"sshKeys": [KEY]})
    scene.wait("web", "Synced", "True")
