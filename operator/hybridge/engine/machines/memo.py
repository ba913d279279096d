"""What the engine remembers of a machine between two reconciles. All of it can be lost: status and cloud tell it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from hybridge.api import desired
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.conditions import Type
from hybridge.core.machine import Intent, Machine, Task
from hybridge.core.machine_situation import Record
from hybridge.core.plan import Do, Verb
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_time

#: Seconds to hold back a step that was done before and did not last: grows with each repetition, up to the second.
REPEAT_FIRST, REPEAT_MOST = 1.0, 600.0
#: Seconds after which an error that needs a person is looked at again although nothing changed, at first.
RECHECK_FIRST = 60.0
#: Seconds of quiet after which doing the same thing again is nothing unusual.
CALM = 900.0


@dataclass(slots=True)
class Memo:
    """``absent``: the id that the cloud said nothing has. ``after_task``: how the machine will be when the task is done.

    ``drifted_since``: when the machine was first seen to differ from a spec that it had met, in Unix seconds.
    ``given``: what cloud-init was given last, None where that is not known; ``after_given``: what it is when the task is
    done. ``source``: the version of the Secret with its user data, as read at ``source_at``; ``source_hash`` of its text
    is nowhere else. ``synced``: the generation of the spec that it last met. ``was_ready``: it was Ready once, or may
    have been before a restart.
    """

    uid: str
    id: str | None = None
    created_at: float | None = None
    task: Task | None = None
    after_task: Machine | None = None
    absent: str | None = None
    searched_at: float | None = None
    token_spent: bool = False
    sync_now: str | None = None
    running_since: float | None = None
    drifted_since: float | None = None
    synced: int | None = None
    given: Mapping[str, str] | None = None
    after_given: Mapping[str, str] | None = None
    source: str | None = None
    source_at: float | None = None
    source_hash: int | None = None
    was_ready: bool = False
    unsettled_since: float | None = None
    unsettled_told: int = 0
    waits: int = 0
    stops: int = 0
    generation: int = 0
    done: dict[tuple[object, ...], tuple[float, int]] = field(default_factory=dict)

    @classmethod
    def resume(cls, machine: VirtualMachine) -> Memo:
        """What the status tells of earlier work."""
        status = machine.status
        return cls(
            machine.metadata.uid,
            id=status.id,
            created_at=parse_time(status.created_at) if status.created_at else None,
            task=desired.task(status.task) if status.task else None,
            drifted_since=min((parse_time(entry.since) for entry in status.drift if entry.since), default=None),
            given=desired.given(status.cloud_init) if status.cloud_init else None,
            was_ready=status.created_at is not None,
        )

    def intent(self, machine: VirtualMachine) -> Intent | None:
        """The attempt on record."""
        return desired.intent(machine.status.intent) if machine.status.intent else None

    def record(self, machine: VirtualMachine, *, deleting: bool) -> Record:
        """What the plan has to know of earlier steps."""
        return Record(
            id=self.id,
            intent=self.intent(machine),
            created=self.created_at is not None,
            deleting=deleting,
            protected=machine.spec.lifecycle.deletion_protection,
            reached=self.synced == machine.metadata.generation or _was_met(machine),
            drifted={entry.field: entry.want or "" for entry in machine.status.drift},
            restart=desired.restart(machine.status.restart) if machine.status.restart else None,
            given=self.given,
        )

    def began(self, generation: int) -> None:
        """The spec has this generation: what was done for an earlier one is no repetition."""
        if generation != self.generation:
            self.generation, self.stops, self.source_at = generation, 0, None
            self.done.clear()

    def hold_back(self, step: Do, now: float, *, calm: float = CALM) -> float:
        """Seconds to wait before this step, if the very same one was done for this spec and did not last.

        Steps that take the machine away are not held back: their own answers tell how they went.
        """
        at, repeats = self.done.get(_signature(step), (-inf, 0))
        if step.verb in {Verb.DELETE, Verb.DETACH, Verb.ADOPT} or now - at > calm:
            return 0.0
        return max(0.0, at + min(REPEAT_MOST, REPEAT_FIRST * 4.0 ** min(repeats, 10)) - now)

    def times(self, step: Do) -> int:
        """How often this step was done for this spec, as far as it is remembered."""
        done = self.done.get(_signature(step))
        return 0 if done is None else done[1] + 1

    def did(self, step: Do, now: float, *, calm: float = CALM) -> None:
        """The step was taken."""
        at, repeats = self.done.get(_signature(step), (-inf, 0))
        self.done[_signature(step)] = (now, repeats + 1 if -inf < at and now - at <= calm else 0)
        self.waits = 0

    def patience(self) -> float:
        """Seconds until something that others have to finish is looked at again: a growing number."""
        self.waits += 1
        return 0.5 * 2.0 ** min(self.waits - 1, 10)

    def recheck(self) -> float:
        """Seconds until something that a person has to mend is looked at again: a growing number for each spec."""
        self.stops += 1
        return RECHECK_FIRST * 2.0 ** min(self.stops - 1, 4)


def _was_met(machine: VirtualMachine) -> bool:
    """Whether the status tells that this generation of the spec was met, or differs only by drift that is left."""
    met = {Reason.IN_SYNC.value, Reason.DRIFTED.value}
    return any(
        condition.type == Type.SYNCED.value
        and condition.reason in met
        and condition.observed_generation == machine.metadata.generation
        for condition in machine.status.conditions
    )


def _signature(step: Do) -> tuple[object, ...]:
    return (step.hard, *((action.verb, action.field, action.after) for action in step.actions))
