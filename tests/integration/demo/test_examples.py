"""Every example is what it says: accepted by an API server, or refused for the mistakes it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.controlplane import ControlPlane
from lab.process import LabError

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
REFUSED = {"malformed"}
MISTAKES = sorted(path for path in (EXAMPLES / "mistakes").glob("*.yaml") if path.stem not in REFUSED)
GOOD = sorted(path for folder in ("machines", "providers", "life") for path in (EXAMPLES / folder).glob("*.yaml"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("examples")) as plane:
        plane.apply(ROOT / "crds")
        plane.kube("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        plane.kube("create", "namespace", "hybridge-system")
        yield plane


def try_out(cluster: ControlPlane, path: Path) -> str:
    return cluster.kube("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", path)


@pytest.mark.parametrize("path", [*GOOD, *MISTAKES], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_api_server_accepts_it(cluster: ControlPlane, path: Path) -> None:
    told = try_out(cluster, path)

    assert told.count("serverside-applied") == len(list(yaml.safe_load_all(path.read_text())))


def test_a_malformed_spec_is_refused_with_a_sentence_for_each_mistake(cluster: ControlPlane) -> None:
    with pytest.raises(LabError) as refused:
        try_out(cluster, EXAMPLES / "mistakes" / "malformed.yaml")

    words = str(refused.value)
    assert "must be a quantity such as 4Gi" in words
    assert "exactly one of id and networkRef must be set" in words
    assert "tags that start with hybridge.io/ or aws: are reserved" in words
    assert "must be a host name such as web-1" in words


def test_the_same_machines_are_asked_of_every_cloud() -> None:
    def spec(cloud: str, position: int) -> dict[str, object]:
        documents = list(yaml.safe_load_all((EXAMPLES / "machines" / f"{cloud}.yaml").read_text()))
        special = {"providerRef", "networks", "aws"}
        return {name: value for name, value in documents[position]["spec"].items() if name not in special}

    for position in (0, 1):
        assert spec("aws", position) == spec("proxmox", position) == spec("vsphere", position)
