"""Under GitOps: what is applied again changes nothing, and nobody but its owner writes what Git says."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from lab.faultproxy import Cloud
from tests.integration.operator.scene import KIND, Scene, unique
from tests.operator_bed import condition_of
from tests.recording import Recording

FINALIZER = "hybridge.io/finalizer"
#: What the operator calls itself in metadata.managedFields.
OPERATOR = "hybridge"
#: The tool that syncs, by the name under which it applies.
TOOL = "kustomize-controller"
#: What a cloud is asked when it is connected to, and only then.
HELLO: Mapping[Cloud, str] = {"aws": "sts:GetCallerIdentity", "proxmox": "GET /version", "vsphere": "Login"}

Document: TypeAlias = dict[str, Any]


def document(scene: Scene, name: str = "web", /, **spec: object) -> Document:
    """A machine as it is in Git, with labels and annotations of its own."""
    made = scene.manifest(name, **spec)
    made["metadata"] |= {"labels": {"app": "shop", "tier": "web"}, "annotations": {"example.com/owner": "ada"}}
    return made


def kubectl(scene: Scene, document: Mapping[str, Any], *words: str) -> str:
    """kubectl with a document on its standard input. LabError with what it says when it fails."""
    return scene.bed.lab.controlplane.kube(*words, "-f", "-", stdin=json.dumps(document))


def sync(scene: Scene, document: Mapping[str, Any], manager: str = TOOL) -> str:
    """Server-side apply, as tools do it."""
    return kubectl(scene, document, "apply", "--server-side", "--force-conflicts", f"--field-manager={manager}")


def heard(scene: Scene) -> None:
    """Returns when the operator has worked on what was written before: it has on a later object, which needs no cloud."""
    name = unique("later")
    later = scene.manifest(name)
    later["metadata"]["annotations"] = {"hybridge.io/paused": "true"}
    scene.bed.apply(later)
    scene.wait(name, "Synced", "False", "Paused")


def track(scene: Scene, document: Document) -> None:
    """What tools put on all that they sync: a label, and an annotation that changes with each revision."""
    tracked = copy.deepcopy(document)
    tracked["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = "shop"
    tracked["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = unique("shop")
    sync(scene, tracked)


AGAIN: Mapping[str, Callable[[Scene, Document], object]] = {
    "the same tool": sync,
    "another tool": lambda scene, made: sync(scene, made, "argocd-controller"),
    "a tool that marks what it syncs": track,
    "a person, on the client's side": lambda scene, made: kubectl(scene, made, "apply"),
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN.keys())
def test_the_same_yaml_again_changes_nothing(own: Scene, again: Callable[[Scene, Document], object]) -> None:
    made = document(own, tags={"team": "shop"}, lifecycle={"onDelete": "Delete"})
    sync(own, made)
    own.wait("web", "Ready", "True")
    own.wait("web", "Synced", "True")
    heard(own)
    before, machine = own.body(), own.machine()
    recording = Recording(own.bed.api, KIND, "web", own.namespace)
    own.faults.reset_counts()

    for _ in range(2):
        again(own, made)
        heard(own)

    versions = [version for version in recording.read() if version is not None]
    for version in [*versions, own.body()]:
        assert version["spec"] == before["spec"]
        assert version["status"] == before["status"]
        assert version["metadata"]["generation"] == before["metadata"]["generation"]
        assert version["metadata"]["finalizers"] == [FINALIZER]
    assert len(versions) <= 2, "somebody else wrote than who applied"
    assert own.faults.mutating() == 0
    assert own.machine() == machine


@pytest.mark.parametrize("cloud", ["aws"])
def test_who_replaces_the_object_takes_its_finalizer_and_it_is_put_back(own: Scene) -> None:
    """kubectl replace drops all that the file does not name, except the status."""
    made = document(own)
    sync(own, made)
    before = own.ready()
    own.faults.reset_counts()

    kubectl(own, made, "replace")

    own.until(lambda: own.body()["metadata"].get("finalizers") == [FINALIZER], "the finalizer to be put back")
    heard(own)
    body = own.body()
    assert (body["spec"], body["status"]) == (before["spec"], before["status"])
    assert body["metadata"]["generation"] == before["metadata"]["generation"]
    assert own.faults.mutating() == 0


def test_a_provider_applied_again_is_not_connected_anew(own: Scene) -> None:
    made = own.provider_manifest()
    sync(own, made)
    own.make()
    assert HELLO[own.cloud] in own.faults.counts()
    before = _of_provider(own)
    recording = Recording(own.bed.api, "provider", own.provider)
    own.faults.reset_counts()

    sync(own, made, "argocd-controller")
    kubectl(own, made, "apply")
    heard(own)

    versions = [version for version in recording.read() if version is not None]
    assert versions, "nothing was applied"
    for version in versions:
        assert version["metadata"]["generation"] == before["metadata"]["generation"]
        assert condition_of(version, "Ready") == condition_of(before, "Ready")
    assert own.faults.mutating() == 0
    assert HELLO[own.cloud] not in own.faults.counts()


def test_live_and_git_do_not_differ(scene: Scene) -> None:
    """kubectl diff, as Argo CD and Flux do it: a dry run beside what is there."""
    made = document(scene, tags={"team": "shop"}, networks=[{"name": "nic0", "id": scene.person.network}])
    sync(scene, made)
    scene.ready()

    difference = ("diff", "--server-side", "--force-conflicts", f"--field-manager={TOOL}")

    assert kubectl(scene, made, *difference) == ""


def test_the_operator_writes_status_and_finalizer_and_nothing_else(scene: Scene) -> None:
    made = document(scene, cpus=2, tags={"team": "shop"})
    sync(scene, made)
    applied = scene.body()
    scene.ready()
    scene.annotate(paused="true")
    scene.wait("web", "Synced", "False", "Paused")
    scene.annotate(paused=None, sync_now="1")
    scene.wait("web", "Synced", "True")
    made["spec"] |= {"cpus": 4, "memory": "16Gi", "lifecycle": {"disruption": "Allow"}, "powerState": "Stopped"}
    sync(scene, made)
    scene.wait("web", "Synced", "True")
    assert scene.machine().cpus == 4

    body = scene.body()
    assert body["spec"] == {**applied["spec"], **made["spec"]}
    assert body["metadata"]["labels"] == made["metadata"]["labels"]
    assert body["metadata"]["annotations"] == {**made["metadata"]["annotations"], "hybridge.io/sync-now": "1"}
    assert _written_by(body, OPERATOR) == {"f:status", "f:metadata.f:finalizers"}
    others = {entry["manager"] for entry in body["metadata"]["managedFields"]} - {OPERATOR}
    assert {path for other in others for path in _written_by(body, other)} & {"f:status"} == set()


@pytest.mark.parametrize("cloud", ["aws"])
def test_the_operator_writes_the_same_of_providers(own: Scene) -> None:
    own.make()

    assert _written_by(_of_provider(own), OPERATOR) == {"f:status", "f:metadata.f:finalizers"}


def test_power_and_lifecycle_that_are_taken_out_of_git_go_back_to_their_defaults(scene: Scene) -> None:
    made = document(scene, powerState="Stopped", lifecycle={"deletionProtection": True})
    sync(scene, made)
    scene.ready()
    assert not scene.machine().running

    del made["spec"]["powerState"], made["spec"]["lifecycle"]
    sync(scene, made)
    scene.wait("web", "Synced", "True")

    assert scene.machine().running
    kubectl(scene, made, "delete", "--timeout=60s")
    assert scene.here() == set()


def test_pruned_and_put_back_it_is_another_machine(scene: Scene) -> None:
    made = document(scene)
    sync(scene, made)
    scene.ready()
    first = scene.machine().id

    kubectl(scene, made, "delete", "--timeout=60s")
    assert scene.here() == set()
    sync(scene, made)
    scene.ready()

    assert scene.machine().id != first or scene.cloud == "proxmox", "only Proxmox VE gives an id again"
    assert scene.here() == {scene.machine().id}


def _of_provider(scene: Scene) -> Document:
    found = scene.bed.get("provider", scene.provider)
    assert found is not None
    return found


def _written_by(body: Mapping[str, Any], manager: str) -> set[str]:
    """The fields that a manager owns: those of the top, but of metadata each by itself."""
    found: set[str] = set()
    for entry in body["metadata"]["managedFields"]:
        if entry["manager"] != manager:
            continue
        for field, below in entry["fieldsV1"].items():
            found |= {f"{field}.{name}" for name in below} if field == "f:metadata" else {field}
    return found
