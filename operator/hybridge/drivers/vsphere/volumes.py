"""Volumes of one vCenter, behind the port: first-class disks.

Source: VcenterVStorageObjectManager in the vSphere Web Services API reference; from vCenter 7.0 Update 2 a disk shows its
metadata, in which the marker is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, Disposition, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Change
from hybridge.core.managed import State
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.core.volume import Volume, VolumeSpec, VolumeTraits
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for
from hybridge.drivers.vsphere import inventory, volume_mapping, volume_placement
from hybridge.drivers.vsphere.attaching import Attaching
from hybridge.drivers.vsphere.catalog import Catalog, Disk
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.disk_ids import disk_of
from hybridge.drivers.vsphere.inventory import Inventory, Layout
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.places import readable
from hybridge.drivers.vsphere.policies import Policies, profiles
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.seen import MIB
from hybridge.drivers.vsphere.volume_mapping import CLASS, TOKEN, carries, marker_of

#: The oldest API in which a disk shows its metadata.
_NEEDED: Final = (7, 0, 2)
#: Of how many creations the task is remembered: the catalog may be behind for a moment.
_ASKED: Final = 2000


class VsphereVolumes:
    """The port's methods. Ids of disks are never used twice."""

    traits: Final = VolumeTraits(
        visibility=300.0,
        token_lifetime=0.0,
        block="vsphere",
        changes={"size": Change.ONLINE, CLASS: Change.ONLINE},
    )

    def __init__(
        self,
        session: Session,
        defaults: Mapping[str, str],
        inventory: Inventory,
        picture: Picture,
        policies: Policies,
        catalog: Catalog,
        attaching: Attaching,
    ) -> None:
        self._session = session
        self._defaults = defaults
        self._inventory = inventory
        self._picture = picture
        self._policies = policies
        self._catalog = catalog
        self._attaching = attaching
        self._asked: dict[str, Task] = {}

    def normalize(self, spec: VolumeSpec) -> VolumeSpec:
        """The size in whole MiB, and tags that have a value."""
        return volume_mapping.normalize(spec)

    def prepare(self, spec: VolumeSpec, taken: Collection[str]) -> Prepared:
        """One request at most, and none for a minute after that; three more for the names of storage policies."""
        del taken  # the vCenter chooses ids
        self._check_version()
        spec = self.normalize(spec)
        policy = self._policies.chosen_id(spec.class_)
        layout = self._inventory.layout()
        store = self._origin(layout, spec) if spec.snapshot else volume_placement.place(layout, spec, self._defaults)
        why = f"on datastore {readable(layout.name(store.id))}"
        return Prepared(volume_mapping.parameters(spec, store, policy), placed=Placed(why=why))

    def create(self, intent: Intent, spec: VolumeSpec, marker: Marker) -> Started[Volume]:
        """One CreateDisk_Task, after a look at what has the name: a vCenter takes no token.

        From a snapshot it is one CreateDiskFromSnapshot_Task, which takes no marker either: the disk gets a name that tells
        whose it is, until ``configure`` gives it its metadata and its own name.
        """
        self._check_version()
        snapshot = str(intent.parameters.get("snapshot") or "")
        name = volume_mapping.telling_name(marker) if snapshot else intent.name
        for disk in (*self._catalog.all(name), *(self._catalog.all(intent.name) if snapshot else ())):
            if snapshot and carries(disk, marker):
                return Started(disk.id, self._described(disk))
            if (disk.metadata or {}).get(TOKEN) == intent.token and carries(disk, marker):
                return Started(disk.id, self._described(disk))
            if carries(disk, marker):
                raise Busy(f"{disk.id} has the name {intent.name} and comes from an earlier attempt")
        asked = self._asked.get(intent.token)
        if asked is not None and not self._picture.has_failed(asked):
            return Started(task=asked)
        store = str(intent.parameters["datastore"])
        if snapshot:
            started = self._begun("", "CreateDisk", lambda: self._from_snapshot(intent, name), store)
        else:
            argument = volume_mapping.create_spec(intent, self.normalize(spec), marker)
            started = self._begun("", "CreateDisk", lambda: self._manager.CreateDisk_Task(argument), store)
        if started.task is not None:
            self._asked[intent.token] = started.task
            if len(self._asked) > _ASKED:
                del self._asked[next(iter(self._asked))]
        return started

    def find(self, marker: Marker, intent: Intent | None) -> list[Volume]:
        """By the marker and by the intent's name in the catalog, and in what the intent's datastore has besides: the catalog
        may be behind. One request for a thousand disks, one for the datastore, and one for each that may be it.
        """
        listed = {disk.id: disk for disk in self._catalog.all()}
        name = intent.name if intent else None
        where = {disk.id: disk.store for disk in listed.values() if carries(disk, marker) or disk.name == name}
        store = str(intent.parameters.get("datastore") or "") if intent else ""
        if store:
            where |= dict.fromkeys(self._catalog.ids(store) - listed.keys(), store)
        read = [self._catalog.get(one, where[one]) for one in sorted(where)]
        return [self._described(disk) for disk in read if disk is not None and carries(disk, marker)]

    def get(self, volume_id: str) -> Volume | None:
        """One request where it is known on which datastore it is; else, and for a proof that it is gone, one a datastore."""
        disk = self._catalog.get(volume_id, self._store(volume_id))
        return self._described(disk) if disk is not None else None

    def configure(
        self, found: Volume, spec: VolumeSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Volume]:
        """The name at once; then one task for tags, for the size, or for the class: what is left follows it."""
        del intent
        spec, disk = self.normalize(spec), self._proven(found)
        if volume_mapping.is_named_only(disk):
            return replace(self._metadata(disk, {**spec.tags, **marker.pairs()}, ()), again=True)
        where, volume_id = (vim.vslm.ID(id=disk.id), vim.Datastore(disk.store)), disk.id
        if "name" in fields and disk.name != spec.name:
            self._told(volume_id, lambda: self._manager.RenameVStorageObject(*where, spec.name))
            disk = replace(disk, name=spec.name)
        tags = {key: text for key, text in spec.tags.items() if (disk.metadata or {}).get(key) != text}
        tasks: list[Callable[[], Started[Volume]]] = []
        if any(field.partition(".")[0] == "tags" for field in fields) and tags:
            tasks.append(lambda: self._metadata(disk, tags, ()))
        if "size" in fields and spec.size is not None and self._size(disk) < spec.size:
            size = spec.size
            tasks.append(lambda: self._grow(disk, size))
        if CLASS in fields and spec.class_:
            profile = profiles(self._policies.chosen_id(spec.class_))
            tasks.append(
                lambda: self._begun(
                    volume_id, "UpdatePolicy", lambda: self._manager.UpdateVStorageObjectPolicy_Task(*where, profile)
                )
            )
        if not tasks:
            return Started(volume_id, self._described(disk))
        return replace(tasks[0](), again=len(tasks) > 1)

    def mark(self, found: Volume, marker: Marker | None) -> Started[Volume]:
        """One VCenterUpdateVStorageObjectMetadataEx_Task; what is taken over stays from then on when its machine goes.

        It is read right before, as in ``delete``: what somebody else has taken over since stays his.
        """
        disk = self._there(found)
        prove_for(found, marker_of(disk), marker)
        if marker is None and volume_mapping.tells(disk.name):
            where = vim.vslm.ID(id=disk.id), vim.Datastore(disk.store)
            self._told(disk.id, lambda: self._manager.RenameVStorageObject(*where, f"volume-{disk.id[:8]}"))
        if marker is None:
            return self._metadata(disk, {}, volume_mapping.unmarked())
        self._catalog.keep(disk)
        return self._metadata(disk, marker.pairs(), [TOKEN])

    def delete(self, found: Volume) -> Started[Volume]:
        """DeleteVStorageObject_Task, after a read that proves whose it is, and that no machine has it."""
        disk = self._catalog.get(found.id, self._store(found.id))
        if disk is None:
            return Started(found.id, replace(found, state=State.GONE))
        prove(found, marker_of(disk))
        if users := self._users(disk):
            raise Refused(Reason.HAS_DEPENDANTS, f"{found.id} ({disk.name}) is attached to {users}")
        where = vim.vslm.ID(id=disk.id), vim.Datastore(disk.store)
        return self._begun(disk.id, "DeleteDisk", lambda: self._manager.DeleteVStorageObject_Task(*where))

    # What the port's methods are made of.

    @property
    def _manager(self) -> Any:
        return self._catalog.manager

    def _origin(self, layout: Layout, spec: VolumeSpec) -> Found:
        """The datastore of what a volume is made from, where it is made as well. Raises Refused."""
        disk = self._catalog.get(disk_of(spec.snapshot or ""), self._store(disk_of(spec.snapshot or "")))
        if disk is None:
            raise Refused(Reason.NOT_FOUND, f"spec.source.snapshotRef: there is no disk of snapshot {spec.snapshot}")
        wanted = spec.placement.get("storage")
        if wanted and layout.resolve("datastore", wanted, inventory.STORES).id != disk.store:
            words = f"a volume that is made from a snapshot is where that is, on {readable(layout.name(disk.store))}"
            raise Refused(Reason.UNSUPPORTED, f"spec.placement.storage: {words}")
        if spec.size is not None and spec.size < disk.size:
            words = f"spec.size is {spec.size} bytes, less than the {disk.size} of what the snapshot is of"
            raise Refused(Reason.INVALID_SPEC, words)
        return layout.items[disk.store]

    def _from_snapshot(self, intent: Intent, name: str) -> Any:
        disk_id, _, own = str(intent.parameters["snapshot"]).partition("/")
        policy = intent.parameters.get("policy")
        return self._manager.CreateDiskFromSnapshot_Task(
            vim.vslm.ID(id=disk_id),
            vim.Datastore(str(intent.parameters["datastore"])),
            vim.vslm.ID(id=own),
            name,
            profiles(str(policy) if policy else None),
        )

    def _check_version(self) -> None:
        version = str(self._session.content.about.apiVersion or "")
        if tuple(int(part) for part in version.split(".") if part.isdecimal()) < _NEEDED:
            raise Refused(Reason.UNSUPPORTED, f"volumes need vCenter 7.0 Update 2 or later; this one has API {version}")

    def _store(self, volume_id: str) -> str:
        """The datastore on which a volume was last seen."""
        return self._picture.volume_store(volume_id)

    def _there(self, found: Volume) -> Disk:
        disk = self._catalog.get(found.id, self._store(found.id))
        if disk is None:
            raise NotProven(f"{found.name} ({found.id}) is gone")
        return disk

    def _proven(self, found: Volume) -> Disk:
        disk = self._there(found)
        prove(found, marker_of(disk))
        return disk

    def _described(self, disk: Disk) -> Volume:
        storage = self._picture.storage(disk.store) if self._picture.ready else ()
        if not storage and disk.store:
            storage = volume_placement.stores_in_words(self._inventory.layout(), disk.store)
        attached = self._picture.attachments().get(disk.id, ())
        return volume_mapping.volume(disk, storage, attached, self._picture.volume_policy(disk.id))

    def _users(self, disk: Disk) -> str:
        attached = [machine_id for machine_id, _ in self._picture.attachments().get(disk.id, ())]
        return ", ".join(attached or disk.consumers)

    def _size(self, disk: Disk) -> int:
        return self._described(disk).size or disk.size

    def _begun(self, volume_id: str, operation: str, call: Callable[[], Any], store: str = "") -> Started[Volume]:
        task = Task(moid(self._told(volume_id, call)), operation, time.time())
        self._picture.started(task)
        self._picture.volume_changing(volume_id, task, store)
        return Started(volume_id or None, task=task)

    def _told(self, volume_id: str, call: Callable[[], Any]) -> Any:
        """The answer to a change; where it may have taken effect without one, the volume is read soon."""
        try:
            answer = call()
        except CloudError as error:
            if error.took_effect_possible and volume_id:
                self._picture.volume_changing(volume_id)
            raise
        if answer is None:
            self._picture.volume_changing(volume_id)
        return answer

    def _metadata(self, disk: Disk, words: dict[str, str], without: Collection[str]) -> Started[Volume]:
        where = vim.vslm.ID(id=disk.id), vim.Datastore(disk.store)
        change = volume_mapping.pairs(words)
        return self._begun(
            disk.id,
            "UpdateMetadata",
            lambda: self._manager.VCenterUpdateVStorageObjectMetadataEx_Task(*where, change, list(without)),
        )

    def _grow(self, disk: Disk, size: int) -> Started[Volume]:
        """ExtendDisk_Task; of a disk that a machine has, the device is grown, which works while the machine runs."""
        attached = self._picture.attachments().get(disk.id, ())
        if not attached and disk.consumers:
            raise CloudError(
                Reason.HAS_DEPENDANTS,
                f"{disk.id} is attached to {', '.join(disk.consumers)}, which is no machine in sight",
                disposition=Disposition.WAIT,
            )
        if not attached:
            where = vim.vslm.ID(id=disk.id), vim.Datastore(disk.store)
            return self._begun(disk.id, "ExtendDisk", lambda: self._manager.ExtendDisk_Task(*where, size // MIB))
        task = self._attaching.grow(attached[0][0], disk, size)
        self._picture.volume_changing(disk.id, task)
        return Started(disk.id, task=task)
