"""The CRDs: generated from the models, whole, and with a bound on everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml

from hybridge.api import crd
from hybridge.api.fields import Model, note, spelling
from hybridge.api.kinds import KINDS, Kind
from hybridge.api.schema import schema_of

CRDS = Path(__file__).parents[3] / "crds"

Node = dict[str, Any]

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


def nodes(schema: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every schema within ``schema``, with its path."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def own(kind: Kind) -> list[tuple[str, Node]]:
    """Every schema of the spec and the status of ``kind``."""
    root = crd.crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return [*nodes(root["spec"], "spec"), *nodes(root["status"], "status")]


def test_the_files_are_what_the_models_say() -> None:
    assert crd.difference(CRDS) == ""


def test_a_file_that_was_edited_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main(["--write", str(tmp_path)]) == 0
    assert crd.main(["--check", str(tmp_path)]) == 0
    edited = tmp_path / "providers.yaml"
    edited.write_text(edited.read_text().replace("hprov", "prov"))
    (tmp_path / "gone.yaml").write_text(crd.HEADER)
    assert crd.main(["--check", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "-    - prov\n+    - hprov" in shown
    assert "gone.yaml" in shown


def test_writing_removes_generated_files_of_kinds_that_are_gone_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").write_text(crd.HEADER)
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    crd.write(tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {*(f"{kind.plural}.yaml" for kind in KINDS), "kustomization.yaml"}


@each_kind
def test_a_file_reads_back_as_what_it_was_made_from(kind: Kind) -> None:
    assert yaml.safe_load(crd.render(kind)) == crd.crd(kind)


@each_kind
def test_everything_has_a_bound(kind: Kind) -> None:
    unbounded = [path for path, node in own(kind) if not _bounded(node)]
    assert unbounded == []


def _bounded(node: Node) -> bool:
    if "enum" in node:
        return True
    if node.get("x-kubernetes-int-or-string"):
        return "maxLength" in node
    if "additionalProperties" in node or node.get("x-kubernetes-preserve-unknown-fields"):
        return "maxProperties" in node
    needed = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}
    return node["type"] in {"object", "boolean"} or needed[node["type"]] in node


@each_kind
def test_everything_is_described(kind: Kind) -> None:
    nameless = [path for path, node in own(kind) if not str(node.get("description", "")).endswith(".")]
    assert nameless == []


@each_kind
def test_every_rule_has_a_sentence(kind: Kind) -> None:
    rules = [rule for _, node in own(kind) for rule in node.get("x-kubernetes-validations", ())]
    assert rules
    assert all(rule["message"] and "\n" not in rule["rule"] for rule in rules)


@each_kind
def test_nothing_but_the_status_has_a_default(kind: Kind) -> None:
    assert [path for path, node in own(kind) if "default" in node] == ["status"]


@each_kind
def test_lists_of_blocks_that_people_edit_are_keyed_by_name(kind: Kind) -> None:
    lists = {path: node for path, node in own(kind) if path.startswith("spec") and node.get("type") == "array"}
    blocks = {path: node for path, node in lists.items() if node["items"]["type"] == "object"}
    for path, node in blocks.items():
        # Selectors are as everywhere in Kubernetes, and ports have no names: either has one owner as a whole.
        assert path.endswith((".matchExpressions", ".ports")) or node["x-kubernetes-list-map-keys"] == ["name"]
    assert all("x-kubernetes-list-type" in node for node in lists.values())


@pytest.mark.parametrize(
    ("python", "json"),
    [
        ("id", "id"),
        ("vm_id_range", "vmIDRange"),
        ("network_ids", "networkIDs"),
        ("external_id", "externalID"),
        ("ssh_keys", "sshKeys"),
        ("import_", "import"),
        ("ca_bundle", "caBundle"),
    ],
)
def test_fields_are_spelled_as_in_kubernetes(python: str, json: str) -> None:
    assert spelling(python) == json


class Odd(Model, frozen=True, kw_only=True):
    """A model that no structural schema can hold."""

    either: Annotated[float | bool, note("Either.")]


def test_a_type_without_a_structural_schema_is_refused() -> None:
    with pytest.raises(TypeError, match="no structural schema"):
        schema_of(Odd)
