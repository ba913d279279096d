"""Every example is what it says: accepted by an API server, or refused for the mistakes it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.bed import CLOUDS
from lab.controlplane import ControlPlane
from lab.faultproxy import Cloud
from lab.process import LabError

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
REFUSED = {"malformed"}
MISTAKES = sorted(path for path in (EXAMPLES / "mistakes").glob("*.yaml") if path.stem not in REFUSED)
GOOD = sorted(path for folder in (*CLOUDS, "providers", "life") for path in (EXAMPLES / folder).glob("*.yaml"))
#: Files that are the same for every cloud.
COMMON = ("machines.yaml", "volumes.yaml", "cloud-init.yaml")


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


@pytest.mark.parametrize("name", COMMON)
def test_the_same_application_is_asked_of_every_cloud_but_for_its_provider(name: str) -> None:
    def normal(cloud: Cloud) -> list[dict[str, Any]]:
        documents = list(yaml.safe_load_all((EXAMPLES / cloud / name).read_text()))
        for document in documents:
            if document["kind"] != "Secret":
                assert document["spec"].pop("providerRef") == {"name": cloud}
        return documents

    assert normal("aws") == normal("proxmox") == normal("vsphere")


def test_firewalls_are_the_same_where_there_are_some() -> None:
    aws, proxmox = ((EXAMPLES / cloud / "firewall.yaml").read_text() for cloud in ("aws", "proxmox"))

    assert aws.replace("{name: aws}", "{name: proxmox}") == proxmox
    assert not (EXAMPLES / "vsphere" / "firewall.yaml").exists(), "vSphere has none without NSX"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_application_has_all_that_it_refers_to(cloud: Cloud) -> None:
    documents = [one for path in (EXAMPLES / cloud).glob("*.yaml") for one in yaml.safe_load_all(path.read_text())]
    there = {(one["kind"], one["metadata"]["name"]) for one in documents}
    machines = [one["spec"] for one in documents if one["kind"] == "VirtualMachine"]
    secrets = {("Secret", one["cloudInit"]["userData"]["secretRef"]["name"]) for one in machines}
    volumes = {("Volume", volume["volumeRef"]["name"]) for one in machines for volume in one.get("volumes", ())}
    walls = [one["spec"] for one in documents if one["kind"] == "Firewall"]
    networks = {("Network", nic["networkRef"]["name"]) for one in machines for nic in one["networks"]}
    networks |= {("Network", one["networkRef"]["name"]) for one in walls}

    assert len(machines) == 3
    assert len(volumes) == len(networks) == 1
    assert secrets | volumes | networks <= there
    assert len(walls) == (0 if cloud == "vsphere" else 2)
    labels = [one["metadata"]["labels"] for one in documents if one["kind"] == "VirtualMachine"]
    assert all(one["selector"]["matchLabels"] in labels for one in walls)
    assert all(set(one["metadata"]) <= {"name", "labels"} for one in documents), "it goes into any namespace"


def test_user_data_is_what_cloud_init_reads() -> None:
    for document in yaml.safe_load_all((EXAMPLES / "aws" / "cloud-init.yaml").read_text()):
        text = document["stringData"]["user-data"]
        assert text.startswith("#cloud-config\n")
        assert yaml.safe_load(text).keys() <= {"packages", "runcmd", "bootcmd", "mounts"}
