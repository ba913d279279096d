"""Networks of the contract: what a person can do with them in each cloud."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from uuid import uuid4

from hybridge.core.identity import Marker
from hybridge.core.network import Network, NetworkSpec
from tests.contract.bed import Bed


@dataclass(frozen=True, slots=True)
class ShownNetwork:
    """A network as its cloud itself holds it. ``owner`` as far as the cloud keeps a marker of it."""

    id: str
    name: str
    owner: str | None
    tags: Mapping[str, str] = field(default_factory=dict)


class Segments(ABC):
    """The networks of one bed."""

    #: The call that makes the thing which has the id, and those that make or change parts, as the fault proxy knows them.
    create_call: ClassVar[str]
    part_calls: ClassVar[Sequence[str]] = ()
    #: Whether networks keep tags, can be given another name, and can be marked when they were made without.
    tags: ClassVar[bool] = True
    renames: ClassVar[bool] = True
    marks: ClassVar[bool] = True
    #: An id that nothing has.
    missing: ClassVar[str]
    #: Words of a spec that the cloud cannot be asked for.
    impossible: ClassVar[Sequence[Mapping[str, object]]] = ()
    #: Requests that a sweep costs besides when it looks at networks, too; and those from create to complete to deleted.
    sweep_cost: ClassVar[int] = 1
    life_cost: ClassVar[int] = 20

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.estate = set(self.shown())

    def marker(self) -> Marker:
        """A marker that nothing carries yet."""
        return replace(self.bed.marker(), kind="Network", name=f"network-{uuid4().hex[:6]}")

    def spec(self, **overrides: Any) -> NetworkSpec:
        """A network that can be made, of a name that nothing has yet, and of as few parts as can be."""
        words: dict[str, Any] = {"name": f"net-{uuid4().hex[:8]}", **self.words()}
        return NetworkSpec(**{**words, **overrides})

    def rich(self, **overrides: Any) -> NetworkSpec:
        """One of as many parts as can be."""
        return self.spec(**overrides)

    def others(self, spec: NetworkSpec) -> Sequence[tuple[str, NetworkSpec]]:
        """Fields that change on one of ``rich``, one after the other, each with a spec that wants another value of it."""
        del spec
        return ()

    def tidy(self) -> None:
        """Takes away what is not part of the cloud as it was at first."""
        for one in self.shown().keys() - self.estate:
            self.destroy(one)

    @abstractmethod
    def words(self) -> Mapping[str, object]:
        """What else a spec has to say."""

    @abstractmethod
    def shown(self) -> dict[str, ShownNetwork]:
        """All networks by id, as a sweep has them."""

    @abstractmethod
    def leftovers(self) -> set[str]:
        """What was made for networks and is no network itself."""

    @abstractmethod
    def stranger(self, name: str) -> str:
        """Makes a network that has nothing to do with Hybridge; its id."""

    @abstractmethod
    def destroy(self, network_id: str) -> None:
        """Deletes a network in which nothing is, and all that was made for it."""

    def copy(self, network_id: str) -> str | None:
        """Makes a network that carries the marker of this one; its id. None where there cannot be such."""
        raise NotImplementedError

    def tag(self, network_id: str, key: str, value: str) -> None:
        """Sets a tag, as a person does."""
        raise NotImplementedError

    def rename(self, network_id: str, name: str) -> None:
        """Gives it another name, as a person does."""
        raise NotImplementedError

    def damage(self, network: Network) -> str:
        """Takes away or spoils a part of one made of ``rich``; the name of the part, or a path of ``Network.settings``."""
        raise NotImplementedError
