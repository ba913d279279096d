"""Proxmox VE of the lab, as a bed of the contract."""

from __future__ import annotations

import itertools
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, cast

from hybridge.core.identity import read_notes
from hybridge.drivers.proxmox.guest import LENDER
from hybridge.drivers.proxmox.images import read_name
from lab import permissions as shipped
from lab.bed import SimulatedCloud
from lab.faultproxy import Answer
from lab.permissions import Grant
from lab.pki import Authority
from lab.proxmox import ProxmoxCloud, ProxmoxMachine
from lab.proxmox_estate import BRIDGES, NODES, POOLS
from tests.contract.bed import GIB, MIB, ODD_NAME, Bed, Calls, Shown, ShownVolume


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
        migrate="POST /nodes/{node}/qemu/{vmid}/migrate",
        render="POST /nodes/{node}/storage/{storage}/upload",
        create_volume="POST /nodes/{node}/storage/{storage}/content",
        delete_volume="DELETE /nodes/{node}/storage/{storage}/content/{volume}",
        attach="P* /nodes/{node}/qemu/{vmid}/config",
        detach="P* /nodes/{node}/qemu/{vmid}/config",
    )
    throttle = Answer(429)
    refusal = Answer(400, message="Parameter verification failed.")
    granted = shipped.proxmox()
    for_features = (
        *(
            "VM.Config.CDROM",
            "VM.Config.Cloudinit",
            "Datastore.AllocateTemplate",
            "Datastore.Allocate",
            "VM.Migrate",
            "Pool.Audit",
            "Pool.Allocate",
            "Datastore.Audit",
            "SDN.Audit",
            "SDN.Allocate",
            "Sys.AccessNetwork",
            "Sys.Modify",
            "VM.Snapshot",
        ),
    )
    beyond = ("Sys.AccessNetwork", "VM.Snapshot")
    #: Who holds Sys.Modify at the top needs no other right to have files downloaded.
    untried = ("Sys.AccessNetwork",)
    extras: ClassVar[Mapping[str, object]] = {"placement": {"storage": "ceph"}}
    moves = ("placement.node", "proxmox.pool")
    changing = ("VM.Clone", "VM.Allocate", "VM.PowerMgmt", "VM.Config.CPU", "Datastore.AllocateSpace", "SDN.Use")
    permissions = ("VM.Clone", "VM.Allocate", "Datastore.AllocateSpace")
    deadlines: ClassVar[Mapping[str, object]] = {"hybridge.drivers.proxmox.transport.Login.timeout": (1.0, 1.0)}
    sweep_cost = 1
    create_cost = 6
    choices: ClassVar[Mapping[str, tuple[object, object]]] = {
        "proxmox.bios": ("seabios", "ovmf"),
        "proxmox.machine": ("pc", "q35"),
        "proxmox.cpuType": ("x86-64-v2-AES", "host"),
        "proxmox.agent": (True, False),
        "proxmox.pool": POOLS,
        "proxmox.vlan": (10, 20),
        "placement.storage": ("ceph", "nfs"),
        "placement.node": NODES[:2],
        "rootDisk.class": ("ceph", "nfs"),
        "cloudInit.sshKeys": (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann@contract",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE6 bob@x",
        ),
        "networks": BRIDGES,
        "networks.first": BRIDGES,
    }
    #: Both are in a CD of Hybridge's own when there is user data.
    unseen = frozenset({"cloudInit.hostname", "cloudInit.sshKeys"})
    repeated_prepare_cost = 1
    reuses_ids = True
    oddities = (
        "nothing in it",
        "no name",
        "several disks",
        "SATA disk",
        "IDE disk",
        "two interfaces on one network",
        "linked clone",
        "template",
        "odd notes",
    )
    missing_id = "999999"
    missing_image = "999999"
    missing_volume = f"ceph:vm-{LENDER}-none__nobody_{'a' * 26}"
    grows_alone = False
    tags_volumes = False
    marks_volumes = False
    #: Two storages that all nodes share, and one on each of three nodes.
    volume_sweep_cost = 5
    volume_life_cost = 15
    impossible_volumes = (
        {"iops": 3000},
        {"throughput": 2**27},
        {"encrypted": True},
        {"placement": {"zone": "a"}},
        {"options": {"kmsKeyID": "k"}},
        {"class_": "ceph", "placement": {"storage": "nfs"}},
    )

    _FROM, _TO = 1000, 1999

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._vmids = itertools.count(5000)
        self._troubled: set[str] = set()
        self._protected: set[str] = set()
        super().__init__(folder, authority)

    @property
    def _pve(self) -> ProxmoxCloud:
        return cast("ProxmoxCloud", self.cloud)

    def machines(self) -> dict[str, Shown]:
        return {str(machine.vmid): self._shown(machine) for machine in self._pve.machines()}

    def given(self, machine_id: str) -> str:
        return self._pve.given(int(machine_id))

    def pace(self, seconds: float) -> None:
        self._pve.tune(task_seconds=seconds)

    def power(self, machine_id: str, *, on: bool) -> None:
        self._pve.power(int(machine_id), on=on)

    def destroy(self, machine_id: str) -> None:
        if machine_id in self._protected:
            self._protected.discard(machine_id)
            self._pve.set_config(int(machine_id), protection=0)
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

    def hold(self, grants: Sequence[Grant] | None) -> None:
        self._pve.grant(*(grants or ()))

    def resize(self, machine_id: str) -> None:
        self._pve.set_config(int(machine_id), cores=4, sockets=1)

    def by_hand(self, machine_id: str, path: str, value: object) -> None:
        vmid = int(machine_id)
        if path == "proxmox.pool":
            self._pve.set_pool(vmid, str(value))
        elif path == "placement.node":
            self._pve.migrate(vmid, str(value))
        elif path in {"placement.storage", "rootDisk.class"}:
            self._pve.move_disk(vmid, "scsi0", str(value))
        elif path == "cloudInit.sshKeys":
            self._pve.set_config(vmid, sshkeys=urllib.parse.quote(str(value), safe=""))
        elif path == "proxmox.vlan":
            self._net(vmid, 0, tag=value)
        elif path in {"networks", "networks.first"}:
            self._net(vmid, 1 if path == "networks" else 0, bridge=value)
        else:
            key = {"proxmox.cpuType": "cpu"}.get(path, path.removeprefix("proxmox."))
            self._pve.set_config(vmid, **{key: int(value) if isinstance(value, bool) else str(value)})

    def _net(self, vmid: int, number: int, **words: object) -> None:
        present = str(self._pve.machine(vmid).config[f"net{number}"])
        kept = [part for part in present.split(",") if part.partition("=")[0] not in words]
        changed = ",".join([*kept, *(f"{key}={value}" for key, value in words.items())])
        self._pve.set_config(vmid, **{f"net{number}": changed})

    def plug(self, machine_id: str, network: str) -> None:
        vmid = int(machine_id)
        self._pve.set_config(vmid, **{f"net{self._cards(vmid)}": f"virtio,bridge={network}"})

    def unplug(self, machine_id: str) -> None:
        vmid = int(machine_id)
        self._pve.set_config(vmid, delete=f"net{self._cards(vmid) - 1}")

    def _cards(self, vmid: int) -> int:
        return sum(key.startswith("net") and key[3:].isdigit() for key in self._pve.machine(vmid).config)

    def handmade(self, odd: str) -> str:
        vmid = next(self._vmids)
        if odd == "linked clone":
            self._pve.clone_by_hand(self._pve.templates[self.image], vmid, name="linked", full=0)
            return str(vmid)
        card = "virtio,bridge=vmbr0"
        words: dict[str, dict[str, str]] = {
            "several disks": {"scsi0": "ceph:4", "scsi1": "ceph:1", "virtio3": "ceph:2"},
            "SATA disk": {"sata2": "ceph:4"},
            "IDE disk": {"ide0": "ceph:4", "ide2": "none,media=cdrom"},
            "two interfaces on one network": {"net0": card, "net3": card},
            "template": {"scsi0": "ceph:4"},
            "odd notes": {"description": f"{ODD_NAME}\n\n# A heading: {{\n"},
        }
        self._pve.create(vmid, "" if odd == "no name" else f"by-hand-{vmid}", node="pve1", **words.get(odd, {}))
        if odd == "template":
            self._pve.make_template(vmid)
        return str(vmid)

    def rename(self, machine_id: str, name: str) -> None:
        self._pve.set_config(int(machine_id), name=name)

    def maintain(self, place: str) -> None:
        self._troubled.add(place)
        self._pve.set_node(place, maintenance=True)

    def fail(self, place: str) -> None:
        self._troubled.add(place)
        self._pve.set_node(place, online=False)

    def protect(self, machine_id: str) -> None:
        self._protected.add(machine_id)
        self._pve.set_config(int(machine_id), protection=1)

    def tidy(self) -> None:
        for place in self._troubled:
            self._pve.set_node(place)
        self._troubled.clear()
        super().tidy()

    def volumes(self) -> dict[str, ShownVolume]:
        held: dict[str, list[str]] = {}
        machines = self._pve.machines()
        for machine in machines:
            for word in {*machine.config.values(), *machine.pending.values()}:
                held.setdefault(str(word).partition(",")[0], []).append(str(machine.vmid))
        there = {machine.vmid for machine in machines}
        found = {}
        for volume in self._pve.volumes():
            if volume.vmid not in there:
                marker = read_name(volume.volid)[1]
                name = f"{volume.node}/{volume.volid}" if volume.node else volume.volid
                owner = marker.owner if marker else None
                found[name] = ShownVolume(name, volume.size, owner, tuple(held.get(volume.volid, ())))
        return found

    @property
    def volume_words(self) -> Mapping[str, object]:
        return {"class_": "ceph"}

    def stranger_volume(self, name: str) -> str:
        return self._pve.allocate("ceph", f"vm-{LENDER}-{name}", LENDER, 1024)

    def copy_volume(self, volume_id: str) -> str | None:
        name = volume_id.partition(":")[2]
        return self._pve.allocate("nfs", f"{name}.raw", LENDER, 1024)

    def destroy_volume(self, volume_id: str) -> None:
        node, slash, volume = volume_id.partition("/")
        if slash and ":" not in node:
            self._pve.free(volume, node=node)
        else:
            self._pve.free(volume_id)

    def attach_volume(self, machine_id: str, volume_id: str) -> None:
        self._pve.set_config(int(machine_id), scsi20=volume_id)

    def detach_volume(self, machine_id: str, volume_id: str) -> None:
        self._pve.set_config(int(machine_id), delete=self._key(int(machine_id), volume_id))

    def grow_volume(self, volume_id: str, size: int) -> None:
        (machine_id,) = self.volumes()[volume_id].machines
        self._pve.grow(int(machine_id), self._key(int(machine_id), volume_id), size)

    def _key(self, vmid: int, volume_id: str) -> str:
        config = self._pve.machine(vmid).config
        return next(key for key, word in config.items() if str(word).partition(",")[0] == volume_id)

    @property
    def networks(self) -> tuple[str, str]:
        return BRIDGES[0], BRIDGES[1]

    @property
    def places(self) -> tuple[str, ...]:
        return NODES

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
