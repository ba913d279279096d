"""Rights in the cloud: what an account lacks is told by the Provider before a machine needs it."""

from __future__ import annotations

from collections.abc import Mapping

from lab.faultproxy import Cloud
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.people import Person
from tests.integration.operator.scene import Scene
from tests.integration.operator.series import value
from tests.operator_bed import condition_of

#: A right that every cloud's account needs to make machines.
MAKING: Mapping[Cloud, str] = {
    "aws": "ec2:RunInstances",
    "proxmox": "VM.Clone",
    "vsphere": "VirtualMachine.Inventory.CreateFromExisting",
}


def test_a_provider_names_what_its_account_lacks_and_stays_ready(
    make_scene: MakeScene, persons: Mapping[Cloud, Person], cloud: Cloud
) -> None:
    scene = make_scene(cloud, keys=persons[cloud].readonly)

    told = scene.wait_provider("Synced", "False", "NotPermitted")

    assert MAKING[cloud] in told["message"]
    body = scene.bed.get("provider", scene.provider)
    assert condition_of(body, "Ready")["status"] == "True"
    assert condition_of(body, "Stalled")["reason"] == "NotPermitted"
    assert value(scene.bed.operator, "provider_missing_permissions", provider=scene.provider) > 0
    assert scene.faults.mutating() == 0

    scene.bed.apply(scene.secret())
    scene.wait_provider("Synced", "True")
    assert not condition_of(scene.bed.get("provider", scene.provider), "Stalled")
    scene.until(
        lambda: value(scene.bed.operator, "provider_missing_permissions", provider=scene.provider) == 0,
        "no right missing",
    )


def test_sync_now_has_the_rights_looked_at_again(own: Scene) -> None:
    own.wait_provider("Synced", "True")
    checks = {"aws": "sts:GetCallerIdentity", "proxmox": "GET /access/permissions", "vsphere": "HasPrivilegeOnEntities"}
    check = checks[own.cloud]
    before = own.faults.counts()[check].requests

    own.bed.patch("provider", own.provider, {"metadata": {"annotations": {"hybridge.io/sync-now": "1"}}})

    own.until(lambda: own.faults.counts()[check].requests == before + 1, "another check")
