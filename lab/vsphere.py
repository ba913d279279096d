"""A vCenter of the lab: start it, read it directly, and be the person behind the operator's back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from lab.fleet import Wanted, batches
from lab.pki import Authority
from lab.process import LabError
from lab.vsphere_cards import NetworkCards
from lab.vsphere_disks import FirstClassDisks
from lab.vsphere_library import Libraries
from lab.vsphere_machine import PATHS, VsphereMachine, described
from lab.vsphere_networks import PortGroups
from lab.vsphere_policies import StoragePolicies
from lab.vsphere_sdk import id_of, vim, vmodl
from lab.vsphere_server import VsphereServer
from lab.vsphere_snapshots import MachineSnapshots


class VsphereCloud(VsphereServer):
    """A vCenter 8.0.3 with datacenter DC0: cluster DC0_C0 of three hosts, the host DC0_H0, datastores LocalDS_0 and 1.

    Port groups ``VM Network`` (standard), ``frontend`` and ``backend`` (distributed); resource pool ``gold`` of the
    cluster; machine folders ``hybridge``, ``archive`` and ``templates``, in which are debian-12 and ubuntu-24.04 with a
    disk of 10 GiB and a NIC on ``VM Network``.
    """

    datacenter: Final = "DC0"
    cluster: Final = "DC0_C0"
    folder: Final = "hybridge"
    datastores: Final = ("LocalDS_0", "LocalDS_1")

    def __init__(self, folder: Path, authority: Authority, *, task_delay: float = 0.0, boot_delay: float = 0.0) -> None:
        super().__init__(folder, authority, task_delay=task_delay, boot_delay=boot_delay)
        self.cards = NetworkCards(self._session)
        self.storage_policies = StoragePolicies(self._session)
        self.disks = FirstClassDisks(self._session)
        self.port_groups = PortGroups(self._session)
        self.snapshots = MachineSnapshots(self._session)
        self.libraries = Libraries(self.endpoint, self._tls, self.person_credentials)

    def start(self) -> Self:
        """Spawn the server and return at once."""
        self.libraries.forget()
        return super().start()

    # ---------------------------------------------------------------- reading

    def machines(self) -> list[VsphereMachine]:
        """All machines, templates included, in order of their names."""
        with self._session.lock:
            names = self._names()
            read = self._session.properties(vim.VirtualMachine, PATHS)
            found = (described(moid, values, names) for moid, values in read.items())
            return sorted(found, key=lambda machine: (machine.name, machine.moid))

    def vapps(self) -> dict[str, str]:
        """The notes of all vApps, by name."""
        with self._session.lock:
            read = self._session.properties(vim.VirtualApp, ["name", "vAppConfig.annotation"])
        return {one["name"]: one.get("vAppConfig.annotation", "") for one in read.values()}

    def machine(self, moid: str) -> VsphereMachine:
        """The machine with this managed object id; LabError when there is none."""
        for machine in self.machines():
            if machine.moid == moid:
                return machine
        raise LabError(f"vSphere has no machine {moid}")

    @property
    def templates(self) -> dict[str, str]:
        """Managed object ids of the templates, by name."""
        return {machine.name: machine.moid for machine in self.machines() if machine.template}

    def running(self, ids: Sequence[str]) -> dict[str, bool]:
        """Whether these machines are powered on, by managed object id."""
        query = vmodl.query.PropertyCollector
        with self._session.lock:
            wanted = query.FilterSpec(
                objectSet=[query.ObjectSpec(obj=self._session.vm(moid)) for moid in ids],
                propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=["runtime.powerState"])],
            )
            found = self._session.content.propertyCollector.RetrieveContents([wanted])
            return {id_of(item.obj): item.propSet[0].val == "poweredOn" for item in found}

    def custom_attributes(self) -> dict[str, dict[str, str]]:
        """Custom attributes of all machines by name, by managed object id."""
        with self._session.lock:
            found = self._session.properties(vim.VirtualMachine, ["customValue"])
            # Read afterwards: an attribute may come with its first value at any moment.
            names = {field.key: field.name for field in self._session.content.customFieldsManager.field}
        return {
            moid: {names[entry.key]: entry.value for entry in values.get("customValue", ())}
            for moid, values in found.items()
        }

    # ------------------------------------------------- behind the operator's back

    def seed(self, wanted: Sequence[Wanted]) -> list[str]:
        """Has these machines from now on, clones of debian-12 in folder ``hybridge``; their ids, in the same order."""
        ids: list[str] = []
        for part in batches(wanted):
            ids += json.loads(self._open("/lab/machines", json.dumps([machine.words() for machine in part]).encode()))
        return ids

    def power(self, moid: str, *, on: bool) -> None:
        """Power a machine on, or pull its plug."""
        machine = self._session.vm(moid)
        self._session.task(machine.PowerOnVM_Task if on else machine.PowerOffVM_Task)

    def set_cpus(self, moid: str, cpus: int) -> None:
        """Change the number of CPUs; a running machine that cannot take it is off for a moment."""
        self._hardware(moid, vim.vm.ConfigSpec(numCPUs=cpus))

    def set_memory(self, moid: str, mebibytes: int) -> None:
        """Change the memory; a running machine that cannot take it is off for a moment."""
        self._hardware(moid, vim.vm.ConfigSpec(memoryMB=mebibytes))

    def cores_per_socket(self, moid: str) -> int:
        """How many cores each socket of a machine has."""
        with self._session.lock:
            path = "config.hardware.numCoresPerSocket"
            return int(self._session.properties(vim.VirtualMachine, [path])[moid][path])

    def set_hardware(self, moid: str, option: str, value: object) -> None:
        """Change an option of a ``vim.vm.ConfigSpec``; a running machine that cannot take it is off for a moment."""
        self._hardware(moid, vim.vm.ConfigSpec(**{option: value}))

    def set_extra_config(self, moid: str, values: Mapping[str, str]) -> None:
        """Set advanced options; an empty value removes one.

        Three are the lab's: with ``lab.noTools`` set a guest never has running tools, with ``lab.ignoreShutdown`` it stays
        on when it is asked to shut down, with ``lab.noQuiesce`` it cannot be made quiet for a snapshot.
        """
        options = [vim.option.OptionValue(key=key, value=value) for key, value in values.items()]
        self.reconfigure(moid, vim.vm.ConfigSpec(extraConfig=options))

    def reconfigure(self, moid: str, spec: Any) -> None:
        """Apply a ``vim.vm.ConfigSpec``. LabError when the vCenter refuses it."""
        self._session.reconfigure(moid, spec)

    def tag(self, moid: str, name: str, text: str) -> None:
        """Give a machine or template a custom attribute."""
        with self._session.lock:
            manager = self._session.content.customFieldsManager
            known = {one.name: one.key for one in manager.field if one.managedObjectType in {None, vim.VirtualMachine}}
            key = known[name] if name in known else manager.AddCustomFieldDef(name, vim.VirtualMachine).key
            manager.SetField(self._session.vm(moid), key, text)

    def rename(self, moid: str, name: str) -> None:
        """Give a machine another name."""
        self._session.task(lambda: self._session.vm(moid).Rename_Task(name))

    def destroy(self, moid: str) -> None:
        """Power a machine off and delete it from disk."""
        if self.machine(moid).power != "poweredOff":
            self.power(moid, on=False)
        self._session.task(lambda: self._session.vm(moid).Destroy_Task())

    def clone_by_hand(self, source: str, name: str, *, on: bool = False) -> str:
        """Clone a machine or template into folder ``hybridge``, its advanced options included; returns the new moid."""
        with self._session.lock:
            where = vim.vm.RelocateSpec(pool=self._session.named(vim.ClusterComputeResource, self.cluster).resourcePool)
            spec = vim.vm.CloneSpec(location=where, powerOn=on, template=False)
            folder = self._session.named(vim.Folder, self.folder)
            return self._session.made(lambda: self._session.vm(source).CloneVM_Task(folder, name, spec))

    def create(self, name: str, devices: Sequence[Any] = ()) -> str:
        """Make a machine in folder ``hybridge``, which nobody but this person knows; returns its moid.

        ``devices`` are to be added to it: without any it has no disk and no card.
        """
        with self._session.lock:
            pool = self._session.named(vim.ClusterComputeResource, self.cluster).resourcePool
            added = [_added(device) for device in devices]
            spec = vim.vm.ConfigSpec(
                name=name,
                files=vim.vm.FileInfo(vmPathName=f"[{self.datastores[0]}]"),
                numCPUs=1,
                memoryMB=512,
                guestId="otherGuest64",
                deviceChange=added,
            )
            folder = self._session.named(vim.Folder, self.folder)
            return self._session.made(lambda: folder.CreateVM_Task(spec, pool))

    def offer(self, name: str, url: str) -> str:
        """Has an item of this name in a content library of a person's own, with the appliance of a URL; its id."""
        with self._session.lock:
            store = id_of(self._session.named(vim.Datastore, self.datastores[0]))
        return self.libraries.offer(name, store, url)

    def make_template(self, moid: str) -> None:
        """Turn a machine that is off into a template."""
        with self._session.lock:
            self._session.vm(moid).MarkAsTemplate()

    def relocate(
        self, moid: str, *, host: str | None = None, datastore: str | None = None, pool: str | None = None
    ) -> None:
        """Move a machine to another host, datastore or resource pool, by their names.

        With a host it goes into the pool of all that the host's cluster has.
        """
        with self._session.lock:
            named = self._session.named
            there = named(vim.HostSystem, host) if host else None
            within = named(vim.ResourcePool, pool) if pool else there.parent.resourcePool if there else None
            store = named(vim.Datastore, datastore) if datastore else None
            spec = vim.vm.RelocateSpec(pool=within, host=there, datastore=store)
            self._session.task(lambda: self._session.vm(moid).RelocateVM_Task(spec))

    def move(self, moid: str, folder: str) -> None:
        """Move a machine into another folder, by its name."""
        there = self._session.named(vim.Folder, folder)
        self._session.task(lambda: there.MoveIntoFolder_Task([self._session.vm(moid)]))

    def upgrade(self, moid: str, version: str) -> None:
        """Give a machine that is off newer virtual hardware, such as ``vmx-19``."""
        self._session.task(lambda: self._session.vm(moid).UpgradeVM_Task(version))

    def _names(self) -> dict[str, str]:
        kinds = (vim.Folder, vim.HostSystem, vim.dvs.DistributedVirtualPortgroup)
        read = (item for kind in kinds for item in self._session.properties(kind, ["name"]).items())
        return {moid: values["name"] for moid, values in read}

    def _hardware(self, moid: str, spec: Any) -> None:
        with self._session.lock:
            try:
                self.reconfigure(moid, spec)
            except LabError:
                if self.machine(moid).power == "poweredOff":
                    raise
                self.power(moid, on=False)
                self.reconfigure(moid, spec)
                self.power(moid, on=True)


def _added(device: Any) -> Any:
    spec = vim.vm.device.VirtualDeviceSpec(operation="add", device=device)
    if isinstance(device, vim.vm.device.VirtualDisk):
        spec.fileOperation = "create"
    return spec
