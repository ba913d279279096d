"""The CD of cloud-init."""

import io
import json

import pytest
from pycdlib import PyCdlib

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.machine import CloudInit, MachineSpec, Nic
from hybridge.drivers.proxmox import seed
from hybridge.drivers.proxmox.seed import Seed

INTENT = Intent(1, "token", "web", "11111111-2222-4333-8444-555555555555", "proxmox:x", 0.0, id="100")
WORDS = {"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0", "net1": "virtio=BC:24:11:00:00:02,bridge=vmbr0"}


def read(image: bytes, name: str) -> str:
    disc, content = PyCdlib(), io.BytesIO()
    disc.open_fp(io.BytesIO(image))
    assert disc.pvd.volume_identifier.decode().strip() == "cidata"
    disc.get_file_from_iso_fp(content, rr_path=f"/{name}")
    disc.close()
    return content.getvalue().decode()


def test_the_documents_are_on_it() -> None:
    spec = MachineSpec(
        "web",
        networks=(Nic("a", "x", addresses=("10.0.0.5/24",)), Nic("b", "x")),
        cloud_init=CloudInit(user_data="#cloud-config\npackages: [nginx]\n"),
    )

    image = seed.image(seed.documents(spec, INTENT.uuid, WORDS))

    assert read(image, "user-data") == "#cloud-config\npackages: [nginx]\n"
    assert json.loads(read(image, "meta-data"))["instance-id"] == INTENT.uuid
    assert json.loads(read(image, "network-config")) == {
        "version": 2,
        "ethernets": {
            "a": {"match": {"macaddress": "bc:24:11:00:00:01"}, "addresses": ["10.0.0.5/24"]},
            "b": {"match": {"macaddress": "bc:24:11:00:00:02"}, "dhcp4": True},
        },
    }


def test_it_is_needed_for_what_the_drive_of_pve_cannot_carry() -> None:
    assert seed.is_needed(MachineSpec("web", cloud_init=CloudInit(user_data="x")))
    assert seed.is_needed(MachineSpec("web", cloud_init=CloudInit(hostname="other")))
    assert not seed.is_needed(MachineSpec("web", cloud_init=CloudInit(hostname="web", ssh_keys=("k",))))
    assert not seed.is_needed(MachineSpec("web"))


def test_the_notes_say_where_it_is() -> None:
    volume = seed.volume("nfs", "100", INTENT.uuid)
    usual, kept = Seed(volume, INTENT.uuid), Seed(volume, "as-it-was")

    assert volume == "nfs:iso/hybridge-100-11111111.iso"
    for one in (usual, kept):
        assert seed.noted(f"mine\n{seed.note(one, INTENT.uuid)}\n", INTENT.uuid) == one
    assert seed.note(usual, INTENT.uuid) == f"hybridge.io/seed: {volume}"
    assert seed.noted("mine", INTENT.uuid) is None
    assert seed.file_name(volume) == "hybridge-100-11111111.iso"


def test_it_takes_the_place_of_the_drive_of_pve() -> None:
    one = Seed("nfs:iso/hybridge-100-11111111.iso", INTENT.uuid)
    words = {"description": "mine\nhybridge.io/seed: old:iso/x.iso\n", "ide2": "ceph:vm-100-cloudinit,media=cdrom"}

    values = {**seed.named(one, INTENT.uuid, words), **seed.attached(one, words)}

    assert values == {
        "ide2": "nfs:iso/hybridge-100-11111111.iso,media=cdrom",
        "description": "mine\nhybridge.io/seed: nfs:iso/hybridge-100-11111111.iso",
    }
    after = {**words, **{key: str(value) for key, value in values.items()}}
    assert (seed.named(one, INTENT.uuid, after), seed.attached(one, after)) == ({}, {})


def test_a_guest_without_room_for_it_is_refused() -> None:
    full = dict.fromkeys(("ide0", "ide2", "sata3", "sata4", "sata5"), "ceph:disk")

    with pytest.raises(Refused):
        seed.attached(Seed("nfs:iso/x.iso", INTENT.uuid), full)
