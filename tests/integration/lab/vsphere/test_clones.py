"""Clones of the lab's vCenter, from the specification to the names they take."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim, vmodl
from tests.integration.lab.vsphere.client import (
    FIRST_CARD,
    GIB,
    ROOT_DISK,
    SECOND_DISK,
    Client,
    card,
    disk,
    mac_addresses,
    options,
    second_disk,
)


def test_a_clone_honours_the_whole_specification(client: Client, debian: str, name: str) -> None:
    wanted = str(uuid.uuid4())

    made = client.clone(
        name,
        debian,
        on=True,
        numCPUs=4,
        memoryMB=2048,
        instanceUuid=wanted,
        annotation="ours",
        extraConfig=options(owner="cluster/uid"),
        deviceChange=[
            disk(20 * GIB // 1024),
            card("edit", FIRST_CARD, client.networks["frontend"]),
            card("add", -1, client.networks["backend"]),
        ],
    )

    assert (made.cpus, made.memory, made.instance_uuid, made.annotation) == (4, 2048, wanted, "ours")
    assert made.extra_config["owner"] == "cluster/uid"
    assert made.disks == (20 * GIB,)
    assert made.networks == ("frontend", "backend")
    assert (made.power, made.folder, made.template) == ("poweredOn", "hybridge", False)


def test_storage_policies_follow_the_clone_the_change_and_the_person(
    cloud: VsphereCloud, client: Client, debian: str, name: str
) -> None:
    made = client.clone(name, debian)
    assert cloud.storage_policies.of(made.moid) == {}

    cloud.storage_policies.set(made.moid, home="gold", root_disk="silver")
    root = next(key for key in cloud.storage_policies.of(made.moid) if key != "home")
    assert cloud.storage_policies.of(made.moid) == {"home": "gold", root: "silver"}

    cloud.storage_policies.set(made.moid, root_disk="gold")
    assert cloud.storage_policies.of(made.moid) == {"home": "gold", root: "gold"}


def test_each_disk_has_a_storage_policy_of_its_own_for_as_long_as_it_is_there(
    cloud: VsphereCloud, client: Client, debian: str, name: str
) -> None:
    made = client.clone(name, debian)
    root, second = str(ROOT_DISK), str(SECOND_DISK)
    client.reconfigure(made, deviceChange=[second_disk("add")])

    cloud.storage_policies.set(made.moid, root_disk="gold", second_disk="silver")
    assert cloud.storage_policies.of(made.moid) == {root: "gold", second: "silver"}
    assert client.vm(made.moid).summary.config.numVirtualDisks == 2

    client.reconfigure(made, deviceChange=[second_disk("remove")])
    assert client.vm(made.moid).summary.config.numVirtualDisks == 1
    client.reconfigure(made, deviceChange=[second_disk("add")])
    assert cloud.storage_policies.of(made.moid) == {root: "gold"}


def test_clones_share_no_uuid_and_no_mac_address(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    template = cloud.machine(debian)

    every = [template, client.clone(f"{name}-1", debian), client.clone(f"{name}-2", debian)]

    assert len({machine.instance_uuid for machine in every}) == 3
    assert len({machine.bios_uuid for machine in every}) == 3
    assert len({mac for machine in every for mac in mac_addresses(client, machine)}) == 3


def test_an_instance_uuid_that_is_taken_is_replaced(client: Client, debian: str, name: str) -> None:
    first = client.clone(f"{name}-1", debian)

    second = client.clone(f"{name}-2", debian, instanceUuid=first.instance_uuid)

    assert second.instance_uuid != first.instance_uuid


def test_a_machine_made_again_under_its_name_is_another(
    cloud: VsphereCloud, client: Client, debian: str, name: str
) -> None:
    first = client.clone(name, debian)
    cloud.destroy(first.moid)

    second = client.clone(name, debian)

    assert second.instance_uuid != first.instance_uuid
    assert second.moid != first.moid


def test_a_clone_made_by_hand_carries_the_marker_of_its_source(
    cloud: VsphereCloud, client: Client, debian: str, name: str
) -> None:
    source = client.clone(name, debian, annotation="ours", extraConfig=options(owner="cluster/uid"))

    copy = cloud.machine(cloud.clone_by_hand(source.moid, f"{name}-copy"))

    assert copy.extra_config["owner"] == "cluster/uid"
    assert copy.annotation == "ours"
    assert copy.instance_uuid != source.instance_uuid


def test_a_name_that_is_taken_in_the_folder_is_a_duplicate(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian)

    with pytest.raises(vim.fault.DuplicateName) as error:
        client.clone(name, debian)

    assert error.value.name == name
    assert error.value.object._moId == made.moid
    assert error.value.msg == f"The name '{name}' already exists."


def test_many_clones_of_one_name_make_one_machine(cloud: VsphereCloud, debian: str, name: str) -> None:
    def clone(_: int) -> bool:
        try:
            Client(cloud).clone(name, debian)
        except vim.fault.DuplicateName:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(clone, range(4)))

    assert outcomes.count(True) == 1
    assert [machine.name for machine in cloud.machines()].count(name) == 1


def test_a_template_is_cloned_only_into_a_resource_pool(client: Client, debian: str, name: str) -> None:
    with pytest.raises(vmodl.fault.InvalidArgument) as error:
        client.clone(name, debian, pool=False)

    assert error.value.invalidProperty == "spec.location.pool"


def card_on_no_network() -> Any:
    backing = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName="nowhere")
    return vim.vm.device.VirtualDeviceSpec(
        operation="edit", device=vim.vm.device.VirtualVmxnet3(key=FIRST_CARD, backing=backing)
    )


def unknown_disk() -> Any:
    return vim.vm.device.VirtualDeviceSpec(
        operation="edit", device=vim.vm.device.VirtualDisk(key=77, capacityInKB=GIB // 1024)
    )


@pytest.mark.parametrize(
    "refused",
    [
        (disk(GIB // 1024), vim.fault.InvalidDeviceOperation),
        (card_on_no_network(), vim.fault.InvalidDeviceBacking),
        (unknown_disk(), vim.fault.InvalidDeviceSpec),
    ],
    ids=["a smaller disk", "an unknown network", "an unknown device"],
)
def test_a_clone_that_is_refused_leaves_no_machine(client: Client, debian: str, name: str, refused: Any) -> None:
    change, fault = refused

    with pytest.raises(fault):
        client.clone(name, debian, deviceChange=[change])

    assert name not in {machine.name for machine in client.cloud.machines()}
