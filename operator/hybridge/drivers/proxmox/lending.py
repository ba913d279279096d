"""Volumes of guests: given to one, and taken back. Each begins with the guest's identity proven by the caller.

PVE gives an image to any number of guests, and does not look: that it has but one is ours to see to. What is taken off a
guest is registered as unused, and destroyed with it, only where the guest owns it, which a Volume never is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from hybridge.core.errors import Refused
from hybridge.core.machine import Machine
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration, Values, root_disk
from hybridge.drivers.proxmox.images import ImageRef, key_of, place
from hybridge.drivers.proxmox.listing import Listing
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.proof import unclear


class Lending:
    """What a guest's configuration has to say for that. Safe for threads."""

    def __init__(self, estate: Estate, listing: Listing) -> None:
        self._estate = estate
        self._listing = listing
        #: Held from the look at who has a volume until another one has it.
        self.one_by_one = threading.Lock()

    def given(self, machine: Machine, node: str, configuration: Configuration, volume_id: str) -> Values:
        """What gives the guest a volume; nothing where it has it. Raises CloudError, and Refused when it cannot have it."""
        ref = _read(volume_id)
        if key_of(configuration.upcoming, ref.volume) is not None:
            return {}
        if key_of(configuration.current, ref.volume) is not None:
            raise Refused(Reason.RESTART_REQUIRED, f"guest {machine.id} is to lose {ref} when it is stopped")
        if ref.node not in {None, node}:
            raise Refused(Reason.UNSUPPORTED, f"{ref} is on node {ref.node} alone, and guest {machine.id} on {node}")
        picture = self._estate.look()
        try:
            self._listing.read(ref, picture)
        except Missing as missing:
            raise Refused(Reason.NOT_FOUND, f"{ref} does not exist") from missing
        await_readings(self._estate, picture)
        others = [vmid for vmid, *_ in holders(self._estate, ref) if vmid != machine.id]
        if others:
            raise Refused(Reason.HAS_DEPENDANTS, f"guest {', '.join(others)} has {ref}")
        key = place({**configuration.current, **configuration.upcoming}, root_disk(configuration.current))
        if key is None:
            raise Refused(Reason.QUOTA, f"guest {machine.id} has no room for another disk on its bus")
        return {key: ref.volume}

    @staticmethod
    def taken(configuration: Configuration, volume_id: str) -> Values:
        """What takes a volume from the guest; nothing where it does not have it."""
        ref = _read(volume_id)
        key = key_of(configuration.upcoming, ref.volume) or key_of(configuration.current, ref.volume)
        return {"delete": key} if key else {}


def holders(estate: Estate, ref: ImageRef) -> Iterator[tuple[str, str, Configuration, str]]:
    """The guests that have an image, by fresh readings of those that had: VMID, node, configuration, and as what.

    Raises CloudError.
    """
    for vmid in estate.book.holders(ref.volume):
        try:
            node, configuration = estate.read(vmid)
        except Missing:
            continue
        key = key_of(configuration.current, ref.volume) or key_of(configuration.upcoming, ref.volume)
        if key is not None and ref.node in {None, node}:
            yield vmid, node, configuration, key


def await_readings(estate: Estate, picture: Picture) -> None:
    """Nothing, once every guest that could be ours was read, so that whoever has a volume is known. Raises CloudError."""
    if estate.book.unread(picture):
        raise unclear("not all guests were read yet, so that it is not known whether one of them has the volume")


def _read(volume_id: str) -> ImageRef:
    ref = ImageRef.read(volume_id)
    if ref is None:
        raise Refused(Reason.NOT_FOUND, f"{volume_id!r} is no id of a volume")
    return ref
