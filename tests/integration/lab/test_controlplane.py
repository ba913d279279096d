"""The lab's control plane: what it grants and refuses, and that it keeps to itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.controlplane import HOUSEKEEPING, ControlPlane
from lab.process import LabError

ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: default}
"""
MAY_READ_CONFIG_MAPS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
"""


@pytest.fixture(scope="module")
def controlplane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("controlplane"), controllers=HOUSEKEEPING) as running:
        yield running


def config_map(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\n"


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def become_allowed(controlplane: ControlPlane, account: Path, verb: str, resource: str) -> None:
    """The authorizer hears of new roles through a watch, so a moment after they were accepted."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            controlplane.kube("auth", "can-i", verb, resource, kubeconfig=account)
        except LabError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"{account.name} never became allowed to {verb} {resource}")


def test_the_admin_may_do_everything(controlplane: ControlPlane) -> None:
    assert controlplane.kube("auth", "can-i", "*", "*", "--all-namespaces").strip() == "yes"


def test_an_account_may_do_only_what_its_role_says(controlplane: ControlPlane) -> None:
    controlplane.apply(ACCOUNT)
    account = controlplane.kubeconfig_for("default", "reader")
    with pytest.raises(LabError, match="forbidden"):
        controlplane.kube("get", "configmaps", kubeconfig=account)

    controlplane.apply(MAY_READ_CONFIG_MAPS)
    become_allowed(controlplane, account, "list", "configmaps")

    controlplane.kube("get", "configmaps", kubeconfig=account)
    with pytest.raises(LabError, match="forbidden"):
        controlplane.kube("create", "configmap", "mine", kubeconfig=account)
    with pytest.raises(LabError, match="forbidden"):
        controlplane.kube("get", "secrets", kubeconfig=account)


def test_only_their_owner_can_read_the_kubeconfigs(controlplane: ControlPlane) -> None:
    assert controlplane.kubeconfig.stat().st_mode & 0o077 == 0


def test_apply_takes_a_file_and_says_what_was_refused(controlplane: ControlPlane, tmp_path: Path) -> None:
    manifest = tmp_path / "map.yaml"
    manifest.write_text(config_map("from-a-file"))
    assert "serverside-applied" in controlplane.apply(manifest)
    with pytest.raises(LabError, match="no matches for kind"):
        controlplane.apply("apiVersion: nowhere.io/v1\nkind: Nothing\nmetadata: {name: x}\n")


def test_a_deleted_namespace_goes_away(controlplane: ControlPlane) -> None:
    controlplane.kube("create", "namespace", "short-lived")
    controlplane.kube("delete", "namespace", "short-lived", "--wait")
    assert "short-lived" not in controlplane.kube("get", "namespaces")


def test_two_control_planes_do_not_see_each_other(controlplane: ControlPlane, tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as other:
        assert other.url != controlplane.url
        other.apply(config_map("only-here"))
        assert "only-here" in other.kube("get", "configmaps")
        assert "only-here" not in controlplane.kube("get", "configmaps")


def test_a_killed_server_comes_back_in_its_place_with_its_data(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as controlplane:
        controlplane.apply(config_map("survivor"))
        for process in (controlplane.apiserver, controlplane.etcd):
            process.kill()
            process.start()
            controlplane.wait()
            assert "survivor" in controlplane.kube("get", "configmaps")


def test_stop_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    controlplane = ControlPlane(tmp_path, controllers=HOUSEKEEPING)
    with controlplane:
        pids = [process.pid for process in controlplane.processes]
        store = next(Path(word.partition("=")[2]) for word in controlplane.etcd.argv if word.startswith("--data-dir="))
        assert store.is_dir()
    assert len(pids) == 3
    assert all(gone(pid) for pid in pids)
    assert not store.exists()


def test_a_server_that_cannot_start_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    controlplane = ControlPlane(tmp_path)
    controlplane.apiserver.argv.append("--authorization-mode=Nonsense")
    with pytest.raises(LabError, match="Nonsense"), controlplane:
        pass
    assert not controlplane.etcd.alive


def test_a_restored_cluster_is_as_it_was_then(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        plane.apply(config_map("before"))
        snapshot = plane.snapshot()
        then = plane.kube("get", "configmap", "before", "-o", "jsonpath={.metadata.uid} {.metadata.resourceVersion}")
        plane.apply(config_map("after"))
        plane.kube("label", "configmap", "before", "changed=yes")

        plane.restore(snapshot)

        now = plane.kube("get", "configmap", "before", "-o", "jsonpath={.metadata.uid} {.metadata.resourceVersion}")
        assert now == then
        with pytest.raises(LabError, match="NotFound"):
            plane.kube("get", "configmap", "after")
        plane.apply(config_map("again"))
        old = plane.kube("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")

        plane.rebuild()

        assert plane.kube("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}") != old
    assert not snapshot.exists()


def test_a_paused_process_stands_still_until_it_is_resumed(controlplane: ControlPlane) -> None:
    controlplane.apiserver.pause()
    try:
        with pytest.raises(LabError):
            controlplane.kube("get", "namespaces", "--request-timeout=1s")
    finally:
        controlplane.apiserver.resume()

    assert "default" in controlplane.kube("get", "namespaces")
