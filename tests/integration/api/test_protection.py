"""What the API server keeps by itself while no operator runs: objects of every kind, and the namespaces they are in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from lab import manifests
from lab.controlplane import HOUSEKEEPING, ControlPlane
from lab.operator import protect
from lab.process import LabError
from tests.integration.api.conftest import CRDS

POLICY = "hybridge-deletion-protection"
PROTECTED = {"lifecycle": {"deletionProtection": True}}
UNPROTECTED = {"lifecycle": {"deletionProtection": False}}
#: A CRD of the group that no version of Hybridge has, in the least of words.
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
LATER_KIND = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "laters.hybridge.io"},
    "spec": {
        "group": "hybridge.io",
        "names": {"kind": "Later", "plural": "laters"},
        "scope": "Cluster",
        "versions": [
            {"name": name, "served": True, "storage": name == "v1", "schema": SCHEMA} for name in ("v1alpha1", "v1")
        ],
    },
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with Kubernetes' own controllers, the CRDs, one more kind, and the policy."""
    with ControlPlane(tmp_path_factory.mktemp("protection"), controllers=HOUSEKEEPING) as plane:
        plane.apply(CRDS)
        plane.apply(yaml.safe_dump(LATER_KIND))
        plane.kube("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        protect(plane)
        plane.apply(later("v1", "probe", PROTECTED))
        until(lambda: refusal(plane, "delete", "laters", "probe", "--dry-run=server"), "the policy to be followed")
        yield plane


def test_the_api_server_finds_nothing_wrong_with_the_policy(plane: ControlPlane) -> None:
    read = ("get", "validatingadmissionpolicy", POLICY, "--output=jsonpath={.status}")
    until(lambda: "observedGeneration" in plane.kube(*read), "the policy to be checked")

    assert "expressionWarnings" not in plane.kube(*read)


def test_a_namespace_stays_as_long_as_something_in_it_is_protected(plane: ControlPlane) -> None:
    plane.kube("create", "namespace", "shop")
    plane.apply(yaml.safe_dump(manifests.machine("web", "never-was", "shop", **PROTECTED)))
    machine = ("hvm", "web", "--namespace=shop")

    plane.kube("delete", "namespace", "shop", "--wait=false")

    read = ("get", "namespace", "shop", "--output=jsonpath={.status.conditions}")
    until(lambda: "VirtualMachine shop/web is protected" in plane.kube(*read), "the namespace to say why it stays")
    assert plane.kube("get", *machine, "--output=jsonpath={.metadata.deletionTimestamp}") == ""

    plane.kube("patch", *machine, "--type=merge", "-p", json.dumps({"spec": UNPROTECTED}))
    plane.kube("wait", "--for=delete", "namespace/shop", "--timeout=120s")


@pytest.mark.parametrize("version", ["v1alpha1", "v1"])
def test_a_kind_that_comes_later_is_protected_too(plane: ControlPlane, version: str) -> None:
    name = f"later-{version}"
    remove = ("delete", f"laters.{version}.hybridge.io", name)
    plane.apply(later(version, name, PROTECTED))

    assert f"Later {name} is protected from deletion" in refusal(plane, *remove)

    plane.apply(later(version, name, UNPROTECTED))
    plane.kube(*remove)


@pytest.mark.parametrize("spec", [None, {}, {"lifecycle": None}, {"lifecycle": "yes"}, {"lifecycle": {}}])
def test_whatever_else_a_kind_may_have_is_not_protected(plane: ControlPlane, spec: dict[str, Any] | None) -> None:
    plane.apply(later("v1", "other", spec))

    plane.kube("delete", "laters", "other")


def later(version: str, name: str, spec: dict[str, Any] | None) -> str:
    body = {"apiVersion": f"hybridge.io/{version}", "kind": "Later", "metadata": {"name": name}}
    return yaml.safe_dump(body if spec is None else {**body, "spec": spec})


def refusal(plane: ControlPlane, *words: str) -> str:
    """What kubectl says when it is refused; empty when it is not."""
    try:
        plane.kube(*words)
    except LabError as error:
        return str(error)
    return ""


def until(holds: Callable[[], object], what: str) -> None:
    """Waits for what Kubernetes' own controllers do a moment later."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"waited 60 s for {what}"
        time.sleep(0.1)
