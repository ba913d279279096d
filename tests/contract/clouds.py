"""The three clouds of the lab, each as a Bed."""

from __future__ import annotations

import base64
import binascii
import itertools
import urllib.parse
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

from hybridge.core.identity import OWNER, read_notes
from lab.aws import REGION, AwsCloud, AwsMachine
from lab.bed import SimulatedCloud
from lab.faultproxy import Answer
from lab.pki import Authority
from lab.proxmox import ProxmoxCloud, ProxmoxMachine
from lab.vsphere import VsphereCloud, VsphereMachine
from tests.contract.bed import GIB, MIB, Bed, Calls, Shown


class AwsBed(Bed):
    """EC2. The size of a machine is that of its type: t3.medium for the usual spec."""

    kind = "aws"
    calls = Calls(
        create="ec2:RunInstances",
        start="ec2:StartInstances",
        resize="ec2:ModifyInstanceAttribute",
        mark="ec2:*Tags",
        delete="ec2:TerminateInstances",
        list="ec2:DescribeInstances",
    )
    throttle = Answer(503, code="RequestLimitExceeded")
    refusal = Answer(400, code="InvalidParameterValue", message="that is not how it works")
    permissions = ("ec2:RunInstances",)
    deadlines: ClassVar[Mapping[str, object]] = {
        "hybridge.drivers.aws.client.CONNECT_TIMEOUT": 1.0,
        "hybridge.drivers.aws.client.READ_TIMEOUT": 1.0,
    }
    sweep_cost = 1
    create_cost = 1
    missing_id = "i-0123456789abcdef0"

    _TRANSITION = 0.1

    @property
    def _aws(self) -> AwsCloud:
        return cast("AwsCloud", self.cloud)

    @cached_property
    def _ec2(self) -> Any:
        return self._aws.client()

    def machines(self) -> dict[str, Shown]:
        found = self._aws.machines()
        types, disks = self._types({machine.type for machine in found}), self._disks()
        return {machine.id: self._shown(machine, types, disks) for machine in found}

    def given(self, machine_id: str) -> str:
        answer = self._ec2.describe_instance_attribute(InstanceId=machine_id, Attribute="userData")
        return base64.b64decode(answer["UserData"].get("Value", "")).decode()

    def leftovers(self) -> set[str]:
        volumes = self._ec2.describe_volumes()["Volumes"]
        return {volume["VolumeId"] for volume in volumes if not volume["Attachments"]}

    def pace(self, seconds: float) -> None:
        self._aws.tune(transition_seconds=self._TRANSITION + seconds)

    def power(self, machine_id: str, *, on: bool) -> None:
        self._aws.power(machine_id, on=on)
        self._wait("instance_running" if on else "instance_stopped", machine_id)

    def destroy(self, machine_id: str) -> None:
        self._aws.terminate(machine_id)

    def copy(self, machine_id: str) -> str:
        tags = next(machine.tags for machine in self._aws.machines() if machine.id == machine_id)
        return self._aws.launch_by_hand(tags)

    def stranger(self, name: str, machine_id: str | None = None) -> str:
        assert machine_id is None
        made = self._aws.launch_by_hand({"Name": name})
        self._wait("instance_running", made)
        return made

    def resize(self, machine_id: str) -> None:
        self._ec2.modify_instance_attribute(InstanceId=machine_id, InstanceType={"Value": "m5.xlarge"})

    def _start(self, folder: Path) -> SimulatedCloud:
        cloud = AwsCloud(folder, transition=self._TRANSITION).start().wait()
        cloud.tune(terminated_seconds=5.0)  # or all that ever were would be listed by each sweep
        return cloud

    def _block(self, endpoint: str) -> Mapping[str, object]:
        return {"region": REGION, "endpoint": endpoint}

    def _defaults(self) -> Mapping[str, str]:
        return {"network": self._aws.subnets[0]}

    @property
    def readonly_credentials(self) -> dict[str, str]:
        return self._aws.readonly_credentials

    @property
    def image_id(self) -> str:
        return self._aws.images[self.image]

    def _wait(self, waiter: str, machine_id: str) -> None:
        self._ec2.get_waiter(waiter).wait(InstanceIds=[machine_id], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})

    def _types(self, names: set[str]) -> dict[str, tuple[int, int]]:
        if not names:
            return {}
        found = self._ec2.describe_instance_types(InstanceTypes=sorted(names))["InstanceTypes"]
        return {
            kind["InstanceType"]: (kind["VCpuInfo"]["DefaultVCpus"], kind["MemoryInfo"]["SizeInMiB"] * MIB)
            for kind in found
        }

    def _disks(self) -> dict[str, int]:
        volumes = self._ec2.describe_volumes()["Volumes"]
        return {where["InstanceId"]: volume["Size"] * GIB for volume in volumes for where in volume["Attachments"]}

    @staticmethod
    def _shown(machine: AwsMachine, types: Mapping[str, tuple[int, int]], disks: Mapping[str, int]) -> Shown:
        cpus, memory = types[machine.type]
        return Shown(
            id=machine.id,
            name=machine.name,
            running=machine.state == "running",
            cpus=cpus,
            memory=memory,
            root_disk=disks.get(machine.id),
            owner=machine.tags.get(OWNER),
            uuid=None,
        )


