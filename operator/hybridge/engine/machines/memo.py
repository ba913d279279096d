"""What the engine remembers of a machine between two reconciles. All of it can be lost: status and cloud tell it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from hybridge.api import desired
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.machine import Intent, Machine, Task
from hybridge.core.machine_situation import Record
from hybridge.core.plan import CONFIGURING, Do, Refuse, Verb
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_time

#: Seconds to hold back a step that was done before and did not last: grows with each repetition, up to the second.
REPEAT_FIRST, REPEAT_MOST = 1.0, 600.0
#: Seconds after which an error that needs a person is looked at again although nothing changed, at first.
RECHECK_FIRST = 60.0
#: How often a change that needs a stopped machine may fail.
GIVE_UP = 3
#: Seconds of quiet after which doing the same thing again is nothing unusual.
CALM = 900.0


@dataclass(slots=True)
class Memo:
    """``absent``: the id that the cloud said nothing has. ``after_task``: how the machine will be when the task is done.

    ``asked_once``: the attempt on record is known to have taken one request, which was answered. ``step``: what the task
    does. ``failures``: how often steps have failed, and why the last time. ``refused``: see ``Sight``.
    ``unreadable_at``: when the cloud was asked for details and gave none. ``drifted_since``: when the machine was first
    seen to differ from a spec that it had met, in Unix seconds. ``given``: what cloud-init was given last, None
    where that is not known; ``after_given``: what it is when the task is done. ``source``: the version of the Secret with
    its user data, as read at ``source_at``; ``given_hash``: of the text that was given, which is nowhere else;
    ``certain``: the text is known to be another one. ``synced``: the generation of the spec that it last met.
    ``was_ready``: it was Ready once, or may have been before a restart.
    """

    uid: str
    id: str | None = None
    created_at: float | None = None
    task: Task | None = None
    after_task: Machine | None = None
    step: Do | None = None
    failures: dict[tuple[object, ...], tuple[int, CloudError]] = field(default_factory=dict)
    refused: dict[str, Refuse] = field(default_factory=dict)
    unreadable_at: float | None = None
    absent: str | None = None
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
            synced=status.met_generation,
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
            reached=self.synced == self.generation,
            drifted=machine.status.drifted,
            restart=desired.restart(machine.status.restart) if machine.status.restart else None,
            given=self.given,
        )

    def began(self, generation: int) -> None:
        """The spec has this generation: what was done for an earlier one is no repetition."""
        if generation != self.generation:
            self.generation, self.stops = generation, 0
            self.done.clear()
            self.look_again()

    def look_again(self) -> None:
        """What was said before says nothing any more."""
        self.source_at = self.unreadable_at = None
        self.failures.clear()
        self.refused.clear()

    def hold_back(self, step: Do, now: float, *, calm: float = CALM) -> float:
        """Seconds to wait before this step, if the very same one was done for this spec and did not last.

        Steps that take the machine away are not held back unless they failed: their own answers tell how they went.
        """
        at, repeats = self.done.get(_signature(step), (-inf, 0))
        unheld = step.verb in {Verb.DELETE, Verb.DETACH, Verb.ADOPT} and self.failure(step) is None
        if unheld or now - at > calm:
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

    def failure(self, step: Do) -> CloudError | None:
        """Why this step failed the last time."""
        failed = self.failures.get(_signature(step))
        return failed[1] if failed else None

    def failed(self, step: Do, error: CloudError) -> bool:
        """The step was not taken, or its task failed. Whether by that the plan changes: what needs a stopped machine, and
        is refused or fails again and again, is given up for this spec.
        """
        times = self.failures.get(_signature(step), (0, error))[0] + 1
        self.failures[_signature(step)] = times, error
        final = error.disposition is Disposition.STOP or (times >= GIVE_UP and error.reason not in _PASSING)
        if not final or error.disposition is Disposition.WAIT:
            return False
        cold = [action.field for action in step.actions if action.disruptive and action.verb in CONFIGURING]
        news = [field for field in cold if field not in self.refused]
        self.refused.update(dict.fromkeys(news, Refuse(error.reason, error.message)))
        return bool(news)

    def succeeded(self, step: Do) -> None:
        """The step has taken effect."""
        self.failures.pop(_signature(step), None)

    def patience(self) -> float:
        """Seconds until something that others have to finish is looked at again: a growing number."""
        self.waits += 1
        return 0.5 * 2.0 ** min(self.waits - 1, 10)

    def recheck(self) -> float:
        """Seconds until something that a person has to mend is looked at again: a growing number for each spec."""
        self.stops += 1
        return RECHECK_FIRST * 2.0 ** min(self.stops - 1, 4)


#: Reasons that say nothing of what was asked for.
_PASSING = frozenset({Reason.PROVIDER_DOWN, Reason.THROTTLED, Reason.LOCKED})


def _signature(step: Do) -> tuple[object, ...]:
    return (step.hard, *((action.verb, action.field, action.after) for action in step.actions))
