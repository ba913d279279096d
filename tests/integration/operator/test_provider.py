"""What a Provider tells of its cloud, and what keeps it from going or from leading elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.aws import AwsCloud
from lab.bed import SimulatedCloud
from lab.faultproxy import Cloud, Rule
from lab.vsphere import VsphereCloud
from tests import imposture
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene
from tests.integration.operator.series import samples, value
from tests.operator_bed import condition_of


def provider_status(scene: Scene) -> dict[str, object]:
    body = scene.bed.get("provider", scene.provider)
    assert body is not None
    status: dict[str, object] = body["status"]
    return status


def test_the_status_tells_identity_version_and_the_last_look(own: Scene) -> None:
    own.make()
    inventory = own.until(
        lambda: _inventory(own).get("virtualMachines") == 1 and _inventory(own), "the machine to be counted"
    )

    status = provider_status(own)
    assert status["type"] == own.cloud
    assert str(status["identity"]).startswith(own.cloud)
    assert status["version"]
    assert inventory.get("unmanaged", 0) >= 0
    sweep = status["lastSweep"]
    assert isinstance(sweep, dict)
    assert sweep["time"]
    assert sweep["duration"]
    assert sweep["requests"] >= 1


def test_strangers_are_counted_as_unmanaged(own: Scene) -> None:
    before = value(own.bed.operator, "unmanaged_resources", provider=own.provider)
    own.make(lifecycle={"onDelete": "Detach"})
    machine = own.machine().id

    own.delete()
    own.gone()

    own.until(lambda: _inventory(own).get("unmanaged", 0) >= before + 1, "the stranger to be counted")
    own.person.destroy(machine)


@pytest.mark.parametrize("cloud", ["proxmox", "vsphere"])
def test_the_status_tells_the_capacity(scene: Scene) -> None:
    capacity = provider_status(scene)["capacity"]

    assert isinstance(capacity, dict)
    assert capacity["cpus"] > 0
    assert capacity["memory"]
    assert {"name", "total", "used"} <= set(capacity["storage"][0])
    assert value(scene.bed.operator, "capacity_cpus", provider=scene.provider) == capacity["cpus"]


def test_kubectl_prints_providers(bed: object, scene: Scene) -> None:
    lines = scene.bed.lab.controlplane.kube("get", "hprov").splitlines()

    assert lines[0].split() == ["NAME", "READY", "SYNCED", "TYPE", "IDENTITY", "AGE"]
    (row,) = [line.split() for line in lines if line.startswith(f"{scene.provider} ")]
    assert row[:4] == [scene.provider, "True", "True", scene.cloud]


def test_a_provider_in_use_does_not_go_and_names_who_uses_it(own: Scene) -> None:
    own.make()

    own.bed.delete("provider", own.provider)
    told = own.wait_provider("Synced", "False", "HasDependants")
    assert f"{own.namespace}/web" in told["message"]
    own.wait("web", "Ready", "True")

    own.delete()
    own.gone()
    own.bed.wait_gone("providers", own.provider)
    assert own.here() == set()
    own.until(lambda: not samples(own.bed.operator, provider=own.provider) or _only_counters(own), "its series")


def test_a_provider_that_leads_elsewhere_changes_nothing_and_loses_nothing(own: Scene, tmp_path: Path) -> None:
    own.make()
    machine = own.machine()
    own.faults.reset_counts()

    with elsewhere(own, tmp_path):
        told = own.wait_provider("Ready", "False", "ProviderIdentityMismatch")
        assert str(provider_status(own)["identity"]) in told["message"]
        own.wait("web", "Synced", "False", "ProviderIdentityMismatch")
        own.change(tags={"team": "shop"})
        own.wait("web", "Synced", "False", "ProviderIdentityMismatch")
        own.delete()
        own.wait("web", "Ready", "False", "Deleting")
        assert own.body()["metadata"]["finalizers"]
        assert own.faults.mutating() == 0
        assert own.person.machine(machine.id) == machine

    own.gone()
    own.wait_provider("Ready", "True")
    assert own.here() == set()


def test_a_provider_made_anew_under_its_name_that_leads_elsewhere_gets_nothing(own: Scene, tmp_path: Path) -> None:
    """Machines know the account that they were made in: the name of a Provider proves nothing."""
    own.make()
    machine = own.machine()
    _tear_away(own)
    own.forget_requests()

    with elsewhere(own, tmp_path) as other:
        own.wait_provider("Ready", "True")
        own.wait("web", "Synced", "False", "ProviderIdentityMismatch")
        own.change(tags={"team": "shop"})
        own.delete()
        own.wait("web", "Synced", "False", "ProviderIdentityMismatch")
        assert own.body()["metadata"]["finalizers"]
        assert own.mutations() == []
        assert not _machines(other)
        assert own.person.machine(machine.id) == machine
        _tear_away(own)

    own.bed.apply(own.provider_manifest())
    own.gone()
    assert own.here() == set()


def test_what_would_be_made_elsewhere_is_not_made(own: Scene, tmp_path: Path) -> None:
    own.make()
    machine = own.machine()

    with elsewhere(own, tmp_path) as other:
        own.wait_provider("Ready", "False", "ProviderIdentityMismatch")
        own.apply("other")
        own.wait("other", "Synced", "False", "ProviderIdentityMismatch")
        assert not _machines(other)

    own.ready("other")
    own.wait("web", "Synced", "True")
    assert own.here() == {machine.id, own.machine("other").id}


def test_an_endpoint_that_leads_elsewhere_by_itself_is_found_by_the_next_check(own: Scene) -> None:
    """Nothing of the Provider changes, so there is no new connection; a check comes each hour, and when it is asked for."""
    own.make()
    machine = own.machine()
    rule = own.faults.inject(posing(own))
    own.forget_requests()

    own.bed.patch("provider", own.provider, {"metadata": {"annotations": {"hybridge.io/sync-now": "1"}}})

    told = own.wait_provider("Ready", "False", "ProviderIdentityMismatch")
    assert imposture.IDENTITIES[own.cloud] in told["message"]
    own.wait("web", "Synced", "False", "ProviderIdentityMismatch")
    own.change(tags={"team": "shop"})
    own.wait("web", "Synced", "False", "ProviderIdentityMismatch")
    assert own.mutations() == []
    assert own.machine() == machine

    own.faults.lift(rule)
    own.wait_provider("Ready", "True")
    own.wait_machine(lambda found: found.tags.get("team") == "shop", "the new tag is there")


def test_the_cloud_of_a_provider_cannot_be_changed(scene: Scene) -> None:
    provider = scene.bed.get("provider", scene.provider)
    assert provider is not None
    other: Cloud = "vsphere" if scene.cloud != "vsphere" else "proxmox"
    changed = scene.bed.provider(other, scene.provider)

    assert "cannot be changed" in scene.bed.refused(changed)


def _tear_away(scene: Scene) -> None:
    """A Provider goes though it is used, because a person takes its finalizer off."""
    scene.bed.delete("provider", scene.provider)
    scene.bed.patch("provider", scene.provider, {"metadata": {"finalizers": None}})
    scene.bed.wait_gone("providers", scene.provider)


def posing(scene: Scene) -> Rule:
    """For the scene's own proxy: its cloud says to be another one."""
    return imposture.rule(scene.cloud, scene.bed.lab.clouds[scene.cloud], scene.bed.lab.authority)


