"""What PVE shows of a guest, as the core's machine. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hybridge.core.cloudinit import HOSTNAME
from hybridge.core.identity import Marker, read_notes
from hybridge.core.machine import Address, Known, Machine, Port, Power
from hybridge.drivers.proxmox import images, tags
from hybridge.drivers.proxmox.answers import AgentInterface, Resource
from hybridge.drivers.proxmox.guest import (
    Configuration,
    Words,
    agent_enabled,
    bases,
    cpus,
    memory,
    memory_hot_plugs,
    protected,
    root_disk,
    smbios_uuid,
    unguarded,
)
from hybridge.drivers.proxmox.making import noted
from hybridge.drivers.proxmox.settings import KEYS, NODE, POOL, held_back, ports, settings

#: Locks of a guest whose configuration is still being written: its notes are not there yet.
UNFINISHED = frozenset({"clone", "create", "import"})
#: The lock of a guest that is suspended to disk. It holds up neither a start, which resumes it, nor a removal.
SUSPENDED = "suspended"
#: States of a guest at the HA manager while that moves it to another node.
_MOVING = frozenset({"migrate", "relocate"})
_POWERS = {"running": Power.RUNNING, "stopped": Power.STOPPED}
#: Interfaces that containers and virtual private networks make inside a guest, with addresses of no use outside.
_INNER = re.compile(r"(?:lo|docker|br-|veth|cni|flannel|cali|cilium|lxc|virbr|tailscale|wg|tun)\S*")

_PROTECTION = "the guest's option protection is on in Proxmox VE: take it off there, under Options"

#: PVE's ids of the Volumes that a guest has, or is to have, or to lose, and as what.
Lent = tuple[tuple[str, str], ...]
#: What a row of the bulk list shows of a configuration: name, CPUs, bytes of memory.
Shape = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Form:
    """Sizes of a guest, in bytes, and what else a spec can set of it, see ``settings``."""

    cpus: int
    memory: int
    root_disk: int | None
    ports: tuple[Port, ...] = ()
    settings: Mapping[str, Known] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Details:
    """What a reading of a guest's configuration told. ``now`` is in effect, ``next`` from the next start on.

    ``lent``: the Volumes of both; ``arriving`` and ``leaving``: those that the guest has, or has no more, from its next
    start on. ``bases``: the templates of which it is a linked clone. ``making``: it is an Image that is being made.
    ``guarded``: all its interfaces go through the firewall. ``parent``: the snapshot that it builds on.
    """

    name: str
    marker: Marker | None
    uuid: str | None
    now: Form
    next: Form
    tags: str
    agent: bool
    hot_add_memory: bool
    lock: str | None
    pending: Mapping[str, str]
    protection: str
    template: bool
    lent: Lent = ()
    arriving: Lent = ()
    leaving: Lent = ()
    bases: tuple[str, ...] = ()
    making: bool = False
    guarded: bool = False
    parent: str = ""

    @property
    def shape(self) -> Shape:
        """How the bulk list should show it."""
        return (self.name, self.now.cpus, self.now.memory)


def details(configuration: Configuration) -> Details:
    """What matters of a configuration."""
    current, upcoming = configuration.current, configuration.upcoming
    now = _form(current)
    lent, coming = images.lent(current), images.lent(upcoming)
    return Details(
        name=current.get("name", ""),
        marker=read_notes(current.get("description", "")),
        uuid=smbios_uuid(current),
        now=now,
        next=now if upcoming == current else _form(upcoming),
        tags=current.get("tags", ""),
        agent=agent_enabled(current),
        hot_add_memory=memory_hot_plugs(current),
        lock=configuration.lock,
        pending={} if upcoming == current else held_back(current, upcoming),
        protection=_PROTECTION if protected(upcoming) else "",
        template=current.get("template", "0") == "1",
        lent=tuple(dict.fromkeys((*lent, *coming))),
        arriving=_without(coming, lent),
        leaving=_without(lent, coming),
        bases=bases(current),
        making=noted(current.get("description", "")) is not None,
        guarded=not unguarded(current),
        parent=current.get("parent", ""),
    )


def _without(some: Lent, others: Lent) -> Lent:
    volumes = {volume for volume, _ in others}
    return tuple((volume, key) for volume, key in some if volume not in volumes)


def _form(words: Words) -> Form:
    disk = root_disk(words)
    return Form(cpus(words), memory(words), disk.size if disk else None, ports(words), settings(words))


def shape(row: Resource) -> Shape | None:
    """How the bulk list shows a guest; None while its node has not told anything about it."""
    return (row.name, int(row.maxcpu), row.maxmem) if row.status in _POWERS else None


def power(status: str, *, online: bool = True) -> Power:
    """The power state of a guest; nothing is known of one whose node is offline. Suspended to disk means stopped."""
    return _POWERS.get(status, Power.UNKNOWN) if online else Power.UNKNOWN


def held(lock: str | None) -> str | None:
    """The lock when it stands for a task that holds the guest."""
    return lock if lock and lock != SUSPENDED else None


def _lock(lock: str | None, row: Resource | None) -> str | None:
    """What holds the guest: a task, or the HA manager that moves it."""
    if row is None:
        return held(lock)
    return held(row.lock) or (row.hastate if row.hastate in _MOVING else None)


def plain(row: Resource, state: Power) -> Machine:
    """A guest of which only the bulk list is known."""
    return Machine(
        id=str(row.vmid),
        name=row.name,
        power=state,
        cpus=int(row.maxcpu) or None,
        memory=row.maxmem or None,
        host=row.node,
        tags=tags.decode(tags.split(row.tags)) if row.tags else {},
        lock=_lock(None, row),
        template=row.template == 1,
        detailed=False,
    )


def machine(
    vmid: str,
    node: str,
    known: Details,
    state: Power,
    *,
    addresses: tuple[Address, ...] = (),
    row: Resource | None = None,
    newer: bool = False,
    pool: Known | None = None,
    shared: Collection[str] = (),
) -> Machine:
    """A guest in detail. ``row``: how the bulk list shows it; ``newer``: its name and sizes are later than ``known``.

    ``pool``: the one that it is in; None where this account sees no pools. ``shared``: the storages that nodes share.
    """
    form = known.next if state is Power.STOPPED else known.now
    settings = {**form.settings, NODE: (node,)}
    if KEYS in settings:
        settings[HOSTNAME] = (known.name,) if known.name else ()
    if pool is not None:
        settings[POOL] = pool
    words = known.tags if row is None else row.tags
    return Machine(
        id=vmid,
        name=row.name if row and (newer or not known.name) else known.name,
        power=state,
        marker=known.marker,
        uuid=known.uuid,
        cpus=int(row.maxcpu) if row and newer else form.cpus,
        memory=row.maxmem if row and newer else form.memory,
        root_disk=form.root_disk,
        host=node,
        addresses=addresses if state is Power.RUNNING else (),
        reports_addresses=known.agent,
        tags=tags.decode(tags.split(words)) if words else {},
        hot_add_memory=known.hot_add_memory,
        lock=_lock(known.lock, row),
        ports=form.ports,
        disks=images.disks(known.lent, node, shared),
        settings=settings,
        pending={} if state is Power.STOPPED else {**known.pending, **dict(_volumes_held_back(known, node, shared))},
        agent=bool(addresses) or None if known.agent and state is Power.RUNNING else False,
        protection=known.protection,
        template=known.template,
    )


def _volumes_held_back(known: Details, node: str, shared: Collection[str]) -> Iterator[tuple[str, str]]:
    for disk in images.disks(known.arriving, node, shared):
        yield f"volumes[{disk.id}]", disk.id
    for disk in images.disks(known.leaving, node, shared):
        yield f"volumes[{disk.id}]", ""


def addresses(interfaces: Iterable[AgentInterface]) -> tuple[Address, ...]:
    """Addresses that others can use, of what the agent reports; public ones are ``ExternalIP``."""
    found = []
    for interface in interfaces:
        if _INNER.fullmatch(interface.name):
            continue
        for reported in interface.ip_addresses or ():
            try:
                address = ipaddress.ip_address(reported.ip_address.partition("%")[0])
            except ValueError:
                continue
            if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                found.append(Address("ExternalIP" if address.is_global else "InternalIP", str(address)))
    return tuple(dict.fromkeys(found))
