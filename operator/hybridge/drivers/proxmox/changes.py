"""The words of a guest's configuration for what is wanted. Pure.

Each function gives the parameters of one ``PUT …/config``; what already is as wanted is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import quote

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker, replace_notes
from hybridge.core.machine import MachineSpec, Nic
from hybridge.core.machine_diff import wanted_settings
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox import tags
from hybridge.drivers.proxmox.guest import (
    MIB,
    Drive,
    Values,
    Words,
    cloud_init_drive,
    cpus,
    memory,
    net,
    nics,
    place_for_cd,
    properties,
    root_disk,
    smbios_uuid,
    with_smbios_uuid,
)
from hybridge.drivers.proxmox.interfaces import addresses, interfaces, name_servers, tagged
from hybridge.drivers.proxmox.settings import (
    AGENT,
    BIOS,
    CHANGES,
    CLASS,
    CPU_TYPE,
    KEYS,
    MACHINE,
    STORAGE,
    VLAN,
    own_disks,
    settings,
    ssh_keys,
)


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


def marked(words: Words, marker: Marker | None) -> Values:
    """The notes with another marker, or none. Our tag comes and goes with it."""
    notes, present = words.get("description", "").rstrip("\n"), words.get("tags", "")
    others = sorted({*tags.split(present)} - {tags.OURS})
    wanted = {
        "description": replace_notes(notes, marker),
        "tags": tags.merge(others, {}) if marker else ";".join(others),
    }
    before = {"description": notes, "tags": ";".join(sorted(tags.split(present)))}
    values: Values = {key: text for key, text in wanted.items() if text and text != before[key]}
    gone = [key for key, text in wanted.items() if before[key] and not text]
    if gone:
        values["delete"] = ",".join(gone)
    return values


def growth(spec: MachineSpec, words: Words) -> tuple[str, int] | None:
    """The root disk and the bytes it has to grow to, in whole MiB; None when it is large enough."""
    disk = root_disk(words)
    if spec.root_disk is None or disk is None or disk.size is None or disk.size >= spec.root_disk:
        return None
    return disk.key, -(-spec.root_disk // MIB) * MIB


def first(spec: MachineSpec, intent: Intent, words: Words, *, seeded: bool) -> Values:
    """All that a new guest gets after its clone but the growth of its disk, and its seed where it is ``seeded``."""
    values: Values = {
        **sizes(spec, words, {"cpus", "memory"}),
        **labels(spec, words),
        **options(spec, words, CHANGES),
        "smbios1": with_smbios_uuid(words, intent.uuid),
    }
    bridges = intent.parameters.get("bridges")
    if isinstance(bridges, Sequence):
        wanted = spec.networks or (Nic("nic0", str(bridges[0])),)
        _add(values, interfaces(wanted, [str(bridge) for bridge in bridges], words, intent.uuid, _vlan(spec)))
    else:
        values |= tagged(words, _vlan(spec))
    if not seeded:
        _add(values, _cloud_init(spec, intent, words))
    return values


def later(spec: MachineSpec, words: Words, fields: Collection[str], network: str | None, uid: str) -> Values:
    """What ``fields`` take in the configuration of a guest that is there already, but for the growth of its disk.

    ``network`` is where interfaces go whose network is left open; ``uid`` makes up MACs where the guest has no UUID.
    """
    values = sizes(spec, words, fields)
    if any(field.startswith("tags") for field in fields):
        values |= labels(spec, words)
    if "name" in fields and words.get("name") != spec.name:
        values["name"] = spec.name
    values |= options(spec, words, fields)
    if "networks" in fields and spec.networks:
        bridges = _bridges(spec, words, network)
        _add(values, interfaces(spec.networks, bridges, words, smbios_uuid(words) or uid, _vlan(spec)))
        if cloud_init_drive(words) is not None:
            _add(values, addresses(spec.networks, words, fresh=False))
    elif VLAN in fields:
        values |= tagged(words, _vlan(spec))
    if KEYS in fields and sorted(ssh_keys(words)) != sorted(spec.cloud_init.ssh_keys):
        values["sshkeys"] = _quoted(spec.cloud_init.ssh_keys)
    return values


def options(spec: MachineSpec, words: Words, fields: Collection[str]) -> Values:
    """The options of the spec that are values of their own; what stands beside them in the same value is kept."""
    wanted, found = wanted_settings(spec, "proxmox"), settings(words)
    return {
        key: write(words.get(key, ""), wanted[path])
        for path, (key, write) in _OPTIONS.items()
        if path in fields and path in wanted and wanted[path] not in found[path]
    }


def _plain(_present: str, wanted: str) -> str:
    return wanted


def _beside(default: str) -> Callable[[str, str], str]:
    """Replaces the value of the default key; a value that has options itself replaces all."""

    def write(present: str, wanted: str) -> str:
        kept = {} if "," in wanted else properties(present, default)[1]
        return ",".join([wanted, *(f"{key}={text}" for key, text in kept.items() if key != default)])

    return write


def _agent(present: str, wanted: str) -> str:
    return _beside("enabled")(present, "1" if wanted == "true" else "0")


#: The key of an option, and how its value is written over the present one.
_OPTIONS: Mapping[str, tuple[str, Callable[[str, str], str]]] = {
    BIOS: ("bios", _plain),
    MACHINE: ("machine", _beside("type")),
    CPU_TYPE: ("cpu", _beside("cputype")),
    AGENT: ("agent", _agent),
}


def disk_to_move(spec: MachineSpec, words: Words, fields: Collection[str]) -> tuple[Drive, str] | None:
    """The next disk that is not where ``fields`` want it, and that storage. None when all are there."""
    root, storage = root_disk(words), spec.placement.get("storage")
    if CLASS in fields and spec.root_disk_class and root and root.storage != spec.root_disk_class:
        return root, spec.root_disk_class
    if STORAGE in fields and storage:
        return next(((disk, storage) for disk in own_disks(words) if disk.storage != storage), None)
    return None


def _bridges(spec: MachineSpec, words: Words, network: str | None) -> list[str]:
    """The bridge of each wanted interface. Raises Refused."""
    present = [net(words[key]).bridge for key in nics(words)]
    found = []
    for index, nic in enumerate(spec.networks):
        bridge = nic.network or (present[index] if index < len(present) else None) or network
        if bridge is None:
            raise Refused(
                Reason.INVALID_SPEC, f"networks.{nic.name}: no network is named, and the Provider has no default"
            )
        found.append(bridge)
    return found


def _vlan(spec: MachineSpec) -> str | None:
    vlan = spec.options.get("vlan")
    return str(vlan) if vlan else None


def _cloud_init(spec: MachineSpec, intent: Intent, words: Words) -> Values:
    """PVE's own settings: SSH keys and addresses. The hostname is the guest's name."""
    values: Values = {}
    storage = intent.parameters.get("cloudInitStorage")
    if cloud_init_drive(words) is None:
        if not storage:
            return values
        values[_place(words)] = f"{storage}:cloudinit"
    if spec.cloud_init.ssh_keys:
        values["sshkeys"] = _quoted(spec.cloud_init.ssh_keys)
    _add(values, addresses(spec.networks, words, fresh=True))
    if servers := name_servers(spec.networks):
        values["nameserver"] = servers
    return values


def _place(words: Words) -> str:
    place = place_for_cd(words)
    if place is None:
        raise Refused(Reason.UNSUPPORTED, "cloudInit: the template leaves no drive free for the cloud-init CD")
    return place


def _quoted(keys: Sequence[str]) -> str:
    return quote("\n".join(keys), safe="")


def _add(values: Values, more: Values) -> None:
    """Merges, also what is to be deleted."""
    gone = [str(part["delete"]) for part in (values, more) if part.get("delete")]
    values |= more
    values.pop("delete", None)
    if gone:
        values["delete"] = ",".join(gone)
