"""The lab's vCenter makes, changes and runs machines as a vCenter does where the simulator alone would not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab.pki import Authority
from lab.process import LabError
from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim, vmodl
from tests.integration.lab.vsphere_client import (
    FIRST_CARD,
    GIB,
    ROOT_DISK,
    SECOND_DISK,
    VERSIONS,
    Client,
    Watch,
    card,
    disk,
    mac_addresses,
    options,
    query,
    second_disk,
    viewed,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereCloud]:
    folder = tmp_path_factory.mktemp("vsphere")
    with VsphereCloud(folder, Authority(folder / "pki")) as cloud:
        cloud.grant_everything()
        yield cloud


@pytest.fixture
def cloud(shared: VsphereCloud) -> Iterator[VsphereCloud]:
    yield shared
    shared.tune(task_delay=0.0, boot_delay=0.0, hot_plug_not_supported=False)
    shared.deny([])


@pytest.fixture
def client(cloud: VsphereCloud) -> Client:
    return Client(cloud)


@pytest.fixture
def debian(cloud: VsphereCloud) -> str:
    return cloud.templates["debian-12"]


@pytest.fixture
def name() -> str:
    return f"vm-{uuid.uuid4()}"


# ---------------------------------------------------------------- the inventory


def test_a_small_company_has_templates_networks_and_folders(cloud: VsphereCloud, client: Client) -> None:
    found = {machine.name: machine for machine in cloud.machines() if machine.template}

    assert {"hybridge", "templates"} <= client.folders.keys()
    assert {"VM Network", "frontend", "backend"} <= client.networks.keys()
    assert found["debian-12"].disks == found["ubuntu-24.04"].disks == (10 * GIB,)
    assert found["debian-12"].networks == ("VM Network",)
    assert client.content.about.instanceUuid == cloud.instance_uuid


@pytest.mark.parametrize(
    "kind",
    ["Datacenter", "Folder", "ClusterComputeResource", "HostSystem", "Datastore", "Network", "ResourcePool"],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_pyvmomi_reads_every_property_of_every_object(cloud: VsphereCloud, kind: str, version: str) -> None:
    everything(Client(cloud, version=version), getattr(vim, kind))


@pytest.mark.parametrize("version", VERSIONS)
def test_pyvmomi_reads_every_property_of_a_clone(cloud: VsphereCloud, debian: str, name: str, version: str) -> None:
    client = Client(cloud, version=version)
    made = client.clone(name, debian, on=True)

    read = everything(client, vim.VirtualMachine)

    runtime = read[made.moid]["runtime"], read[made.moid]["summary"].runtime
    assert {one.faultToleranceState for one in runtime} == {"notConfigured"}
    assert {one.recordReplayState for one in runtime} == {"inactive"}


def everything(client: Client, kind: Any) -> dict[str, dict[str, Any]]:
    view = client.content.viewManager.CreateContainerView(client.content.rootFolder, [kind], True)
    spec = query.FilterSpec(
        objectSet=viewed(view, vim.view.ContainerView), propSet=[query.PropertySpec(type=kind, all=True)]
    )
    found = client.content.propertyCollector.RetrieveContents([spec])
    assert found
    return {item.obj._moId: {one.name: one.val for one in item.propSet} for item in found}


# ----------------------------------------------------------------------- clones


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


# ---------------------------------------------------------------- reconfiguring


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


# ------------------------------------------------------------------------ power


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


def test_a_machine_is_found_by_its_instance_uuid(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian)

    found = client.content.searchIndex.FindByUuid(None, made.instance_uuid, True, True)

    assert found._moId == made.moid
    assert client.content.searchIndex.FindByUuid(None, str(uuid.uuid4()), True, True) is None


# ------------------------------------------------------- behind the operator's back


def test_a_person_changes_a_running_machine(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, on=True)

    cloud.set_cpus(made.moid, 8)

    after = cloud.machine(made.moid)
    assert (after.cpus, after.power, after.instance_uuid) == (8, "poweredOn", made.instance_uuid)


def test_a_person_hears_why_the_cloud_refused(cloud: VsphereCloud, name: str) -> None:
    stranger = cloud.create(name)

    with pytest.raises(LabError, match=r"InvalidPowerState: .*\(Powered off\)"):
        cloud.power(stranger, on=False)

    cloud.destroy(stranger)
    with pytest.raises(LabError, match=f"no machine {stranger}"):
        cloud.machine(stranger)
