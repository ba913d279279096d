"""What the engine remembers of an object between two reconciles. All of it can be lost: status and cloud tell it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeAlias, TypeVar

from hybridge.api import records
from hybridge.api.managed import ManagedObject
from hybridge.core.attempt import Intent
from hybridge.core.cloudobject import CloudObject
from hybridge.core.plan import Do
from hybridge.core.situation import Record
from hybridge.core.task import Task
from hybridge.core.units import parse_time
from hybridge.engine.objects.attempts import Attempts

M = TypeVar("M", bound=ManagedObject)
C = TypeVar("C", bound=CloudObject)


@dataclass(slots=True)
class Memo(Generic[M, C]):
    """``absent``: the id that the cloud said nothing has, first at ``denied_since`` and last at ``denied_at``.
    ``ending``: the id of what the cloud has taken on to delete.

    ``after_task``: how the cloud object will be when the task is done.

    ``asked_once``: the attempt on record is known to have taken one request, which was answered. ``step``: what the task
    does. ``unreadable_at``: when the cloud was asked for details and gave none. ``drifted_since``: when it was first seen to
    differ from a spec that it had met, in Unix seconds. ``synced``: the generation of the spec that it last met.
    ``was_ready``: it was Ready once, or may have been before a restart. ``recorded``: the attempt that was last seen on
    record.
    """

    uid: str
    id: str | None = None
    created_at: float | None = None
    task: Task | None = None
    after_task: C | None = None
    step: Do | None = None
    unreadable_at: float | None = None
    absent: str | None = None
    denied_since: float | None = None
    denied_at: float | None = None
    ending: str | None = None
    searched_at: float | None = None
    token_spent: bool = False
    asked_once: bool = False
    sync_now: str | None = None
    drifted_since: float | None = None
    synced: int | None = None
    was_ready: bool = False
    recorded: Intent | None = None
    unsettled_since: float | None = None
    unsettled_told: int = 0
    generation: int = 0
    attempts: Attempts = field(default_factory=Attempts)

    @classmethod
    def resume(cls, told: M) -> Self:
        """What the status tells of earlier work."""
        status = told.status
        return cls(
            told.metadata.uid,
            id=status.id,
            created_at=parse_time(status.created_at) if status.created_at else None,
            task=records.task(status.task) if status.task else None,
            synced=status.met_generation,
            drifted_since=min((parse_time(entry.since) for entry in status.drift if entry.since), default=None),
            was_ready=status.created_at is not None,
        )

    def intent(self, told: M) -> Intent | None:
        """The attempt on record. Who takes it out of the status does not take back what it began."""
        if told.status.intent:
            self.recorded = records.intent(told.status.intent)
        return self.recorded

    def record(self, told: M) -> Record:
        """What the plan has to know of earlier steps."""
        return Record(
            id=self.id,
            intent=self.intent(told),
            created=self.created_at is not None,
            deleting=told.metadata.deletion_timestamp is not None,
            protected=told.spec.lifecycle.deletion_protection,
            reached=self.synced == self.generation,
            drifted=told.status.drifted,
        )

    def deny(self, known_id: str, now: float) -> None:
        """The cloud said that nothing has this id."""
        if self.absent != known_id:
            self.absent, self.denied_since = known_id, now
        self.denied_at = now

    def began(self, generation: int) -> None:
        """The spec has this generation: what was done for an earlier one is no repetition."""
        if generation != self.generation:
            self.generation = generation
            self.attempts.begin()
            self.look_again()

    def tell(self, status: Any) -> Any:
        """The status, with what is remembered and has to outlast this process."""
        return status

    def ended(self, task: Task) -> None:
        """The task on record has ended."""

    def expected(self, seen: C, after: C) -> C | None:
        """How what is seen must be now, after a task that should make it ``after``; None: it is so, or who knows."""

    def look_again(self) -> None:
        """What was said before says nothing any more."""
        self.unreadable_at = None
        self.attempts.forgive()


#: Of whatever kind.
AnyMemo: TypeAlias = Memo[Any, Any]
