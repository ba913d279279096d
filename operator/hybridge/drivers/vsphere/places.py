"""Names of what machines are placed on and connected to, as they were pushed. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote

from hybridge.core.machine import Known
from hybridge.drivers.vsphere import port_groups
from hybridge.drivers.vsphere.sdk import moid

#: What is pushed of each type, by the name of the type.
PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "HostSystem": ("name", "parent", "runtime.connectionState", "runtime.inMaintenanceMode"),
    "ComputeResource": ("name", "parent"),
    "ResourcePool": ("name", "parent"),
    "Folder": ("name", "parent"),
    "Datastore": ("name", "parent"),
    "OpaqueNetwork": ("name", "parent", "summary"),
    "DistributedVirtualSwitch": ("name", "parent"),
    **port_groups.PATHS,
}

#: The characters that a vCenter writes as escapes in names: percent, slash and backslash.
_ESCAPE: Final = re.compile("%(25|2f|5c)", re.IGNORECASE)


def readable(name: str) -> str:
    """A name as people wrote it."""
    return _ESCAPE.sub(lambda found: unquote(found[0]), name)


@dataclass(frozen=True, slots=True)
class Item:
    """One object. ``alias`` is what cards call a network by, where that is not its id."""

    kind: str
    name: str = ""
    parent: str = ""
    alias: str = ""
    connected: bool = True
    maintenance: bool = False


@dataclass(slots=True)
class Places:
    """All objects by id. Who uses it from several threads guards it."""

    items: dict[str, Item] = field(default_factory=dict)
    #: Settings of machines that are alike, by what they are alike in; they hold as long as the names do.
    settings: dict[tuple[object, ...], Mapping[str, Known]] = field(default_factory=dict)
    _known: dict[str, Known] = field(default_factory=dict)
    _aliases: dict[str, str] = field(default_factory=dict)

    def change(self, kind: str, object_id: str, changes: Mapping[str, Any]) -> bool:
        """Takes over changed properties of one object. True when machines look different after it."""
        before = self.items.get(object_id)
        now = _changed(before or Item(kind), changes)
        self.items[object_id] = now
        if before is not None and (before.name, before.parent, before.alias) == (now.name, now.parent, now.alias):
            return False
        self._forget()
        if now.alias:
            self._aliases[now.alias] = object_id
        return True

    def leave(self, object_id: str) -> None:
        """An object was removed."""
        self.items.pop(object_id, None)
        self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self.settings.clear()

    def known(self, object_id: str) -> Known:
        """All words for an object: its name, the ends of its path, its id. Empty while it was not pushed."""
        if object_id not in self.items:
            return ()
        words = self._known.get(object_id)
        if words is None:
            words = self._known[object_id] = self._words(object_id)
        return words

    def name(self, object_id: str) -> str:
        """The name of an object; empty while it was not pushed."""
        item = self.items.get(object_id)
        return readable(item.name) if item else ""

    def compute(self, host: str) -> str:
        """The id of the compute resource that a host is of."""
        item = self.items.get(host)
        return item.parent if item else ""

    def unfit(self) -> dict[str, str]:
        """Hosts that nothing can go to, and why."""
        hosts = {key: item for key, item in self.items.items() if item.kind == "HostSystem"}
        return {key: _condition(host) for key, host in hosts.items() if not host.connected or host.maintenance}

    def storage(self, datastore: str) -> Known:
        """All words for a datastore, and for the datastore cluster that it is of."""
        item = self.items.get(datastore)
        above = self.items.get(item.parent) if item else None
        pod = self.known(item.parent) if item and above and above.kind == "StoragePod" else ()
        return (*self.known(datastore), *pod)

    def covers(self, hosts: Collection[str]) -> bool:
        """Whether these are all hosts of each compute resource that one of them is of."""
        within = {self.items[one].parent for one in hosts if one in self.items}
        every = (key for key, item in self.items.items() if item.kind == "HostSystem" and item.parent in within)
        return all(one in hosts for one in every)

    def network_id(self, network: str, name: str) -> str:
        """The id of the network of a card, which names it by its key, by its id, or by its name alone; empty: of none."""
        if (found := self._aliases.get(network, network)) in self.items:
            return found
        here = (key for key, item in self.items.items() if item.kind == port_groups.STANDARD and item.name == name)
        return next(here, "") if name and not network else ""

    def network(self, reference: str, name: str) -> Known:
        """All words for the network of a card, which may be one that nobody can read."""
        return self.known(self._aliases.get(reference, reference)) or tuple(filter(None, (readable(name), reference)))

    def _words(self, object_id: str) -> Known:
        raw = self._path(object_id)
        ends = ["/".join(raw[start:]) for start in range(len(raw) - 1, -1, -1)]
        return tuple(dict.fromkeys((self.name(object_id), *ends, object_id)))

    def _path(self, object_id: str) -> list[str]:
        """Names from below the datacenter's own folder down to the object; of that folder itself, its name."""
        names: list[str] = []
        item = self.items.get(object_id)
        while item is not None and (item.parent in self.items or not names):
            names.append(item.name)
            item = self.items.get(item.parent)
        return names[::-1]


def _condition(host: Item) -> str:
    return "is in maintenance" if host.connected else "is not connected"


def _changed(item: Item, changes: Mapping[str, Any]) -> Item:
    """The item with the changes; what is not set any more keeps its value."""
    words: dict[str, Any] = {}
    if (name := changes.get("name")) is not None:
        words["name"] = str(name)
    if (parent := changes.get("parent")) is not None:
        words["parent"] = moid(parent)
    if (key := changes.get("key")) is not None:
        words["alias"] = str(key)
    if (opaque := getattr(changes.get("summary"), "opaqueNetworkId", None)) is not None:
        words["alias"] = str(opaque)
    if (state := changes.get("runtime.connectionState")) is not None:
        words["connected"] = str(state) == "connected"
    if (maintenance := changes.get("runtime.inMaintenanceMode")) is not None:
        words["maintenance"] = bool(maintenance)
    return replace(item, **words)
