"""vSphere of the lab, as a bed of the contract."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast
from uuid import uuid4

from hybridge.core.identity import OWNER
from hybridge.drivers.base import Right
from lab.bed import SimulatedCloud
from lab.faultproxy import Answer
from lab.permissions import Grant
from lab.pki import Authority
from lab.vsphere import VsphereCloud
from lab.vsphere_estate import GRANTS
from lab.vsphere_machine import VsphereMachine
from lab.vsphere_sdk import vim
from tests.contract.bed import GIB, MIB, ODD_NAME, Bed, Calls, Shown, ShownVolume

#: What only changes of machines need that their life in the test does not come upon.
_MOVING = (
    *("VirtualMachine.Config.Rename", "VirtualMachine.Config.UpgradeVirtualHardware", "VirtualMachine.Inventory.Move"),
    *("Resource.ColdMigrate", "Resource.HotMigrate", "VirtualMachine.Config.AddRemoveDevice"),
)
#: What only images need that are made; and what their own templates need as others do.
_IMAGES = (
    *("VirtualMachine.Config.Annotation", "VirtualMachine.Provisioning.CloneTemplate"),
    *("VirtualMachine.Provisioning.CreateTemplateFromVM", "VirtualMachine.Provisioning.MarkAsTemplate", "VApp.Import"),
    *("ContentLibrary.CreateLocalLibrary", "ContentLibrary.AddLibraryItem", "VApp.Delete"),
    *("ContentLibrary.UpdateSession", "ContentLibrary.DeleteLibraryItem"),
)
_OF_TEMPLATES = ("VirtualMachine.Provisioning.CloneTemplate", "VirtualMachine.Provisioning.DeployTemplate")
#: What only snapshots need.
_SNAPSHOTS = (
    *("VirtualMachine.State.CreateSnapshot", "VirtualMachine.State.RemoveSnapshot"),
    *("VirtualMachine.State.RenameSnapshot", "VirtualMachine.State.RevertToSnapshot"),
)
#: What only networks need that are made.
_SEGMENTS = ("DVPortgroup.Create", "DVPortgroup.Modify", "DVPortgroup.Delete")
#: What only volumes need.
_VOLUMES = ("Datastore.FileManagement", "VirtualMachine.Config.AddExistingDisk", "VirtualMachine.Config.RemoveDisk")


class VsphereBed(Bed):
    """A vCenter."""

    kind = "vsphere"
    calls = Calls(
        create="CloneVM_Task",
        start="PowerOnVM_Task",
        resize="ReconfigVM_Task",
        mark="ReconfigVM_Task",
        delete="Destroy_Task",
        migrate="RelocateVM_Task",
        list="WaitForUpdatesEx",
        create_volume="CreateDisk_Task",
        delete_volume="DeleteVStorageObject_Task",
        attach="AttachDisk_Task",
        detach="DetachDisk_Task",
    )
    throttle = Answer(429, body="Too Many Requests")
    refusal = Answer(500, code="InvalidArgument", message="A specified parameter was not correct: spec")
    #: Of each kind of place one, the one that machines of the usual spec get or ask for.
    granted = tuple(
        grant
        for grant in GRANTS
        if (
            grant.place
            in {
                *("/", "/DC0/vm/templates", "/DC0/vm/hybridge", "/DC0/host/DC0_C0/Resources"),
                *("/DC0/datastore/LocalDS_0", "/DC0/network/frontend"),
            }
            and not (grant.place == "/DC0/vm/hybridge" and grant.right in _OF_TEMPLATES)
        )
        or (grant.place == "/DC0/network" and grant.right in _SEGMENTS)
    )
    for_features = (
        *("Global.SetCustomField", "Global.ManageCustomFields", "StorageProfile.View"),
        *(*_MOVING, *_VOLUMES, *_SEGMENTS, *_IMAGES, *_SNAPSHOTS),
    )
    beyond = (*_MOVING, *_SEGMENTS, *_IMAGES, *_SNAPSHOTS, "StorageProfile.View")
    changing = (
        *("VirtualMachine.Inventory.CreateFromExisting", "VirtualMachine.Inventory.Delete", "Resource.AssignVMToPool"),
        *("VirtualMachine.Provisioning.DeployTemplate", "Datastore.AllocateSpace", "VirtualMachine.Interact.PowerOn"),
    )
    permissions = ("VirtualMachine.", "System.", "Resource.", "Datastore.")
    deadlines: ClassVar[Mapping[str, object]] = {
        "hybridge.drivers.vsphere.client._READ_TIMEOUT": 1.0,
        "hybridge.drivers.vsphere.automation._READ_TIMEOUT": 1.0,
        "hybridge.drivers.vsphere.watch._GRACE": 1.0,
    }
    sweep_cost = 1
    create_cost = 1
    choices: ClassVar[Mapping[str, tuple[object, object]]] = {
        "cloudInit.hostname": ("web-1", "web-2"),
        "cloudInit.sshKeys": ("ssh-ed25519 AAAAC3NzaC1lZDI1 you@contract", "ssh-ed25519 BBBBC3NzaC1lZDI1 me@contract"),
        "networks": ("backend", "VM Network"),
        "networks.first": ("VM Network", "/frontend"),
        "placement.cluster": ("DC0_C0", "DC0_H0"),
        "placement.folder": ("hybridge", "archive"),
        "placement.node": ("DC0_C0_H1", "DC0_C0_H2"),
        "placement.resourcePool": ("DC0_C0/Resources", "gold"),
        "placement.storage": ("LocalDS_0", "/LocalDS_1/"),
        "vsphere.cpuHotAdd": (True, False),
        "vsphere.guestID": ("debian12_64Guest", "otherLinux64Guest"),
        "vsphere.memoryHotAdd": (True, False),
        "rootDisk.class": ("gold", "silver"),
        "vsphere.storagePolicy": ("silver", "gold"),
    }
    one_way = frozenset({"vsphere.hardwareVersion"})
    later = frozenset({"tags"})
    hot_add: ClassVar[Mapping[str, object]] = {"cpuHotAdd": True, "memoryHotAdd": True}
    oddities = (
        "nothing in it",
        "odd name",
        "several disks",
        "SATA disk",
        "IDE disk",
        "NVMe disk",
        "two interfaces on one network",
        "interfaces of old kinds",
        "template",
        "metadata of others",
    )
    unique_names = True
    missing_id = "vm-999999"
    missing_image = "vm-999999"
    missing_volume = "00000000-0000-4000-8000-000000000000"
    volume_sweep_cost = 1
    volume_life_cost = 14
    impossible_volumes = (
        {"iops": 3000},
        {"throughput": 2**27},
        {"encrypted": True},
        {"placement": {"zone": "a"}},
        {"options": {"format": "raw"}},
    )

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._hurt: set[str] = set()
        self._protected: set[str] = set()
        super().__init__(folder, authority)

    @property
    def _vcenter(self) -> VsphereCloud:
        return cast("VsphereCloud", self.cloud)

    def machines(self) -> dict[str, Shown]:
        return {machine.moid: self._shown(machine) for machine in self._vcenter.machines()}

    def given(self, machine_id: str) -> str:
        words = self._vcenter.machine(machine_id).extra_config
        return "\n".join(_decoded(words[key]) for key in _GUEST_INFO if key in words)

    def pace(self, seconds: float) -> None:
        self._vcenter.tune(task_delay=seconds)

    def power(self, machine_id: str, *, on: bool) -> None:
        self._vcenter.power(machine_id, on=on)

    def destroy(self, machine_id: str) -> None:
        self._vcenter.destroy(machine_id)

    def copy(self, machine_id: str) -> str:
        return self._vcenter.clone_by_hand(machine_id, f"copy-of-{machine_id}")

    def stranger(self, name: str, machine_id: str | None = None) -> str:
        assert machine_id is None
        return self._vcenter.create(name)

    def unknown_task(self, known: str) -> str:
        return f"{known.rstrip('0123456789')}999999"

    def hold(self, grants: Sequence[Grant] | None) -> None:
        self._vcenter.grant(*(grants or ()))

    def is_at(self, grant: Grant, right: Right) -> bool:
        if grant.place == "/DC0/vm/templates":
            return right.place.startswith("vm-")
        if grant.place == "/DC0/network":
            return right.place.startswith("DVS0")
        named = grant.place == "/" or grant.place.rpartition("/")[2] in right.place
        return named or right.place.endswith("or another")

    def resize(self, machine_id: str) -> None:
        self._vcenter.set_cpus(machine_id, 4)

    @property
    def networks(self) -> tuple[str, str]:
        return "VM Network", "frontend"

    @property
    def places(self) -> tuple[str, ...]:
        return "DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2"

    def by_hand(self, machine_id: str, path: str, value: object) -> None:
        word = str(value).strip("/").rpartition("/")[2]
        match path:
            case "networks" | "networks.first":
                self._vcenter.cards.connect(machine_id, 0 if path == "networks.first" else 1, word)
            case "placement.folder":
                self._vcenter.move(machine_id, word)
            case "placement.cluster":  # a host that is alone has its own name
                self._vcenter.relocate(machine_id, host=word)
            case "placement.node" | "placement.storage" | "placement.resourcePool":
                self._vcenter.relocate(machine_id, **{_RELOCATED[path]: word})
            case "cloudInit.hostname" | "cloudInit.sshKeys":
                key = {"cloudInit.hostname": "local-hostname", "cloudInit.sshKeys": "public-keys"}[path]
                metadata = json.loads(self.given(machine_id).splitlines()[0]) | {key: value}
                text = base64.b64encode(json.dumps(metadata).encode()).decode()
                self._vcenter.set_extra_config(machine_id, {"guestinfo.metadata": text})
            case "rootDisk.class" | "vsphere.storagePolicy":  # a disk without a class has the machine's policy
                self._vcenter.storage_policies.set(machine_id, root_disk=str(value))
            case _:
                self._vcenter.set_hardware(machine_id, _HARDWARE[path], value)

    def plug(self, machine_id: str, network: str) -> None:
        self._vcenter.cards.add(machine_id, network)

    def unplug(self, machine_id: str) -> None:
        self._vcenter.cards.remove(machine_id)

    def handmade(self, odd: str) -> str:
        name = ODD_NAME if odd == "odd name" else f"by-hand-{uuid4().hex[:8]}"
        made = self._vcenter.create(name, _devices(odd, self._vcenter.cards.backing("VM Network")))
        if odd == "template":
            self._vcenter.make_template(made)
        if odd == "metadata of others":
            self._vcenter.set_extra_config(made, {"guestinfo.metadata": "instance-id: web\n{"})
        return made

    def rename(self, machine_id: str, name: str) -> None:
        self._vcenter.rename(machine_id, name)

    def maintain(self, place: str) -> None:
        self._hurt.add(place)
        self._vcenter.tune_host(place, maintenance=True)

    def fail(self, place: str) -> None:
        self._hurt.add(place)
        self._vcenter.tune_host(place, connected=False)

    def protect(self, machine_id: str) -> None:
        self._vcenter.protect(machine_id)
        self._protected.add(machine_id)

    def volumes(self) -> dict[str, ShownVolume]:
        return {
            disk.id: ShownVolume(
                id=disk.id,
                size=disk.size,
                owner=disk.metadata.get(OWNER),
                machines=(disk.machine,) if disk.machine else (),
                tags=disk.metadata,
            )
            for disk in self._vcenter.disks.all()
        }

    @property
    def volume_words(self) -> Mapping[str, object]:
        return {"placement": {"storage": VsphereCloud.datastores[0]}}

    def stranger_volume(self, name: str) -> str:
        return self._vcenter.disks.create(name, 2 * GIB)

    def copy_volume(self, volume_id: str) -> str | None:
        disk = self._vcenter.disks.disk(volume_id)
        return self._vcenter.disks.create(disk.name, disk.size, metadata=disk.metadata)

    def destroy_volume(self, volume_id: str) -> None:
        self._vcenter.disks.destroy(volume_id)

    def attach_volume(self, machine_id: str, volume_id: str) -> None:
        self._vcenter.disks.attach(machine_id, volume_id)

    def detach_volume(self, machine_id: str, volume_id: str) -> None:
        self._vcenter.disks.detach(machine_id, volume_id)

    def grow_volume(self, volume_id: str, size: int) -> None:
        self._vcenter.disks.grow(volume_id, size)

    def tag_volume(self, volume_id: str, key: str, value: str) -> None:
        self._vcenter.disks.set_metadata(volume_id, {key: value})

    def tidy(self) -> None:
        for place in self._hurt:
            self._vcenter.tune_host(place, maintenance=False, connected=True)
        for machine_id in self._protected:
            self._vcenter.protect(machine_id, on=False)
        self._hurt.clear()
        self._protected.clear()
        super().tidy()

    def _start(self, folder: Path) -> SimulatedCloud:
        return VsphereCloud(folder, self.authority).start().wait()

    def _block(self, endpoint: str) -> Mapping[str, object]:
        return {"endpoint": endpoint, "datacenter": VsphereCloud.datacenter}

    def _defaults(self) -> Mapping[str, str]:
        return {"folder": VsphereCloud.folder, "cluster": VsphereCloud.cluster}

    @property
    def readonly_credentials(self) -> dict[str, str]:
        return self._vcenter.readonly_credentials

    @property
    def image_id(self) -> str:
        return self._vcenter.templates[self.image]

    @staticmethod
    def _shown(machine: VsphereMachine) -> Shown:
        words = machine.extra_config
        return Shown(
            id=machine.moid,
            name=machine.name,
            running=machine.power == "poweredOn",
            cpus=machine.cpus,
            memory=machine.memory * MIB,
            root_disk=machine.disks[0] if machine.disks else None,
            owner=words.get(OWNER) or None,
            uuid=machine.instance_uuid,
            template=machine.template,
        )


_HARDWARE_OF = vim.vm.device
_CONTROLLERS = {
    "SCSI": (_HARDWARE_OF.ParaVirtualSCSIController, 1000, 2000),
    "SATA": (_HARDWARE_OF.VirtualAHCIController, 15000, 16000),
    "NVMe": (_HARDWARE_OF.VirtualNVMEController, 31000, 32000),
}


def _devices(odd: str, network: Any) -> list[Any]:
    """What an odd machine is made with; every machine has IDE controllers, the first of which is 200."""
    kind = odd.partition(" ")[0]
    cards = {
        "two interfaces on one network": (_HARDWARE_OF.VirtualVmxnet3, _HARDWARE_OF.VirtualVmxnet3),
        "interfaces of old kinds": (_HARDWARE_OF.VirtualPCNet32, _HARDWARE_OF.VirtualE1000),
    }.get(odd, ())
    devices = [card(key=-1 - number, backing=network) for number, card in enumerate(cards)]
    if kind == "IDE":
        return [*devices, _disk(3000, 200)]
    if kind in _CONTROLLERS or odd == "several disks":
        controller, key, first = _CONTROLLERS.get(kind, _CONTROLLERS["SCSI"])
        bus = {"sharedBus": "noSharing"} if first == _CONTROLLERS["SCSI"][2] else {}
        disks = [_disk(first + unit, key, unit) for unit in range(3 if odd == "several disks" else 1)]
        return [*devices, controller(key=key, busNumber=0, **bus), *disks]
    return devices


def _disk(key: int, controller: int, unit: int = 0) -> Any:
    backing = _HARDWARE_OF.VirtualDisk.FlatVer2BackingInfo(
        fileName=f"[{VsphereCloud.datastores[0]}]", diskMode="persistent", thinProvisioned=True
    )
    return _HARDWARE_OF.VirtualDisk(
        key=key, controllerKey=controller, unitNumber=unit, backing=backing, capacityInKB=(4 - unit) * MIB
    )


_RELOCATED = {"placement.node": "host", "placement.storage": "datastore", "placement.resourcePool": "pool"}
_HARDWARE = {
    "vsphere.cpuHotAdd": "cpuHotAddEnabled",
    "vsphere.guestID": "guestId",
    "vsphere.memoryHotAdd": "memoryHotAddEnabled",
}
_GUEST_INFO = ("guestinfo.metadata", "guestinfo.userdata")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text
