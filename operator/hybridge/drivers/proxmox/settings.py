"""The fields beyond sizes that a spec can set, as a guest's configuration shows them, and what changing them takes. Pure.

``fullClone`` and ``isoStorage`` only say how a guest is made, and are nothing that it has. Source: qm.conf(5);
PVE::QemuServer (vmconfig_hotplug_pending) tells what a running guest takes over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import unquote

from hybridge.core.cloudinit import HOSTNAME, SSH_KEYS, USER_DATA
from hybridge.core.machine import Change, Known, Port
from hybridge.core.units import format_bytes
from hybridge.drivers.proxmox.guest import (
    Drive,
    Words,
    agent_enabled,
    cloud_init_drive,
    cpus,
    drives,
    memory,
    net,
    nics,
    properties,
    root_disk,
)

NODE, STORAGE, CLASS, POOL, VLAN = (
    "placement.node",
    "placement.storage",
    "rootDisk.class",
    "proxmox.pool",
    "proxmox.vlan",
)
BIOS, MACHINE, CPU_TYPE, AGENT = "proxmox.bios", "proxmox.machine", "proxmox.cpuType", "proxmox.agent"
KEYS = SSH_KEYS
#: What travels on a seed, which is read with each start.
RENDERED = frozenset({HOSTNAME, USER_DATA})

CHANGES: Mapping[str, Change] = {
    BIOS: Change.STOPPED,
    MACHINE: Change.STOPPED,
    CPU_TYPE: Change.STOPPED,
    AGENT: Change.STOPPED,
    POOL: Change.ONLINE,
    VLAN: Change.ONLINE,
    KEYS: Change.ONLINE,
    **dict.fromkeys(RENDERED, Change.STOPPED),
    NODE: Change.ONLINE,
    STORAGE: Change.ONLINE,
    CLASS: Change.ONLINE,
    "networks": Change.ONLINE,
}
#: What a guest has whose configuration says nothing.
_BIOS, _MACHINE, _CPU = "seabios", "pc", "kvm64"
#: Machine types of a version belong to the family that its alias names: ``pc-q35-9.0+pve1`` is a ``q35``.
_VERSIONED = re.compile(r"(?:pc-)?(q35|i440fx|virt)(?:-\d.*)?")
_FAMILIES = {"i440fx": "pc"}
_OWNER = re.compile(r"(?:vm|base)-(\d+)-")


def settings(words: Words) -> Mapping[str, Known]:
    """All of them but the hostname, which is the name, and node and pool, which are no part of a configuration.

    Where there are keys, there is PVE's own cloud-init, and with it the hostname.
    """
    found: dict[str, Known] = {
        BIOS: (words.get("bios", _BIOS),),
        MACHINE: machine_forms(words.get("machine", "")),
        CPU_TYPE: cpu_forms(words.get("cpu", "")),
        AGENT: ("true" if agent_enabled(words) else "false",),
    }
    interfaces = [net(words[key]) for key in nics(words)]
    if interfaces:
        found[VLAN] = _common([interface.tag or "" for interface in interfaces])
    disk = root_disk(words)
    if disk is not None:
        found[CLASS] = (disk.storage,) if disk.storage else ()
        found[STORAGE] = _common([drive.storage or "" for drive in own_disks(words)])
    if cloud_init_drive(words) is not None:
        keys = ssh_keys(words)
        found[KEYS] = (",".join(sorted(keys)),) if keys else ()
    return _shared(tuple(found.items()))


@lru_cache(maxsize=4096)
def _shared(items: tuple[tuple[str, Known], ...]) -> Mapping[str, Known]:
    """One and the same mapping for all guests that are alike: there are many, and few ways to set them."""
    return MappingProxyType(dict(items))


def ports(words: Words) -> tuple[Port, ...]:
    """The interfaces in order; one without a bridge is behind the host's own address translation."""
    interfaces = (net(words[key]) for key in nics(words))
    return tuple(
        Port(
            (interface.bridge,) if interface.bridge else (),
            interface.mac.lower() if interface.mac else None,
            interface.tag or "",
        )
        for interface in interfaces
    )


def held_back(current: Words, upcoming: Words) -> Mapping[str, str]:
    """What comes with the next start, by field as in ``Machine.pending``."""
    coming: dict[str, str] = {}
    if cpus(current) != cpus(upcoming):
        coming["cpus"] = str(cpus(upcoming))
    if memory(current) != memory(upcoming):
        coming["memory"] = format_bytes(memory(upcoming))
    now, then = settings(current), settings(upcoming)
    coming |= {path: next(iter(known), "") for path, known in then.items() if known != now.get(path)}
    coming |= {path: "" for path in now if path not in then}
    return coming | dict(_interfaces_held_back(ports(current), ports(upcoming)))


def _interfaces_held_back(now: tuple[Port, ...], then: tuple[Port, ...]) -> Iterator[tuple[str, str]]:
    for index in range(max(len(now), len(then))):
        before = now[index] if index < len(now) else None
        after = then[index] if index < len(then) else None
        if before != after:
            words = [str(after)] if after else []
            if before and after and after.mac and before.mac != after.mac:
                words.append(after.mac)
            yield f"networks[{index}]", " ".join(words)


def own_disks(words: Words) -> list[Drive]:
    """The disks that are the guest's own, those of its firmware included: what was lent to it has another owner's name."""
    disk = root_disk(words)
    owner = _owner(disk) if disk else None
    return [drive for drive in drives(words) if drive.storage and not drive.cdrom and _owner(drive) == owner]


def _owner(drive: Drive) -> str | None:
    """The VMID in a volume's name; that of a linked clone names its base before itself."""
    owners = _OWNER.findall(drive.volume)
    return owners[-1] if owners else None


def machine_forms(value: str) -> Known:
    """All that a machine type is called: as it is written, without options, and its family."""
    kind, options = properties(value, "type")
    kind = kind or options.get("type", _MACHINE)
    found = _VERSIONED.fullmatch(kind)
    family = _FAMILIES.get(found[1], found[1]) if found else "pc" if kind.startswith("pc") else kind
    return tuple(dict.fromkeys((*filter(None, [value]), kind, family)))


def cpu_forms(value: str) -> Known:
    """All that a CPU type is called: as it is written, and without options."""
    kind, options = properties(value, "cputype")
    return tuple(dict.fromkeys((*filter(None, [value]), kind or options.get("cputype", _CPU))))


def ssh_keys(words: Words) -> list[str]:
    """The SSH keys that PVE's cloud-init CD holds."""
    return [line.strip() for line in unquote(words.get("sshkeys", "")).splitlines() if line.strip()]


def _common(values: list[str]) -> Known:
    """The one value that all have; all values where they differ."""
    if len(set(values)) > 1:
        return (",".join(sorted({value or "none" for value in values})),)
    return (values[0],) if values and values[0] else ()
