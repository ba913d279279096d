"""What the lab's cluster has, and who may log in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from proxmoxer.core import ResourceException  # type: ignore[import-untyped]  # as above

from lab.pki import Authority
from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import GIB, IDS


def test_the_cluster_has_a_name_three_nodes_and_room(pve: Any) -> None:
    status = {item["type"]: item for item in pve.cluster.status.get()}
    nodes = {item["node"]: item["maxcpu"] for item in pve.cluster.resources.get(type="node")}
    memory = pve.nodes("pve1").status.get()["memory"]

    assert status["cluster"]["name"] == "hybridge-lab"
    assert nodes == {"pve1": 128, "pve2": 128, "pve3": 128}
    assert memory["total"] == 1024 * GIB
    assert 0 < memory["free"] < memory["total"]


def test_there_are_templates_bridges_and_storages(pve: Any, cloud: ProxmoxCloud) -> None:
    templates = {item["name"]: item["vmid"] for item in pve.cluster.resources.get(type="vm") if item["template"]}
    content = {item["storage"]: set(item["content"].split(",")) for item in pve.storage.get()}

    assert templates == cloud.templates == {"debian-12": 9000, "ubuntu-24.04": 9001}
    assert {item["iface"] for item in pve.nodes("pve2").network.get()} == {"vmbr0", "vmbr1"}
    assert {"images", "iso", "backup"} <= content["nfs"]
    assert "images" in content["ceph"]
    assert "iso" in content["local"]


def test_a_wrong_token_is_no_login(cloud: ProxmoxCloud, connect: Callable[..., Any]) -> None:
    with pytest.raises(ResourceException) as error:
        connect({**cloud.credentials, "tokenSecret": "wrong"}).version.get()

    assert error.value.status_code == 401


def test_a_read_only_token_may_look_and_not_touch(cloud: ProxmoxCloud, connect: Callable[..., Any]) -> None:
    reader = connect(cloud.readonly_credentials)
    assert reader.nodes("pve1").qemu(9000).config.get()["name"] == "debian-12"

    with pytest.raises(ResourceException) as error:
        reader.nodes("pve1").qemu(9000).clone.post(newid=next(IDS))

    assert error.value.status_code == 403
    assert "Permission check failed (/vms/9000, VM.Clone)" in str(error.value)


def test_the_token_can_ask_for_its_rights(pve: Any) -> None:
    held = pve.access.permissions.get()

    assert {"VM.Clone", "VM.PowerMgmt"} <= set(held["/vms"])
    assert {"Datastore.Audit", "Datastore.AllocateSpace"} <= set(held["/storage/ceph"])


def test_the_certificate_is_of_the_labs_authority(cloud: ProxmoxCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{cloud.endpoint}/api2/json/version", timeout=30)


def test_the_control_paths_are_closed_to_the_operator(cloud: ProxmoxCloud, authority: Authority) -> None:
    token = f"PVEAPIToken={cloud.credentials['tokenID']}={cloud.credentials['tokenSecret']}"
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(
            f"{cloud.endpoint}/lab/machines", headers={"Authorization": token}, verify=str(authority.bundle), timeout=30
        )

    assert answer.status_code == 403


def test_two_clusters_live_side_by_side(tmp_path: Path, authority: Authority, cloud: ProxmoxCloud) -> None:
    with ProxmoxCloud(tmp_path, authority, task_seconds=0.01) as other:
        other.clone_by_hand(9001, 999_000)
        assert other.machine(999_000).name == "Copy-of-VM-ubuntu-24.04"

    assert 999_000 not in [machine.vmid for machine in cloud.machines()]
