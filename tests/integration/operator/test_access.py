"""Getting into a cloud: passwords, rights and certificates. What is wrong is said, and put right without a restart."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.faultproxy import Cloud
from lab.pki import Authority
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.people import PASSWORDS, WRONG, Person
from tests.integration.operator.scene import Scene
from tests.integration.operator.series import value
from tests.operator_bed import condition_of


def test_a_wrong_password_is_told_and_a_corrected_one_taken_without_a_restart(own: Scene) -> None:
    own.make()
    machine = own.machine()
    process = own.bed.operator.process.pid

    own.bed.apply(own.secret(**{PASSWORDS[own.cloud]: WRONG}))
    told = own.wait_provider("Ready", "False", "AuthenticationFailed")
    assert condition_of(own.bed.get("provider", own.provider), "Stalled")["status"] == "True"
    assert WRONG not in str(told)
    synced = own.wait("web", "Synced", "False", "AuthenticationFailed")
    assert own.provider in synced["message"]
    ready = condition_of(own.body(), "Ready")
    assert (ready["status"], "last known state" in ready["message"]) == ("True", True)
    own.apply("other")
    own.wait("other", "Synced", "False", "AuthenticationFailed")

    own.bed.apply(own.secret())
    own.wait_provider("Ready", "True")
    own.wait("web", "Synced", "True")
    own.ready("other")
    assert own.machine() == machine
    assert own.here() == {machine.id, own.machine("other").id}
    assert own.bed.operator.process.pid == process
    first_times = value(own.bed.operator, "time_to_ready_seconds_count", provider=own.provider)
    assert first_times == 2, "a machine that was Ready all the time was counted as if it were new"


def test_a_missing_secret_is_told_and_waited_for(make_scene: MakeScene, cloud: Cloud) -> None:
    scene = make_scene(cloud, connect=False, secret=False)
    scene.apply()

    told = scene.wait_provider("Ready", "False", "SecretNotFound")
    assert f"hybridge-system/{scene.provider}" in told["message"]
    scene.wait("web", "Synced", "False", "SecretNotFound")

    scene.bed.apply(scene.secret())
    scene.ready()


def test_a_secret_without_a_key_names_it(make_scene: MakeScene, cloud: Cloud) -> None:
    scene = make_scene(cloud, connect=False, secret=False)
    scene.bed.apply({**scene.secret(), "stringData": {"nonsense": "x"}})

    told = scene.until(lambda: _names(scene, PASSWORDS[cloud]), "the missing key to be named")

    assert told["reason"] in {"SecretNotFound", "AuthenticationFailed"}


def test_a_missing_permission_is_named(make_scene: MakeScene, persons: Mapping[Cloud, Person], cloud: Cloud) -> None:
    scene = make_scene(cloud, keys=persons[cloud].readonly)
    scene.apply()

    scene.wait("web", "Stalled", "True", "NotPermitted")
    synced = scene.wait("web", "Synced", "False", "NotPermitted")
    assert scene.person.missing_permission in synced["message"]
    assert scene.here() == set()

    scene.bed.apply(scene.secret())
    scene.ready()
    assert scene.here() == {scene.machine().id}


@pytest.mark.parametrize("cloud", ["proxmox", "vsphere"])
class TestCertificates:
    """Clouds with certificates of their own."""

    def test_one_of_an_unknown_authority_is_not_trusted(
        self, make_scene: MakeScene, cloud: Cloud, tmp_path: Path
    ) -> None:
        scene = make_scene(cloud, connect=False, tls={"caBundle": Authority(tmp_path / "pki").pem})
        scene.apply()

        told = scene.wait_provider("Ready", "False", "TLSNotVerified")
        assert "caBundle" in condition_of(scene.bed.get("provider", scene.provider), "Stalled")["message"]
        assert told["message"]
        scene.wait("web", "Synced", "False", "TLSNotVerified")
        assert scene.faults.total() == 0, "credentials may have been sent to somebody else"

        scene.bed.patch("provider", scene.provider, {"spec": {"tls": {"caBundle": scene.bed.lab.authority.pem}}})
        scene.ready()

    def test_verification_that_is_off_is_shown(self, make_scene: MakeScene, cloud: Cloud) -> None:
        scene = make_scene(cloud, tls={"insecureSkipVerify": True})

        assert value(scene.bed.operator, "tls_verification_disabled", provider=scene.provider) == 1
        assert value(scene.bed.operator, "tls_verification_disabled", provider=cloud) == 0
        message = scene.wait_provider("Ready", "True")["message"]
        assert "not verified" in message

    def test_a_fingerprint_replaces_the_authority(self, make_scene: MakeScene, cloud: Cloud) -> None:
        scene = make_scene(cloud, connect=False, tls={"fingerprint": f"sha256:{'ab' * 32}"})
        scene.wait_provider("Ready", "False", "TLSNotVerified")

        right = _fingerprint(scene.faults.endpoint)
        scene.bed.patch("provider", scene.provider, {"spec": {"tls": {"fingerprint": f"sha256:{right}"}}})

        scene.wait_provider("Ready", "True")


def test_an_endpoint_where_nobody_listens_is_told(make_scene: MakeScene, cloud: Cloud) -> None:
    scene = make_scene(cloud, connect=False)
    scene.faults.dark("refuse")
    scene.apply()

    told = scene.wait_provider("Ready", "False", "ProviderDown")
    assert "since 20" in told["message"]
    synced = scene.wait("web", "Synced", "False", "ProviderDown")
    assert scene.provider in synced["message"] or "since 20" in synced["message"]

    scene.faults.light()
    scene.ready()


def _names(scene: Scene, words: str) -> dict[str, Any]:
    """Why the Provider is not Ready, once it says so with these words."""
    ready = condition_of(scene.bed.get("provider", scene.provider), "Ready")
    return ready if ready.get("status") == "False" and words in ready.get("message", "") else {}


def _fingerprint(url: str) -> str:
    host, port = url.removeprefix("https://").split(":")
    pem = ssl.get_server_certificate((host, int(port)))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