class ProxmoxBed(Bed):
    """Proxmox VE. Strangers get VMIDs from 5000 on, beyond the Provider's range."""

    kind = "proxmox"
    calls = Calls(
        create="POST /nodes/{node}/qemu/{vmid}/clone",
        start="POST /nodes/{node}/qemu/{vmid}/status/start",
        resize="P* /nodes/{node}/qemu/{vmid}/config",
        mark="P* /nodes/{node}/qemu/{vmid}/config",
        delete="DELETE /nodes/{node}/qemu/{vmid}",
        list="GET /cluster/resources",
    )
    throttle = Answer(429)
    refusal = Answer(400, message="Parameter verification failed.")
    permissions = ("VM.Clone", "VM.Allocate", "Datastore.AllocateSpace")
    deadlines: ClassVar[Mapping[str, object]] = {"hybridge.drivers.proxmox.transport.Login.timeout": (1.0, 1.0)}
    sweep_cost = 1
    create_cost = 6
    repeated_prepare_cost = 1
    reuses_ids = True
    shows_user_data = False
    missing_id = "999999"

    _FROM, _TO = 1000, 1999

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._vmids = itertools.count(5000)
        super().__init__(folder, authority)

    @property
    def _pve(self) -> ProxmoxCloud:
        return cast("ProxmoxCloud", self.cloud)

    def machines(self) -> dict[str, Shown]:
        return {str(machine.vmid): self._shown(machine) for machine in self._pve.machines()}

    def given(self, machine_id: str) -> str:
        machine = self._pve.machine(int(machine_id))
        return urllib.parse.unquote("\n".join([machine.name, *map(str, machine.config.values())]))

    def leftovers(self) -> set[str]:
        used = {str(word) for machine in self._pve.machines() for word in machine.config.values()}
        return {volume for volume in self._pve.isos() if not any(volume in word for word in used)}

    def pace(self, seconds: float) -> None:
        self._pve.tune(task_seconds=seconds)

    def power(self, machine_id: str, *, on: bool) -> None:
        self._pve.power(int(machine_id), on=on)

    def destroy(self, machine_id: str) -> None:
        self._pve.destroy(int(machine_id))

    def copy(self, machine_id: str) -> str:
        copy = str(next(self._vmids))
        self.copy_to(machine_id, copy)
        return copy

    def unknown_task(self, known: str) -> str:
        words = known.split(":")  # UPID:node:pid:pstart:starttime:type:id:user:
        return ":".join([*words[:2], "0000FFFF", *words[3:]])

    def copy_to(self, machine_id: str, new_id: str) -> None:
        self._pve.clone_by_hand(int(machine_id), int(new_id), name=f"copy-{new_id}", full=1)

    def stranger(self, name: str, machine_id: str | None = None) -> str:
        vmid = int(machine_id) if machine_id else next(self._vmids)
        self._pve.create(vmid, name, cores=1, memory=512)
        return str(vmid)

    def resize(self, machine_id: str) -> None:
        self._pve.set_config(int(machine_id), cores=4, sockets=1)

    def _start(self, folder: Path) -> SimulatedCloud:
        return ProxmoxCloud(folder, self.authority).start().wait()

    def _block(self, endpoint: str) -> Mapping[str, object]:
        return {"endpoint": endpoint, "vmIDRange": {"from": self._FROM, "to": self._TO}}

    @property
    def readonly_credentials(self) -> dict[str, str]:
        return self._pve.readonly_credentials

    @property
    def image_id(self) -> str:
        return str(self._pve.templates[self.image])

    @staticmethod
    def _shown(machine: ProxmoxMachine) -> Shown:
        marker = read_notes(machine.description)
        disk = str(machine.config.get("scsi0", "")).partition("size=")[2].partition(",")[0]
        return Shown(
            id=str(machine.vmid),
            name=machine.name,
            running=machine.status == "running",
            cpus=machine.cpus,
            memory=machine.memory,
            root_disk=int(disk[:-1]) * {"M": MIB, "G": GIB}[disk[-1]] if disk else None,
            owner=marker.owner if marker else None,
            uuid=machine.smbios_uuid or None,
            template=machine.template,
        )


class VsphereBed(Bed):
    """A vCenter."""

    kind = "vsphere"
    calls = Calls(
        create="CloneVM_Task",
        start="PowerOnVM_Task",
        resize="ReconfigVM_Task",
        mark="ReconfigVM_Task",
        delete="Destroy_Task",
        list="WaitForUpdatesEx",
    )
    throttle = Answer(429, body="Too Many Requests")
    refusal = Answer(500, code="InvalidArgument", message="A specified parameter was not correct: spec")
    permissions = ("VirtualMachine.", "System.", "Resource.", "Datastore.")
    deadlines: ClassVar[Mapping[str, object]] = {
        "hybridge.drivers.vsphere.client._READ_TIMEOUT": 1.0,
        "hybridge.drivers.vsphere.watch._GRACE": 1.0,
    }
    sweep_cost = 1
    create_cost = 1
    hot_add: ClassVar[Mapping[str, object]] = {"cpuHotAdd": True, "memoryHotAdd": True}
    missing_id = "vm-999999"

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

    def resize(self, machine_id: str) -> None:
        self._vcenter.set_cpus(machine_id, 4)

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


_GUEST_INFO = ("guestinfo.metadata", "guestinfo.userdata")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text


BEDS: dict[str, type[Bed]] = {bed.kind: cast("type[Bed]", bed) for bed in (AwsBed, ProxmoxBed, VsphereBed)}
