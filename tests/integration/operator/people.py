"""What a person sees in each cloud and does there behind the operator's back; how the clouds differ stands here as data."""

from __future__ import annotations

import base64
import binascii
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from hybridge.core.identity import NAMESPACE, OWNER, read_notes
from hybridge.drivers.proxmox.tags import decode
from lab.aws import AwsCloud
from lab.bed import Lab, SimulatedCloud
from lab.faultproxy import Answer, Cloud
from lab.manifests import IMAGE
from lab.process import LabError
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud

#: The key of each Secret that is a password, and a password that opens nothing.
PASSWORDS: Mapping[Cloud, str] = {"aws": "secretAccessKey", "proxmox": "tokenSecret", "vsphere": "password"}
WRONG = "00000000-dead-beef-0000-000000000000"
MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Facts:
    """A machine as its cloud itself shows it; ``memory`` and ``disk`` in bytes.

    ``owner`` and ``namespace`` are the marker's. ``place`` is the zone, node or host, ``networks`` the ids or names of
    its networks, ``kind`` the instance type.
    """

    id: str
    name: str
    running: bool
    cpus: int
    memory: int
    disk: int
    owner: str
    namespace: str
    place: str
    networks: tuple[str, ...]
    tags: Mapping[str, str]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Calls:
    """Names of operations at the fault proxy."""

    create: str
    delete: str
    sweep: str


class Person(ABC):
    """One cloud as its admin sees it."""

    cloud: ClassVar[Cloud]
    calls: ClassVar[Calls]
    #: The answer of a cloud that is asked too often.
    throttle: ClassVar[Answer]
    #: Words of the permission that a readonly account lacks when a machine is made.
    missing_permission: ClassVar[str]
    #: A placement other than the one that machines get by themselves, and what ``Facts.place`` is then.
    placement: ClassVar[tuple[Mapping[str, str], str]]
    #: The block of another cloud, and of this one.
    foreign_block: ClassVar[str]

    @abstractmethod
    def machines(self) -> list[Facts]:
        """All machines but templates."""

    @abstractmethod
    def power(self, machine_id: str, *, on: bool) -> None:
        """Starts a machine, or pulls its plug."""

    @abstractmethod
    def destroy(self, machine_id: str) -> None:
        """Destroys a machine."""

    @abstractmethod
    def shrink(self, machine_id: str) -> None:
        """Gives a machine two CPUs, off and on again; it must be paused, else the operator starts it in between."""

    @abstractmethod
    def given(self, machine_id: str) -> str:
        """All text that the guest is handed at its start, as far as the cloud shows it."""

    @abstractmethod
    def launch(self, name: str) -> str:
        """Makes a machine by hand, without any marker, and starts it; its id."""

    @abstractmethod
    def mark(self, machine_id: str, pairs: Mapping[str, str]) -> None:
        """Writes a marker on a machine."""

    @abstractmethod
    def protect(self, machine_id: str, *, on: bool) -> None:
        """Turns the cloud's own protection against deletion on or off."""

    @abstractmethod
    def copy(self, machine_id: str) -> str:
        """Copies a machine with its marker; the id of the copy."""

    @property
    @abstractmethod
    def simulated(self) -> SimulatedCloud:
        """The cloud of the lab, for those who do other things in it than with machines."""

    @property
    @abstractmethod
    def network(self) -> str:
        """A network other than the one that machines get by themselves."""

    @property
    @abstractmethod
    def readonly(self) -> Mapping[str, str]:
        """Credentials that may look and change nothing."""

    def find(self, owner: str) -> list[Facts]:
        """Machines whose marker names this uid."""
        return [machine for machine in self.machines() if machine.owner.partition("/")[2] == owner]

    def machine(self, machine_id: str) -> Facts | None:
        """The machine of this id."""
        return next((machine for machine in self.machines() if machine.id == machine_id), None)


#: Devices of which an instance boots.
_BOOT = frozenset({"/dev/sda1", "/dev/xvda"})


