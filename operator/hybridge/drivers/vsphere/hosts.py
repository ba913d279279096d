"""Which host a machine goes to: the least loaded that fits, is up, and is away from the machines of its group. Pure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import inventory
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.inventory import Layout
from hybridge.drivers.vsphere.places import readable
from hybridge.drivers.vsphere.sdk import moid
from hybridge.drivers.vsphere.seen import MIB

_GIB: Final = 1 << 30
#: How many of the hosts that were passed over are told.
_TOLD: Final = 3
#: Seconds after which a host's own figures tell of a machine that was sent to it.
_PROMISE: Final = 90.0


@dataclass(frozen=True, slots=True)
class Host:
    """A host: free and whole memory in bytes, threads, and what it can reach. ``unfit``: why nothing can go there."""

    id: str
    name: str
    threads: int
    memory: int
    free: int
    datastores: frozenset[str]
    networks: frozenset[str]
    unfit: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """What a machine takes. ``datastores``: one of these; ``networks``: all of these. ``apart``: names of hosts."""

    cpus: int = 0
    memory: int = 0
    datastores: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    group: str = ""
    apart: frozenset[str] = frozenset()


class Promised:
    """Memory of machines that were just sent to hosts, whose figures do not tell of them yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._machines: dict[str, tuple[float, str, int]] = {}

    def add(self, name: str, host: str, memory: int) -> None:
        """A machine goes to a host; whoever is sent twice counts once."""
        with self._lock:
            self._machines[name] = self._clock() + _PROMISE, host, memory

    def by_host(self, besides: str) -> dict[str, int]:
        """Bytes promised to each host, those of machine ``besides`` left out."""
        with self._lock:
            now = self._clock()
            self._machines = {name: entry for name, entry in self._machines.items() if entry[0] > now}
            total: dict[str, int] = {}
            for name, (_, host, memory) in self._machines.items():
                if name != besides:
                    total[host] = total.get(host, 0) + memory
            return total


def of(layout: Layout, compute: str, unfit: Mapping[str, str], promised: Mapping[str, int]) -> list[Host]:
    """The hosts of a compute resource. ``unfit``: why nothing can go there, by id."""
    return [
        _host(entry, unfit, promised.get(entry.id, 0))
        for entry in layout.of(inventory.HOSTS)
        if "parent" in entry.properties and moid(entry.properties["parent"]) == compute
    ]


def within(layout: Layout, hosts: Sequence[Host], allowed: Collection[str] | None) -> list[Host]:
    """Those of the hosts that are allowed, by id, name or path; None: all. Raises Refused (NOT_PERMITTED) where none is, or
    where none can be read, because the vCenter would choose any then.
    """
    found = [host for host in hosts if allowed is None or any(layout.is_called(host.id, one) for one in allowed)]
    if not found and allowed is not None:
        raise Refused(Reason.NOT_PERMITTED, "spec.restrict.nodes of the Provider allows no host that is in sight there")
    return found


def named(hosts: Sequence[Host], wanted: str) -> Host:
    """The host of this id. Raises Refused (NOT_PERMITTED) where it is not among those that are allowed."""
    for host in hosts:
        if host.id == wanted:
            return host
    raise Refused(Reason.NOT_PERMITTED, "spec.restrict.nodes of the Provider does not allow the host")


def _host(entry: Found, unfit: Mapping[str, str], promised: int) -> Host:
    words = entry.properties
    memory = int(words.get("summary.hardware.memorySize", 0))
    used = int(words.get("summary.quickStats.overallMemoryUsage", 0)) * MIB
    return Host(
        id=entry.id,
        name=readable(str(words.get("name", entry.id))),
        threads=int(words.get("summary.hardware.numCpuThreads", 0)),
        memory=memory,
        free=memory - used - promised,
        datastores=frozenset(map(moid, words.get("datastore", ()))),
        networks=frozenset(map(moid, words.get("network", ()))),
        unfit=unfit.get(entry.id, "") or condition(words),
    )


def condition(words: Mapping[str, object]) -> str:
    """Why nothing can go to a host by its own properties; empty when it is fine."""
    if str(words.get("runtime.connectionState", "connected")) != "connected":
        return "is not connected"
    return "is in maintenance" if words.get("runtime.inMaintenanceMode") else ""


def choose(where: str, hosts: Sequence[Host], need: Need) -> tuple[Host, str]:
    """The host with most free memory that fits, and a sentence on why. Refused CAPACITY where none does."""
    common = need.networks & frozenset().union(*(host.networks for host in hosts))
    passed = {host.id: _against(host, need, common) for host in hosts}
    fitting = [host for host in hosts if not passed[host.id]]
    told = [f"{host.name} {passed[host.id]}" for host in sorted(hosts, key=_name) if passed[host.id]]
    if not fitting:
        raise Refused(Reason.CAPACITY, f"no host of {where} can take it: {_told(told)}")
    best = min(fitting, key=lambda host: (-host.free, host.name))
    room = f"({_gib(best.free)} of {_gib(best.memory)} GiB)"
    many = f"most free memory of {len(fitting)} hosts that fit" if len(fitting) > 1 else "the only host that fits"
    return best, "; ".join([f"{best.name}: {many} {room}", *([_told(told)] if told else [])])


def admit(host: Host, need: Need) -> None:
    """Raises Refused CAPACITY where a host that was asked for cannot take the machine now."""
    words = host.unfit or _grouped(host, need)
    if words:
        raise Refused(Reason.CAPACITY, f"spec.placement.node asks for host {host.name}, which {words}")


def _against(host: Host, need: Need, networks: frozenset[str]) -> str:
    """Why a machine cannot go to a host; empty when it can."""
    if words := host.unfit or _grouped(host, need):
        return words
    if host.threads and need.cpus > host.threads:
        return f"has {host.threads} CPUs of the {need.cpus} that are needed"
    if host.memory and need.memory > host.free:
        return f"has {_gib(max(host.free, 0))} of {_gib(host.memory)} GiB of memory free"
    if host.datastores and not need.datastores & host.datastores:
        return "reaches no datastore that fits"
    if not networks <= host.networks:
        return "is not on all of the networks"
    return ""


def _grouped(host: Host, need: Need) -> str:
    holds = need.apart & {host.name, host.id}
    return f"holds a machine of group {need.group or 'the same'}" if holds else ""


def _told(words: Iterable[str]) -> str:
    known = list(words)
    more = f" and {len(known) - _TOLD} more" if len(known) > _TOLD else ""
    return ", ".join(known[:_TOLD]) + more


def _gib(size: int) -> str:
    return f"{size / _GIB:,.1f}"


def _name(host: Host) -> str:
    return host.name
