"""Configuration of the lab's guests: what changes at once, and what waits for a start."""

from __future__ import annotations

from typing import Any

import pytest
from proxmoxer.core import ResourceException  # type: ignore[import-untyped]  # as above

from tests.integration.lab.proxmox.calls import GIB, outcome, qemu


def test_numbers_are_read_back_as_numbers(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(cores="4", sockets="1", onboot="1", memory="2048", balloon="0")

    config = qemu(pve, guest).config.get()

    assert {key: config[key] for key in ("cores", "sockets", "onboot", "balloon")} == {
        "cores": 4,
        "sockets": 1,
        "onboot": 1,
        "balloon": 0,
    }
    assert config["memory"] == "2048"


def test_tags_and_nics_are_written_as_pve_does(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(tags="b,a;B", net1="virtio,bridge=vmbr1")

    config = qemu(pve, guest).config.get()

    assert config["tags"] == "a;b"
    assert config["net1"].startswith("virtio=BC:24:11")


def test_a_change_of_size_waits_for_the_next_start(pve: Any, guest: int) -> None:
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(cores=4)

    assert qemu(pve, guest).config.get()["cores"] == 4
    assert qemu(pve, guest).config.get(current=1)["cores"] == 1
    assert {"key": "cores", "value": 1, "pending": 4} in qemu(pve, guest).pending.get()

    qemu(pve, guest).status.stop.post()
    qemu(pve, guest).status.start.post()

    assert qemu(pve, guest).config.get(current=1)["cores"] == 4
    assert not [item for item in qemu(pve, guest).pending.get() if "pending" in item]


def test_a_pending_change_can_be_taken_back(pve: Any, guest: int) -> None:
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(cores=4)

    qemu(pve, guest).config.put(revert="cores")

    assert qemu(pve, guest).config.get()["cores"] == 1


def test_a_pending_deletion_hides_the_value_of_the_next_start(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(balloon=512)
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(delete="balloon")

    assert "balloon" not in qemu(pve, guest).config.get()
    assert qemu(pve, guest).config.get(current=1)["balloon"] == 512
    assert {"key": "balloon", "value": 512, "delete": 1} in qemu(pve, guest).pending.get()


def test_notes_nics_and_disks_change_at_once(pve: Any, guest: int) -> None:
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(description="new", net1="virtio,bridge=vmbr1", scsi1="ceph:4")

    config = qemu(pve, guest).config.get(current=1)

    assert config["description"] == "new\n"
    assert "bridge=vmbr1" in config["net1"]
    assert config["scsi1"] == f"ceph:vm-{guest}-disk-1,size=4G"


def test_without_hotplug_a_disk_waits(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(hotplug="0")
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(scsi1="ceph:4")

    assert "scsi1" not in qemu(pve, guest).config.get(current=1)


def test_a_removed_disk_is_kept_as_unused_until_that_goes(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(scsi1="ceph:4")
    qemu(pve, guest).config.put(delete="scsi1")
    assert qemu(pve, guest).config.get()["unused0"] == f"ceph:vm-{guest}-disk-1"

    qemu(pve, guest).config.put(delete="unused0")

    volumes = {item["volid"] for item in pve.nodes("pve1").storage("ceph").content.get(vmid=guest)}
    assert f"ceph:vm-{guest}-disk-1" not in volumes
    assert f"ceph:base-9000-disk-0/vm-{guest}-disk-0" in volumes


@pytest.mark.parametrize(("size", "bytes_"), [("+2G", 10 * GIB), ("16G", 16 * GIB)])
def test_a_disk_grows(pve: Any, guest: int, size: str, bytes_: int) -> None:
    assert outcome(pve, qemu(pve, guest).resize.put(disk="scsi0", size=size)) == "OK"

    volumes = {item["volid"]: item["size"] for item in pve.nodes("pve1").storage("ceph").content.get(vmid=guest)}
    assert volumes[f"ceph:base-9000-disk-0/vm-{guest}-disk-0"] == bytes_
    assert f"size={bytes_ // GIB}G" in qemu(pve, guest).config.get()["scsi0"]


@pytest.mark.parametrize(
    ("disk", "size", "error"),
    [("scsi0", "4G", "shrinking disks is not supported"), ("scsi7", "+1G", "disk 'scsi7' does not exist")],
)
def test_an_impossible_resize_fails_in_its_task(pve: Any, guest: int, disk: str, size: str, error: str) -> None:
    assert outcome(pve, qemu(pve, guest).resize.put(disk=disk, size=size)) == error


def test_a_stale_digest_stops_a_change(pve: Any, guest: int) -> None:
    qemu(pve, guest).status.start.post()
    seen = qemu(pve, guest).config.get()["digest"]
    qemu(pve, guest).config.put(cores=2, digest=seen)

    with pytest.raises(ResourceException, match="file change by other user"):
        qemu(pve, guest).config.put(cores=4, digest=seen)

    assert qemu(pve, guest).config.get()["cores"] == 2
