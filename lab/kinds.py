"""The kinds that clusters know, as ``crds/`` has them: the lab asks the operator's code for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import yaml

from lab.operator import ROOT


@dataclass(frozen=True, slots=True)
class Kind:
    """One custom resource; ``resource`` is what kubectl takes: ``volumes.hybridge.io``."""

    kind: str
    resource: str
    short: str
    namespaced: bool


@cache
def kinds() -> Sequence[Kind]:
    """All of them, Providers first."""
    found = []
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        crd = yaml.safe_load(file.read_text())
        if crd["kind"] == "CustomResourceDefinition":
            names, spec = crd["spec"]["names"], crd["spec"]
            resource = f"{names['plural']}.{spec['group']}"
            found.append(Kind(names["kind"], resource, names["shortNames"][0], spec["scope"] == "Namespaced"))
    return sorted(found, key=lambda kind: kind.namespaced)


def namespaced() -> str:
    """Those that are in namespaces, as kubectl takes several at once."""
    return ",".join(kind.resource for kind in kinds() if kind.namespaced)
