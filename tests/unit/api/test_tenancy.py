"""What whoever writes objects in a namespace can point Hybridge at: never an endpoint, never a Secret of somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridge.api import crd
from hybridge.api.kinds import KINDS, Kind

ROOT = Path(__file__).parents[3]
#: Words in the names of fields that lead somewhere, or say whom to trust there and as whom to log in.
WORDS = {
    *("endpoint", "url", "uri", "server", "proxy", "port", "bundle", "fingerprint", "insecure", "tls"),
    *("credentials", "password", "token", "assume", "workload"),
}
#: What these words mean otherwise: a new value restarts a machine once; and the cloud itself, which is never the operator,
#: fetches a file that has a checksum, from where ``spec.restrict.imageSources`` of its Provider allows.
HARMLESS = {"spec.restartToken", "spec.revertTo.token", "spec.source.url", "spec.source.url.url"}
NAMESPACED = [kind for kind in KINDS if kind.namespaced]


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every named field below, with its path."""
    for name, below in schema.get("properties", {}).items():
        yield f"{path}.{name}", below
        yield from fields(below, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from fields(schema[key], path)


def wanted(kind: Kind) -> list[tuple[str, dict[str, Any]]]:
    schemas = [
        version["schema"]["openAPIV3Schema"]["properties"]["spec"] for version in crd.crd(kind)["spec"]["versions"]
    ]
    return [one for schema in schemas for one in fields(schema, "spec")]


def words(path: str) -> set[str]:
    """Of the name of a field: ``caBundle`` has two."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", path.rpartition(".")[2])}


def leads(kind: Kind) -> set[str]:
    """The fields of a kind's spec that lead somewhere."""
    return {path for path, _ in wanted(kind) if words(path) & WORDS}


@pytest.mark.parametrize("kind", NAMESPACED, ids=lambda kind: kind.kind)
def test_no_field_of_a_namespaced_kind_leads_anywhere(kind: Kind) -> None:
    assert leads(kind) - HARMLESS == set()


@pytest.mark.parametrize("kind", NAMESPACED, ids=lambda kind: kind.kind)
def test_a_namespaced_kind_names_secrets_of_its_own_namespace_only(kind: Kind) -> None:
    for path, schema in wanted(kind):
        if "secret" in words(path):
            assert set(schema["properties"]) == {"name", "key"}, path


def test_what_leads_somewhere_stands_in_a_kind_of_the_cluster() -> None:
    (provider,) = [kind for kind in KINDS if kind.kind == "Provider"]
    assert not provider.namespaced
    assert {"spec.aws.endpoint", "spec.proxmox.endpoint", "spec.vsphere.endpoint", "spec.tls.caBundle"} <= leads(
        provider
    )


def test_the_chart_gives_no_user_anything() -> None:
    """Who may write Providers is the cluster's own decision: no role of ours is added to those that users have."""
    text = "".join(path.read_text() for path in sorted((ROOT / "helm").rglob("*.yaml")))
    assert "aggregate-to" not in text
    assert set(re.findall(r"- \{kind: (\w+)", text)) == {"ServiceAccount"}
    assert yaml.safe_load((ROOT / "crds" / "providers.yaml").read_text())["spec"]["scope"] == "Cluster"
