"""Hardware of machines on vSphere: versions, cores, and what one call can change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Nic, Power
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim
from tests.contract.bed import GIB
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye
from tests.integration.drivers.vsphere.fields import fields

VERSION = "vsphere.hardwareVersion"


def test_a_machine_of_newer_hardware_than_its_template_is_upgraded_before_its_first_start(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"hardwareVersion": "vmx-19"})

    machine = eye.make(spec, marker)

    assert machine.settings[VERSION][0] == "vmx-19"
    assert machine.power is Power.RUNNING
    assert fields(driver, spec, machine) == []


def test_hardware_is_upgraded_where_the_machine_is_off(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(power=Power.STOPPED)
    machine = eye.make(spec, marker)
    wanted = replace(spec, options={"hardwareVersion": "vmx-19"})
    assert fields(driver, wanted, machine) == [VERSION]

    for _ in range(2):
        machine = eye.configure(machine, wanted, {VERSION}, marker)
        assert machine.settings[VERSION][0] == "vmx-19"

    running = eye.start(machine, wanted)
    with pytest.raises(Refused) as caught:
        driver.machines.configure(
            running, replace(spec, options={"hardwareVersion": "vmx-20"}), {VERSION}, None, marker
        )
    assert caught.value.reason is Reason.RESTART_REQUIRED


def test_hardware_is_never_taken_back_and_newer_will_do(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(power=Power.STOPPED, options={"hardwareVersion": "vmx-19"}), marker)
    older = bed.spec(name=machine.name, power=Power.STOPPED, options={"hardwareVersion": "vmx-15"})
    bed.proxy.reset_counts()

    machine = eye.configure(machine, older, {VERSION}, marker)

    assert fields(driver, older, machine) == []
    assert machine.settings[VERSION][0] == "vmx-19"
    assert bed.proxy.mutating() == 0


def test_an_upgrade_that_a_person_planned_is_pending_and_arrives_with_the_next_start(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(), marker)
    planned = vim.vm.ScheduledHardwareUpgradeInfo(upgradePolicy="always", versionKey="vmx-19")
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(scheduledHardwareUpgradeInfo=planned))

    machine = eye.see(machine.id, lambda seen: bool(seen.pending))
    assert machine.pending == {VERSION: "vmx-19"}
    wanted = bed.spec(name=machine.name, options={"hardwareVersion": "vmx-19"})
    (change,) = differences(wanted, machine, driver.machines.traits, named=True)
    assert change.disruptive

    machine = eye.start(eye.stop(machine, wanted), wanted)
    assert (machine.pending, fields(driver, wanted, machine)) == ({}, [])


def test_sockets_have_all_the_same_cores(bed: VsphereBed, vcenter: VsphereCloud, eye: Eye, marker: Marker) -> None:
    """A vCenter refuses CPUs that do not fill their sockets."""
    spec = bed.spec(power=Power.STOPPED, cpus=4)
    machine = eye.make(spec, marker)
    vcenter.set_hardware(machine.id, "numCoresPerSocket", 4)
    machine = eye.see(machine.id)

    machine = eye.configure(machine, replace(spec, cpus=6), {"cpus"}, marker)

    assert machine.cpus == 6
    assert vcenter.cores_per_socket(machine.id) == 2


def test_all_that_one_call_can_do_is_done_by_one(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    spec = bed.spec(power=Power.STOPPED, networks=(Nic("a", "VM Network"),))
    machine = eye.make(spec, marker)
    wanted = driver.machines.normalize(
        replace(
            spec,
            name=f"{spec.name}-new",
            cpus=4,
            memory=8 * GIB,
            root_disk=20 * GIB,
            networks=(Nic("a", "frontend"), Nic("b", "backend"), Nic("c", "backend")),
            root_disk_class="gold",
            options={
                "guestID": "otherLinux64Guest",
                "cpuHotAdd": True,
                "memoryHotAdd": True,
                "storagePolicy": "silver",
            },
        )
    )
    changed = set(fields(driver, wanted, machine))
    bed.proxy.reset_counts()

    machine = eye.configure(
        machine, wanted, {field if not field.startswith("networks") else "networks" for field in changed}, marker
    )

    assert len(changed) == 12
    assert fields(driver, wanted, machine) == []
    assert bed.proxy.mutating() == 1