class AwsPerson(Person):
    """In the console of EC2."""

    cloud = "aws"
    calls = Calls("ec2:RunInstances", "ec2:TerminateInstances", "ec2:DescribeInstances")
    throttle = Answer(503, code="RequestLimitExceeded")
    missing_permission = "ec2:RunInstances"
    placement: ClassVar[tuple[Mapping[str, str], str]] = ({"zone": "eu-central-1b"}, "eu-central-1b")
    foreign_block = "proxmox"

    def __init__(self, cloud: AwsCloud) -> None:
        self._aws = cloud
        self._ec2 = cloud.client()
        self._types: dict[str, tuple[int, int]] = {}

    def machines(self) -> list[Facts]:
        found = self._aws.machines()
        self._learn({machine.type for machine in found} - self._types.keys())
        disks = {
            where["InstanceId"]: volume["Size"] * GIB
            for volume in self._ec2.describe_volumes()["Volumes"]
            for where in volume["Attachments"]
            if where["Device"] in _BOOT
        }
        cards = sorted(
            (card["Attachment"]["InstanceId"], card["Attachment"]["DeviceIndex"], card["SubnetId"])
            for card in self._ec2.describe_network_interfaces()["NetworkInterfaces"]
            if card.get("Attachment", {}).get("InstanceId")
        )
        return [
            Facts(
                id=machine.id,
                name=machine.name,
                running=machine.state == "running",
                cpus=self._types[machine.type][0],
                memory=self._types[machine.type][1],
                disk=disks.get(machine.id, 0),
                owner=machine.tags.get(OWNER, ""),
                namespace=machine.tags.get(NAMESPACE, ""),
                place=machine.zone,
                networks=tuple(subnet for instance, _, subnet in cards if instance == machine.id),
                tags=machine.tags,
                kind=machine.type,
            )
            for machine in found
        ]

    def given(self, machine_id: str) -> str:
        answer = self._ec2.describe_instance_attribute(InstanceId=machine_id, Attribute="userData")
        return base64.b64decode(answer.get("UserData", {}).get("Value", "")).decode()

    def power(self, machine_id: str, *, on: bool) -> None:
        if on and any(machine.id == machine_id and machine.state == "stopping" for machine in self._aws.machines()):
            self._await("instance_stopped", machine_id)
        self._aws.power(machine_id, on=on)

    def shrink(self, machine_id: str) -> None:
        client = self._aws.client()
        for on, waiter in ((False, "instance_stopped"), (True, "instance_running")):
            self.power(machine_id, on=on)
            client.get_waiter(waiter).wait(InstanceIds=[machine_id], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
            if not on:
                client.modify_instance_attribute(InstanceId=machine_id, InstanceType={"Value": "t3.medium"})

    def destroy(self, machine_id: str) -> None:
        self._aws.terminate(machine_id)

    def launch(self, name: str) -> str:
        return self._aws.launch_by_hand({"Name": name})

    def mark(self, machine_id: str, pairs: Mapping[str, str]) -> None:
        tags = [{"Key": key, "Value": value} for key, value in pairs.items()]
        self._ec2.create_tags(Resources=[machine_id], Tags=tags)

    def protect(self, machine_id: str, *, on: bool) -> None:
        self._aws.protect(machine_id, on=on)

    def copy(self, machine_id: str) -> str:
        tags = next(machine.tags for machine in self._aws.machines() if machine.id == machine_id)
        return self._aws.launch_by_hand(tags)

    @property
    def simulated(self) -> SimulatedCloud:
        return self._aws

    @property
    def network(self) -> str:
        return self._aws.subnets[1]

    @property
    def readonly(self) -> Mapping[str, str]:
        return self._aws.readonly_credentials

    def _await(self, waiter: str, machine_id: str) -> None:
        self._ec2.get_waiter(waiter).wait(InstanceIds=[machine_id], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})

    def _learn(self, names: set[str]) -> None:
        if names:
            found = self._ec2.describe_instance_types(InstanceTypes=sorted(names))["InstanceTypes"]
            for kind in found:
                size = (kind["VCpuInfo"]["DefaultVCpus"], kind["MemoryInfo"]["SizeInMiB"] * MIB)
                self._types[kind["InstanceType"]] = size


