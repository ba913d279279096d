"""What an image should be, and what it is: what machines start from. Sizes are bytes, times Unix seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hybridge.core.lifecycle import Guarantees
from hybridge.core.machine import Known
from hybridge.core.managed import ManagedObject, ManagedSpec, State
from hybridge.core.names import fits


@dataclass(frozen=True, slots=True)
class Find:
    """Which existing image is meant: the newest whose name fits the pattern, in which ``*`` stands for any characters.

    ``owner``: whose it has to be, in the cloud's words; None: anybody's that the account can see.
    """

    name: str
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """An image that is made from a file; ``checksum`` as ``sha256:…`` or ``sha512:…``."""

    url: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Copy:
    """An image that is made from another, by its id; ``region``: where that is, if elsewhere."""

    id: str
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """An image that is made from an object in S3."""

    bucket: str
    key: str
    format: str


@dataclass(frozen=True, slots=True)
class Published:
    """An image that is made from a machine, by its id in the cloud; None: it has none yet. ``owner``: whom its marker names,
    where it has one.
    """

    machine: str
    machine_id: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """An image that is made from a snapshot of a machine, by their ids in the cloud; None: they are not known yet."""

    snapshot: str
    snapshot_id: str | None = None
    machine_id: str | None = None


Source = Download | Copy | Stored | Published | Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec(ManagedSpec):
    """What the user wants. ``source``: what it is made from; None: it exists already, as ``imports`` or ``find`` say.

    ``placement`` is keyed as in the custom resource.
    """

    source: Source | None = None
    find: Find | None = None
    placement: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(ManagedObject):
    """One image as its cloud shows it.

    ``owner``: all words under which whose it is is known. ``machines``: ids of machines that cannot be without it, such as
    linked clones; not those that only started from it. ``missing``: what is left to do until it is made, in order, where the
    cloud makes it in several calls; each is brought about as ``parts.<name>``.
    """

    size: int | None = None
    architecture: str | None = None
    owner: Known = ()
    machines: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageTraits(Guarantees):
    """What a cloud guarantees of the images that it is asked to make."""

    chooses_uuid: bool = False


def newest(find: Find, seen: Iterable[Image]) -> Image | None:
    """The image that is meant now, of those that can be used; None: there is none."""
    fitting = [one for one in seen if _is_meant(find, one)]
    return max(fitting, key=lambda one: (one.created_at or 0.0, one.id), default=None)


def newer(find: Find, bound: Image, seen: Iterable[Image]) -> Image | None:
    """The image that would be meant instead of ``bound``, if that was chosen today. It is told, and not taken."""
    found = newest(find, seen)
    if found is None or found.id == bound.id or (found.created_at or 0.0) <= (bound.created_at or 0.0):
        return None
    return found


def _is_meant(find: Find, image: Image) -> bool:
    owned = find.owner is None or find.owner in image.owner
    whole = image.state is State.READY and not (image.unfit or image.missing)
    return owned and whole and fits(find.name, image.name)
