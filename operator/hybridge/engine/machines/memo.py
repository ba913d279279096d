"""What the engine remembers of a machine between two reconciles. All of it can be lost: status and cloud tell it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybridge.api import desired
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.attempt import Intent
from hybridge.core.machine import Machine
from hybridge.core.machine_situation import Record
from hybridge.core.plan import Do
from hybridge.core.task import Task
from hybridge.core.units import parse_time
from hybridge.engine.machines.attempts import Attempts


@dataclass(slots=True)
class Memo:
    """``absent``: the id that the cloud said nothing has, first at ``denied_since`` and last at ``denied_at``.

    ``after_task``: how the machine will be when the task is done.

    ``asked_once``: the attempt on record is known to have taken one request, which was answered. ``step``: what the task
    does. ``unreadable_at``: when the cloud was asked for details and gave none. ``drifted_since``: when the machine was
    first seen to differ from a spec that it had met, in Unix seconds. ``given``: what cloud-init was given last, None where
    that is not known; ``after_given``: what it is when the task is done. ``source``: the version of the Secret with its
    user data, as read at ``source_at``; ``given_hash``: of the text that was given, which is nowhere else; ``certain``:
    the text is known to be another one. ``synced``: the generation of the spec that it last met. ``was_ready``: it was
    Ready once, or may have been before a restart. ``recorded``: the attempt that was last seen on record.
    """

    uid: str
    id: str | None = None
    created_at: float | None = None
    task: Task | None = None
    after_task: Machine | None = None
    step: Do | None = None
    unreadable_at: float | None = None
    absent: str | None = None
    denied_since: float | None = None
    denied_at: float | None = None
    searched_at: float | None = None
    token_spent: bool = False
    asked_once: bool = False
    sync_now: str | None = None
    running_since: float | None = None
    drifted_since: float | None = None
    synced: int | None = None
    given: Mapping[str, str] | None = None
    after_given: Mapping[str, str] | None = None
    source: str | None = None
    source_at: float | None = None
    given_hash: int | None = None
    certain: bool = True
    was_ready: bool = False
    recorded: Intent | None = None
    unsettled_since: float | None = None
    unsettled_told: int = 0
    generation: int = 0
    attempts: Attempts = field(default_factory=Attempts)

    @classmethod
    def resume(cls, machine: VirtualMachine) -> Memo:
        """What the status tells of earlier work."""
        status = machine.status
        return cls(
            machine.metadata.uid,
            id=status.id,
            created_at=parse_time(status.created_at) if status.created_at else None,
            task=desired.task(status.task) if status.task else None,
            synced=status.met_generation,
            drifted_since=min((parse_time(entry.since) for entry in status.drift if entry.since), default=None),
            given=desired.given(status.cloud_init) if status.cloud_init else None,
            was_ready=status.created_at is not None,
        )

    def intent(self, machine: VirtualMachine) -> Intent | None:
        """The attempt on record. Who takes it out of the status does not take back what it began."""
        if machine.status.intent:
            self.recorded = desired.intent(machine.status.intent)
        return self.recorded

    def record(self, machine: VirtualMachine, *, deleting: bool) -> Record:
        """What the plan has to know of earlier steps."""
        return Record(
            id=self.id,
            intent=self.intent(machine),
            created=self.created_at is not None,
            deleting=deleting,
            protected=machine.spec.lifecycle.deletion_protection,
            reached=self.synced == self.generation,
            drifted=machine.status.drifted,
            restart=desired.restart(machine.status.restart) if machine.status.restart else None,
            given=self.given,
        )

    def deny(self, machine_id: str, now: float) -> None:
        """The cloud said that nothing has this id."""
        if self.absent != machine_id:
            self.absent, self.denied_since = machine_id, now
        self.denied_at = now

    def began(self, generation: int) -> None:
        """The spec has this generation: what was done for an earlier one is no repetition."""
        if generation != self.generation:
            self.generation = generation
            self.attempts.begin()
            self.look_again()

    def look_again(self) -> None:
        """What was said before says nothing any more."""
        self.source_at = self.unreadable_at = None
        self.attempts.forgive()
