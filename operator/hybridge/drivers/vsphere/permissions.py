"""Which privileges the session lacks for what this driver does: one ``HasPrivilegeOnEntities``.

The places that are asked about are the Provider's defaults; where it has none, all places of the kind, and those that
grant most are what counts. What stands in ``docs/permissions`` is looked for here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hybridge.core.errors import Refused
from hybridge.drivers.base import Right
from hybridge.drivers.vsphere import collector, inventory
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.inventory import Layout
from hybridge.drivers.vsphere.sdk import moid, vim

_MAKING: Final = "making machines"
_FETCHING: Final = "images that are fetched, or made of items of libraries"
_CREATE: Final = "VirtualMachine.Inventory.CreateFromExisting"
#: Privileges on the folder of the machines, and what for.
_FOLDER: Final[Mapping[str, str]] = {
    _CREATE: _MAKING,
    "VirtualMachine.Inventory.Delete": "deleting machines",
    "VirtualMachine.Config.CPUCount": "setting sizes",
    "VirtualMachine.Config.Memory": "setting sizes",
    "VirtualMachine.Config.Settings": "marking machines",
    "VirtualMachine.Config.AdvancedConfig": "marking machines",
    "VirtualMachine.Config.DiskExtend": "growing disks",
    "VirtualMachine.Config.EditDevice": "connecting machines",
    "VirtualMachine.Interact.PowerOn": "starting machines",
    "VirtualMachine.Interact.PowerOff": "stopping machines",
}
_FOLDER_FEATURES: Final[Mapping[str, str]] = {
    "VirtualMachine.Config.AddRemoveDevice": "more networks than the template has, or fewer",
    "VirtualMachine.Config.AddExistingDisk": "volumes",
    "VirtualMachine.Config.RemoveDisk": "volumes",
    "VirtualMachine.Config.Rename": "changing names",
    "VirtualMachine.Config.UpgradeVirtualHardware": "newer virtual hardware",
    "VirtualMachine.Config.Annotation": "images that are made",
    "VirtualMachine.State.CreateSnapshot": "snapshots",
    "VirtualMachine.State.RemoveSnapshot": "snapshots",
    "VirtualMachine.State.RenameSnapshot": "snapshots",
    "VirtualMachine.State.RevertToSnapshot": "machines that go back to snapshots",
    "VirtualMachine.Provisioning.CreateTemplateFromVM": "images that are made of machines",
    "VirtualMachine.Provisioning.MarkAsTemplate": _FETCHING,
    "VApp.Import": _FETCHING,
    "VApp.Delete": _FETCHING,
    "VirtualMachine.Inventory.Move": "moving machines",
    "Resource.ColdMigrate": "moving machines",
    "Resource.HotMigrate": "moving machines",
    "Global.SetCustomField": "tags",
}
_TEMPLATES: Final = {"VirtualMachine.Provisioning.DeployTemplate": _MAKING}
_TEMPLATE_FEATURES: Final = {"VirtualMachine.Provisioning.CloneTemplate": "images that are copies"}
_POOL: Final = {"Resource.AssignVMToPool": _MAKING}
_POOL_FEATURES: Final = {"VApp.Import": _FETCHING, "VApp.Delete": _FETCHING}
_DATASTORE: Final = {"Datastore.AllocateSpace": _MAKING}
_DATASTORE_FEATURES: Final = {"Datastore.FileManagement": "volumes"}
_NETWORK: Final = {"Network.Assign": "connecting machines"}
_SWITCH_FEATURES: Final = {
    "DVPortgroup.Create": "networks",
    "DVPortgroup.Modify": "networks",
    "DVPortgroup.Delete": "networks",
}
#: Those of content libraries are asked for where global permissions hold as well.
_TOP: Final = {
    "Global.ManageCustomFields": "tags",
    "StorageProfile.View": "storage policies",
    "ContentLibrary.CreateLocalLibrary": _FETCHING,
    "ContentLibrary.AddLibraryItem": _FETCHING,
    "ContentLibrary.UpdateSession": _FETCHING,
    "ContentLibrary.DeleteLibraryItem": _FETCHING,
}
_ALL: Final = tuple(
    {
        **_FOLDER,
        **_FOLDER_FEATURES,
        **_TEMPLATES,
        **_TEMPLATE_FEATURES,
        **_POOL,
        **_POOL_FEATURES,
        **_DATASTORE,
        **_DATASTORE_FEATURES,
        **_NETWORK,
        **_SWITCH_FEATURES,
        **_TOP,
    }
)

#: Most places of a kind that are asked about.
_MOST: Final = 100
#: Most places that one right is told of.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Lacking:
    """What is missing for the life of machines, and for features of it."""

    missing: tuple[Right, ...]
    optional: tuple[Right, ...]


def check(session: Session, layout: Layout, defaults: Mapping[str, str], templates: Iterable[str]) -> Lacking:
    """Two requests. ``templates``: ids of those that are known. Raises CloudError."""
    top = session.content.rootFolder
    folders = _places(layout, defaults.get("folder"), "folder", inventory.FOLDERS, "vmFolder")
    sources = [*templates, *_places(layout, None, "folder", inventory.FOLDERS, "vmFolder")]
    pools = _pools(layout, defaults)
    stores = _places(layout, defaults.get("storage"), "datastore", inventory.STORES)
    networks = _places(layout, defaults.get("network"), "network", inventory.NETWORKS)
    switches = _places(layout, None, "switch", inventory.SWITCHES)
    held = _ask(session, layout, [*folders, *sources, *pools, *stores, *networks, *switches], top)
    machines = _best(held, folders, (*_FOLDER, *_FOLDER_FEATURES))
    missing = [
        *_without(held, layout, [machines], _FOLDER),
        *_without(held, layout, sources, _TEMPLATES),
        *_without(held, layout, pools, _POOL),
        *_without(held, layout, stores, _DATASTORE),
        *_without(held, layout, networks, _NETWORK),
    ]
    optional = [
        *_without(held, layout, [machines], _FOLDER_FEATURES),
        *_without(held, layout, sources, _TEMPLATE_FEATURES),
        *_without(held, layout, pools, _POOL_FEATURES),
        *_without(held, layout, stores, _DATASTORE_FEATURES),
        *_without(held, layout, switches, _SWITCH_FEATURES),
        *_without(held, layout, [moid(top)], _TOP),
    ]
    usual = layout.roots["vmFolder"]
    if not defaults.get("folder") and machines != usual:
        # What names no folder goes to the datacenter's own, although another one is meant for machines.
        optional += _without(held, layout, [usual], {_CREATE: "machines that name no folder"})
    return Lacking(tuple(missing), tuple(optional))


def _ask(session: Session, layout: Layout, ids: Iterable[str], top: Any) -> Mapping[str, frozenset[str]]:
    """The privileges that hold on each of these objects."""
    manager = session.content.authorizationManager
    chosen = collector.selection(
        {vim.SessionManager: ("currentSession",)}, collector.start(session.content.sessionManager)
    )
    (found,) = collector.retrieve(session, chosen)
    entities = [top, *(_reference(layout, object_id) for object_id in dict.fromkeys(ids))]
    answer = manager.HasPrivilegeOnEntities(entities, str(found.properties["currentSession"].key), list(_ALL))
    return {
        moid(entry.entity): frozenset(str(one.privId) for one in entry.privAvailability if one.isGranted)
        for entry in answer or ()
    }


def _reference(layout: Layout, object_id: str) -> Any:
    found = layout.items.get(object_id)
    kind = found.kind if found else ("Folder" if object_id in layout.roots.values() else "VirtualMachine")
    return getattr(vim.dvs if hasattr(vim.dvs, kind) else vim, kind)(object_id)


def _places(layout: Layout, wanted: str | None, what: str, kinds: Sequence[str], below: str | None = None) -> list[str]:
    """The place of the Provider's defaults, else all of the kind."""
    if wanted:
        try:
            return [layout.resolve(what, wanted, kinds, below).id]
        except Refused:
            return []  # a machine that needs it is told
    found = [entry.id for entry in layout.of(kinds) if below is None or layout.is_below(entry.id, layout.roots[below])]
    return [*([layout.roots[below]] if below else []), *found][:_MOST]


