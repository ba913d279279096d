"""What a life consists of: steps, and what must be true after each, whatever happened in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from tests.crash.bed import CrashBed
from tests.operator_bed import condition_of

FINALIZER = "hybridge.io/finalizer"


class Subject(ABC):
    """An object that lives, with all that it needs around it."""

    def __init__(self, bed: CrashBed) -> None:
        self.bed = bed

    @abstractmethod
    def body(self) -> dict[str, Any] | None:
        """The object."""

    @abstractmethod
    def present(self) -> list[str]:
        """What is wrong with an object that should be there as its spec wants it, in words."""

    @abstractmethod
    def alone(self) -> list[str]:
        """What the cloud has too much: machines and things that machines left, in words."""

    @abstractmethod
    def bury(self) -> None:
        """Takes away what the life has left, so that the next one begins as the first did."""

    def settled(self) -> bool:
        """Whether the object is Ready and Synced, for its newest spec."""
        body = self.body()
        return all(condition_of(body, kind).get("status") == "True" for kind in ("Ready", "Synced"))


L = TypeVar("L", bound=Subject)


class Step(ABC, Generic[L]):
    """Something that is asked for, and what is so in the end."""

    name: ClassVar[str]
    #: Whether a life can go on without it.
    optional: ClassVar[bool] = False
    #: Whether it takes a minute even when all goes well.
    long: ClassVar[bool] = False

    def prepare(self, life: L) -> None:
        """What has to be there before, undisturbed."""

    @abstractmethod
    def begin(self, life: L) -> None:
        """Asks for it."""

    def done(self, life: L) -> bool:
        """Whether the operator says that it is so."""
        return life.settled()

    def wrong(self, life: L) -> list[str]:
        """What is not so, in words: duplicate, leak, or wrong."""
        return life.present()
