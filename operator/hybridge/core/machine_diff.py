"""Where a machine differs from its spec: the source of changes, of drift and of what is shown before it is done.

What the spec leaves open and what the cloud does not show is not compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from hybridge.core.cloudinit import HOSTNAME, SSH_KEYS, USER_DATA, described
from hybridge.core.difference import changing, name_change, setting_change, setting_text, setting_verb, tag_changes
from hybridge.core.machine import Change, Machine, MachineSpec, Port, Traits, attached
from hybridge.core.machine_volumes import held_back, volume_changes, volume_field
from hybridge.core.plan import Action, Verb
from hybridge.core.units import format_bytes

#: The path of the first interface and of all others in ``Traits.changes``, and of another address of one that is there.
FIRST_NETWORK, NETWORKS, MAC = "networks.first", "networks", "networks.mac"
_NOUN = "machine"


def differences(
    spec: MachineSpec,
    machine: Machine,
    traits: Traits,
    *,
    named: bool = False,
    given: Mapping[str, str] | None = None,
    volumes: Collection[str] = (),
) -> tuple[Action, ...]:
    """What has to change besides power. ``disruptive``: not possible while the machine runs. ``named``: its name counts.
    ``given``: what cloud-init was given, for what of that the cloud does not show; None where nobody knows. ``volumes``:
    ids of those that may be detached.

    Verb REPLACE stands for what no change of this machine can bring about.
    """
    changes = (
        *name_change(spec, machine, named=named),
        *_size(spec, machine, traits),
        *_disk(spec, machine),
        *tag_changes(spec.tags, machine),
        *_networks(spec, machine, traits),
        *_settings(spec, machine, traits),
        *_cloud_init(spec, machine, traits, given),
        *volume_changes(spec, machine, volumes),
    )
    ports = {f"{NETWORKS}.{nic.name}": f"{NETWORKS}[{index}]" for index, nic in enumerate(spec.networks)}
    told = ports | {volume_field(use): held_back(use) for use in spec.volumes}
    return tuple(_with_pending(change, machine.pending.get(told.get(change.field, change.field))) for change in changes)


def wanted_settings(spec: MachineSpec, block: str) -> Mapping[str, str]:
    """The paths of ``Machine.settings`` that the spec sets, as text. ``block``: the name of the cloud's own options."""
    settings = {f"placement.{key}": value for key, value in spec.placement.items()}
    if spec.root_disk_class is not None:
        settings["rootDisk.class"] = spec.root_disk_class
    settings |= {
        f"{block}.{key}": setting_text(value)
        for key, value in spec.options.items()
        if key != "instanceType" and value is not None
    }
    if spec.cloud_init.hostname is not None:
        settings[HOSTNAME] = spec.cloud_init.hostname
    if spec.cloud_init.ssh_keys:
        settings[SSH_KEYS] = setting_text(spec.cloud_init.ssh_keys)
    return settings


def without(path: str, part: str) -> str:
    """Where in ``Machine.settings`` a field is without a part of it that the spec sets apart: see ``Traits.parts``."""
    return f"{path} without {part}"


def _size(spec: MachineSpec, machine: Machine, traits: Traits) -> Iterator[Action]:
    wanted_type = spec.options.get("instanceType")
    if wanted_type is not None:
        if machine.instance_type not in {None, wanted_type}:
            yield Action(Verb.RESIZE, "instanceType", str(machine.instance_type), str(wanted_type), disruptive=True)
        return
    sizes = (
        _Size("cpus", spec.cpus, machine.cpus, hot=machine.hot_add_cpus),
        _Size("memory", spec.memory, machine.memory, hot=machine.hot_add_memory),
    )
    for size in sizes:
        if size.wanted is None or size.found is None:
            continue
        if size.wanted != size.found if traits.exact_sizes else size.found < size.wanted:
            hot = size.hot and size.wanted > size.found
            yield Action(Verb.RESIZE, size.field, size.text(size.found), size.text(size.wanted), disruptive=not hot)
        elif traits.exact_sizes and machine.pending.get(size.field, size.text(size.found)) != size.text(size.found):
            yield Action(Verb.RESIZE, size.field, size.text(size.found), size.text(size.wanted))