def _pools(layout: Layout, defaults: Mapping[str, str]) -> list[str]:
    """The default pool, or the one of the default cluster, else all."""
    if not defaults.get("resourcePool") and (cluster := defaults.get("cluster")):
        found = _places(layout, cluster, "cluster", inventory.COMPUTE)
        return [moid(layout.items[object_id].properties["resourcePool"]) for object_id in found]
    return _places(layout, defaults.get("resourcePool"), "resource pool", inventory.POOLS)


def _best(held: Mapping[str, frozenset[str]], ids: Sequence[str], names: Collection[str]) -> str:
    """The place that grants most of these; the first of equals."""
    return max(ids, key=lambda object_id: len(held.get(object_id, frozenset()).intersection(names)), default="")


def _without(
    held: Mapping[str, frozenset[str]], layout: Layout, ids: Sequence[str], wanted: Mapping[str, str]
) -> Iterator[Right]:
    """Privileges that hold on none of these places: one of them will do."""
    where = " or ".join(_told(layout, object_id) for object_id in ids[:_NAMED])
    more = " or another" if len(ids) > _NAMED else ""
    for name, why in wanted.items():
        if ids and not any(name in held.get(object_id, ()) for object_id in ids):
            yield Right(name, f"{where}{more}", why)


def _told(layout: Layout, object_id: str) -> str:
    """How a person finds the object: its path, and the id that the vCenter's own refusals name."""
    path = layout.path(object_id)
    return f"{path} ({object_id})" if path else object_id