class ProxmoxPerson(Person):
    """In the web interface of Proxmox VE. What is made by hand gets VMIDs from 7000 on, beyond those of Providers."""

    cloud = "proxmox"
    calls = Calls("POST /nodes/{node}/qemu/{vmid}/clone", "DELETE /nodes/{node}/qemu/{vmid}", "GET /cluster/resources")
    throttle = Answer(429)
    missing_permission = "VM."
    placement: ClassVar[tuple[Mapping[str, str], str]] = ({"node": "pve3"}, "pve3")
    foreign_block = "vsphere"

    def __init__(self, cloud: ProxmoxCloud) -> None:
        self._pve = cloud
        self._vmids = itertools.count(7000)

    def machines(self) -> list[Facts]:
        found = []
        for machine in self._pve.machines():
            marker = read_notes(machine.description)
            disk = str(machine.config.get("scsi0", "")).partition("size=")[2].partition(",")[0]
            cards = [str(value) for key, value in machine.config.items() if key.startswith("net")]
            found.append(
                Facts(
                    id=str(machine.vmid),
                    name=machine.name,
                    running=machine.status == "running",
                    cpus=machine.cpus,
                    memory=machine.memory,
                    disk=int(disk[:-1]) * {"M": MIB, "G": GIB}[disk[-1]] if disk else 0,
                    owner=marker.owner if marker else "",
                    namespace=marker.namespace if marker else "",
                    place=machine.node,
                    networks=tuple(card.partition("bridge=")[2].partition(",")[0] for card in cards),
                    tags=decode(machine.tags),
                )
            )
        templates = {str(vmid) for vmid in self._pve.templates.values()}
        return [machine for machine in found if machine.id not in templates]

    def given(self, machine_id: str) -> str:
        return self._pve.given(int(machine_id))

    def power(self, machine_id: str, *, on: bool) -> None:
        self._pve.power(int(machine_id), on=on)

    def shrink(self, machine_id: str) -> None:
        self.power(machine_id, on=False)
        self._pve.set_config(int(machine_id), cores=2, sockets=1)
        self.power(machine_id, on=True)

    def destroy(self, machine_id: str) -> None:
        _insist(lambda: self._pve.destroy(int(machine_id)))

    def launch(self, name: str) -> str:
        made = next(self._vmids)
        self._pve.clone_by_hand(self._pve.templates[IMAGE], made, name=name, full=1)
        self.power(str(made), on=True)
        return str(made)

    def mark(self, machine_id: str, pairs: Mapping[str, str]) -> None:
        self._pve.set_config(int(machine_id), description="\n".join(f"{key}: {text}" for key, text in pairs.items()))

    def protect(self, machine_id: str, *, on: bool) -> None:
        self._pve.set_config(int(machine_id), protection=int(on))

    def copy(self, machine_id: str) -> str:
        made = next(self._vmids)
        self._pve.clone_by_hand(int(machine_id), made, name=f"copy-{made}", full=1)
        return str(made)

    @property
    def simulated(self) -> SimulatedCloud:
        return self._pve

    @property
    def network(self) -> str:
        return "vmbr1"

    @property
    def readonly(self) -> Mapping[str, str]:
        return self._pve.readonly_credentials


class VspherePerson(Person):
    """In the vSphere client."""

    cloud = "vsphere"
    calls = Calls("CloneVM_Task", "Destroy_Task", "WaitForUpdatesEx")
    throttle = Answer(429, body="Too Many Requests")
    missing_permission = "VirtualMachine."
    placement: ClassVar[tuple[Mapping[str, str], str]] = ({"node": "DC0_H0"}, "DC0_H0")
    foreign_block = "aws"

    def __init__(self, cloud: VsphereCloud) -> None:
        self._vcenter = cloud

    def machines(self) -> list[Facts]:
        tags = self._vcenter.custom_attributes()
        return [
            Facts(
                id=machine.moid,
                name=machine.name,
                running=machine.power == "poweredOn",
                cpus=machine.cpus,
                memory=machine.memory * MIB,
                disk=machine.disks[0] if machine.disks else 0,
                owner=machine.extra_config.get(OWNER, ""),
                namespace=machine.extra_config.get(NAMESPACE, ""),
                place=machine.host,
                networks=machine.networks,
                tags=tags.get(machine.moid, {}),
            )
            for machine in self._vcenter.machines()
            if not machine.template
        ]

    def given(self, machine_id: str) -> str:
        return "\n".join(map(_decoded, self._vcenter.machine(machine_id).extra_config.values()))

    def power(self, machine_id: str, *, on: bool) -> None:
        self._vcenter.power(machine_id, on=on)

    def shrink(self, machine_id: str) -> None:
        self._vcenter.set_cpus(machine_id, 2)

    def destroy(self, machine_id: str) -> None:
        _insist(lambda: self._vcenter.destroy(machine_id))

    def launch(self, name: str) -> str:
        return self._vcenter.clone_by_hand(self._vcenter.templates[IMAGE], name, on=True)

    def mark(self, machine_id: str, pairs: Mapping[str, str]) -> None:
        self._vcenter.set_extra_config(machine_id, pairs)

    def protect(self, machine_id: str, *, on: bool) -> None:
        self._vcenter.protect(machine_id, on=on)

    def copy(self, machine_id: str) -> str:
        return self._vcenter.clone_by_hand(machine_id, f"copy-of-{machine_id}")

    @property
    def simulated(self) -> SimulatedCloud:
        return self._vcenter

    @property
    def network(self) -> str:
        return "backend"

    @property
    def readonly(self) -> Mapping[str, str]:
        return self._vcenter.readonly_credentials


def person(cloud: Cloud, lab: Lab) -> Person:
    """Whoever works in this cloud of the lab."""
    match cloud:
        case "aws":
            return AwsPerson(lab.aws)
        case "proxmox":
            return ProxmoxPerson(lab.proxmox)
        case "vsphere":
            return VspherePerson(lab.vsphere)


def _insist(act: Callable[[], None], attempts: int = 20) -> None:
    """Acts until the cloud does it: the operator may start a machine again between its stop and its destruction."""
    for left in reversed(range(attempts)):
        try:
            return act()
        except LabError:
            if not left:
                raise
    return None


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text
