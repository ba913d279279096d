"""Firewalls of the contract: what a person can do with them in each cloud."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from uuid import uuid4

from hybridge.core.firewall import FirewallSpec
from hybridge.core.identity import Marker
from tests.contract.bed import Bed


@dataclass(frozen=True, slots=True)
class ShownFirewall:
    """A firewall as its cloud itself holds it. ``owner`` as far as the cloud keeps a marker of it."""

    id: str
    name: str
    owner: str | None
    machines: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class Walls(ABC):
    """The firewalls of one bed."""

    #: The calls that make one and give it a rule, as the fault proxy knows them.
    create_call: ClassVar[str]
    allow_call: ClassVar[str]
    #: Whether firewalls keep tags, and can be marked when they were made without.
    tags: ClassVar[bool] = True
    marks: ClassVar[bool] = True
    #: An id that nothing has.
    missing: ClassVar[str]
    #: Words of a spec that the cloud cannot be asked for.
    impossible: ClassVar[Sequence[Mapping[str, Any]]] = ()
    #: A path of ``Bed.choices`` that is kept in the same place as who is under which firewall.
    setting: ClassVar[str] = ""
    #: How many entries are more than the cloud takes; none where it has no such bound.
    too_many: ClassVar[int | None] = None
    #: Requests that a sweep costs besides when it looks at firewalls, too; and those of a whole life with one machine.
    sweep_cost: ClassVar[int] = 1
    life_cost: ClassVar[int] = 25

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.estate = set(self.shown())

    def marker(self) -> Marker:
        """A marker that nothing carries yet."""
        return replace(self.bed.marker(), kind="Firewall", name=f"firewall-{uuid4().hex[:6]}")

    def spec(self, **overrides: Any) -> FirewallSpec:
        """One that can be made, of a name that nothing has yet, and without rules."""
        return FirewallSpec(**{"name": f"fw-{uuid4().hex[:8]}", **overrides})

    def tidy(self) -> None:
        """Takes away what is not part of the cloud as it was at first."""
        for one in self.shown().keys() - self.estate:
            self.destroy(one)

    @abstractmethod
    def shown(self) -> dict[str, ShownFirewall]:
        """All firewalls by id."""

    @abstractmethod
    def stranger(self, name: str) -> str:
        """Makes a firewall that has nothing to do with Hybridge; its id."""

    @abstractmethod
    def destroy(self, firewall_id: str) -> None:
        """Deletes a firewall that applies to nobody."""

    @abstractmethod
    def allow(self, firewall_id: str) -> None:
        """Has it allow something, as a person does."""

    @abstractmethod
    def forbid(self, firewall_id: str) -> None:
        """Has it not allow any more what ``INGRESS`` of the tests asks for, as a person does."""

    def oddity(self, firewall_id: str) -> None:
        """Has it allow something that no spec can ask for; where there is no such thing, what ``allow`` does."""
        self.allow(firewall_id)

    @abstractmethod
    def part(self, firewall_id: str, machine_id: str) -> None:
        """Takes it from a machine, as a person does."""

    def copy(self, firewall_id: str) -> str | None:
        """Makes one that carries the marker of this one; its id. None where there cannot be such."""
        raise NotImplementedError

    def tag(self, firewall_id: str, key: str, value: str) -> None:
        """Sets a tag, as a person does."""
        raise NotImplementedError
