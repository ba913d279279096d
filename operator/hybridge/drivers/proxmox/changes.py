"""The words of a guest's configuration for what is wanted. Pure.

Each function gives the parameters of one ``PUT …/config``; what already is as wanted is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from urllib.parse import quote

from hybridge.core.errors import Refused
from hybridge.core.machine import Intent, MachineSpec, Nic
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox import tags
from hybridge.drivers.proxmox.guest import (
    MIB,
    Words,
    cloud_init_drive,
    cpus,
    mac,
    memory,
    nics,
    place_for_cd,
    root_disk,
    with_smbios_uuid,
)

Values = dict[str, str | int]


def sizes(spec: MachineSpec, words: Words, fields: Collection[str]) -> Values:
    """CPUs and memory. CPUs become cores of one socket; a balloon is never larger than the memory."""
    values: Values = {}
    if "cpus" in fields and spec.cpus and spec.cpus != cpus(words):
        values |= {"cores": spec.cpus, "sockets": 1}
        if "vcpus" in words:
            values["delete"] = "vcpus"
    if "memory" in fields and spec.memory and spec.memory != memory(words):
        values["memory"] = spec.memory // MIB
        if int(words.get("balloon", 0)) > spec.memory // MIB:
            values["balloon"] = spec.memory // MIB
    return values


def labels(spec: MachineSpec, words: Words) -> Values:
    """Tags: those wanted, ours, and all others that the guest has."""
    present = tags.split(words.get("tags", ""))
    merged = tags.merge(present, spec.tags)
    return {} if sorted(present) == tags.split(merged) else {"tags": merged}


def growth(spec: MachineSpec, words: Words) -> tuple[str, int] | None:
    """The root disk and the bytes it has to grow to, in whole MiB; None when it is large enough."""
    disk = root_disk(words)
    if spec.root_disk is None or disk is None or disk.size is None or disk.size >= spec.root_disk:
        return None
    return disk.key, -(-spec.root_disk // MIB) * MIB


def first(spec: MachineSpec, intent: Intent, words: Words, cd: str | None) -> Values:
    """All that a new guest gets after its clone but the growth of its disk. ``cd`` is the volume id of its seed."""
    values: Values = {
        **sizes(spec, words, {"cpus", "memory"}),
        **labels(spec, words),
        "smbios1": with_smbios_uuid(words, intent.uuid),
    }
    values |= _options(spec.options)
    bridges = intent.parameters.get("bridges")
    if isinstance(bridges, Sequence):
        wanted = spec.networks or (Nic("nic0", str(bridges[0])),)
        _add(
            values,
            interfaces(wanted, [str(bridge) for bridge in bridges], words, intent.uuid, spec.options.get("vlan")),
        )
    if cd is not None:
        place = place_for_cd(words)
        if place is None:
            raise Refused(Reason.UNSUPPORTED, "cloudInit: the template leaves no drive free for the cloud-init CD")
        values[place] = f"{cd},media=cdrom"
    else:
        values |= _cloud_init(spec, intent, words)
    return values


def interfaces(wanted: Sequence[Nic], bridges: Sequence[str], words: Words, uuid: str, vlan: object) -> Values:
    """The network interfaces, in order; those that the template has beyond them go. A MAC that exists is kept."""
    values: Values = {}
    for index, (nic, bridge) in enumerate(zip(wanted, bridges, strict=True)):
        key = f"net{index}"
        address = nic.mac or mac(words.get(key, "")) or _made_up_mac(uuid, index)
        values[key] = f"virtio={address.upper()},bridge={bridge}" + (f",tag={vlan}" if vlan else "")
    surplus = [key for key in nics(words) if key not in values]
    if surplus:
        values["delete"] = ",".join(surplus)
    return values


def _options(options: Mapping[str, object]) -> Values:
    values: Values = {}
    for option, key in (("bios", "bios"), ("machine", "machine"), ("cpuType", "cpu")):
        if options.get(option):
            values[key] = str(options[option])
    if isinstance(options.get("agent"), bool):
        values["agent"] = "1" if options["agent"] else "0"
    return values


def _cloud_init(spec: MachineSpec, intent: Intent, words: Words) -> Values:
    """PVE's own settings: SSH keys and addresses. The hostname is the guest's name."""
    values: Values = {}
    storage = intent.parameters.get("cloudInitStorage")
    has_drive = cloud_init_drive(words) is not None
    place = place_for_cd(words)
    if storage and not has_drive and place is not None:
        values[place] = f"{storage}:cloudinit"
        has_drive = True
    if not has_drive:
        return values
    if spec.cloud_init.ssh_keys:
        values["sshkeys"] = quote("\n".join(spec.cloud_init.ssh_keys), safe="")
    for index, nic in enumerate(spec.networks):
        values[f"ipconfig{index}"] = _ipconfig(nic.addresses)
    return values


def _ipconfig(addresses: Sequence[str]) -> str:
    """The first address of each family; without any, the network assigns one."""
    if not addresses:
        return "ip=dhcp"
    four = next((address for address in addresses if ":" not in address), None)
    six = next((address for address in addresses if ":" in address), None)
    return ",".join([*([f"ip={four}"] if four else []), *([f"ip6={six}"] if six else [])])


def _made_up_mac(uuid: str, index: int) -> str:
    """A MAC under Proxmox's own prefix, the same for each repetition of one attempt."""
    rest = sha256(f"{uuid}/{index}".encode()).hexdigest()[:6]
    return ":".join(["bc", "24", "11", rest[:2], rest[2:4], rest[4:]])


def _add(values: Values, more: Values) -> None:
    """Merges, also what is to be deleted."""
    gone = [str(part["delete"]) for part in (values, more) if part.get("delete")]
    values |= more
    values.pop("delete", None)
    if gone:
        values["delete"] = ",".join(gone)
