"""Everything that the plan for a machine looks at: what is wanted, what is on record, and what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybridge.core.identity import Marker
from hybridge.core.machine import Intent, Machine, MachineSpec, Restart, Task, Traits
from hybridge.core.plan import Refuse


@dataclass(frozen=True, slots=True)
class Record:
    """What the object's status tells of earlier steps.

    ``created``: the machine was seen whole once, so its absence is a loss. ``protected``: deletion is forbidden.
    ``reached``: this generation of the spec was met once, so a difference is drift. ``drifted``: what was wanted of the
    fields that drifted before, by field and as ``lifecycle.digest`` tells it. ``restart``: the last one that was asked
    for; None where that is not known. ``given``: what cloud-init was given last, as ``cloudinit.described`` tells it; None
    where that is not known.
    """

    id: str | None = None
    intent: Intent | None = None
    created: bool = False
    deleting: bool = False
    protected: bool = False
    reached: bool = False
    drifted: Mapping[str, str] = field(default_factory=dict)
    restart: Restart | None = None
    given: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of the cloud.

    ``settled``: a whole sweep has ended since the Provider was connected. ``recorded``: what has the id on record.
    ``absent``: the cloud itself said that nothing has this id (on record, or to be imported). ``carriers``: machines whose
    marker names this object. ``predecessors``: machines of an earlier object of the same cluster, kind, namespace and
    name. ``matches``: machines that the import means; ``near``: in words, those that come close when there are none.
    ``neighbours``: names, by host, of other machines of the anti-affinity group. ``task``: the task on record.
    ``searched_at``: when the last Search ended. ``token_spent``: the create on record is not to be repeated, because its
    token was refused as used otherwise, or because the cloud has refused or failed it. ``refused``: what was said when a
    change, by field, was tried that needs a stopped machine: for that it is not stopped again. ``unreadable``: the cloud
    was asked for its details just now, and gave none.
    """

    settled: bool
    recorded: Machine | None = None
    absent: bool = False
    carriers: tuple[Machine, ...] = ()
    predecessors: tuple[Machine, ...] = ()
    matches: tuple[Machine, ...] = ()
    near: tuple[str, ...] = ()
    neighbours: Mapping[str, str] = field(default_factory=dict)
    task: Task | None = None
    searched_at: float | None = None
    token_spent: bool = False
    refused: Mapping[str, Refuse] = field(default_factory=dict)
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """``identity`` is the Provider's, now; ``now`` in Unix seconds."""

    spec: MachineSpec
    record: Record
    sight: Sight
    traits: Traits
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
