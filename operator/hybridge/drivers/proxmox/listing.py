"""The images of all storages, read in bulk: one request for each shared storage, one a node for each that nodes have alone.

What a list shows takes rights: Datastore.Allocate on the storage, or Datastore.Audit there and VM.Config.Disk on the owner.
PVE leaves out what the account may not see, and says nothing of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import quote

from hybridge.core.errors import Busy, CloudError, Throttled, Unreachable
from hybridge.core.identity import Marker
from hybridge.core.machine import Known, Machine
from hybridge.core.volume import Attachment, Volume
from hybridge.drivers.base import Portion
from hybridge.drivers.proxmox.answers import Image, ImageInfo
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import LENDER, is_lent
from hybridge.drivers.proxmox.images import FILES, ImageRef, image, read_name
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.proof import unclear

_log = logging.getLogger(__name__)
T = TypeVar("T")
#: Calls a function for each, some at a time.
Spread = Callable[[Callable[["Place"], T], Iterable["Place"]], Iterable[T]]
#: Images that PVE makes for guests itself, and takes away again.
_PARTS = re.compile(r"-(?:cloudinit|state-[^/]+)(?:\.\w+)?$")


@dataclass(frozen=True, slots=True)
class Place:
    """A storage that holds images, and the node that is asked for it. ``kind``: the type of its plugin."""

    storage: str
    node: str
    shared: bool
    kind: str

    @property
    def path(self) -> tuple[str, ...]:
        """The path of what it holds."""
        return ("nodes", self.node, "storage", self.storage, "content")


@dataclass(frozen=True, slots=True)
class _Read:
    """What reading a place gave; None: it could not be read. ``requests``: what that cost."""

    rows: tuple[Image, ...] | None
    requests: int


class Listing:
    """Reads images of one cluster. Safe for threads."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._client = estate.client
        self._seen: set[tuple[str, str]] = set()
        #: Volumes that were let go by this process: PVE cannot take the marker off, so it is not believed any more.
        self.released: set[str] = set()

    # ------------------------------------------------------------------ sweep

    def sweep(
        self, picture: Picture, machines: Mapping[str, Machine], spread: Spread[_Read]
    ) -> tuple[Portion[Volume], int]:
        """All images in sight, with the machines that have them, and what reading them cost."""
        attached: dict[str, list[Attachment]] = {}
        for machine in machines.values():
            for disk in machine.disks or ():
                attached.setdefault(disk.id, []).append(Attachment(machine.id, disk.device))
        found: dict[str, Volume] = {}
        every = list(places(picture))
        reads = list(spread(self._try, every))
        for place, read in zip(every, reads, strict=True):
            if read.rows is None:
                continue
            self._seen.add(_key(place))
            for row in read.rows:
                ref = image(row.volid, place.node, picture.shared)
                found[str(ref)] = self.shown(row, ref, place.kind, attached.get(str(ref), ()), picture)
        full = all(read.rows is not None for read in reads)
        settled = all(_key(place) in self._seen for place in every)
        return Portion(found, full=full, settled=settled), sum(read.requests for read in reads)

    def _try(self, place: Place) -> _Read:
        before = self._client.sent
        try:
            rows: tuple[Image, ...] | None = tuple(self.rows(place))
        except (Unreachable, Throttled) as error:
            _log.warning("images of storage %s are left for the next sweep: %s", place.storage, error.message)
            rows = None
        except CloudError as error:
            _log.info("images of storage %s were not read: %s", place.storage, error.message)
            rows = None
        return _Read(rows, self._client.sent - before)

    def shown(
        self, row: Image, ref: ImageRef, kind: str, attachments: Collection[Attachment], picture: Picture
    ) -> Volume:
        """An image as the core's volume."""
        name, marker = read_name(row.volid)
        if not is_lent(row.volid) and str(row.vmid) in picture.guests:
            attachments = (Attachment(str(row.vmid)),)
        return Volume(
            str(ref),
            name,
            marker=self.marker(ref),
            unfit="" if marker is not None else _unfit(row),
            created_at=row.ctime,
            size=row.size if row.size is not None else row.rough_size,
            settings=_settings(ref.storage, ref.node, row.format if kind in FILES else ""),
            attachments=tuple(sorted(attachments, key=lambda one: one.machine_id)),
        )

    # ---------------------------------------------------------------- one by one

    def rows(self, place: Place, owner: int | None = None) -> Iterator[Image]:
        """The images of a place, of one owner where that is named. Raises CloudError."""
        words = {} if owner is None else {"vmid": owner}
        rows = self._client.get("Images", list[Image], *place.path, content="images", **words)
        for row in rows:
            if row.volid.startswith(f"{place.storage}:") and not _PARTS.search(row.volid):
                yield row

    def place(self, ref: ImageRef, picture: Picture) -> Place:
        """Where an image is to be looked for now. Raises CloudError while that cannot be told."""
        storage = picture.storages.get(ref.storage)
        if storage is None:
            raise unclear(f"the cluster shows no storage {ref.storage!r}, so it cannot tell whether {ref} exists")
        nodes = [ref.node] if ref.node else sorted(storage.nodes)
        node = next((node for node in nodes if node in storage.nodes and picture.online(node)), None)
        if node is None:
            where = f" on node {ref.node}" if ref.node else ""
            raise unclear(f"storage {ref.storage!r} is not available{where}, so it cannot tell of {ref}")
        return Place(storage.name, node, storage.shared, storage.kind)

    def read(self, ref: ImageRef, picture: Picture) -> tuple[Place, Image]:
        """A fresh reading of one image. Raises Missing when it is provably not there, and CloudError.

        A list without it is no proof: what the account may not see is not in it. PVE looks at the rights first when it is
        asked for one image by its id.
        """
        place = self.place(ref, picture)
        rows = self.rows(place, LENDER if is_lent(ref.volume) else None)
        row = next((row for row in rows if row.volid == ref.volume), None)
        if row is not None:
            return place, row
        try:
            self._client.get("Image", ImageInfo, *place.path, quote(ref.volume, safe=""))
        except Missing:
            held = [one.machine_id for one in self.attachments(ref) if one.machine_id in picture.guests]
            if held:
                words = f"storage {ref.storage!r} does not show {ref}, but guest {held[0]} has it"
                raise unclear(words) from None
            raise
        raise Busy(f"{ref} has just come to be")

    def exists(self, ref: ImageRef, picture: Picture) -> Volume | None:
        """A fresh reading of one, with the machines that are known to have it; None when it is provably not there."""
        try:
            place, row = self.read(ref, picture)
        except Missing:
            return None
        return self.shown(row, ref, place.kind, self.attachments(ref), picture)

    def marker(self, ref: ImageRef) -> Marker | None:
        """The marker of an image, by its name; None for one that was let go."""
        return None if str(ref) in self.released else read_name(ref.volume)[1]

    def attachments(self, ref: ImageRef) -> tuple[Attachment, ...]:
        """The guests that had an image when they were last read, and as what."""
        held = (
            (vmid, self._estate.book.get(vmid), self._estate.row(vmid))
            for vmid in self._estate.book.holders(ref.volume)
        )
        return tuple(
            Attachment(vmid, device)
            for vmid, known, row in held
            if known is not None and (ref.node is None or (row is not None and row.node == ref.node))
            for volume, device in known.details.lent
            if volume == ref.volume
        )


def places(picture: Picture) -> Iterator[Place]:
    """Each storage that holds images and can be read now: a shared one once, others on each of their nodes."""
    for name, storage in sorted(picture.storages.items()):
        if "images" not in storage.content:
            continue
        nodes = sorted(node for node in storage.nodes if picture.online(node))
        for node in nodes[:1] if storage.shared else nodes:
            yield Place(name, node, storage.shared, storage.kind)


def _key(place: Place) -> tuple[str, str]:
    return place.storage, "" if place.shared else place.node


def _unfit(row: Image) -> str:
    whose = "an image without our name" if is_lent(row.volid) else f"a disk of guest {row.vmid}"
    return f"{whose}: Proxmox VE has no room for a marker on it, so it can be observed, but not managed"


@lru_cache(maxsize=4096)
def _settings(storage: str, node: str | None, form: str) -> Mapping[str, Known]:
    """One and the same mapping for all images that are alike."""
    found: dict[str, Known] = {"class": (storage,), "placement.storage": (storage,)}
    if node:
        found["placement.node"] = (node,)
    if form:
        found["proxmox.format"] = (form,)
    return MappingProxyType(found)
