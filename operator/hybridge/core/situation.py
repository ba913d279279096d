"""Everything that the plan for a cloud object looks at: what is wanted, what is on record, and what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeAlias, TypeVar

from hybridge.core.attempt import Intent
from hybridge.core.cloudobject import CloudObject, Wanted
from hybridge.core.identity import Marker
from hybridge.core.lifecycle import Guarantees
from hybridge.core.plan import Refuse
from hybridge.core.task import Task

W_co = TypeVar("W_co", bound=Wanted, covariant=True)
C_co = TypeVar("C_co", bound=CloudObject, covariant=True)


@dataclass(frozen=True, slots=True)
class Record:
    """What the object's status tells of earlier steps.

    ``created``: the cloud object was seen whole once, so its absence is a loss. ``protected``: deletion is forbidden.
    ``reached``: this generation of the spec was met once, so a difference is drift. ``drifted``: what was wanted of the
    fields that drifted before, by field and as ``lifecycle.digest`` tells it.
    """

    id: str | None = None
    intent: Intent | None = None
    created: bool = False
    deleting: bool = False
    protected: bool = False
    reached: bool = False
    drifted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sight(Generic[C_co]):
    """What is known of the cloud.

    ``settled``: a whole sweep has ended since the Provider was connected. ``recorded``: what has the id on record.
    ``absent``: the cloud itself said that nothing has this id (on record, or to be imported): first at ``denied_since``,
    without having shown it meanwhile, and last at ``denied_at``, in Unix seconds. ``ending``: it had taken on the
    deletion of what had that id. ``carriers``: those whose
    marker names this object. ``predecessors``: those of an earlier object of the same cluster, kind, namespace and name.
    ``matches``: those that the import means; ``near``: in words, those that come close when there are none. ``task``: the
    task on record. ``searched_at``: when the last Search ended. ``token_spent``: the create on record is not to be
    repeated, because its token was refused as used otherwise, or because the cloud has refused or failed it.
    ``unreadable``: the cloud was asked for its details just now, and gave none. ``users``: in words, the objects that use
    this one, such as ``VirtualMachine shop/web-1``, where it is being deleted. ``owners``: likewise the objects of this
    cluster, by the id of what is theirs in the cloud, as far as it can use what this object stands for. ``refused``: what
    was said when a change, by field, was tried that disrupts: for that it is not disrupted again.
    """

    settled: bool
    recorded: C_co | None = None
    absent: bool = False
    denied_since: float | None = None
    denied_at: float | None = None
    ending: bool = False
    carriers: tuple[C_co, ...] = ()
    predecessors: tuple[C_co, ...] = ()
    matches: tuple[C_co, ...] = ()
    near: tuple[str, ...] = ()
    task: Task | None = None
    searched_at: float | None = None
    token_spent: bool = False
    unreadable: bool = False
    users: tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, Refuse] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation(Generic[W_co, C_co]):
    """``identity`` is the Provider's, now; ``now`` in Unix seconds."""

    #: What people call such a cloud object.
    noun: ClassVar[str] = "object"

    spec: W_co
    record: Record
    sight: Sight[C_co]
    traits: Guarantees
    marker: Marker
    identity: str
    now: float

    @property
    def id(self) -> str | None:
        """The id on record: confirmed, or chosen by the intent."""
        if self.record.id:
            return self.record.id
        intent = self.record.intent
        return intent.id if intent and not intent.rejected else None

    @property
    def intent(self) -> Intent | None:
        """The attempt that may have taken effect."""
        intent = self.record.intent
        return None if intent is None or intent.rejected else intent

    @property
    def is_fresh(self) -> bool:
        """Whether what has the id on record was only just made, and the driver proves the marker before its next step."""
        return False


#: Of whatever kind.
AnySituation: TypeAlias = Situation[Wanted, CloudObject]
