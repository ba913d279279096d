"""First-class disks of the lab's vCenter: what they keep, who has them, and what becomes of them with their machine."""

from __future__ import annotations

import pytest

from lab.process import LabError
from lab.vsphere import VsphereCloud
from tests.integration.lab.vsphere.client import GIB, Client
from tests.leftovers import leftovers


@pytest.fixture
def machine(cloud: VsphereCloud, client: Client, debian: str, name: str) -> str:
    return client.clone(name, debian).moid


def test_a_disk_keeps_its_metadata(cloud: VsphereCloud, name: str) -> None:
    made = cloud.disks.create(name, 2 * GIB, metadata={"team": "shop", "owner": "me"})

    cloud.disks.set_metadata(made, {"team": "bank", "owner": "", "more": "1"})

    disk = cloud.disks.disk(made)
    assert (disk.name, disk.size, disk.metadata) == (name, 2 * GIB, {"team": "bank", "more": "1"})


def test_a_disk_has_one_machine_at_most(cloud: VsphereCloud, client: Client, machine: str, debian: str) -> None:
    other = client.clone("other-than-the-first", debian).moid
    disk = cloud.disks.create("attached", GIB)
    cloud.disks.attach(machine, disk)

    assert cloud.disks.disk(disk).machine == machine
    assert cloud.machine(machine).disks == (10 * GIB, GIB)
    with pytest.raises(LabError):
        cloud.disks.attach(other, disk)
    with pytest.raises(LabError):
        cloud.disks.destroy(disk)
    cloud.disks.detach(machine, disk)

    assert cloud.disks.disk(disk).machine is None
    assert cloud.machine(machine).disks == (10 * GIB,)
    with pytest.raises(LabError):
        cloud.disks.detach(machine, disk)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_disk_stays_when_its_machine_goes_only_if_it_is_to(cloud: VsphereCloud, machine: str, keeps: bool) -> None:
    disk = cloud.disks.create("outlives", GIB, keeps=keeps)
    cloud.disks.attach(machine, disk)

    cloud.destroy(machine)

    assert [one.machine for one in cloud.disks.all() if one.id == disk] == ([None] if keeps else [])
    assert (disk in leftovers(cloud)) is keeps


def test_disks_do_not_shrink(cloud: VsphereCloud) -> None:
    disk = cloud.disks.create("grows", 2 * GIB)
    cloud.disks.grow(disk, 3 * GIB)

    with pytest.raises(LabError):
        cloud.disks.grow(disk, GIB)

    assert cloud.disks.disk(disk).size == 3 * GIB


def test_a_deleted_disk_is_gone(cloud: VsphereCloud) -> None:
    disk = cloud.disks.create("goes", GIB)
    assert disk in leftovers(cloud)

    cloud.disks.destroy(disk)

    assert disk not in leftovers(cloud)
    with pytest.raises(LabError):
        cloud.disks.disk(disk)


def test_a_snapshot_of_a_disk_makes_another_disk(cloud: VsphereCloud) -> None:
    disk = cloud.disks.create("origin", 2 * GIB, metadata={"team": "shop"})
    taken = cloud.disks.take(disk, "before the upgrade")

    made = cloud.disks.restore(disk, taken, "restored")

    assert [(one.disk, one.id, one.description) for one in cloud.disks.snapshots() if one.disk == disk] == [
        (disk, taken, "before the upgrade")
    ]
    found = cloud.disks.disk(made)
    assert (found.name, found.size, found.metadata) == ("restored", 2 * GIB, {})
    cloud.disks.forget(disk, taken)
    assert [one for one in cloud.disks.snapshots() if one.disk == disk] == []
    with pytest.raises(LabError):
        cloud.disks.restore(disk, taken, "never")
