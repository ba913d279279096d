"""Which disks are a machine's own, and which are volumes that it has."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.drivers.vsphere import disks, mapping, seen
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.places import Places
from hybridge.drivers.vsphere.sdk import vim

VOLUME = "52669112-91f0-43af-9c0e-e9b59bf6098c"


def disk(key: int, unit: int = 0, controller: int = 1000, volume: str | None = None) -> Any:
    return vim.vm.device.VirtualDisk(
        key=key,
        controllerKey=controller,
        unitNumber=unit,
        capacityInKB=1024,
        vDiskId=vim.vslm.ID(id=volume) if volume else None,
    )


def scsi(key: int = 1000) -> Any:
    return vim.vm.device.ParaVirtualSCSIController(key=key, controllerKey=100)


def test_a_volume_is_none_of_the_machines_own_disks() -> None:
    devices = [scsi(), disk(2001, 1, volume=VOLUME), disk(2000), disk(2002, 2)]

    assert [one.key for one in disks.own(devices)] == [2000, 2002]
    assert disks.attached(devices) == (disks.Attached(VOLUME, 2001, "scsi0:1", 2**20),)


def test_what_a_machine_starts_from_is_its_own_whatever_it_is() -> None:
    devices = [disk(2000, volume=VOLUME)]

    assert [one.key for one in disks.own(devices)] == [2000]
    assert disks.attached(devices) == ()


def test_a_volume_before_the_disk_that_a_machine_starts_from_is_not_taken_for_it() -> None:
    devices = [disk(2000, volume=VOLUME), disk(16000, controller=15000)]
    found = seen.whole("vm-1", {seen.ROOT_DISK: devices[0], "summary.config.numVirtualDisks": 2, seen.DEVICES: devices})

    assert (found.disk_key, found.disk_keys) == (16000, (16000,))
    assert [one.id for one in mapping.machine(found, Places(), {}).disks or ()] == [VOLUME]


@pytest.mark.parametrize(
    ("controller", "unit", "place"),
    [(1000, 3, "scsi0:3"), (1001, 0, "scsi1:0"), (15000, 1, "sata0:1"), (31001, 2, "nvme1:2"), (200, 0, "ide0:0")],
)
def test_places_have_the_names_that_people_know(controller: int, unit: int, place: str) -> None:
    devices = [disk(2000), disk(9000, unit, controller, VOLUME)]

    assert disks.attached(devices)[0].device == place


def test_a_controller_with_a_free_place_is_chosen() -> None:
    full = [disk(2000 + unit, unit) for unit in range(16) if unit != 7]
    sata = vim.vm.device.VirtualAHCIController(key=15000, controllerKey=100)

    assert disks.roomy_controller([sata, scsi(), disk(2000)]) == 1000
    assert disks.roomy_controller([scsi(), *full, scsi(1001)]) == 1001
    assert disks.roomy_controller([scsi(), *full, sata]) == 15000
    assert disks.roomy_controller([scsi(), *full]) is None


def test_volumes_are_not_known_before_the_devices_were_read() -> None:
    unread = seen.whole("vm-1", {seen.ROOT_DISK: disk(2000), "summary.config.numVirtualDisks": 2})
    alone = seen.whole("vm-1", {seen.ROOT_DISK: disk(2000), "summary.config.numVirtualDisks": 1})

    assert mapping.machine(unread, Places(), {}).disks is None
    assert mapping.machine(alone, Places(), {}).disks == ()


@pytest.mark.parametrize(("known_id", "so"), [(VOLUME, True), (VOLUME.upper(), True), ("vm-12", False), ("", False)])
def test_ids_of_volumes_are_told_from_those_of_machines(known_id: str, so: bool) -> None:
    assert disks.is_volume_id(known_id) is so


def marked(picture: Picture, count: int) -> None:
    owner = ('config.extraConfig["hybridge.io/owner"]', vim.option.OptionValue(key="", value="c/u"))
    picture.change("VirtualMachine", "vm-1", [owner, ("summary.config.numVirtualDisks", count)])


def test_the_devices_of_a_machine_are_read_when_a_disk_came_or_went() -> None:
    picture = Picture()
    marked(picture, 2)
    assert picture.take_rewired() == set()

    marked(picture, 3)

    assert picture.take_rewired() == {"vm-1"}
    assert picture.take_rewired() == set()


def test_what_machines_of_others_have_is_unknown_after_that() -> None:
    picture = Picture()
    devices = [disk(2000), disk(2001, 1, volume=VOLUME)]
    picture.change("VirtualMachine", "vm-1", [("summary.config.numVirtualDisks", 2), (seen.DEVICES, devices)])
    assert [one for one, _ in picture.attachments()[VOLUME]] == ["vm-1"]

    picture.change("VirtualMachine", "vm-1", [("summary.config.numVirtualDisks", 3)])

    assert picture.attachments() == {}
    assert picture.take_rewired() == set()
