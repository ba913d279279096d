"""What is left to do of a template that is being made, as its guest's configuration says."""

from __future__ import annotations

import pytest

from hybridge.core.errors import Refused
from hybridge.core.image import Download
from hybridge.drivers.proxmox.guest import bases, made_at
from hybridge.drivers.proxmox.making import Making, forgotten, format_of, missing, noted, personal

FILE = "nfs:import/hybridge-1000-abababab.qcow2"
DISK = {"scsi0": "ceph:vm-1000-disk-0,size=3G"}


@pytest.mark.parametrize("making", [Making(FILE), Making(), Making(dropped=("scsi1", "scsi2"))])
def test_the_notes_say_what_is_being_made(making: Making) -> None:
    notes = f"hybridge.io/owner: a/b\n{making.note}\nfor the shop\n"

    assert noted(notes) == making
    assert forgotten(notes) == "hybridge.io/owner: a/b\nfor the shop"
    assert noted(forgotten(notes)) is None


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ({}, ("disk", "template", "rest")),
        (DISK, ("template", "rest")),
        ({**DISK, "template": "1"}, ("rest",)),
    ],
)
def test_what_is_left_to_do_shows_in_the_configuration(words: dict[str, str], left: tuple[str, ...]) -> None:
    assert missing({**words, "description": Making(FILE).note}) == left
    assert missing(words) == ()


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://x/debian-13.qcow2", "qcow2"),
        ("https://x/noble-server.img?mirror=1", "qcow2"),
        ("http://x/a.RAW", "raw"),
        ("http://x/a.vmdk", "vmdk"),
    ],
)
def test_the_format_is_the_ending_of_the_url(url: str, form: str) -> None:
    assert format_of(Download(url, "sha256:0")) == form


@pytest.mark.parametrize("url", ["https://x/a.tar.xz", "https://x/a.ova", "https://x/", "https://x/qcow2"])
def test_what_cannot_be_imported_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="url"):
        format_of(Download(url, "sha256:0"))


def test_what_was_a_machines_alone_goes() -> None:
    words = {
        **DISK,
        "scsi1": "ceph:vm-1000-disk-1,size=1G",
        "ide2": "nfs:iso/hybridge-101-1a2b3c4d.iso,media=cdrom",
        "ide0": "ceph:vm-1000-cloudinit,media=cdrom",
        "sshkeys": "x",
        "ciuser": "me",
        "ipconfig0": "ip=dhcp",
        "cores": "2",
        "net0": "virtio,bridge=vmbr0",
    }

    assert sorted(personal(words, Making(dropped=("scsi1", "scsi9")))) == [
        "ciuser", "ide2", "ipconfig0", "scsi1", "sshkeys"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("volume", "templates"),
    [
        ("ceph:base-9000-disk-0/vm-101-disk-0", ("9000",)),
        ("local:9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2", ("9000",)),
        ("ceph:vm-101-disk-0", ()),
        ("ceph:base-9000-disk-0", ()),
    ],
)
def test_a_linked_clone_names_its_template(volume: str, templates: tuple[str, ...]) -> None:
    assert bases({"scsi0": f"{volume},size=8G"}) == templates


@pytest.mark.parametrize(
    ("meta", "when"),
    [
        ("creation-qemu=9.0.2,ctime=1767225600", 1767225600.0),
        ("creation-qemu=9.0.2", None),
        ("ctime=x", None),
        ("", None),
    ],
)
def test_when_a_guest_was_made(meta: str, when: float | None) -> None:
    assert made_at({"meta": meta}) == when
