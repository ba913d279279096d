"""The bulk list."""

from hybridge.drivers.base import StorageCapacity
from hybridge.drivers.proxmox.answers import Resource
from hybridge.drivers.proxmox.picture import Picture

GIB = 2**30
ROWS = [
    Resource("node", node="pve1", status="online", maxcpu=8, maxmem=32 * GIB),
    Resource("node", node="pve2", status="offline", maxcpu=8, maxmem=32 * GIB),
    Resource("qemu", vmid=100, node="pve1", status="running", maxmem=4 * GIB),
    Resource("qemu", vmid=101, node="pve1", status="stopped", maxmem=8 * GIB),
    Resource("lxc", vmid=102, node="pve1", status="running"),
    Resource(
        "storage", storage="nfs", node="pve1", status="available", shared=1, content="images,iso", maxdisk=9, disk=3
    ),
    Resource(
        "storage", storage="nfs", node="pve2", status="available", shared=1, content="images,iso", maxdisk=9, disk=3
    ),
    Resource("storage", storage="local", node="pve1", status="available", content="iso", maxdisk=5, disk=1),
    Resource("storage", storage="local", node="pve2", status="unknown", content="iso"),
    Resource("sdn", id="sdn/pve1/localnetwork"),
]


def test_containers_use_ids_too() -> None:
    picture = Picture.of(ROWS, 0.0)

    assert picture.used == {100, 101, 102}
    assert set(picture.guests) == {"100", "101"}


def test_nodes_know_what_runs_on_them() -> None:
    picture = Picture.of(ROWS, 0.0)

    assert picture.nodes["pve1"].committed == 4 * GIB
    assert not picture.online("pve2")
    assert picture.online("never heard of")


def test_storages_know_where_they_can_be_used() -> None:
    storages = Picture.of(ROWS, 0.0).storages

    assert storages["nfs"].shared
    assert storages["nfs"].content == {"images", "iso"}
    assert storages["local"].nodes == {"pve1"}


def test_capacity_counts_what_is_up_and_shared_storage_once() -> None:
    capacity = Picture.of(ROWS, 0.0).capacity

    assert (capacity.cpus, capacity.memory) == (8, 32 * GIB)
    assert capacity.storage == (StorageCapacity("nfs", 9, 3), StorageCapacity("pve1/local", 5, 1))
