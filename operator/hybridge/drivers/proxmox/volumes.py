"""Volumes: disk images of a VMID that no guest has, found and proven by their names (see ``images``).

PVE has no call to grow, to copy or to rename an image by itself: it grows while a guest has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from urllib.parse import quote

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Disposition, IdTaken, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Change
from hybridge.core.names import not_found
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.core.volume import Volume, VolumeSpec, VolumeTraits
from hybridge.drivers.base import Prepared, Settings, Started
from hybridge.drivers.marked import same_owner
from hybridge.drivers.proxmox.answers import Image, StorageStatus, Word
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import LENDER, MIB
from hybridge.drivers.proxmox.images import FILES, ImageRef, check_length, file_name, image, plain_name, read_name
from hybridge.drivers.proxmox.lending import await_readings, holders
from hybridge.drivers.proxmox.limits import check_words
from hybridge.drivers.proxmox.listing import Listing, places
from hybridge.drivers.proxmox.picture import Picture, Storage
from hybridge.drivers.proxmox.tasks import begun

_KIB = 2**10
#: The format of images in files where the storage does not tell its own.
_FORMAT = "raw"


class Volumes:
    """See ``hybridge.drivers.base.VolumeDriver``."""

    def __init__(self, estate: Estate, listing: Listing, settings: Settings) -> None:
        self.traits = VolumeTraits(
            chooses_uuid=False,
            visibility=60.0,
            token_lifetime=86400.0,
            block="proxmox",
            changes={"size": Change.ONLINE},
        )
        self._estate = estate
        self._client = estate.client
        self._listing = listing
        self._defaults = settings.defaults
        self._age = 2 * settings.sweep_interval

    def normalize(self, spec: VolumeSpec) -> VolumeSpec:
        """See the port. PVE has no tags on images, and keeps a name in their alphabet: tags stay in the spec alone."""
        check_words("proxmox", spec.options, {"format"})
        check_words("placement", spec.placement, {"node", "storage"})
        lacking = {"iops": spec.iops, "throughput": spec.throughput, "encrypted": spec.encrypted}
        asked = [name for name, value in lacking.items() if value]
        if asked:
            words = f"{', '.join(asked)}: Proxmox VE has no such property of a volume"
            raise Refused(Reason.UNSUPPORTED, f"{words}; the storage decides")
        if spec.class_ and spec.placement.get("storage", spec.class_) != spec.class_:
            raise Refused(Reason.INVALID_SPEC, "class and placement.storage both name the storage, and differ")
        size = None if spec.size is None else -(-spec.size // MIB) * MIB
        return replace(spec, name=plain_name(spec.name), size=size, tags={}, encrypted=None)

    def prepare(self, spec: VolumeSpec, taken: Collection[str]) -> Prepared:
        """See the port. Where nothing is named: the shared storage with the most room, else one of a node.

        ``taken`` says nothing here: an id is made of the marker.
        """
        del taken
        if spec.snapshot is not None:
            raise Refused(Reason.UNSUPPORTED, "source: Proxmox VE makes no volume from a snapshot")
        picture = self._estate.picture(self._age)
        storage = self._storage(spec, picture)
        node = self._node(spec, storage, picture)
        parameters: dict[str, object] = {"storage": storage.name, "size": spec.size or 0}
        if not storage.shared:
            parameters["node"] = node
        parameters |= self._format(spec, storage, node)
        return Prepared(parameters, placed=Placed(None if storage.shared else node))

    def create(self, intent: Intent, spec: VolumeSpec, marker: Marker) -> Started[Volume]:
        """See the port. The name can be had once on a storage, so a repetition fails and finds the same image."""
        del spec
        words = intent.parameters
        picture = self._estate.picture(self._age)
        storage, home = str(words["storage"]), words.get("node")
        name = file_name(intent.name, marker)
        if "format" in words:
            name += f".{words['format']}"
        place = self._listing.place(ImageRef("", storage, str(home) if home else None), picture)
        files = f"{LENDER}/" if "format" in words else ""
        check_length(image(f"{storage}:{files}{name}", place.node, picture.shared))
        self._prove_lender()
        size = int(str(words["size"]))
        try:
            volume = self._client.make(
                "Allocate", *place.path, filename=name, vmid=LENDER, size=str(size // _KIB), format=words.get("format")
            )
        except IdTaken:
            made = [one for one in self._carriers(marker, picture, storage) if ImageRef.read(one.id)]
            if len(made) != 1:
                raise
            return Started(made[0].id, made[0])
        ref = image(volume, place.node, picture.shared)
        if same_owner(self._listing.marker(ref), marker):
            row = Image(volume, LENDER, str(words.get("format", "")), size)
            return Started(str(ref), self._listing.shown(row, ref, place.kind, (), picture))
        raise CloudError(Reason.CLOUD_ERROR, f"Allocate: {volume} was made, not {name}", took_effect_possible=True)

    def find(self, marker: Marker, intent: Intent | None) -> list[Volume]:
        """See the port. What cannot be read now can only hide what an earlier process made."""
        picture = self._estate.look()
        if intent is not None and "storage" in intent.parameters:
            home = intent.parameters.get("node")
            self._listing.place(ImageRef("", str(intent.parameters["storage"]), str(home) if home else None), picture)
        return list(self._carriers(marker, picture))

    def get(self, known_id: str) -> Volume | None:
        """See the port. None takes a storage that is there, its list, and PVE's word on the image itself."""
        ref = ImageRef.read(known_id)
        return None if ref is None else self._listing.exists(ref, self._estate.look())

    def configure(
        self, found: Volume, spec: VolumeSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Volume]:
        """See the port. Only the size can be changed, and only while a guest has it."""
        del intent
        ref, volume = self._prove(found, marker)
        if "name" in fields and volume.name != spec.name:
            raise Refused(Reason.UNSUPPORTED, f"{ref}: Proxmox VE cannot rename a volume")
        if "size" not in fields or spec.size is None or (volume.size or 0) >= spec.size:
            return Started(found.id, volume)
        holder = next(holders(self._estate, ref), None)
        if holder is None:
            words = f"{ref} grows as soon as a machine has it: Proxmox VE has no call to grow it by itself"
            raise CloudError(Reason.DEPENDENCY_NOT_READY, words, disposition=Disposition.WAIT)
        vmid, node, configuration, key = holder
        path = ("nodes", node, "qemu", vmid, "resize")
        upid = self._client.put("Resize", *path, disk=key, size=str(spec.size), digest=configuration.digest)
        return Started(found.id, replace(volume, size=spec.size), begun(upid, "Resize"))

    def mark(self, found: Volume, marker: Marker | None) -> Started[Volume]:
        """See the port. The marker is the name, which stays: one that is let go is only not counted any more."""
        ref = _ref(found)
        if marker is None:
            self._listing.released.add(str(ref))
        elif same_owner(read_name(ref.volume)[1], marker):
            self._listing.released.discard(str(ref))
        else:
            words = f"{ref}: Proxmox VE has no room for a marker on a volume that was made without it"
            raise Refused(Reason.UNSUPPORTED, f"{words}; set lifecycle.management to Observed")
        return Started(found.id, replace(found, marker=marker))

    def delete(self, found: Volume) -> Started[Volume]:
        """See the port. PVE itself does not look whether a guest has it."""
        picture = self._estate.look()
        ref = _ref(found)
        if found.marker is None:
            raise NotProven(f"{ref} carries no marker")
        try:
            place, _ = self._listing.read(ref, picture)
        except Missing:
            return Started(found.id)
        if not same_owner(self._listing.marker(ref), found.marker):
            raise NotProven(f"{ref} does not carry the marker of {found.marker.owner}")
        self._prove_lender()
        await_readings(self._estate, picture)
        held = [vmid for vmid, *_ in holders(self._estate, ref)]
        if held:
            raise Refused(Reason.HAS_DEPENDANTS, f"guest {', '.join(held)} has {ref}")
        upid = self._client.delete("DeleteVolume", *place.path, quote(ref.volume, safe=""))
        return Started(found.id, task=begun(upid, "DeleteVolume"))

    # ------------------------------------------------------------------ proof

    def _prove(self, found: Volume, marker: Marker) -> tuple[ImageRef, Volume]:
        ref = _ref(found)
        volume = self._listing.exists(ref, self._estate.picture(self._age))
        if volume is None:
            raise NotProven(f"{ref} is gone")
        if not same_owner(volume.marker, marker):
            raise NotProven(f"{ref} does not carry the marker of {marker.owner}")
        return ref, volume

    def _prove_lender(self) -> None:
        """That no guest has the VMID which owns volumes: whoever deleted it could take them along. Raises Refused.

        PVE answers this for guests, too, that the account may not see.
        """
        try:
            self._client.get("FreeId", Word, "cluster", "nextid", vmid=LENDER)
        except IdTaken as error:
            words = f"a guest has the VMID {LENDER}, which owns the volumes: give it another one"
            raise Refused(Reason.REJECTED, f"{words} ({error.message})") from error

    # ----------------------------------------------------------------- places

    def _carriers(self, marker: Marker, picture: Picture, storage: str | None = None) -> Iterator[Volume]:
        for place in places(picture):
            if storage not in {None, place.storage}:
                continue
            for row in self._listing.rows(place, LENDER):
                ref = image(row.volid, place.node, picture.shared)
                if same_owner(self._listing.marker(ref), marker):
                    yield self._listing.shown(row, ref, place.kind, self._listing.attachments(ref), picture)

    def _storage(self, spec: VolumeSpec, picture: Picture) -> Storage:
        able = {name: one for name, one in picture.storages.items() if "images" in one.content}
        wanted = spec.class_ or spec.placement.get("storage") or self._defaults.get("storage")
        if wanted:
            if wanted not in picture.storages:
                raise Refused(Reason.NOT_FOUND, not_found("storage", wanted, able))
            if wanted not in able:
                raise Refused(Reason.INVALID_SPEC, f"storage: {wanted!r} does not hold disk images")
            return able[wanted]
        up = [one for one in able.values() if one.nodes]
        if not up:
            raise Refused(Reason.CAPACITY, "no storage in sight holds disk images and is available")
        return max(up, key=lambda one: (one.shared, max(one.free.values(), default=0), one.name))

    def _node(self, spec: VolumeSpec, storage: Storage, picture: Picture) -> str:
        wanted = spec.placement.get("node") or (None if storage.shared else self._defaults.get("node"))
        if wanted is not None and wanted not in picture.nodes:
            raise Refused(Reason.NOT_FOUND, not_found("node", wanted, picture.nodes))
        up = sorted(node for node in storage.nodes if picture.online(node) and wanted in {None, node})
        if not up:
            where = f" on node {wanted}" if wanted else ""
            raise Refused(Reason.CAPACITY, f"storage: {storage.name!r} is not available{where}")
        return max(up, key=lambda node: storage.free.get(node, 0))

    def _format(self, spec: VolumeSpec, storage: Storage, node: str) -> dict[str, object]:
        """The format, for a storage that keeps images as files: the one of the spec, else the storage's own."""
        wanted = spec.options.get("format")
        if storage.kind not in FILES:
            if wanted not in {None, _FORMAT}:
                words = f"proxmox.format: storage {storage.name!r} ({storage.kind}) keeps no files"
                raise Refused(Reason.UNSUPPORTED, f"{words}, so its images are {_FORMAT}")
            return {}
        words_ = {"format": 1, "storage": storage.name}
        found = self._client.get("StorageFormats", list[StorageStatus], "nodes", node, "storage", **words_)
        formats = next((one.formats for one in found if one.storage == storage.name and one.formats), None)
        if wanted and formats and formats.supported and wanted not in formats.supported:
            able = ", ".join(formats.supported)
            raise Refused(Reason.UNSUPPORTED, f"proxmox.format: storage {storage.name!r} has {able}, not {wanted}")
        return {"format": str(wanted or (formats.default if formats else "") or _FORMAT)}


def _ref(found: Volume) -> ImageRef:
    ref = ImageRef.read(found.id)
    if ref is None:
        raise NotProven(f"{found.id!r} is no id of a volume")
    return ref
