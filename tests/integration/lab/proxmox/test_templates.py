"""Templates of the lab's Proxmox VE: downloads, imports, and what linked clones keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from proxmoxer.core import ResourceException  # type: ignore[import-untyped]  # proxmoxer has neither annotations nor stubs

from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import outcome, qemu

URL, SUM = "https://cloud.example/lab.qcow2", "ab" * 32
FILE = "nfs:import/lab.qcow2"


@pytest.fixture
def nfs(pve: Any, cloud: ProxmoxCloud) -> Iterator[Any]:
    cloud.publish(URL, 3 * 2**30, sha256=SUM)
    yield pve.nodes("pve1").storage("nfs")
    if FILE in cloud.files():
        cloud.free(FILE)


def download(pve: Any, nfs: Any, url: str = URL, checksum: str = SUM) -> str:
    words = {"checksum": checksum, "checksum-algorithm": "sha256"}
    return outcome(pve, nfs("download-url").post(content="import", filename="lab.qcow2", url=url, **words))


def test_a_file_is_downloaded_and_checked(pve: Any, nfs: Any, cloud: ProxmoxCloud) -> None:
    assert download(pve, nfs) == "OK"
    assert [row["volid"] for row in nfs.content.get(content="import")] == [FILE] == cloud.files()
    assert download(pve, nfs) == "OK"


def test_a_file_of_another_checksum_is_not_kept(pve: Any, nfs: Any, cloud: ProxmoxCloud) -> None:
    assert "checksum mismatch: got" in download(pve, nfs, checksum="cd" * 32)
    assert "download failed" in download(pve, nfs, url="https://cloud.example/none.qcow2")
    assert cloud.files() == []


def test_a_disk_is_imported_from_a_file(pve: Any, nfs: Any, guest: int, cloud: ProxmoxCloud) -> None:
    download(pve, nfs)

    assert outcome(pve, qemu(pve, guest).config.post(scsi5=f"ceph:0,import-from={FILE},discard=on")) == "OK"

    disk = str(qemu(pve, guest).config.get()["scsi5"])
    assert disk.startswith(f"ceph:vm-{guest}-disk-")
    assert disk.endswith("discard=on,size=3G")
    with pytest.raises(ResourceException, match="import-from"):
        qemu(pve, guest).config.put(scsi6=f"ceph:8,import-from={FILE}")
    assert "does not exist" in outcome(pve, qemu(pve, guest).config.post(scsi6="ceph:0,import-from=nfs:import/no.raw"))


def test_a_linked_clone_names_its_base_and_keeps_it(pve: Any, cloud: ProxmoxCloud) -> None:
    cloud.clone_by_hand(9000, 7100, full=0)
    disk = str(cloud.machine(7100).config["scsi0"])
    assert disk.startswith("ceph:base-9000-disk-0/vm-7100-disk-0,")

    assert "still in use" in outcome(pve, qemu(pve, 9000).delete())
    cloud.destroy(7100)
    assert [one.volid for one in cloud.volumes() if one.vmid == 7100] == []
    assert cloud.machine(9000).template
