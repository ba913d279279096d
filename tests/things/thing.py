"""A kind of cloud object, as tests make it, look at it and do away with it in every cloud."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.integration.operator.people import Person


@dataclass(frozen=True, slots=True)
class Thing:
    """One of them as its cloud shows it. ``owner`` is the marker's; ``looks``: what is so whoever made it, and when."""

    id: str
    owner: str
    looks: tuple[object, ...]

    def is_of(self, uid: str) -> bool:
        """Whether its marker names the object of this uid."""
        return self.owner.partition("/")[2] == uid


class Things(ABC):
    """One kind."""

    kind: ClassVar[str]
    plural: ClassVar[str]
    #: The clouds that have it.
    clouds: ClassVar[Collection[Cloud]] = CLOUDS
    #: Those where an object that was made anew gets the thing that it had: elsewhere markers cannot be changed.
    adopting: ClassVar[Collection[Cloud]] = CLOUDS
    #: Whether several machines can use one.
    shared: ClassVar[bool] = False
    #: Whether a machine uses one from its first day to its last, or not at all.
    lasting: ClassVar[bool] = False
    #: Whether one is made of something else, which has to be there first.
    derived: ClassVar[bool] = False
    #: The request that makes one, as the fault proxy names it.
    creation: ClassVar[Mapping[Cloud, str]]

    @abstractmethod
    def manifest(self, cloud: Cloud, name: str, provider: str, namespace: str) -> dict[str, Any]:
        """A small one, which a Provider of this cloud makes."""

    def sources(self, cloud: Cloud, name: str, provider: str, namespace: str) -> Sequence[dict[str, Any]]:
        """What ``manifest`` of the same words is made of; nothing where it needs nothing."""
        del cloud, name, provider, namespace
        return ()

    def change(self, number: int) -> Mapping[str, Any]:
        """Fields of the spec that every cloud changes while the thing is used; others for every number."""
        return {"tags": {"turn": str(number)}}

    def use(self, name: str) -> Mapping[str, Any]:
        """What a machine's spec says to use the one of this name; nothing where machines do not name it."""
        del name
        return {}

    @abstractmethod
    def seen(self, someone: Person) -> list[Thing]:
        """All that the cloud has, whoever made them."""

    @abstractmethod
    def differs(self, someone: Person, thing: Thing, spec: Mapping[str, Any]) -> list[str]:
        """How a thing is not as its spec wants it, in words."""

    @abstractmethod
    def destroy(self, someone: Person, thing_id: str) -> None:
        """A person destroys one. LabError or the cloud's own error when the cloud refuses."""
