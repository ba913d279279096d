"""What machines start from: the templates of the cluster, and those that are being made, read one by one and kept in
memory.

The bulk list shows which there are, their names and tags; a reading tells the rest: at once of what was never read, and
of the others when their time has come. What is being made is read in each sweep.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from hybridge.core.errors import CloudError
from hybridge.core.identity import read_notes
from hybridge.core.image import Image
from hybridge.drivers.base import Portion, SweepRequest
from hybridge.drivers.proxmox import tags
from hybridge.drivers.proxmox.answers import Resource
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration, made_at, protected, root_disk
from hybridge.drivers.proxmox.making import missing
from hybridge.drivers.proxmox.mapping import held
from hybridge.drivers.proxmox.picture import Picture

_log = logging.getLogger(__name__)
T = TypeVar("T")
#: Calls a function for each VMID, some at a time.
Spread = Callable[[Callable[[str], T], Iterable[str]], Iterable[T]]
#: Templates that a sweep reads because they are unknown, and because of their age.
_UNKNOWN, _AGED = 200, 10
_PROTECTION = "the template's option protection is on in Proxmox VE: take it off there, under Options"
_ARCHITECTURE = "x86_64"


@dataclass(frozen=True, slots=True)
class _Known:
    image: Image
    node: str
    read_at: float


class Gallery:
    """Reads templates of one cluster. Safe for threads."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._client = estate.client
        self._known: dict[str, _Known] = {}

    # ------------------------------------------------------------------ sweep

    def sweep(self, picture: Picture, request: SweepRequest, spread: Spread[int]) -> tuple[Portion[Image], int]:
        """All in sight, and what reading some of them cost."""
        making = [vmid for vmid in self._estate.book.in_making() if vmid in picture.guests]
        shown = [*(vmid for vmid, row in picture.guests.items() if row.template), *making]
        spent = sum(spread(self._try, self._due(picture, request, dict.fromkeys(shown), making)))
        for gone in self._known.keys() - set(shown):
            del self._known[gone]
        clones = self._estate.book.clones()
        found = {vmid: self._image(vmid, picture.guests[vmid], clones.get(vmid, ())) for vmid in shown}
        objects = {vmid: image for vmid, image in found.items() if image is not None}
        settled = all(image.detailed for image in objects.values()) and not self._estate.book.unread(picture)
        return Portion(objects, full=True, settled=settled), spent

    def _due(
        self, picture: Picture, request: SweepRequest, shown: Collection[str], making: Collection[str]
    ) -> Iterable[str]:
        now = time.monotonic()
        online = [vmid for vmid in shown if picture.online(picture.guests[vmid].node)]
        wanted = [vmid for vmid in online if vmid in request.refresh or vmid in making]
        fresh = [vmid for vmid in online if vmid not in wanted and self._is_unknown(vmid, picture.guests[vmid])]
        ages = {
            vmid: now - self._known[vmid].read_at
            for vmid in online
            if vmid in self._known and vmid not in {*wanted, *fresh}
        }
        old = [vmid for vmid, age in ages.items() if age > request.max_age.get(vmid, request.default_max_age)]
        return [*wanted, *islice(fresh, _UNKNOWN), *islice(sorted(old, key=ages.__getitem__, reverse=True), _AGED)]

    def _is_unknown(self, vmid: str, row: Resource) -> bool:
        known = self._known.get(vmid)
        return known is None or known.node != row.node or (row.template == 1 and known.image.unfit != "")

    def _try(self, vmid: str) -> int:
        before = self._client.sent
        row = self._estate.row(vmid)
        try:
            if row is not None:
                self.learn(vmid, row.node, self._estate.read_at(row.node, vmid))
        except Missing:
            self._known.pop(vmid, None)
        except CloudError as error:
            _log.info("template %s was not read: %s", vmid, error.message)
        return self._client.sent - before

    def _image(self, vmid: str, row: Resource, clones: Collection[str]) -> Image | None:
        known = self._known.get(vmid)
        if known is None:
            return (
                Image(vmid, row.name, tags=tags.decode(tags.split(row.tags)), detailed=False) if row.template else None
            )
        return replace(
            known.image,
            name=row.name or known.image.name,
            tags=tags.decode(tags.split(row.tags)),
            lock=held(row.lock),
            machines=tuple(sorted(clones)),
        )

    # ------------------------------------------------------------- one by one

    def learn(self, vmid: str, node: str, configuration: Configuration) -> Image | None:
        """The image that a reading shows, which is kept; None where the guest is none."""
        image = _shown(vmid, configuration, self._estate.book.clones().get(vmid, ()))
        if image is None:
            self._known.pop(vmid, None)
        else:
            self._known[vmid] = _Known(image, node, time.monotonic())
        return image

    def forget(self, vmid: str) -> None:
        """What is known of it is no longer true."""
        self._known.pop(vmid, None)
        self._estate.book.forget(vmid)

    def known(self, vmid: str) -> Image | None:
        """As it was last read."""
        found = self._known.get(vmid)
        return found.image if found else None


def _shown(vmid: str, configuration: Configuration, clones: Collection[str]) -> Image | None:
    """A guest as an image; None where it neither is one nor is to become one."""
    words, left = configuration.upcoming, missing(configuration.upcoming)
    if words.get("template", "0") != "1" and not left:
        return None
    disk = root_disk(words)
    return Image(
        vmid,
        words.get("name", ""),
        marker=read_notes(words.get("description", "")),
        tags=tags.decode(tags.split(words.get("tags", ""))),
        lock=held(configuration.lock),
        protection=_PROTECTION if protected(words) else "",
        unfit="being made" if left else "",
        created_at=made_at(words),
        size=disk.size if disk else None,
        architecture=words.get("arch", _ARCHITECTURE),
        machines=tuple(sorted(clones)),
        missing=left,
    )
