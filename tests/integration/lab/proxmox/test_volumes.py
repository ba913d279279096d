"""Disk images in the lab's Proxmox VE: who owns one decides what goes with a guest, as in PVE::QemuServer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from proxmoxer.core import ResourceException  # type: ignore[import-untyped]  # proxmoxer has neither annotations nor stubs

from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import outcome, qemu

NOBODY = 999_999_999


@pytest.fixture
def lent(cloud: ProxmoxCloud) -> Iterator[str]:
    """An image of a VMID that no guest has."""
    volume = cloud.allocate("ceph", f"vm-{NOBODY}-lent", NOBODY, 1024)
    yield volume
    if volume in volumes(cloud):
        cloud.free(volume)


def volumes(cloud: ProxmoxCloud) -> dict[str, int]:
    return {volume.volid: volume.size for volume in cloud.volumes()}


def test_a_guest_is_given_another_ones_image(pve: Any, guest: int, cloud: ProxmoxCloud, lent: str) -> None:
    qemu(pve, guest).config.put(scsi7=lent)

    assert qemu(pve, guest).config.get()["scsi7"] == f"{lent},size=1G"
    assert outcome(pve, qemu(pve, guest).resize.put(disk="scsi7", size="2G")) == "OK"
    assert volumes(cloud)[lent] == 2 * 2**30


def test_it_is_neither_unused_nor_freed_when_it_is_taken_off(
    pve: Any, guest: int, cloud: ProxmoxCloud, lent: str
) -> None:
    qemu(pve, guest).config.put(scsi7=lent)

    qemu(pve, guest).config.put(delete="scsi7", force=1)

    config = qemu(pve, guest).config.get()
    assert not any(lent in str(word) for word in config.values())
    assert lent in volumes(cloud)


def test_a_guest_that_is_destroyed_takes_its_own_alone(pve: Any, guest: int, cloud: ProxmoxCloud, lent: str) -> None:
    qemu(pve, guest).config.put(scsi7=lent, scsi8="ceph:1")
    own = str(qemu(pve, guest).config.get()["scsi8"]).partition(",")[0]
    assert own in volumes(cloud)

    assert outcome(pve, qemu(pve, guest).delete(purge=1, **{"destroy-unreferenced-disks": 1})) == "OK"

    assert lent in volumes(cloud)
    assert own not in volumes(cloud)


def test_an_image_that_does_not_exist_is_given_to_nobody(pve: Any, guest: int) -> None:
    with pytest.raises(ResourceException, match="does not exist"):
        qemu(pve, guest).config.put(scsi7=f"ceph:vm-{NOBODY}-none")


def test_another_ones_image_takes_rights(
    connect: Callable[..., Any], pve: Any, guest: int, cloud: ProxmoxCloud, lent: str
) -> None:
    with pytest.raises(ResourceException, match="403"):
        qemu(connect(cloud.readonly_credentials), guest).config.put(scsi7=lent)

    assert "scsi7" not in qemu(pve, guest).config.get()


def test_a_storage_of_one_node_shows_there_what_it_holds(pve: Any, guest: int, cloud: ProxmoxCloud) -> None:
    volume = cloud.allocate("local-lvm", f"vm-{NOBODY}-there", NOBODY, 1024, node="pve2")

    listed = {
        node: [item["volid"] for item in pve.nodes(node).storage("local-lvm").content.get(content="images")]
        for node in ("pve1", "pve2")
    }

    assert (volume in listed["pve1"], volume in listed["pve2"]) == (False, True)
    with pytest.raises(ResourceException, match="does not exist"):
        qemu(pve, guest).config.put(scsi7=volume)
    cloud.free(volume, node="pve2")


def test_an_image_of_a_name_is_made_once(cloud: ProxmoxCloud, pve: Any, lent: str) -> None:
    with pytest.raises(ResourceException, match="File exists"):
        pve.nodes("pve2").storage("ceph").content.post(filename=lent.partition(":")[2], vmid=NOBODY, size="1G")