@contextmanager
def elsewhere(scene: Scene, folder: Path) -> Iterator[SimulatedCloud | None]:
    """Points the Provider at another cloud of the same type, and back; the other cloud, where it is a real one.

    Two lab clusters of Proxmox VE have the same identity, so there the own one gives another name for a while.
    """
    other = _another(scene, folder)
    if other is None:
        rule = scene.faults.inject(posing(scene))
        scene.bed.apply(scene.secret(comment="read me again"), scene.provider_manifest())
        yield None
        scene.faults.lift(rule)
        scene.bed.apply(scene.secret(comment="read me once more"))
        return
    other.start()
    try:
        other.wait()
        there = scene.provider_manifest()
        there["spec"][scene.cloud]["endpoint"] = other.endpoint
        scene.bed.apply(scene.bed.secret(scene.cloud, scene.provider, **other.credentials), there)
        yield other
        scene.bed.apply(scene.secret(), scene.provider_manifest())
    finally:
        other.stop()


def _another(scene: Scene, folder: Path) -> SimulatedCloud | None:
    cloud: Cloud = scene.cloud
    if cloud == "vsphere":
        return VsphereCloud(folder / "elsewhere", scene.bed.lab.authority)
    if cloud == "proxmox":
        return None
    aws = AwsCloud(folder / "elsewhere")
    config = folder / "elsewhere" / "aws.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "account": "111122223333"}))
    return aws


def _machines(cloud: SimulatedCloud | None) -> list[object]:
    match cloud:
        case AwsCloud():
            return list(cloud.machines())
        case VsphereCloud():
            return [machine for machine in cloud.machines() if not machine.template]
    return []


def _inventory(scene: Scene) -> dict[str, int]:
    found = provider_status(scene).get("inventory", {})
    assert isinstance(found, dict)
    return found


def _only_counters(scene: Scene) -> bool:
    """Whether what is left of a Provider are counts of the past, and no state."""
    left = {sample.name for sample in samples(scene.bed.operator, provider=scene.provider)}
    return all(name.endswith(("_total", "_bucket", "_count", "_sum", "_created")) for name in left)


def test_conditions_of_a_ready_provider(scene: Scene) -> None:
    body = scene.bed.get("provider", scene.provider)

    assert condition_of(body, "Ready")["status"] == "True"
    assert condition_of(body, "Synced")["status"] == "True"
    assert not condition_of(body, "Stalled")
    assert not condition_of(body, "Reconciling")


def test_a_provider_without_users_goes_with_its_series(make_scene: MakeScene, cloud: Cloud) -> None:
    scene = make_scene(cloud)
    assert value(scene.bed.operator, "provider_up", provider=scene.provider) == 1

    scene.bed.delete("provider", scene.provider)
    scene.bed.wait_gone("providers", scene.provider)

    assert _only_counters(scene)


def test_all_that_is_deleted_at_once_while_the_operator_is_down_goes_when_it_is_back(own: Scene) -> None:
    for name in ("web", "db"):
        own.make(name)
    bed = own.bed
    bed.operator.kill()
    bed.delete("provider", own.provider)
    for name in ("web", "db"):
        own.delete(name)

    bed.operator.start().wait()

    bed.wait_gone("virtualmachines", "web", "db", namespace=own.namespace)
    bed.wait_gone("providers", own.provider)
    assert own.here() == set()


def test_a_secret_that_is_taken_away_ends_all_changes_until_it_is_back(own: Scene) -> None:
    own.make()
    machine = own.machine()

    own.bed.delete("secret", own.provider, namespace="hybridge-system")
    told = own.wait_provider("Ready", "False", "SecretNotFound")
    assert f"hybridge-system/{own.provider}" in told["message"]
    own.forget_requests()
    own.change(tags={"team": "shop"})
    own.wait("web", "Synced", "False", "SecretNotFound")
    assert own.mutations() == []
    assert own.machine() == machine

    own.bed.apply(own.secret())
    own.wait_provider("Ready", "True")
    own.wait_machine(lambda found: found.tags.get("team") == "shop", "to be tagged when the Secret is back")
