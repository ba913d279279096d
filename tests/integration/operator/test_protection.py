"""Deletion protection: the API server refuses the deletion itself, and where it is not told to, the finalizer holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import manifests
from lab.controlplane import ControlPlane
from lab.operator import protect, unprotect
from lab.process import LabError
from tests.apiserver import ApiServer
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import KIND, Scene
from tests.operator_bed import OperatorBed, condition_of

PROTECTED = {"deletionProtection": True}
UNPROTECTED = {"deletionProtection": False}
#: What everybody is told: which object, and what to change.
ADVICE = "set its spec.lifecycle.deletionProtection to false first"
TENANT = """
apiVersion: v1
kind: ServiceAccount
metadata: {{name: tenant, namespace: {namespace}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: tenant, namespace: {namespace}}}
rules: [{{apiGroups: [hybridge.io], resources: ["*"], verbs: ["*"]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: tenant, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}}
subjects: [{{kind: ServiceAccount, name: tenant, namespace: {namespace}}}]
"""


@pytest.fixture
def cloud() -> str:
    """Nothing of this depends on the cloud, so the quickest will do."""
    return "vsphere"


@pytest.fixture
def tenant(scene: Scene) -> Path:
    """The kubeconfig of somebody who may do everything with Hybridge's objects in the scene's namespace."""
    plane = scene.bed.lab.controlplane
    plane.apply(TENANT.format(namespace=scene.namespace))
    account = plane.kubeconfig_for(scene.namespace, "tenant")
    scene.until(
        lambda: not _refusal(plane, "get", "hvm", "-n", scene.namespace, kubeconfig=account), "the tenant's role"
    )
    return account


@pytest.fixture
def unprotected(bed: OperatorBed) -> Iterator[None]:
    """A cluster without the policy, for a while."""
    probe = bed.namespace()
    bed.apply(_probe(probe))

    def follows(*, refuses: bool) -> bool:
        told = _refusal(bed.lab.controlplane, "delete", "hvm", "probe", "-n", probe, "--dry-run=server")
        return bool(told) == refuses

    unprotect(bed.lab.controlplane)
    bed.wait_for(lambda: follows(refuses=False), "the API server to let protected objects go")
    yield
    protect(bed.lab.controlplane)
    bed.wait_for(lambda: follows(refuses=True), "the API server to hold protected objects")
    bed.patch(KIND, "probe", {"spec": {"lifecycle": UNPROTECTED}}, probe)
    bed.delete(KIND, "probe", namespace=probe)


def test_a_tenant_is_refused_and_told_what_to_change(scene: Scene, tenant: Path) -> None:
    scene.make(lifecycle=PROTECTED)
    machine = scene.machine()
    plane = scene.bed.lab.controlplane

    told = _refusal(plane, "delete", "hvm", "web", "-n", scene.namespace, kubeconfig=tenant)

    assert "forbidden" in told
    assert f"VirtualMachine {scene.namespace}/web is protected from deletion" in told
    assert ADVICE in told
    body = scene.body()
    assert "deletionTimestamp" not in body["metadata"]
    assert condition_of(body, "Ready")["status"] == "True"
    assert scene.machine() == machine

    patch = '{"spec": {"lifecycle": {"deletionProtection": false}}}'
    plane.kube("patch", "hvm", "web", "-n", scene.namespace, "--type=merge", "-p", patch, kubeconfig=tenant)
    plane.kube("delete", "hvm", "web", "-n", scene.namespace, "--timeout=60s", kubeconfig=tenant)
    assert scene.here() == set()


def test_who_deletes_all_keeps_what_is_protected(scene: Scene, tenant: Path) -> None:
    scene.apply("keep", lifecycle=PROTECTED)
    scene.apply("lose")
    for name in ("keep", "lose"):
        scene.ready(name)
    keep = scene.machine("keep")

    told = _refusal(
        scene.bed.lab.controlplane, "delete", "hvm", "--all", "-n", scene.namespace, "--wait=false", kubeconfig=tenant
    )

    assert f"{scene.namespace}/keep" in told
    assert f"{scene.namespace}/lose" not in told
    scene.gone("lose")
    assert scene.here() == {keep.id}


def test_a_collection_is_no_way_around(scene: Scene, tenant: Path) -> None:
    """What namespaces, garbage collectors and controllers use instead of deleting one by one."""
    scene.apply("keep", lifecycle=PROTECTED)

    with pytest.raises(LabError, match=ADVICE):
        ApiServer(tenant).delete_all(KIND, scene.namespace)

    assert "deletionTimestamp" not in scene.body("keep")["metadata"]


@pytest.mark.parametrize("lifecycle", [{}, UNPROTECTED, {"onDelete": "Delete"}])
def test_all_others_go(scene: Scene, tenant: Path, lifecycle: dict[str, Any]) -> None:
    scene.make(lifecycle=lifecycle)

    scene.bed.lab.controlplane.kube("delete", "hvm", "web", "-n", scene.namespace, "--timeout=60s", kubeconfig=tenant)

    assert scene.here() == set()


def test_providers_and_objects_without_such_a_field_go(make_scene: MakeScene) -> None:
    scene = make_scene("vsphere")

    scene.bed.lab.controlplane.kube("delete", "hprov", scene.provider, "--timeout=60s")

    assert scene.bed.get("provider", scene.provider) is None


def test_protection_that_comes_after_the_deletion_was_asked_for_holds_too(scene: Scene) -> None:
    scene.make()
    machine = scene.machine()
    scene.annotate(paused="true")
    scene.wait("web", "Synced", "False", "Paused")
    scene.delete()

    scene.change(lifecycle=PROTECTED)
    scene.annotate(paused=None)

    scene.wait("web", "Synced", "False", "DeletionProtected")
    assert scene.machine() == machine
    # The finalizer comes off by an update, which nobody refuses.
    scene.change(lifecycle=UNPROTECTED)
    scene.gone()
    assert scene.here() == set()


@pytest.mark.usefixtures("unprotected")
def test_without_the_policy_the_finalizer_holds_until_protection_is_taken_away(scene: Scene) -> None:
    scene.make(lifecycle=PROTECTED)
    before = scene.machine()

    scene.delete()
    synced = scene.wait("web", "Synced", "False", "DeletionProtected")
    assert "spec.lifecycle.deletionProtection" in synced["message"]
    body = scene.body()
    assert condition_of(body, "Stalled")["reason"] == "DeletionProtected"
    assert condition_of(body, "Ready")["status"] == "False"
    assert scene.machine() == before

    scene.change(lifecycle=UNPROTECTED)
    scene.gone()
    assert scene.person.machine(before.id) is None


def _probe(namespace: str) -> dict[str, Any]:
    """A protected machine that is never made: there is no such Provider."""
    return manifests.machine("probe", "never-was", namespace, lifecycle=PROTECTED)


def _refusal(plane: ControlPlane, *words: str, kubeconfig: Path | None = None) -> str:
    """What kubectl says when it is refused; empty when it is not."""
    try:
        plane.kube(*words, kubeconfig=kubeconfig)
    except LabError as error:
        return str(error)
    return ""