@dataclass(frozen=True, slots=True)
class _Size:
    field: str
    wanted: int | None
    found: int | None
    hot: bool

    def text(self, value: int) -> str:
        return str(value) if self.field == "cpus" else format_bytes(value)


def _disk(spec: MachineSpec, machine: Machine) -> Iterator[Action]:
    if spec.root_disk is not None and machine.root_disk is not None and machine.root_disk < spec.root_disk:
        yield Action(Verb.GROW_DISK, "rootDisk", format_bytes(machine.root_disk), format_bytes(spec.root_disk))


def _networks(spec: MachineSpec, machine: Machine, traits: Traits) -> Iterator[Action]:
    """Interfaces by their order. A spec without networks leaves all as they are."""
    if not spec.networks or machine.ports is None:
        return
    for index, nic in enumerate(spec.networks):
        port = machine.ports[index] if index < len(machine.ports) else None
        same_mac = port is None or nic.mac is None or port.mac is None or nic.mac.lower() == port.mac.lower()
        same_vlan = port is None or nic.vlan in {None, port.vlan}
        if port is not None and same_mac and same_vlan and (not nic.network or nic.network in port.network):
            continue
        words = attached(nic.network, nic.vlan)
        before, after = _port(port), " ".join(filter(None, (words, nic.mac if not same_mac else None)))
        if not same_mac and port is not None:
            before = f"{before} {port.mac}"
        change = _network_change(traits, index, other_mac=not same_mac)
        yield changing(Verb.CONNECT, f"{NETWORKS}.{nic.name}", before, after, change, _NOUN)
    for index in range(len(spec.networks), len(machine.ports)):
        before = _port(machine.ports[index])
        yield changing(Verb.CONNECT, f"{NETWORKS}[{index}]", before, "", _network_change(traits, index), _NOUN)


def _port(port: Port | None) -> str:
    return str(port) if port else ""


def _network_change(traits: Traits, index: int, *, other_mac: bool = False) -> Change:
    if other_mac and MAC in traits.changes:
        return traits.changes[MAC]
    every = traits.changes.get(NETWORKS, Change.ONLINE)
    return traits.changes.get(FIRST_NETWORK, every) if index == 0 else every


def _settings(spec: MachineSpec, machine: Machine, traits: Traits) -> Iterator[Action]:
    every = wanted_settings(spec, traits.block)
    for path, wanted in every.items():
        part = traits.parts.get(path, "")
        found = machine.settings.get(without(path, part) if part in every else path)
        if found is None:
            continue
        change = setting_change(path, wanted, found, traits.changes.get(path, Change.REPLACE), _NOUN)
        if change is not None:
            yield change
        elif machine.pending.get(path, wanted) != wanted:
            yield Action(setting_verb(path), path, next(iter(found), ""), wanted)


def _cloud_init(
    spec: MachineSpec, machine: Machine, traits: Traits, given: Mapping[str, str] | None
) -> Iterator[Action]:
    """What the cloud does not show, held against the record. Keys are taken over by a guest's first start alone."""
    if given is None:
        return
    for path, wanted in described(spec.cloud_init).items():
        before = given.get(path, "")
        if path in machine.settings or before == wanted:
            continue
        change = Change.REPLACE if path == SSH_KEYS else traits.changes.get(path, Change.REPLACE)
        action = changing(Verb.RECONFIGURE, path, before, wanted, change, _NOUN)
        if change is not Change.REPLACE:
            patient = path == USER_DATA and not spec.cloud_init.certain
            words = "cloud-init reads it with the next start" + ("; it may be the same text" if patient else "")
            action = replace(action, reason=words, patient=patient)
        yield action


def _with_pending(change: Action, coming: str | None) -> Action:
    """The change told as what it is where the cloud already holds something for the next power cycle."""
    if coming is None or change.verb is Verb.REPLACE:
        return change
    if coming == change.after:
        words = "the cloud holds it back until the next power cycle"
        return replace(change, disruptive=True, reason=words)
    return replace(change, before=f"{change.before} (from the next power cycle on {coming})")
