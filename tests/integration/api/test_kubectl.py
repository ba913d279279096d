"""What people see with kubectl."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hybridge.api.kinds import KINDS, Kind
from lab.controlplane import ControlPlane
from tests.integration.api.bodies import LEAST, aws, machine
from tests.integration.api.conftest import CRDS, Api


def test_applying_the_crds_again_changes_nothing(plane: ControlPlane) -> None:
    before = _generations(plane)
    plane.apply(CRDS)
    assert _generations(plane) == before


def test_one_category_lists_every_kind(api: Api, name: str, tmp_path: Path) -> None:
    for least in LEAST.values():
        api.create(least(name))
    # A discovery cache from before the CRDs does not know the category, and kubectl does not refresh it for one.
    listed = api.plane.kube("get", "hybridge", "--output=name", f"--cache-dir={tmp_path}").splitlines()
    assert {f"{kind.kind.lower()}.hybridge.io/{name}" for kind in KINDS} <= set(listed)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_columns_of_each_kind(api: Api, name: str, kind: Kind) -> None:
    api.create(LEAST[kind.kind](name))
    narrow, wide = ([column.name for column in kind.columns if column.wide is is_wide] for is_wide in (False, True))

    heading, row = api.plane.kube("get", kind.short, name, "--output=wide").splitlines()
    assert sorted(heading.split()) == sorted(["NAME", "READY", "SYNCED", *narrow, *wide, "AGE", "REASON", "MESSAGE"])
    assert row.startswith(name)
    assert row.endswith("Waiting for the operator")
    heading, _ = api.plane.kube("get", kind.short, name).splitlines()
    assert heading.split() == ["NAME", "READY", "SYNCED", *narrow, "AGE"]


def test_the_columns_of_a_machine(api: Api, name: str) -> None:
    made = machine(name)
    api.create(made)
    api.merge(made, {"status": {"id": "i-0abc", "phase": "Creating"}}, status=True)
    heading, row = api.plane.kube("get", "hvm", name).splitlines()
    assert heading.split() == ["NAME", "READY", "SYNCED", "PHASE", "PROVIDER", "ID", "AGE"]
    assert row.split()[:5] == [name, "Unknown", "Creating", "aws-prod", "i-0abc"]
    heading, row = api.plane.kube("get", "hvm", name, "--output=wide").splitlines()
    assert heading.split()[7:] == ["REASON", "MESSAGE"]
    assert row.endswith("Waiting for the operator")


def test_the_columns_of_a_provider(api: Api, name: str) -> None:
    made = aws(name)
    api.create(made)
    api.merge(made, {"status": {"type": "aws", "identity": "1/eu-central-1"}}, status=True)
    heading, row = api.plane.kube("get", "hprov", name).splitlines()
    assert heading.split() == ["NAME", "READY", "SYNCED", "TYPE", "IDENTITY", "AGE"]
    assert row.split()[:4] == [name, "Unknown", "aws", "1/eu-central-1"]


def test_two_appliers_own_different_interfaces_of_one_machine(api: Api, name: str) -> None:
    first = machine(name, networks=[{"name": "nic0", "id": "a"}])
    second = {**machine(name), "spec": {"networks": [{"name": "nic1", "id": "b"}]}}
    api.made.append(f"/apis/hybridge.io/v1alpha1/namespaces/default/virtualmachines/{name}")
    for manager, body in (("one", first), ("two", second)):
        words = ["apply", "--server-side", f"--field-manager={manager}", "-f", "-"]
        api.plane.kube(*words, stdin=yaml.safe_dump(body))
    stored = json.loads(api.plane.kube("get", "hvm", name, "--output=json"))
    assert [nic["name"] for nic in stored["spec"]["networks"]] == ["nic0", "nic1"]


def test_fields_explain_themselves(plane: ControlPlane) -> None:
    assert "never shrinks" in " ".join(plane.kube("explain", "hvm.spec.rootDisk.size").split())


def _generations(plane: ControlPlane) -> dict[str, int]:
    listed = json.loads(plane.kube("get", "crd", "--output=json"))
    return {crd["metadata"]["name"]: crd["metadata"]["generation"] for crd in listed["items"]}
