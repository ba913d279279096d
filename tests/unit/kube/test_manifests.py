"""What the Helm chart installs is what the lab installs: one text each, and none that nobody uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridge.api.kinds import KINDS
from hybridge.api.shared import API_VERSION

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "hybridge"
FILES = sorted((CHART / "files").iterdir())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_of_the_chart_is_used_by_the_chart_and_by_the_lab(path: Path) -> None:
    templates = "".join(template.read_text() for template in (CHART / "templates").glob("*.yaml"))

    assert f'.Files.Get "files/{path.name}"' in templates
    assert f'"{path.name}"' in (ROOT / "lab" / "operator.py").read_text()


def test_the_policy_protects_every_kind_of_the_group_and_nothing_else() -> None:
    policy, binding = policy_documents()
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]

    assert rule == {
        "apiGroups": [API_VERSION.partition("/")[0]], "apiVersions": ["*"], "resources": ["*"], "operations": ["DELETE"],
    }  # fmt: skip
    assert set(policy["spec"]["matchConstraints"]) == {"resourceRules"}
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


def test_the_operator_may_do_the_same_with_every_kind() -> None:
    rules = yaml.safe_load((CHART / "files" / "cluster-rules.yaml").read_text())
    plurals = {kind.plural for kind in KINDS}
    own = [rule for rule in rules if rule["apiGroups"] == ["hybridge.io"]]

    assert [set(rule["resources"]) for rule in own] == [plurals, {f"{plural}/status" for plural in plurals}]
    verbs = {verb for rule in own for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch", "patch"}, "the operator neither makes nor deletes what people apply"


def policy_documents() -> list[dict[str, Any]]:
    text = (CHART / "files" / "deletion-protection.yaml").read_text()
    return list(yaml.safe_load_all(text))
