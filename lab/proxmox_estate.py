"""What the lab's Proxmox VE cluster consists of at its start: nodes, storages, templates, tokens and their rights."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from lab import permissions
from lab.fleet import Wanted
from lab.permissions import Grant

GIB = 2**30
NODES = ("pve1", "pve2", "pve3")
BRIDGES = ("vmbr0", "vmbr1")
POOLS = ("production", "staging")
CLUSTER = "hybridge-lab"
NODE_CPUS = 128
NODE_MEMORY = 1024 * GIB
NODE_DISK = 256 * GIB

OPERATOR = "hybridge@pve!operator"
READONLY = "readonly@pve!readonly"
PERSON = "root@pam!person"

#: VMID to name; all on node pve1, with an 8 GiB disk on the shared storage ``ceph``.
TEMPLATES = {9000: "debian-12", 9001: "ubuntu-24.04"}
TEMPLATE_DISK = 8 * GIB

#: VMIDs of machines that are put here by the thousand begin with these: of those that somebody owns, and of all others.
FIRST_MARKED, FIRST_UNMARKED = 100_000, 500_000
_ROOM = 100_000

_STORAGE_SIZE = 64 * 1024 * GIB
_STORAGES: dict[str, dict[str, Any]] = {
    "local": {"type": "dir", "path": "/var/lib/vz", "content": "iso,vztmpl,import,snippets,backup"},
    "local-lvm": {"type": "lvmthin", "vgname": "pve", "thinpool": "data", "content": "images,rootdir"},
    "ceph": {"type": "rbd", "pool": "rbd", "content": "images,rootdir", "shared": 1},
    "nfs": {
        "type": "nfs",
        "path": "/mnt/pve/nfs",
        "server": "192.0.2.9",
        "export": "/tank",
        "content": "images,iso,vztmpl,backup,snippets,import",
        "shared": 1,
    },
}
_AUDIT = ("VM.Audit", "VM.GuestAgent.Audit", "Datastore.Audit", "Pool.Audit", "SDN.Audit", "Sys.Audit")
_DISKS = permissions.also_on(permissions.proxmox(), "/storage/ceph", "/storage/local-lvm", "/storage/nfs")
#: Rights in the zones whose vnets it may make and use.
_ZONES = tuple(
    Grant(f"/sdn/zones/{zone}", right)
    for zone in ("shop", "plain")
    for right in ("SDN.Use", "SDN.Audit", "SDN.Allocate")
)
#: What each token holds: the operator's the shipped roles, on all storages; the person is root and holds all.
GRANTS = {
    OPERATOR: (*permissions.also_on(_DISKS, "/storage/nfs", "/storage/local"), *_ZONES),
    READONLY: tuple(Grant("/", right) for right in _AUDIT),
}


def furnish(pve: Any, secrets: dict[str, str]) -> None:
    """Put the initial state into a fake cluster; ``secrets`` maps token ids to their secrets."""
    pve.cluster_name = CLUSTER
    for node in NODES:
        pve.add_node(node)
    pve.pools.update({name: set() for name in POOLS})
    pve.storages = {name: _storage(options) for name, options in _STORAGES.items()}
    for vmid, name in TEMPLATES.items():
        for volume, size in ((f"base-{vmid}-disk-0", TEMPLATE_DISK), (f"vm-{vmid}-cloudinit", 4 * 2**20)):
            pve.storages["ceph"]["volumes"][volume] = {
                "content": "images",
                "format": "raw",
                "size": size,
                "vmid": vmid,
                "ctime": 1767225600,
            }
        pve.add_vm(vmid, name, node=NODES[0], config=_template(vmid, name), template=True)
    pve.firewall_config("cluster")["options"]["enable"] = 1
    pve.apitokens.update(secrets)
    for token, grants in GRANTS.items():
        pve.allot(token, grants)


def launch(pve: Any, wanted: Sequence[Wanted]) -> list[int]:
    """Put running clones of the template debian-12 into a fake cluster, on all nodes in turn; their VMIDs.

    Marks become notes. VMIDs are given upwards from FIRST_MARKED and, without marks, from FIRST_UNMARKED.
    """
    taken = {vm.vmid for vm in pve.vms}
    marked, unmarked = (
        itertools.count(max((vmid for vmid in taken if first <= vmid < first + _ROOM), default=first - 1) + 1)
        for first in (FIRST_MARKED, FIRST_UNMARKED)
    )
    ids = []
    for machine in wanted:
        vmid = next(marked if machine.marks else unmarked)
        volume = f"vm-{vmid}-disk-0"
        facts = {"content": "images", "format": "raw", "size": TEMPLATE_DISK, "vmid": vmid, "ctime": 1767225600}
        pve.storages["ceph"]["volumes"][volume] = facts
        config = _template(9000, machine.name) | {
            "cores": 2,
            "memory": "4096",
            "description": "\n".join(f"{key}: {value}" for key, value in machine.marks.items()),
            "net0": f"virtio=BC:24:12:{vmid >> 16 & 255:02X}:{vmid >> 8 & 255:02X}:{vmid & 255:02X},bridge={BRIDGES[0]}",
            "scsi0": f"ceph:{volume},discard=on,size=8G",
            "vmgenid": f"00000000-0000-4000-9000-{vmid:012d}",
        }
        del config["template"], config["ide2"]
        if machine.uuid:
            config["smbios1"] = f"uuid={machine.uuid}"
        if machine.marks:
            config["tags"] = "hybridge"
        pve.add_vm(vmid, machine.name, node=NODES[vmid % len(NODES)], status="running", config=config)
        ids.append(vmid)
    return ids


def _storage(options: dict[str, Any]) -> dict[str, Any]:
    state = {"active": 1, "files": set(), "volumes": {}, "total": _STORAGE_SIZE, "avail": _STORAGE_SIZE}
    return {**options, **state}


def _template(vmid: int, name: str) -> dict[str, Any]:
    return {
        "agent": "1",
        "boot": "order=scsi0",
        "cores": 1,
        "cpu": "x86-64-v2-AES",
        "description": f"{name} cloud image",
        "ide2": f"ceph:vm-{vmid}-cloudinit,media=cdrom",
        "memory": "1024",
        "net0": f"virtio=BC:24:11:00:{vmid // 100:02d}:{vmid % 100:02d},bridge={BRIDGES[0]}",
        "ostype": "l26",
        "scsi0": f"ceph:base-{vmid}-disk-0,discard=on,size=8G",
        "scsihw": "virtio-scsi-single",
        "serial0": "socket",
        "smbios1": f"uuid=00000000-0000-4000-8000-{vmid:012d}",
        "sockets": 1,
        "template": 1,
        "vga": "serial0",
        "vmgenid": f"00000000-0000-4000-9000-{vmid:012d}",
    }
