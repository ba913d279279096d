"""The vSphere driver against the lab's vCenter: what is peculiar to this cloud. What all share is in tests/contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, MachineSpec, Nic, Power
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.pki import Authority
from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim
from tests.contract.bed import GIB, MIB
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye

POLICY, CLASS, ROOT = "vsphere.storagePolicy", "rootDisk.class", "2000"
VERSION, MAC = "vsphere.hardwareVersion", "00:50:56:0A:0B:0C"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereBed]:
    folder: Path = tmp_path_factory.mktemp("vsphere")
    bed = VsphereBed(folder, Authority(folder / "pki"))
    yield bed
    bed.stop()


@pytest.fixture
def bed(shared: VsphereBed) -> Iterator[VsphereBed]:
    yield shared
    shared.tidy()


@pytest.fixture
def driver(bed: VsphereBed) -> Iterator[Driver]:
    with bed.connected() as driver:
        yield driver


@pytest.fixture
def eye(bed: VsphereBed, driver: Driver) -> Eye:
    return Eye(bed, driver)


@pytest.fixture
def marker(bed: VsphereBed) -> Marker:
    return bed.marker()


@pytest.fixture
def vcenter(bed: VsphereBed) -> VsphereCloud:
    assert isinstance(bed.cloud, VsphereCloud)
    return bed.cloud


def fields(driver: Driver, spec: MachineSpec, machine: Machine) -> list[str]:
    return [change.field for change in differences(spec, machine, driver.machines.traits, named=True)]


# ----------------------------------------------------------------- hardware


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


# ---------------------------------------------------------- storage policies


def test_a_policy_is_of_all_that_a_machine_stores_and_the_root_disk_may_have_its_own(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"}, root_disk=20 * GIB)
    machine = eye.make(spec, marker)
    assert vcenter.storage_policies.of(machine.id) == {"home": "silver", ROOT: "silver"}
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(deviceChange=[second_disk()]))

    wanted = replace(spec, root_disk=21 * GIB, options={"storagePolicy": "gold"}, root_disk_class="silver")
    bed.proxy.reset_counts()
    machine = eye.configure(machine, wanted, {"rootDisk", POLICY, CLASS}, marker)

    assert bed.proxy.mutating() == 1
    assert vcenter.storage_policies.of(machine.id) == {"home": "gold", ROOT: "silver", str(int(ROOT) + 1): "gold"}
    assert (machine.root_disk, fields(driver, wanted, machine)) == (21 * GIB, [])


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"home": "gold"}, "gold, silver"),
        ({"root_disk": "gold"}, "silver, gold"),
        ({"second_disk": "gold"}, "silver, gold"),
        ({"home": "gold", "root_disk": "gold", "second_disk": "gold"}, "gold"),
    ],
    ids=lambda words: " and ".join(words) if isinstance(words, dict) else "",
)
def test_what_is_stored_under_another_policy_is_brought_back_by_one_call(
    bed: VsphereBed,
    vcenter: VsphereCloud,
    driver: Driver,
    eye: Eye,
    marker: Marker,
    changed: dict[str, str],
    found: str,
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"})
    machine = eye.make(spec, marker)
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(deviceChange=[second_disk()]))
    (change,) = differences(spec, eye.see(machine.id), driver.machines.traits)
    assert (change.field, change.before) == (POLICY, "silver, none")
    machine = eye.configure(machine, spec, {POLICY}, marker)
    assert fields(driver, spec, machine) == []

    vcenter.storage_policies.set(machine.id, **changed)
    machine = eye.see(machine.id, lambda seen: bool(fields(driver, spec, seen)))
    (change,) = differences(spec, machine, driver.machines.traits)
    assert (change.field, change.before, change.after, change.disruptive) == (POLICY, found, "silver", False)

    bed.proxy.reset_counts()
    machine = eye.configure(machine, spec, {POLICY}, marker)
    assert (fields(driver, spec, machine), bed.proxy.mutating()) == ([], 1)
    assert vcenter.storage_policies.of(machine.id) == {"home": "silver", ROOT: "silver", str(int(ROOT) + 1): "silver"}


def test_a_disk_with_a_class_of_its_own_is_no_part_of_the_machines_policy(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"}, root_disk_class="gold")
    machine = eye.make(spec, marker)
    assert fields(driver, spec, machine) == []
    assert fields(driver, replace(spec, root_disk_class=None), machine) == [POLICY]

    vcenter.storage_policies.set(machine.id, root_disk="silver")

    machine = eye.see(machine.id, lambda seen: bool(fields(driver, spec, seen)))
    assert fields(driver, spec, machine) == [CLASS]


def test_a_disk_that_a_person_adds_is_seen_with_its_policy_though_nobody_asks(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"})
    machine = eye.make(spec, marker)
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(deviceChange=[second_disk()]))

    eye.until(
        lambda: fields(driver, spec, eye.machines[machine.id]) == [POLICY],
        "the policy of another disk",
        max_age={machine.id: 0.0},
    )
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(deviceChange=[second_disk("remove")]))
    eye.until(lambda: fields(driver, spec, eye.machines[machine.id]) == [], "one disk again", max_age={machine.id: 0.0})


def test_a_root_disk_with_a_policy_of_its_own_leaves_the_rest_to_the_datastore(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(root_disk_class="gold")

    machine = eye.make(spec, marker)

    assert vcenter.storage_policies.of(machine.id) == {ROOT: "gold"}
    wanted = replace(spec, options={"storagePolicy": "silver"})
    (change,) = differences(wanted, machine, driver.machines.traits)
    assert (change.field, change.before, change.after, change.disruptive) == (POLICY, "", "silver", False)
    machine = eye.configure(machine, wanted, {POLICY}, marker)
    assert vcenter.storage_policies.of(machine.id) == {"home": "silver", ROOT: "gold"}


def test_an_unknown_policy_is_told_with_those_that_are_near(bed: VsphereBed, driver: Driver, marker: Marker) -> None:
    for spec in (bed.spec(options={"storagePolicy": "golden"}), bed.spec(root_disk_class="golden")):
        with pytest.raises(Refused) as caught:
            driver.machines.prepare(spec, ())
        assert caught.value.reason is Reason.NOT_FOUND
        assert "gold" in caught.value.message.replace("golden", "")


def test_policies_are_read_seldom_and_for_many_machines_at_once(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    specs = [bed.spec(options={"storagePolicy": "gold"}) for _ in range(3)]
    made = [eye.make(spec, bed.marker()) for spec in specs]
    bed.proxy.reset_counts()

    with bed.connected() as other:
        whole = Eye(bed, other)
        whole.settle()
        for _ in range(5):
            whole.look()
        assert all(whole.machines[machine.id].settings[POLICY][0] == "gold" for machine in made)

    counts = bed.proxy.counts()
    assert counts["PbmQueryAssociatedProfiles"].requests == 1
    assert counts["PbmRetrieveContent"].requests == 1


def test_without_the_right_to_see_policies_machines_are_seen_without(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "gold"})
    machine = eye.make(spec, marker)
    vcenter.deny(["StorageProfile.View"])
    try:
        with bed.connected() as other:
            blind = Eye(bed, other)
            blind.settle()
            seen = blind.see(machine.id)
            assert {POLICY, CLASS}.isdisjoint(seen.settings)
            assert differences(spec, seen, other.machines.traits) == ()
            with pytest.raises(Refused) as caught:
                other.machines.prepare(spec, ())
            assert [right.name for right in other.check().optional] == ["StorageProfile.View"]
    finally:
        vcenter.deny([])

    assert caught.value.reason is Reason.NOT_PERMITTED
    assert "StorageProfile.View" in caught.value.message


def test_policies_are_asked_for_with_the_session_that_is_in_force(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(options={"storagePolicy": "gold"}), marker)
    vcenter.end_sessions()

    chosen = driver.machines.prepare(bed.spec(options={"storagePolicy": "silver"}), ())
    vcenter.storage_policies.set(machine.id, home="silver", root_disk="silver")

    assert chosen.parameters["policy"]
    assert eye.see(machine.id, lambda seen: seen.settings[POLICY][0] == "silver")


def second_disk(operation: str = "add") -> object:
    device = vim.vm.device
    backing = device.VirtualDisk.FlatVer2BackingInfo(
        fileName="[LocalDS_0]", diskMode="persistent", thinProvisioned=True
    )
    disk = device.VirtualDisk(key=2001, controllerKey=1000, unitNumber=1, backing=backing, capacityInKB=MIB)
    file = "create" if operation == "add" else "destroy"
    return device.VirtualDeviceSpec(operation=operation, fileOperation=file, device=disk)


# ------------------------------------------------------------------ networks


def test_an_address_is_changed_where_the_machine_is_off(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(networks=(Nic("a", "VM Network"), Nic("b", "frontend")))
    machine = eye.make(spec, marker)
    wanted = driver.machines.normalize(replace(spec, networks=(Nic("a", "VM Network"), Nic("b", "frontend", MAC))))
    (change,) = differences(wanted, machine, driver.machines.traits)
    assert (change.field, change.disruptive) == ("networks.b", True)

    with pytest.raises(Refused) as caught:
        driver.machines.configure(machine, wanted, {"networks"}, None, marker)
    assert caught.value.reason is Reason.RESTART_REQUIRED

    machine = eye.configure(eye.stop(machine, wanted), wanted, {"networks"}, marker)
    assert machine.ports is not None
    assert machine.ports[1].mac == MAC.lower()
    assert fields(driver, wanted, machine) == []


def test_cards_that_are_left_over_go_and_the_others_keep_their_addresses(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(networks=(Nic("a", "VM Network"), Nic("b", "frontend"), Nic("c", "backend")))
    machine = eye.make(spec, marker)
    before = machine.ports or ()
    wanted = replace(spec, networks=(Nic("a", "VM Network"), Nic("c", "backend")))

    machine = eye.configure(machine, wanted, {"networks"}, marker)

    after = machine.ports or ()
    assert [port.network[0] for port in after] == ["VM Network", "backend"]
    assert [port.mac for port in after] == [port.mac for port in before[:2]]
    assert machine.power is Power.RUNNING


# -------------------------------------------------------------------- places


def test_a_place_may_be_called_by_name_path_or_id(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    machine = eye.make(bed.spec(placement={"node": "DC0_C0_H1", "storage": "LocalDS_1"}), marker)

    for path, words in machine.settings.items():
        if path.startswith("placement."):
            for word in words:
                placement = {path.partition(".")[2]: f"/{word}/"}
                spec = driver.machines.normalize(bed.spec(name=machine.name, placement=placement))
                assert fields(driver, spec, machine) == [], word


def test_a_machine_moves_to_another_host_and_datastore_at_once(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(placement={"node": "DC0_C0_H1", "storage": "LocalDS_0"}), marker)
    wanted = bed.spec(name=machine.name, placement={"node": "DC0_C0_H2", "storage": "LocalDS_1"})
    bed.proxy.reset_counts()

    machine = eye.configure(machine, wanted, {"placement.node", "placement.storage"}, marker)

    assert (fields(driver, wanted, machine), machine.power) == ([], Power.RUNNING)
    assert bed.proxy.mutating() == 1


def test_a_host_of_another_cluster_brings_its_pool(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    machine = eye.make(bed.spec(placement={"node": "DC0_C0_H1"}), marker)
    wanted = bed.spec(name=machine.name, placement={"node": "DC0_H0"})

    machine = eye.configure(machine, wanted, {"placement.node"}, marker)

    assert (machine.host, machine.zone) == ("DC0_H0", "DC0_H0")
    assert "DC0_H0/Resources" in machine.settings["placement.resourcePool"]


def test_a_name_that_is_taken_in_the_other_folder_is_told(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(placement={"folder": "hybridge"}), marker)
    other = eye.make(bed.spec(), bed.marker())
    vcenter.move(other.id, "archive")
    vcenter.rename(other.id, machine.name)
    wanted = bed.spec(name=machine.name, placement={"folder": "archive"})

    failed = eye.end(driver.machines.configure(machine, wanted, {"placement.folder"}, None, marker))

    assert failed is not None
    assert failed.reason is Reason.NAME_TAKEN
    assert eye.see(machine.id).settings["placement.folder"][0] == "hybridge"


def test_a_host_without_room_is_passed_over(bed: VsphereBed, vcenter: VsphereCloud, driver: Driver) -> None:
    before = 24 << 40
    try:
        for host in ("DC0_C0_H0", "DC0_C0_H2"):
            vcenter.tune_host(host, memory=512 * MIB)

        placed = bed.prepared(driver, bed.spec()).placed
    finally:
        for host in ("DC0_C0_H0", "DC0_C0_H2"):
            vcenter.tune_host(host, memory=before)

    assert placed.host == "DC0_C0_H1"
    assert placed.why.startswith("DC0_C0_H1: the only host that fits (")
    assert re.search(
        r"DC0_C0_H0 has 0\.\d of 0\.5 GiB of memory free", placed.why
    )  # it may not know yet of one that went


# --------------------------------------------------------------------- guest


def test_another_host_name_is_what_cloud_init_reads_at_the_next_start(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(power=Power.STOPPED, networks=(Nic("a", "VM Network", MAC, ("10.0.0.5/24",)),))
    spec = replace(spec, cloud_init=replace(spec.cloud_init, hostname="web-1"))
    machine = eye.make(spec, marker)
    wanted = replace(spec, cloud_init=replace(spec.cloud_init, hostname="web-2"))

    machine = eye.configure(machine, wanted, {"cloudInit.hostname"}, marker)

    given = bed.given(machine.id)
    assert '"local-hostname": "web-2"' in given
    assert "10.0.0.5/24" in given
    assert str(machine.uuid) in given


def test_whether_the_tools_run_is_told(bed: VsphereBed, eye: Eye, marker: Marker) -> None:
    spec = bed.spec()
    machine = eye.make(spec, marker)
    assert eye.see(machine.id, lambda seen: seen.agent is True).agent

    assert eye.see(eye.stop(machine, spec).id, lambda seen: seen.agent is False).agent is False
