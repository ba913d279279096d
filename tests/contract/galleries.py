"""Images of the contract: what a person can do with them in each cloud."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from uuid import uuid4

from hybridge.core.identity import Marker
from hybridge.core.image import Copy, Find, ImageSpec, Published, Source
from hybridge.core.machine import Machine
from tests.contract.bed import Bed


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image as its cloud itself holds it. ``owner`` as far as the cloud keeps a marker of it."""

    id: str
    name: str
    owner: str | None
    tags: Mapping[str, str] = field(default_factory=dict)


class Gallery(ABC):
    """The images of one bed."""

    #: The call that makes one from another, as the fault proxy knows it.
    create_call: ClassVar[str]
    #: Whether images keep tags, can be given another name, and can be marked when they were made without.
    tags: ClassVar[bool] = True
    renames: ClassVar[bool] = True
    marks: ClassVar[bool] = True
    #: An id that nothing has.
    missing: ClassVar[str]
    #: Words of a spec that the cloud cannot be asked for.
    impossible: ClassVar[Sequence[Mapping[str, Any]]] = ()
    #: A source whose task fails in the cloud, where there can be one.
    broken: ClassVar[Source | None] = None
    #: What finds an image that belongs to somebody else, where there are such.
    foreign: ClassVar[Find | None] = None
    #: Requests that a sweep costs besides when it looks at images, too; and those from create to made to deleted.
    sweep_cost: ClassVar[int] = 1
    life_cost: ClassVar[int] = 10

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.estate = set(self.shown())

    def marker(self) -> Marker:
        """A marker that nothing carries yet."""
        return replace(self.bed.marker(), kind="Image", name=f"image-{uuid4().hex[:6]}")

    def spec(self, source: Source | None = None, **overrides: Any) -> ImageSpec:
        """An image that can be made, of a name that nothing has yet; by default as a copy of the bed's own."""
        words: dict[str, Any] = {
            "name": f"img-{uuid4().hex[:8]}",
            "source": source or Copy(self.bed.image_id),
            **self.words(),
        }
        return ImageSpec(**{**words, **overrides})

    @staticmethod
    def of(machine: Machine) -> Source:
        """What an image of a machine is made from."""
        return Published(machine.name, machine.id)

    def sources(self, machine: Machine) -> Mapping[str, Source]:
        """The ways in which this cloud makes them that can be tried here, by name."""
        return {"copy": Copy(self.bed.image_id), "machine": self.of(machine)}

    def words(self) -> Mapping[str, object]:
        """What else a spec has to say."""
        return {}

    def tidy(self) -> None:
        """Takes away what is not part of the cloud as it was at first."""
        for one in self.shown().keys() - self.estate:
            self.destroy(one)

    def cpus(self, image_id: str) -> int | None:
        """The virtual CPUs of a template; None where images are disks alone."""
        del image_id
        return None

    @abstractmethod
    def shown(self) -> dict[str, ShownImage]:
        """All images by id that the account has itself."""

    @abstractmethod
    def stranger(self, name: str) -> str:
        """Makes an image that has nothing to do with Hybridge; its id."""

    @abstractmethod
    def destroy(self, image_id: str) -> None:
        """Deletes an image, and all that was made for it."""

    def copy(self, image_id: str) -> str | None:
        """Makes an image that carries the marker of this one; its id. None where there cannot be such."""
        raise NotImplementedError

    def tag(self, image_id: str, key: str, value: str) -> None:
        """Sets a tag, as a person does."""
        raise NotImplementedError

    def rename(self, image_id: str, name: str) -> None:
        """Gives it another name, as a person does."""
        raise NotImplementedError

    def text(self, image_id: str) -> str:
        """What the cloud keeps beside its disks, and a guest that is started from it could read."""
        del image_id
        return ""
