"""What a configuration shows beyond sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.machine import Known, Port, Power
from hybridge.drivers.proxmox import mapping, settings
from hybridge.drivers.proxmox.guest import Configuration

WORDS = {
    "name": "web",
    "bios": "ovmf",
    "machine": "pc-q35-9.0+pve1,viommu=virtio",
    "cpu": "host,flags=+aes",
    "agent": "1,fstrim_cloned_disks=1",
    "scsi0": "ceph:vm-100-disk-0,size=8G",
    "efidisk0": "ceph:vm-100-disk-1,size=528K",
    "ide2": "nfs:100/vm-100-cloudinit.qcow2,media=cdrom",
    "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=7,firewall=1",
    "net2": "e1000=BC:24:11:00:00:02,bridge=vnet1,tag=7",
    "sshkeys": "ssh-ed25519%20B%0Assh-ed25519%20A%0A",
}


def test_all_of_a_guest() -> None:
    assert settings.settings(WORDS) == {
        "proxmox.bios": ("ovmf",),
        "proxmox.machine": ("pc-q35-9.0+pve1,viommu=virtio", "pc-q35-9.0+pve1", "q35"),
        "proxmox.cpuType": ("host,flags=+aes", "host"),
        "proxmox.agent": ("true",),
        "proxmox.vlan": ("7",),
        "rootDisk.class": ("ceph",),
        "placement.storage": ("ceph",),
        "cloudInit.sshKeys": ("ssh-ed25519 A,ssh-ed25519 B",),
    }
    seen = mapping.machine("100", "pve1", mapping.details(Configuration(WORDS, WORDS)), Power.RUNNING, pool=("shop",))
    further = {"cloudInit.hostname": ("web",), "placement.node": ("pve1",), "proxmox.pool": ("shop",)}
    assert seen.settings == {**settings.settings(WORDS), **further}
    first, second = Port(("vmbr0",), "bc:24:11:00:00:01", "7"), Port(("vnet1",), "bc:24:11:00:00:02", "7")
    assert settings.ports(WORDS) == (first, second)


def test_what_is_not_said_is_the_default() -> None:
    assert settings.settings({}) == {
        "proxmox.bios": ("seabios",),
        "proxmox.machine": ("pc",),
        "proxmox.cpuType": ("kvm64",),
        "proxmox.agent": ("false",),
    }


@pytest.mark.parametrize(
    ("value", "forms"),
    [
        ("", ("pc",)),
        ("q35", ("q35",)),
        ("pc-i440fx-8.1", ("pc-i440fx-8.1", "pc")),
        ("pc-8.1", ("pc-8.1", "pc")),
        ("type=q35,viommu=intel", ("type=q35,viommu=intel", "q35")),
        ("virt-9.0", ("virt-9.0", "virt")),
    ],
)
def test_machine_types_have_a_family(value: str, forms: Known) -> None:
    assert settings.machine_forms(value) == forms


def test_interfaces_that_differ_show_all_tags() -> None:
    words = {"net0": "virtio,bridge=a,tag=7", "net1": "virtio,bridge=a"}

    assert settings.settings(words)["proxmox.vlan"] == ("7,none",)


def test_disks_on_several_storages_show_all_of_them_but_not_what_belongs_to_others() -> None:
    words = {
        "scsi0": "zfs:base-9000-disk-0/vm-100-disk-0,size=8G",
        "scsi1": "ceph:vm-100-disk-1,size=8G",
        "scsi2": "nfs:777/vm-777-disk-0.qcow2,size=8G",
        "scsi3": "/dev/sdb",
        "sata0": "nfs:iso/debian.iso,media=cdrom",
    }

    shown = settings.settings(words)

    assert (shown["rootDisk.class"], shown["placement.storage"]) == (("zfs",), ("ceph,zfs",))


def test_what_waits_for_the_next_start() -> None:
    upcoming = {**WORDS, "cores": "4", "memory": "2048", "bios": "seabios", "net0": "virtio=x,bridge=vmbr9"}
    del upcoming["net2"]

    assert settings.held_back(WORDS, upcoming) == {
        "cpus": "4",
        "memory": "2Gi",
        "proxmox.bios": "seabios",
        "proxmox.vlan": "",
        "networks[0]": "vmbr9 x",
        "networks[1]": "",
    }


drives = st.sampled_from(
    ["none,media=cdrom", "ceph:vm-1-disk-0,size=8G", "/dev/sdb,size=1T", "cdrom", "nfs:iso/a.iso,media=cdrom", "a:b"]
)
odd = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("ide0", "ide2", "sata3", "scsi0", "virtio1", "efidisk0", "unused0"), drives),
        "boot": st.sampled_from(["cdn", "order=net0", "order=scsi0;net0", "order=sata3", "legacy=c"]),
        "bootdisk": st.sampled_from(["ide0", "scsi9"]),
        "net0": st.sampled_from(["virtio", "e1000=AA:BB:CC:00:00:01", "model=rtl8139,bridge=vmbr0", "virtio,tag=1"]),
        "net7": st.just("vmxnet3=AA:BB:CC:00:00:02,bridge=vnet0,trunks=1;2,link_down=1"),
        "cpu": st.sampled_from(["custom-mine", "cputype=qemu64,hidden=1", "host"]),
        "machine": st.sampled_from(["q35", "type=pc", "pc-q35-2.6.pxe"]),
        "memory": st.sampled_from(["512", "current=4096"]),
        "smbios1": st.sampled_from(["", "base64=1,serial=QQ==", "uuid=NONSENSE"]),
        "description": st.text(max_size=40),
        "name": st.text(max_size=10),
        "tags": st.text(max_size=20),
        "sshkeys": st.text(max_size=20),
        "agent": st.sampled_from(["0", "enabled=1,type=isa", "on"]),
        "template": st.sampled_from(["0", "1"]),
        "lock": st.sampled_from(["backup", "suspended"]),
    },
)


@given(odd, odd)
def test_whatever_people_made_is_shown(current: dict[str, str], upcoming: dict[str, str]) -> None:
    known = mapping.details(Configuration(current, upcoming))

    for power in Power:
        seen = mapping.machine("100", "pve1", known, power)
        assert seen.detailed
        assert seen.settings["placement.node"] == ("pve1",)
        assert seen.ports is not None
