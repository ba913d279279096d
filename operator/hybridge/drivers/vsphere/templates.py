"""Templates: found by id, name or path, with the devices that they bring."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from hybridge.core.errors import CloudError, Refused
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import collector, disks, proof, seen
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.inventory import Inventory, Kept
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import moid, vim

_MOID: Final = re.compile(r"vm-\d+")
_LISTED: Final = ("name", "parent", "config.template")

#: Name and folder of templates, by id.
_Names = dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Template:
    """What a template brings: its root disk and cards as devices, that disk's datastore, its host, and its hardware.

    ``disks``: the keys of all its disks; ``volumes``: the devices of what is attached to it besides. ``notes``: what people,
    and a marker, say of it.
    """

    id: str
    name: str
    disk: Any
    cards: tuple[Any, ...]
    datastore: str | None
    host: str | None
    version: str = ""
    cores: int = 1
    disks: tuple[int, ...] = ()
    volumes: tuple[Any, ...] = ()
    notes: str = ""

    @property
    def size(self) -> int:
        """Bytes of its disk; 0 when it has none."""
        return disks.capacity(self.disk) or 0


class Templates:
    """The templates of the datacenter, their devices read once a minute at most."""

    def __init__(self, session: Session, inventory: Inventory, picture: Picture) -> None:
        self._session = session
        self._inventory = inventory
        self._picture = picture
        self._lists: Kept[_Names] = Kept()
        self._devices: Kept[Template] = Kept()

    def get(self, image: str) -> Template:
        """The template of this id, name or path. Raises Refused IMAGE_NOT_FOUND with near names."""
        machine_id = self._find(image)
        return self._devices.get(machine_id, lambda: self._read(machine_id))

    def machine(self, machine_id: str) -> Template:
        """What a machine brings that is to be made a template of, read now: one request. Raises Refused NOT_FOUND."""
        try:
            return self._read(machine_id, template=False)
        except Refused as error:
            raise Refused(Reason.NOT_FOUND, error.message) from error.__cause__

    def taken(self, machine_id: str, snapshot_id: str) -> Template:
        """The same of a machine as it was when a snapshot of it was taken: two requests. Raises Refused NOT_FOUND."""
        machine = self.machine(machine_id)
        missing = Refused(Reason.NOT_FOUND, f"machine {machine_id} has no snapshot {snapshot_id}")
        reference = vim.vm.Snapshot(snapshot_id)
        chosen = collector.selection({vim.vm.Snapshot: ("vm", seen.DEVICES)}, collector.start(reference))
        try:
            read = collector.retrieve(self._session, chosen)
        except CloudError as error:
            if caused_by(error, "ManagedObjectNotFound"):
                raise missing from None
            raise
        found = next((one for one in read if one.id == snapshot_id), None)
        if found is None or not {"vm", seen.DEVICES} <= found.properties.keys():
            raise proof.unclear(snapshot_id)
        if moid(found.properties["vm"]) != machine_id:
            raise missing
        devices = found.properties[seen.DEVICES]
        return replace(machine, disk=seen.root_disk(devices), volumes=tuple(disks.volumes(devices)))

    def forget(self) -> None:
        """What was read turned out to be old."""
        self._lists.clear()
        self._devices.clear()

    def _find(self, image: str) -> str:
        found = self._match(image, self._names())
        if found is None:
            names = [name for name, _ in self._names().values()]
            self._lists.clear()  # a template may come at any moment
            raise Refused(Reason.IMAGE_NOT_FOUND, not_found("template", image, names))
        return found

    def _names(self) -> _Names:
        return self._pushed() if self._picture.ready else self._lists.get("all", self._list)

    def _match(self, image: str, known: _Names) -> str | None:
        if image in known:
            return image
        above, _, name = image.strip("/").rpartition("/")
        found = [key for key, (other, _) in known.items() if other == name]
        if above:
            layout = self._inventory.layout()
            found = [key for key in found if f"/{layout.path(known[key][1])}".endswith(f"/{above}")]
        if len(found) > 1:
            ids = ", ".join(sorted(found)[:5])
            raise Refused(
                Reason.INVALID_SPEC, f"{len(found)} templates are called {image!r}; give one of the ids: {ids}"
            )
        # What looks like an id may be a template that nobody has told of yet.
        return found[0] if found else image if _MOID.fullmatch(image) else None

    def _pushed(self) -> _Names:
        names = {found.id: found.name for found in self._picture.machines() if found.template}
        return {key: (names[key], folder) for key, folder in self._picture.folders(names).items()}

    def _list(self) -> _Names:
        read = [seen.whole(entry.id, entry.properties) for entry in self._inventory.machines(*_LISTED)]
        return {found.id: (found.name, found.parent) for found in read if found.template}

    def _read(self, machine_id: str, *, template: bool = True) -> Template:
        reference = vim.VirtualMachine(machine_id, self._session.calls)
        paths = ("name", "config.template", "config.version", seen.NOTES, seen.CORES, seen.DEVICES, "runtime.host")
        chosen = collector.selection({vim.VirtualMachine: paths}, collector.start(reference))
        try:
            (found,) = collector.retrieve(self._session, chosen)
        except CloudError as error:
            if caused_by(error, "ManagedObjectNotFound"):
                what = "template" if template else "machine"
                raise Refused(Reason.IMAGE_NOT_FOUND, f"{what} {machine_id!r} was not found") from None
            raise
        name = str(found.properties.get("name", machine_id))
        if template and not found.properties.get("config.template"):
            raise Refused(Reason.IMAGE_NOT_FOUND, f"{name} ({machine_id}) is a machine and no template")
        devices = found.properties.get(seen.DEVICES, ())
        disk, host = seen.root_disk(devices), found.properties.get("runtime.host")
        store = getattr(disk.backing, "datastore", None) if disk is not None else None
        return Template(
            id=machine_id,
            name=name,
            disk=disk,
            cards=tuple(seen.cards(devices)),
            datastore=moid(store) if store is not None else None,
            host=moid(host) if host is not None else None,
            version=str(found.properties.get("config.version", "")),
            cores=int(found.properties.get(seen.CORES) or 1),
            disks=tuple(int(device.key) for device in seen.disks(devices)),
            volumes=tuple(disks.volumes(devices)),
            notes=str(found.properties.get(seen.NOTES) or ""),
        )
