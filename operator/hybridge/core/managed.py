"""What specs and cloud objects of all kinds but machines begin with: see ``Wanted`` and ``CloudObject``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from hybridge.core.identity import Marker
from hybridge.core.lifecycle import Drift, Import


class State(StrEnum):
    """How a cloud object is, as its cloud reports it.

    ``PENDING``: it is being made. ``FAILED``: its making failed, and it stays so. ``GONE``: deleted for good.
    ``UNKNOWN``: the cloud cannot tell now.
    """

    PENDING = "Pending"
    READY = "Ready"
    FAILED = "Failed"
    DELETING = "Deleting"
    GONE = "Gone"
    UNKNOWN = "Unknown"


class Phase(StrEnum):
    """How an object is, in one word for people; conditions are what programs read."""

    PENDING = "Pending"
    CREATING = "Creating"
    READY = "Ready"
    UPDATING = "Updating"
    DELETING = "Deleting"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class ManagedSpec:
    """What the user wants of the life of a cloud object, whatever it is, and its tags."""

    name: str
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    named: bool = field(default=False, kw_only=True)
    observed: bool = field(default=False, kw_only=True)
    imports: Import | None = field(default=None, kw_only=True)
    detach: bool = field(default=False, kw_only=True)
    drift: Drift = field(default=Drift.CORRECT, kw_only=True)
    recreate_lost: bool = field(default=False, kw_only=True)
    disruption: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ManagedObject:
    """A cloud object as its cloud shows it.

    ``lock`` names a task that holds it. ``protection``: why the cloud itself forbids to delete it. ``ended``: what the
    cloud says of how it failed or ended, ``unfit``: why nobody can take it over; both for people. ``progress``: how much of
    it is made, in percent. ``created_at`` in Unix seconds. ``detailed`` is False while only a bulk list has been read:
    marker and tags are then unknown. ``remains``: see ``CloudObject``.
    """

    id: str
    name: str
    state: State = State.READY
    marker: Marker | None = field(default=None, kw_only=True)
    uuid: str | None = field(default=None, kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    lock: str | None = field(default=None, kw_only=True)
    protection: str = field(default="", kw_only=True)
    ended: str = field(default="", kw_only=True)
    unfit: str = field(default="", kw_only=True)
    progress: int | None = field(default=None, kw_only=True)
    created_at: float | None = field(default=None, kw_only=True)
    detailed: bool = field(default=True, kw_only=True)
    remains: bool = field(default=False, kw_only=True)

    @property
    def gone(self) -> bool:
        """The cloud says that it is deleted for good."""
        return self.state is State.GONE

    @property
    def ending(self) -> bool:
        """See ``CloudObject``."""
        return self.state is State.DELETING

    def unlocked(self) -> Self:
        """The same, with the end of the task that held it."""
        return replace(self, lock=None)
