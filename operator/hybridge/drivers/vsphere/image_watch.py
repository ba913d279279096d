"""Images in sweeps: the templates among the machines that are pushed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hybridge.core.image import Image
from hybridge.core.machine import Machine
from hybridge.drivers.base import Portion
from hybridge.drivers.vsphere.image_mapping import image


class ImageWatch:
    """The portion of images in the sweeps of one vCenter. Called from the thread of the sweeps only."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def portion(
        self, machines: Mapping[str, Machine], items: Mapping[str, Image], gone: Collection[str], *, full: bool
    ) -> Portion[Image] | None:
        """What is new of images, by what is new of machines and templates. None: nothing.

        ``items``: those of libraries that were asked for. What was an image and is a machine now is told as one. All that is
        gone is told: it may have been an image that came and went between two sweeps, and that somebody saw meanwhile.
        """
        seen = {key: image(one) for key, one in machines.items() if one.template or key in self._told}
        seen |= items
        left = set(gone)
        if full:
            left |= self._told - seen.keys()
        self._told = (self._told | seen.keys()) - left
        return Portion(seen, full=full, gone=left) if full or seen or left else None
