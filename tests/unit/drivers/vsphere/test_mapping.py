"""vSphere's objects as machines and tasks."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from hybridge.core.identity import Marker
from hybridge.core.machine import Address, Machine, Port, Power
from hybridge.core.machine_diff import without
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.vsphere import mapping, seen
from hybridge.drivers.vsphere.places import Places
from hybridge.drivers.vsphere.sdk import vim

MARKER = Marker("cluster", "uid", "VirtualMachine", "shop", "web-1")
MARKS = {
    f'config.extraConfig["{key}"]': vim.option.OptionValue(key=key, value=value)
    for key, value in MARKER.pairs().items()
}
PLACES = Places()
for kind, object_id, name, parent in [
    ("Folder", "group-v1", "vm", "datacenter-1"),
    ("Folder", "group-v3", "shop", "group-v1"),
    ("Folder", "group-h1", "host", "datacenter-1"),
    ("ComputeResource", "domain-c1", "Cluster", "group-h1"),
    ("HostSystem", "host-1", "esx1", "domain-c1"),
    ("ResourcePool", "resgroup-1", "Resources", "domain-c1"),
    ("Folder", "group-s1", "datastore", "datacenter-1"),
    ("StoragePod", "group-p1", "fast", "group-s1"),
    ("Datastore", "datastore-1", "ssd%2f1", "group-p1"),
    ("Folder", "group-n1", "network", "datacenter-1"),
    ("Network", "network-1", "VM Network", "group-n1"),
    ("DistributedVirtualPortgroup", "dvportgroup-1", "frontend", "group-n1"),
]:
    PLACES.change(kind, object_id, {"name": name, "parent": vim.Folder(parent)})
PLACES.change("DistributedVirtualPortgroup", "dvportgroup-1", {"key": "the-key"})

GOLD, SILVER, NONE = ("gold", "id-1"), ("silver", "id-2"), ("",)


def disk(key: int, size: int, *, controller: int = 1000, unit: int = 0, datastore: str | None = None) -> object:
    store = vim.Datastore(datastore) if datastore else None
    return vim.vm.device.VirtualDisk(
        key=key,
        controllerKey=controller,
        unitNumber=unit,
        capacityInKB=size // 1024,
        capacityInBytes=size,
        backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(datastore=store),
    )


def card(kind: str) -> object:
    """A card on a standard network or on a port group of a distributed switch; its key is the one of its path."""
    backings = vim.vm.device.VirtualEthernetCard
    if kind == "standard":
        backing = backings.NetworkBackingInfo(deviceName="VM Network", network=vim.Network("network-1"))
        return vim.vm.device.VirtualE1000(key=4000, macAddress="00:50:56:00:00:0A", backing=backing)
    port = vim.dvs.PortConnection(portgroupKey="the-key", switchUuid="switch")
    backing = backings.DistributedVirtualPortBackingInfo(port=port)
    return vim.vm.device.VirtualVmxnet3(key=4001, macAddress="00:50:56:00:00:0b", backing=backing)


def machine(**properties: object) -> Machine:
    paths = {name.replace("__", "."): value for name, value in properties.items()}
    return mapping.machine(seen.whole("vm-1", paths), PLACES, {7: "team"})


def test_a_machine_is_shown_whole() -> None:
    properties = {
        "name": "web-1",
        "parent": vim.Folder("group-v3"),
        "config.instanceUuid": "ABCD",
        "config.hardware.numCPU": 2,
        "config.hardware.memoryMB": 4096,
        "config.template": False,
        "config.cpuHotAddEnabled": True,
        "config.memoryHotAddEnabled": None,
        "config.guestId": "debian12_64Guest",
        "config.version": "vmx-05",
        "config.scheduledHardwareUpgradeInfo": SimpleNamespace(upgradePolicy="always", versionKey="vmx-19"),
        "resourcePool": vim.ResourcePool("resgroup-1"),
        "config.hardware.device[4001]": card("dvportgroup"),
        "config.hardware.device[4000]": card("standard"),
        'config.extraConfig["guestinfo.metadata"]': vim.option.OptionValue(
            key="guestinfo.metadata", value=json.dumps({"local-hostname": "web", "public-keys": ["ssh-b y", "ssh-a x"]})
        ),
        "runtime.powerState": "poweredOn",
        "runtime.host": vim.HostSystem("host-1"),
        "runtime.connectionState": "connected",
        "guest.toolsRunningStatus": "guestToolsRunning",
        "guest.toolsVersionStatus2": "guestToolsUnmanaged",
        "guest.ipAddress": "10.0.0.2",
        "guest.hostName": "web",
        "guest.net": [
            SimpleNamespace(deviceConfigId=4000, ipAddress=["10.0.0.1", "fe80::1", "10.0.0.2"]),
            SimpleNamespace(deviceConfigId=-1, ipAddress=["172.17.0.1"]),
        ],
        "customValue": [SimpleNamespace(key=7, value="shop"), SimpleNamespace(key=8, value="nobody asks")],
        seen.ROOT_DISK: disk(2000, 1 << 34, datastore="datastore-1"),
        **MARKS,
    }

    shown = mapping.machine(seen.whole("vm-1", properties), PLACES, {7: "team"})

    assert shown == Machine(
        id="vm-1",
        name="web-1",
        power=Power.RUNNING,
        marker=MARKER,
        uuid="abcd",
        cpus=2,
        memory=4 << 30,
        root_disk=1 << 34,
        host="esx1",
        zone="Cluster",
        addresses=(
            Address("InternalIP", "10.0.0.2"),
            Address("InternalIP", "10.0.0.1"),
            Address("Hostname", "web"),
        ),
        tags={"team": "shop"},
        hot_add_cpus=True,
        disks=(),
        ports=(
            Port(("VM Network", "network-1"), "00:50:56:00:00:0a"),
            Port(("frontend", "dvportgroup-1"), "00:50:56:00:00:0b"),
        ),
        settings={
            "placement.node": ("esx1", "Cluster/esx1", "host-1"),
            "placement.cluster": ("Cluster", "domain-c1"),
            "placement.resourcePool": ("Resources", "Cluster/Resources", "resgroup-1"),
            "placement.folder": ("shop", "group-v3"),
            "placement.storage": ("ssd/1", "ssd%2f1", "fast/ssd%2f1", "datastore-1", "fast", "group-p1"),
            "vsphere.guestID": ("debian12_64Guest",),
            "vsphere.hardwareVersion": ("vmx-05", "vmx-04", "vmx-03"),
            "vsphere.cpuHotAdd": ("true",),
            "vsphere.memoryHotAdd": ("false",),
            "cloudInit.hostname": ("web",),
            "cloudInit.sshKeys": ("ssh-a x,ssh-b y",),
        },
        pending={"vsphere.hardwareVersion": "vmx-19"},
        agent=True,
    )


@pytest.mark.parametrize(
    ("state", "connection", "power"),
    [
        ("poweredOn", "connected", Power.RUNNING),
        ("poweredOff", "connected", Power.STOPPED),
        ("suspended", "connected", Power.SUSPENDED),
        ("poweredOn", "disconnected", Power.UNKNOWN),
        ("poweredOff", "inaccessible", Power.UNKNOWN),
        ("", "connected", Power.UNKNOWN),
    ],
)
def test_power(state: str, connection: str, power: Power) -> None:
    assert machine(runtime__powerState=state, runtime__connectionState=connection).power is power


def test_a_machine_that_is_off_has_no_addresses() -> None:
    assert machine(runtime__powerState="poweredOff", guest__ipAddress="10.0.0.1").addresses == ()


@pytest.mark.parametrize(
    ("status", "reports"), [("guestToolsNotInstalled", False), ("guestToolsCurrent", True), (None, False)]
)
def test_only_tools_report_addresses(status: str | None, reports: bool) -> None:
    assert machine(guest__toolsVersionStatus2=status).reports_addresses is reports


def test_a_marker_that_is_taken_away_is_gone() -> None:
    found = seen.whole("vm-1", MARKS)

    for path in MARKS:
        seen.update(found, path, None)

    assert mapping.machine(found, PLACES, {}).marker is None


def test_the_first_disk_of_the_first_controller_is_the_root_disk() -> None:
    devices = [disk(2016, 3, controller=1001), disk(2001, 2, unit=1), disk(2000, 1 << 30), vim.vm.device.VirtualCdrom()]

    assert seen.root_disk(devices) is devices[2]
    assert seen.root_disk([vim.vm.device.VirtualCdrom()]) is None


def test_a_disk_with_another_key_is_read_with_the_devices_and_kept() -> None:
    found = seen.whole("vm-1", {seen.ROOT_DISK: None, seen.DEVICES: [disk(32000, 1 << 30, controller=31000)]})

    seen.update(found, seen.ROOT_DISK, None)

    assert found.root_disk == 1 << 30
    assert not found.disk_pushed


def test_a_machine_whose_disk_is_pushed_has_its_devices_read_where_that_is_not_all() -> None:
    first, second, other = disk(2000, 1), disk(2001, 2, unit=1), disk(3000, 3, controller=200)
    found = seen.Seen("vm-1")

    for path, value, known in [
        (seen.ROOT_DISK, first, seen.Disks(2000)),
        ("summary.config.numVirtualDisks", 2, seen.Disks(2000)),
        (seen.DEVICES, [second, first], seen.Disks(2000, (2001,))),
        ("summary.config.numVirtualDisks", 1, seen.Disks(2000)),
        (seen.DEVICES, [first, other], seen.Disks(3000)),
        ("summary.config.numVirtualDisks", 2, seen.Disks(3000, (2000,))),
        (seen.ROOT_DISK, first, seen.Disks(3000, (2000,))),
    ]:
        seen.update(found, path, value)
        assert found.disks == known, path
        assert found.all_disks_pushed is (known == seen.Disks(2000) and found.disk_count == 1), path


@pytest.mark.parametrize(
    ("policies", "whole", "besides_the_root_disk"),
    [
        (seen.Associated(GOLD), GOLD, GOLD),
        (seen.Associated(GOLD, GOLD, (GOLD,)), GOLD, GOLD),
        (seen.Associated(GOLD, SILVER), ("gold, silver",), GOLD),
        (seen.Associated(GOLD, GOLD, (SILVER, GOLD, NONE)), ("gold, silver, none",), ("gold, silver, none",)),
        (seen.Associated(NONE, NONE), NONE, NONE),
        (seen.Associated(NONE, GOLD), ("none, gold",), NONE),
    ],
)
def test_a_storage_policy_is_what_all_that_a_machine_stores_has(
    policies: seen.Associated, whole: tuple[str, ...], besides_the_root_disk: tuple[str, ...]
) -> None:
    found = seen.whole("vm-1", {})
    found.policies = policies

    shown = mapping.machine(found, PLACES, {}).settings

    assert shown[mapping.POLICY] == whole
    assert shown[without(mapping.POLICY, mapping.DISK_POLICY)] == besides_the_root_disk
    assert shown.get(mapping.DISK_POLICY) == policies.root_disk


def test_an_attribute_of_hosts_is_none_of_machines() -> None:
    fields = [
        SimpleNamespace(key=1, name="team", managedObjectType=vim.VirtualMachine),
        SimpleNamespace(key=2, name="rack", managedObjectType=vim.HostSystem),
        SimpleNamespace(key=3, name="everywhere", managedObjectType=None),
    ]

    assert mapping.attribute_names(fields) == {1: "team", 3: "everywhere"}


WANTED = Task("task-1", "Clone", 5.0)


def test_a_task_that_made_a_machine() -> None:
    ended = mapping.task({"info.state": "success", "info.result": vim.VirtualMachine("vm-9")})

    assert ended.task(WANTED) == Task("task-1", "Clone", 5.0, TaskState.SUCCEEDED, result="vm-9")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_task_on_its_way(state: str) -> None:
    assert mapping.task({"info.state": state, "info.progress": 40}).task(WANTED) == Task(
        "task-1", "Clone", 5.0, progress=40
    )


def test_a_task_that_failed_tells_the_fault_and_its_reason() -> None:
    fault = vim.fault.DuplicateName(msg="The name exists.", name="web", object=vim.VirtualMachine("vm-3"))

    failed = mapping.task({"info.state": "error", "info.error": fault})

    assert failed.state is TaskState.FAILED
    assert failed.error.startswith("DuplicateName: The name exists.")
    assert failed.reason is Reason.NAME_TAKEN
    assert failed.holder == "vm-3"


@pytest.mark.parametrize(("existing", "state"), [("poweredOn", TaskState.SUCCEEDED), ("suspended", TaskState.FAILED)])
def test_a_power_change_to_what_is_so_already_is_a_success(existing: str, state: TaskState) -> None:
    fault = vim.fault.InvalidPowerState(requestedState="poweredOn", existingState=existing)

    assert mapping.task({"info.state": "error", "info.error": fault}).state is state
