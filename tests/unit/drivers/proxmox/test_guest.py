"""The words of a guest's configuration."""

import pytest

from hybridge.drivers.proxmox import guest
from hybridge.drivers.proxmox.answers import PendingItem
from hybridge.drivers.proxmox.guest import Configuration, Words

GIB = 2**30


def test_a_reading_tells_what_is_and_what_will_be() -> None:
    read = Configuration.read(
        [
            PendingItem("digest", "abc"),
            PendingItem("cores", 2, 4),
            PendingItem("net1", "virtio,bridge=vmbr1", None, 1),
            PendingItem("tags", None, "a"),
        ]
    )

    assert read.digest == "abc"
    assert read.current == {"cores": "2", "net1": "virtio,bridge=vmbr1"}
    assert read.upcoming == {"cores": "4", "tags": "a"}


def test_a_running_guest_keeps_what_is_in_effect() -> None:
    before = Configuration({"cores": "1", "tags": "a"}, {"cores": "1", "tags": "a"})

    after = before.changed({"cores": 2, "tags": "b", "digest": "x"}, running=True)

    assert after.current == {"cores": "1", "tags": "b"}
    assert after.upcoming == {"cores": "2", "tags": "b"}


def test_a_stopped_guest_changes_at_once() -> None:
    before = Configuration({"cores": "1", "vcpus": "1"}, {"cores": "1", "vcpus": "1"})

    assert before.changed({"cores": 2, "delete": "vcpus"}, running=False).current == {"cores": "2"}


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (
            {"boot": "order=ide2;virtio1;scsi0", "virtio1": "a:x,size=1G", "scsi0": "a:y", "ide2": "none,media=cdrom"},
            "virtio1",
        ),
        ({"bootdisk": "sata0", "sata0": "a:x", "scsi0": "a:y"}, "sata0"),
        ({"ide0": "a:x", "virtio0": "a:y", "scsi10": "a:z", "scsi2": "a:z"}, "scsi2"),
        ({"ide2": "a:vm-1-cloudinit,media=cdrom", "efidisk0": "a:e"}, None),
    ],
)
def test_the_root_disk_is_what_the_guest_boots_from(words: Words, key: str | None) -> None:
    disk = guest.root_disk(words)

    assert (disk.key if disk else None) == key


@pytest.mark.parametrize(
    ("text", "size"), [("8G", 8 * GIB), ("1.5T", 1536 * GIB), ("512M", GIB // 2), ("42", 42), ("", None)]
)
def test_sizes(text: str, size: int | None) -> None:
    assert guest.parse_size(text) == size


@pytest.mark.parametrize(
    ("words", "count"),
    [({}, 1), ({"cores": "4"}, 4), ({"cores": "4", "sockets": "2"}, 8), ({"cores": "4", "vcpus": "3"}, 3)],
)
def test_cpus(words: Words, count: int) -> None:
    assert guest.cpus(words) == count


@pytest.mark.parametrize("value", ["2048", "current=2048"])
def test_memory_is_in_mebibytes(value: str) -> None:
    assert guest.memory({"memory": value}) == 2 * GIB


@pytest.mark.parametrize(
    ("value", "mac"),
    [
        ("virtio=BC:24:11:00:00:01,bridge=vmbr0", "BC:24:11:00:00:01"),
        ("model=e1000,macaddr=BC:24:11:00:00:02,bridge=vmbr0", "BC:24:11:00:00:02"),
        ("virtio,bridge=vmbr0", None),
    ],
)
def test_macs(value: str, mac: str | None) -> None:
    assert guest.net(value).mac == mac


def test_the_uuid_is_replaced_among_other_fields() -> None:
    words = {"smbios1": "base64=1,serial=QQ==,uuid=AAAAAAAA-0000-4000-8000-000000000001"}

    assert guest.smbios_uuid(words) == "aaaaaaaa-0000-4000-8000-000000000001"
    assert guest.with_smbios_uuid(words, "u") == "base64=1,serial=QQ==,uuid=u"
    assert guest.with_smbios_uuid({}, "u") == "uuid=u"


@pytest.mark.parametrize(
    ("value", "enabled"), [("1", True), ("enabled=1,fstrim_cloned_disks=1", True), ("0", False), ("enabled=0", False)]
)
def test_the_agent(value: str, *, enabled: bool) -> None:
    assert guest.agent_enabled({"agent": value}) is enabled


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"scsi0": "a:x"}, "ide2"),
        ({"ide0": "ceph:vm-1-cloudinit,media=cdrom"}, "ide0"),
        ({"ide0": "nfs:1/vm-1-cloudinit.qcow2,media=cdrom", "ide2": "none,media=cdrom"}, "ide0"),
        ({"ide2": "nfs:iso/debian.iso,media=cdrom"}, "ide0"),
        (dict.fromkeys(("ide0", "ide2", "sata3", "sata4", "sata5"), "a:x"), None),
    ],
)
def test_the_place_of_a_seed(words: Words, place: str | None) -> None:
    assert guest.place_for_cd(words) == place
