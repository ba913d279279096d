"""Snapshots of the contract: what a person can do with them in each cloud."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from uuid import uuid4

from hybridge.core.identity import Marker
from hybridge.core.machine import Machine
from hybridge.core.snapshot import SnapshotSource, SnapshotSpec, SourceKind
from tests.contract.bed import Bed


@dataclass(frozen=True, slots=True)
class ShownSnapshot:
    """A snapshot as its cloud itself holds it. ``owner`` as far as the cloud keeps a marker of it."""

    id: str
    name: str
    owner: str | None
    tags: Mapping[str, str] = field(default_factory=dict)


class Points(ABC):
    """The snapshots of one bed."""

    #: The call that takes one, as the fault proxy knows it.
    create_call: ClassVar[str]
    #: The call that has a machine go back to one; empty where none does.
    revert_call: ClassVar[str] = ""
    #: Whether a machine that has gone back carries the marker that it had before, and not the one that it had then.
    keeps_marker: ClassVar[bool] = False
    #: Whether snapshots keep tags, can be given another name, and can be marked when they were taken without.
    tags: ClassVar[bool] = True
    renames: ClassVar[bool] = True
    marks: ClassVar[bool] = True
    #: Whether those of a machine build on each other, can hold the running guest, and ask a guest to be quiet.
    chains: ClassVar[bool] = True
    memory: ClassVar[bool] = True
    quiesces: ClassVar[bool] = True
    #: Whether a machine that goes back to one carries the marker of that time.
    marker_of_then: ClassVar[bool] = True
    #: Whether they go with their machine.
    goes_along: ClassVar[bool] = True
    #: Whether snapshots of volumes are taken.
    of_volumes: ClassVar[bool] = False
    #: The call that makes a volume from one, as the fault proxy knows it.
    restore_call: ClassVar[str] = ""
    #: An id that nothing has.
    missing: ClassVar[str]
    #: Requests that a sweep costs besides when it looks at snapshots, too; and those from create to taken to deleted.
    sweep_cost: ClassVar[int] = 1
    life_cost: ClassVar[int] = 10

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.estate = set(self.shown())

    def marker(self) -> Marker:
        """A marker that nothing carries yet."""
        return replace(self.bed.marker(), kind="Snapshot", name=f"snapshot-{uuid4().hex[:6]}")

    def spec(self, machine: Machine | None, **overrides: Any) -> SnapshotSpec:
        """A snapshot of a machine, of a name that nothing has yet. Without a machine: of one that is not there yet."""
        source = SnapshotSource(SourceKind.MACHINE, "web", machine.id if machine else None)
        words: dict[str, Any] = {"name": f"snap-{uuid4().hex[:8]}", "source": source}
        return SnapshotSpec(**{**words, **overrides})

    def impossible(self, machine: Machine) -> Sequence[SnapshotSpec]:
        """What the cloud cannot be asked for."""
        del machine
        return ()

    def tidy(self) -> None:
        """Takes away what is not part of the cloud as it was at first."""
        for one in self.shown().keys() - self.estate:
            self.destroy(one)

    @abstractmethod
    def shown(self) -> dict[str, ShownSnapshot]:
        """All snapshots by id that the account has itself."""

    @abstractmethod
    def stranger(self, machine: Machine, name: str) -> str:
        """Takes a snapshot that has nothing to do with Hybridge; its id."""

    @abstractmethod
    def destroy(self, snapshot_id: str) -> None:
        """Deletes a snapshot."""

    def copy(self, snapshot_id: str) -> str | None:
        """Takes a snapshot that carries the marker of this one; its id. None where there cannot be such."""
        raise NotImplementedError

    def tag(self, snapshot_id: str, key: str, value: str) -> None:
        """Sets a tag, as a person does."""
        raise NotImplementedError

    def rename(self, snapshot_id: str, name: str) -> None:
        """Gives it another name, as a person does."""
        raise NotImplementedError
