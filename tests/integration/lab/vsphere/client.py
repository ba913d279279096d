"""A client of the lab's vCenter: the few calls that a driver makes, and the specifications they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.vsphere import VsphereCloud
from lab.vsphere_machine import VsphereMachine
from lab.vsphere_sdk import finished, vim, vmodl

GIB = 2**30
ROOT_DISK = 2000
SECOND_DISK = 2001
FIRST_CARD = 4000
POLLS = 30
VERSIONS = ("vim.version.v7_0", "vim.version.v8_0_3_0")

query = vmodl.query.PropertyCollector


class Client:
    """A session and the few calls that a driver makes with it."""

    def __init__(
        self, cloud: VsphereCloud, credentials: Mapping[str, str] | None = None, version: str = VERSIONS[-1]
    ) -> None:
        self.cloud = cloud
        self.instance = cloud.connect(credentials, version)
        self.content = self.instance.content
        center = self.content.rootFolder.childEntity[0]
        self.folders = {folder.name: folder for folder in center.vmFolder.childEntity}
        self.networks = {network.name: network for network in center.network}
        self.pool = next(one for one in center.hostFolder.childEntity if one.name == cloud.cluster).resourcePool

    def vm(self, moid: str) -> Any:
        return vim.VirtualMachine(moid, self.folders["hybridge"]._stub)

    def run(self, task: Any) -> Any:
        return finished(self.instance, task)

    def start_clone(self, name: str, source: str, *, pool: bool = True, on: bool = False, **config: Any) -> Any:
        where = vim.vm.RelocateSpec(pool=self.pool if pool else None)
        spec = vim.vm.CloneSpec(location=where, powerOn=on, template=False, config=vim.vm.ConfigSpec(**config))
        return self.vm(source).CloneVM_Task(self.folders["hybridge"], name, spec)

    def clone(self, name: str, source: str, **options: Any) -> VsphereMachine:
        return self.cloud.machine(self.run(self.start_clone(name, source, **options))._moId)

    def reconfigure(self, machine: VsphereMachine, **config: Any) -> VsphereMachine:
        self.run(self.vm(machine.moid).ReconfigVM_Task(vim.vm.ConfigSpec(**config)))
        return self.cloud.machine(machine.moid)


class Watch:
    """A filter on a collector, and what the client knows by it."""

    def __init__(self, client: Client, objects: list[Any], kind: Any, *paths: str, root: bool = False) -> None:
        content = client.content
        self.collector = content.propertyCollector
        if not root:
            self.collector = self.collector.CreatePropertyCollector()
        self.filter = self.collector.CreateFilter(
            query.FilterSpec(objectSet=objects, propSet=[query.PropertySpec(type=kind, pathSet=list(paths))]), False
        )
        self.version = ""
        self.known: dict[str, dict[str, Any]] = {}
        self.seen: list[tuple[str, str, dict[str, Any]]] = []

    def wait(self, seconds: int = 1, **options: Any) -> Any:
        """One call, whose answer is applied."""
        answer = self.collector.WaitForUpdatesEx(self.version, query.WaitOptions(maxWaitSeconds=seconds, **options))
        if answer is not None:
            self.version = answer.version
            for update in [item for one in answer.filterSet for item in one.objectSet]:
                moid = update.obj._moId
                changes = {change.name: change.val for change in update.changeSet}
                self.seen.append((update.kind, moid, changes))
                if update.kind == "leave":
                    del self.known[moid]
                else:
                    self.known.setdefault(moid, {}).update(changes)
        return answer

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(POLLS):
            if condition():
                return
            self.wait()
        raise AssertionError(f"the update did not come; the client knows {self.known}")

    def until_known(self, moid: str) -> None:
        self.until(lambda: moid in self.known)


def machines_of(client: Client) -> list[Any]:
    view = client.content.viewManager.CreateContainerView(client.content.rootFolder, [vim.VirtualMachine], True)
    return viewed(view, vim.view.ContainerView)


def viewed(view: Any, kind: Any) -> list[Any]:
    step = query.TraversalSpec(type=kind, path="view", skip=False)
    return [query.ObjectSpec(obj=view, skip=True, selectSet=[step])]


def options(**values: str) -> list[Any]:
    return [vim.option.OptionValue(key=key, value=value) for key, value in values.items()]


def disk(kibibytes: int) -> Any:
    return vim.vm.device.VirtualDeviceSpec(
        operation="edit", device=vim.vm.device.VirtualDisk(key=ROOT_DISK, capacityInKB=kibibytes)
    )


def second_disk(operation: str) -> Any:
    """A disk of 1 GiB beside the root disk, as it comes or as it goes."""
    disk = vim.vm.device.VirtualDisk(key=SECOND_DISK, controllerKey=1000, unitNumber=1, capacityInKB=GIB // 1024)
    disk.backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName="[LocalDS_0]", diskMode="persistent")
    file = "create" if operation == "add" else "destroy"
    return vim.vm.device.VirtualDeviceSpec(operation=operation, fileOperation=file, device=disk)


def card(operation: str, key: int, port_group: Any) -> Any:
    port = vim.dvs.PortConnection(
        portgroupKey=port_group.key, switchUuid=port_group.config.distributedVirtualSwitch.uuid
    )
    backing = vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
    return vim.vm.device.VirtualDeviceSpec(
        operation=operation, device=vim.vm.device.VirtualVmxnet3(key=key, backing=backing)
    )


def mac_addresses(client: Client, machine: VsphereMachine) -> list[str]:
    devices = client.vm(machine.moid).config.hardware.device
    return [one.macAddress for one in devices if isinstance(one, vim.vm.device.VirtualEthernetCard)]
