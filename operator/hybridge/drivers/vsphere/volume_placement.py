"""Where a volume goes: names in the spec and the Provider's defaults, made into a datastore, or one chosen. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hybridge.core.errors import Refused
from hybridge.core.machine import Known
from hybridge.core.reasons import Reason
from hybridge.core.volume import VolumeSpec
from hybridge.drivers.vsphere import inventory, placement
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.inventory import Layout
from hybridge.drivers.vsphere.sdk import moid


def place(layout: Layout, spec: VolumeSpec, defaults: Mapping[str, str]) -> Found:
    """The datastore of a new volume: the one that is named, else of those that most hosts reach the one with most room.

    Raises Refused: NOT_FOUND, INVALID_SPEC, CAPACITY.
    """
    wanted = spec.placement.get("storage") or defaults.get("storage")
    usable = [entry for entry in layout.of(("Datastore",)) if _is_up(entry)]
    if wanted:
        found = layout.resolve("datastore", wanted, inventory.STORES)
        usable = [entry for entry in usable if found.id in {entry.id, _parent(entry)}]
    if not usable:
        named = f" {wanted}" if wanted else ""
        raise Refused(Reason.CAPACITY, f"there is no datastore{named} that is up and not in maintenance")
    reach = _reach(placement.hosts_of(layout, defaults))
    return max(usable, key=lambda entry: (reach.get(entry.id, 0), _free(entry), entry.id))


def stores_in_words(layout: Layout, store: str) -> Known:
    """All words for a datastore, and for the datastore cluster that it is of."""
    found = layout.items.get(store)
    ids = [store, *([_parent(found)] if found and _is_pod(layout, _parent(found)) else [])] if found else []
    words = [word for one in ids for word in (layout.name(one), *_ends(layout.path(one)), one)]
    return tuple(dict.fromkeys(words))


def _ends(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]


def _is_pod(layout: Layout, object_id: str) -> bool:
    found = layout.items.get(object_id)
    return found is not None and found.kind == "StoragePod"


def _reach(within: Collection[Found]) -> dict[str, int]:
    """How many of these hosts reach each datastore."""
    found: dict[str, int] = {}
    for host in within:
        for store in map(moid, host.properties.get("datastore", ())):
            found[store] = found.get(store, 0) + 1
    return found


def _is_up(entry: Found) -> bool:
    words = entry.properties
    return bool(words.get("summary.accessible")) and words.get("summary.maintenanceMode", "normal") == "normal"


def _free(entry: Found) -> int:
    return int(entry.properties.get("summary.freeSpace", 0))


def _parent(entry: Found) -> str:
    parent = entry.properties.get("parent")
    return moid(parent) if parent is not None else ""
