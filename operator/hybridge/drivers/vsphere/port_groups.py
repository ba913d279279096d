"""A network as the PropertyCollector describes it, property by property. Pure.

Source: Network, DistributedVirtualPortgroup and DVPortgroupConfigInfo in the vSphere Web Services API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hybridge.core.machine import Known
from hybridge.drivers.vsphere.sdk import moid, vim

DISTRIBUTED: Final = "DistributedVirtualPortgroup"
STANDARD: Final = "Network"
#: The types of what machines attach to.
KINDS: Final = frozenset({DISTRIBUTED, STANDARD, "OpaqueNetwork"})

#: What is read of a network besides its name and its place: of each type, by the name of the type.
PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    STANDARD: ("name", "parent", "customValue", "host"),
    DISTRIBUTED: (
        "name",
        "parent",
        "key",
        "customValue",
        "config.configVersion",
        "config.defaultPortConfig",
        "config.description",
        "config.distributedVirtualSwitch",
        "config.logicalSwitchUuid",
        "config.uplink",
    ),
}


@dataclass(slots=True)
class PortGroup:
    """A network in plain values; it changes as updates come. ``configured``: its configuration could be read.

    ``switch``: the distributed switch that it is of, by id. ``version`` has to be named in a change of it. ``hosts``: ids of
    those that have it, of one of standard switches; its VLAN is the hosts' to tell.
    """

    id: str
    kind: str
    name: str = ""
    parent: str = ""
    switch: str = ""
    description: str = ""
    version: str = ""
    vlan: Known = ()
    uplink: bool = False
    segment: str = ""
    attributes: tuple[tuple[int, str], ...] = ()
    hosts: frozenset[str] = frozenset()

    @property
    def configured(self) -> bool:
        """Whether its configuration could be read: without it nobody knows whose it is."""
        return self.kind != DISTRIBUTED or bool(self.version)


def is_network_id(known_id: str) -> bool:
    """Whether this is the id of a network, as opposed to those of machines."""
    return known_id.startswith(("dvportgroup-", "network-"))


def reference(network_id: str) -> Any:
    """A network as a managed object of its type, without a connection."""
    kind = vim.dvs.DistributedVirtualPortgroup if network_id.startswith("dvportgroup-") else vim.Network
    return kind(network_id)


def update(group: PortGroup, path: str, value: Any) -> None:
    """Takes over one property; ``value`` is None where it is not set any more."""
    if take := _TAKE.get(path):
        attribute, convert = take
        setattr(group, attribute, convert(value))


def whole(network_id: str, kind: str, changes: Iterable[tuple[str, Any]]) -> PortGroup:
    """A network from properties that were read at once."""
    found = PortGroup(network_id, kind)
    for path, value in changes:
        update(found, path, value)
    return found


def _text(value: Any) -> str:
    return str(value or "")


def _reference(value: Any) -> str:
    return moid(value) if value is not None else ""


def _vlan(setting: Any) -> Known:
    """The VLAN of a port group, as a spec says it; ranges and private VLANs in words."""
    found = getattr(setting, "vlan", None)
    private, one = getattr(found, "pvlanId", None), getattr(found, "vlanId", None)
    if private is not None:
        return (f"private {private}",)
    if isinstance(one, int):
        return (str(one),)
    ranges = ",".join(f"{part.start}-{part.end}" for part in one or ())
    return (f"trunk {ranges}",) if ranges else ()


def _attributes(value: Any) -> tuple[tuple[int, str], ...]:
    return tuple((int(entry.key), _text(getattr(entry, "value", ""))) for entry in value or ())


_TAKE: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "name": ("name", _text),
    "parent": ("parent", _reference),
    "customValue": ("attributes", _attributes),
    "host": ("hosts", lambda value: frozenset(map(moid, value or ()))),
    "config.configVersion": ("version", _text),
    "config.defaultPortConfig": ("vlan", _vlan),
    "config.description": ("description", _text),
    "config.distributedVirtualSwitch": ("switch", _reference),
    "config.logicalSwitchUuid": ("segment", _text),
    "config.uplink": ("uplink", bool),
}
