"""Reconfigurations of the lab's machines, running and not."""

from __future__ import annotations

import pytest

from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim
from tests.integration.lab.vsphere.client import FIRST_CARD, GIB, Client, card, disk, mac_addresses, options


def test_hardware_of_a_running_machine_stays(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, on=True)

    for change in ({"numCPUs": 4}, {"memoryMB": 4096}, {"cpuHotAddEnabled": True}):
        with pytest.raises(vim.fault.InvalidPowerState) as error:
            client.reconfigure(made, **change)
        assert (error.value.existingState, error.value.requestedState) == ("poweredOn", "poweredOff")

    assert client.cloud.machine(made.moid).cpus == made.cpus


def test_the_more_precise_hot_plug_faults_can_be_chosen(
    cloud: VsphereCloud, client: Client, debian: str, name: str
) -> None:
    cloud.tune(hot_plug_not_supported=True)
    made = client.clone(name, debian, on=True)

    with pytest.raises(vim.fault.CpuHotPlugNotSupported):
        client.reconfigure(made, numCPUs=4)
    with pytest.raises(vim.fault.MemoryHotPlugNotSupported):
        client.reconfigure(made, memoryMB=4096)


def test_with_hot_add_hardware_of_a_running_machine_only_grows(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, on=True, numCPUs=2, cpuHotAddEnabled=True, memoryHotAddEnabled=True)

    grown = client.reconfigure(made, numCPUs=4, memoryMB=4096)

    assert (grown.cpus, grown.memory) == (4, 4096)
    for change in ({"numCPUs": 2}, {"memoryMB": 2048}):
        with pytest.raises(vim.fault.InvalidPowerState):
            client.reconfigure(made, **change)


def test_a_disk_grows_under_a_running_machine_and_never_shrinks(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, on=True)

    grown = client.reconfigure(made, deviceChange=[disk(12 * GIB // 1024)])

    assert grown.disks == (12 * GIB,)
    with pytest.raises(vim.fault.InvalidDeviceOperation):
        client.reconfigure(made, deviceChange=[disk(11 * GIB // 1024)])
    assert client.cloud.machine(made.moid).disks == (12 * GIB,)


def test_an_edited_card_keeps_its_mac_address(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian)
    before = mac_addresses(client, made)

    moved = client.reconfigure(made, deviceChange=[card("edit", FIRST_CARD, client.networks["backend"])])

    assert moved.networks == ("backend",)
    assert mac_addresses(client, made) == before


def test_a_stale_change_version_is_concurrent_access(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian)
    version = client.vm(made.moid).config.changeVersion
    client.reconfigure(made, annotation="first", changeVersion=version)

    with pytest.raises(vim.fault.ConcurrentAccess):
        client.reconfigure(made, annotation="second", changeVersion=version)

    assert client.cloud.machine(made.moid).annotation == "first"


def test_an_empty_option_is_removed(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, extraConfig=options(owner="cluster/uid"))

    assert "owner" not in client.reconfigure(made, extraConfig=options(owner="")).extra_config


def test_a_renamed_machine_has_one_name_and_no_other_machines(client: Client, debian: str, name: str) -> None:
    made, other = client.clone(f"{name}-1", debian), client.clone(f"{name}-2", debian)

    client.run(client.vm(made.moid).Rename_Task(name))

    vm = client.vm(made.moid)
    assert vm.name == vm.config.name == vm.summary.config.name == name
    with pytest.raises(vim.fault.DuplicateName):
        client.run(client.vm(other.moid).Rename_Task(name))
