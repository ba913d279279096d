"""Power, guests and their tools in the lab's vCenter, and tasks that take their time."""

from __future__ import annotations

import pytest

from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim, vmodl
from tests.integration.lab.vsphere.client import Client, Watch, options, query


def test_a_running_guest_reports_addresses_and_a_stopped_one_none(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, on=True)
    vm = client.vm(made.moid)

    guest = vm.guest
    assert guest.toolsRunningStatus == "guestToolsRunning"
    assert guest.hostName == name
    assert guest.ipAddress == vm.summary.guest.ipAddress == made.addresses[0]
    assert made.addresses[1].startswith("fe80:")

    client.run(vm.PowerOffVM_Task())

    assert vm.guest.toolsRunningStatus == vm.summary.guest.toolsRunningStatus == "guestToolsNotRunning"
    assert vm.guest.ipAddress is vm.summary.guest.ipAddress is None
    assert client.cloud.machine(made.moid).addresses == ()
    client.run(vm.PowerOnVM_Task())
    assert client.cloud.machine(made.moid).addresses == made.addresses


def test_what_needs_another_power_state_is_refused(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian)
    vm = client.vm(made.moid)

    for refused in (vm.PowerOffVM_Task, vm.ResetVM_Task):
        with pytest.raises(vim.fault.InvalidPowerState):
            client.run(refused())
    with pytest.raises(vim.fault.InvalidPowerState):
        vm.ShutdownGuest()
    client.run(vm.PowerOnVM_Task())
    for refused in (vm.PowerOnVM_Task, vm.Destroy_Task):
        with pytest.raises(vim.fault.InvalidPowerState):
            client.run(refused())

    assert client.cloud.machine(made.moid).power == "poweredOn"


def test_a_guest_is_shut_down_by_its_tools(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, on=True)
    watch = Watch(client, [query.ObjectSpec(obj=client.vm(made.moid))], vim.VirtualMachine, "runtime.powerState")

    client.vm(made.moid).ShutdownGuest()

    watch.until(lambda: watch.known.get(made.moid, {}).get("runtime.powerState") == "poweredOff")


def test_without_tools_a_guest_cannot_be_shut_down(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    bare = client.clone(f"{name}-bare", debian, on=True, extraConfig=options(**{"lab.noTools": "1"}))
    cloud.tune(boot_delay=3600)
    booting = client.clone(f"{name}-booting", debian, on=True)

    for machine in (bare, booting):
        with pytest.raises(vim.fault.ToolsUnavailable):
            client.vm(machine.moid).ShutdownGuest()
        assert machine.addresses == ()


def test_a_guest_may_ignore_its_shutdown(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, on=True)
    cloud.set_extra_config(made.moid, {"lab.ignoreShutdown": "1"})

    client.vm(made.moid).ShutdownGuest()

    client.run(client.vm(made.moid).PowerOffVM_Task())  # would be refused for a machine that is off


def test_tools_run_when_the_guest_has_booted(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    cloud.tune(boot_delay=0.05)
    made = client.clone(name, debian, on=True)
    watch = Watch(client, [query.ObjectSpec(obj=client.vm(made.moid))], vim.VirtualMachine, "guest.ipAddress")

    watch.until(lambda: watch.known.get(made.moid, {}).get("guest.ipAddress") is not None)


def test_a_machine_can_be_read_while_a_task_on_it_waits(
    cloud: VsphereCloud, client: Client, debian: str, name: str
) -> None:
    made = client.clone(name, debian)
    cloud.tune(task_delay=3600)

    task = client.vm(made.moid).PowerOnVM_Task()

    assert cloud.machine(made.moid).power == "poweredOff"
    assert task.info.state == "running"
    assert task.info.entity._moId == made.moid


def test_a_task_whose_machine_goes_while_it_waits_fails(
    cloud: VsphereCloud, client: Client, debian: str, name: str
) -> None:
    made = client.clone(name, debian)
    cloud.tune(task_delay=2)
    task = client.vm(made.moid).CreateSnapshot_Task("before", "", memory=False, quiesce=False)
    cloud.tune(task_delay=0)

    cloud.destroy(made.moid)

    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        client.run(task)
