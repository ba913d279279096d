"""Names and ids of disk images that are Volumes."""

from __future__ import annotations

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Disk
from hybridge.drivers.proxmox import images
from hybridge.drivers.proxmox.guest import root_disk
from hybridge.drivers.proxmox.images import ImageRef
from hybridge.drivers.proxmox.vmids import Vmids

UID = "6f0d3c1e-0b5d-4c1e-8f00-00000000abcd"
CLUSTER = "0b5d3c1e-4f6a-4a7b-9a51-cf0f5a2f5b11"
MARKER = Marker(CLUSTER, UID, "Volume", "shop", "db-data")
FILE = "vm-999999999-db-data-6f0d3c1e_bnotyhspnjfhxgsrz4hvul23ce_n4gtyhqllvgb5dyaaaaaaaflzu"


def test_a_name_tells_whose_the_image_is() -> None:
    assert images.file_name("db-data-6f0d3c1e", MARKER) == FILE

    for volume in (f"ceph:{FILE}", f"nfs:999999999/{FILE}.qcow2", f"nfs:999999999/{FILE}.raw"):
        name, marker = images.read_name(volume)
        assert name == "db-data-6f0d3c1e"
        assert marker is not None
        assert marker.owner == MARKER.owner
        assert (marker.kind, marker.namespace, marker.name) == ("Volume", "", "")


@pytest.mark.parametrize(
    "volume",
    [
        "ceph:vm-100-disk-0",
        "ceph:vm-999999999-disk-0",
        f"ceph:{FILE.replace('999999999', '100')}",
        f"ceph:base-{FILE.removeprefix('vm-')}",
        f"ceph:{FILE}0",
        f"ceph:{FILE}.iso",
        f"ceph:{FILE.replace('_', '-')}",
        f"ceph:{FILE[:-1]}v",  # the same bytes, written otherwise
    ],
)
def test_no_other_name_is_a_marker(volume: str) -> None:
    assert images.read_name(volume)[1] is None


@pytest.mark.parametrize("cluster", ["prod-eu", "a", "x" * 26, "0B5D3C1E-contract", "a" * 25 + "7"])
def test_a_cluster_id_of_peoples_own_is_kept_as_it_is(cluster: str) -> None:
    marker = Marker(cluster, UID, "Volume", "shop", "db")

    found = images.read_name(f"ceph:{images.file_name('db', marker)}")[1]

    assert found is not None
    assert found.owner == marker.owner


def test_a_name_of_the_longest_parts_fits_into_what_lvm_takes() -> None:
    """Also with each dash doubled and the name of the volume group before it."""
    for cluster in (CLUSTER, "-" * 26):
        name = images.file_name("x" * 300, Marker(cluster, UID, "Volume", "shop", "db"))
        assert len(f"pve-{name.replace('-', '--')}") <= 127


def test_an_id_that_would_not_fit_into_a_status_is_refused() -> None:
    name = images.file_name("x" * 300, MARKER)
    images.check_length(ImageRef(f"storage-of-12:999999999/{name}.qcow2", "storage-of-12"))

    with pytest.raises(Refused, match="shorter name"):
        images.check_length(ImageRef(f"a-storage-of-a-very-long-name:999999999/{name}.qcow2", "a-storage"))


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("db", "db"),
        ("db.data_1", "db-data-1"),
        ("Büro / 50 %", "B-ro-50"),
        ("a" * 15 + ".b", "a" * 15),
        ("../../etc", "etc"),
    ],
)
def test_a_name_has_the_alphabet_of_images(name: str, plain: str) -> None:
    assert images.plain_name(name) == plain
    assert images.plain_name(plain) == plain


@pytest.mark.parametrize("cluster", ["prod/eu", "prod_eu", "x" * 27, "prod.eu"])
def test_a_cluster_id_that_does_not_fit_is_refused(cluster: str) -> None:
    with pytest.raises(Refused, match="cluster id"):
        images.file_name("db", Marker(cluster, UID, "Volume", "shop", "db"))


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("ceph:vm-1-disk-0", ImageRef("ceph:vm-1-disk-0", "ceph")),
        ("nfs:1/vm-1-disk-0.raw", ImageRef("nfs:1/vm-1-disk-0.raw", "nfs")),
        ("pve1/local-lvm:vm-1-disk-0", ImageRef("local-lvm:vm-1-disk-0", "local-lvm", "pve1")),
        ("pve1/local:1/vm-1-disk-0.raw", ImageRef("local:1/vm-1-disk-0.raw", "local", "pve1")),
        ("999999", None),
        ("", None),
        ("ceph:", None),
        ("a b:c", None),
        ("../x:y", None),
    ],
)
def test_an_id_tells_storage_and_node(text: str, ref: ImageRef | None) -> None:
    assert ImageRef.read(text) == ref
    assert ref is None or str(ref) == text


def test_a_guest_shows_the_volumes_that_it_has() -> None:
    words = {"scsi0": "ceph:vm-100-disk-0,size=8G", "scsi1": f"ceph:{FILE},size=1G", "virtio3": f"local-lvm:{FILE}"}

    found = images.disks(images.lent(words), "pve2", {"ceph"})

    assert found == (Disk(f"ceph:{FILE}", "scsi1"), Disk(f"pve2/local-lvm:{FILE}", "virtio3"))


def test_a_volume_is_no_root_disk() -> None:
    """Also where the guest has no boot order, and the volume comes first by its bus."""
    words = {"scsi1": f"ceph:{FILE},size=1G", "virtio0": "ceph:vm-100-disk-0,size=8G"}

    disk = root_disk(words)

    assert disk is not None
    assert disk.key == "virtio0"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ({"scsi0": "ceph:vm-100-disk-0"}, "scsi1"),
        ({"scsi0": "ceph:vm-100-disk-0", "scsi1": "x", "scsi3": "y"}, "scsi2"),
        ({"virtio0": "ceph:vm-100-disk-0"}, "virtio1"),
        ({"sata0": "ceph:vm-100-disk-0"}, "scsi0"),
        ({}, "scsi0"),
        ({f"scsi{number}": "ceph:vm-100-disk-0" for number in range(31)}, None),
        ({f"virtio{number}": "ceph:vm-100-disk-0" for number in range(16)}, None),
    ],
)
def test_a_volume_goes_where_it_can_be_plugged(words: dict[str, str], key: str | None) -> None:
    assert images.place(words, root_disk(words)) == key


def test_no_guest_is_given_the_vmid_that_owns_volumes() -> None:
    vmids = Vmids({"from": 999_999_998, "to": 999_999_999})

    assert vmids.take((), ()) == 999_999_998
    with pytest.raises(Refused):
        vmids.take({999_999_998}, ())
