"""How often a step was taken for one spec, how it went, and when it is its turn again."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from hybridge.core.errors import CloudError, Disposition, Unclear
from hybridge.core.plan import CONFIGURING, Do, Refuse, Verb
from hybridge.core.reasons import Reason

#: Seconds to hold back a step that was done before and did not last: grows with each repetition, up to the second.
REPEAT_FIRST, REPEAT_MOST = 1.0, 600.0
#: Seconds after which an error that needs a person is looked at again although nothing changed, at first and at most. A
#: Secret may well be the next to be applied, and a look at it costs the cloud nothing.
RECHECK_FIRST, RECHECK_MOST = 60.0, 960.0
RECHECK_SECRET_FIRST = 2.0
#: How often a change that needs a stopped machine may fail.
GIVE_UP = 3
#: Seconds of quiet after which doing the same thing again is nothing unusual.
CALM = 900.0


@dataclass(slots=True)
class Attempts:
    """Of one cloud object, for one generation of its spec. ``refused``: see ``Sight``."""

    refused: dict[str, Refuse] = field(default_factory=dict)
    _done: dict[tuple[object, ...], tuple[float, int]] = field(default_factory=dict)
    #: Only the words of errors: an error itself holds all that was on the stack when it was raised.
    _failed: dict[tuple[object, ...], tuple[int, Refuse]] = field(default_factory=dict)
    _waits: int = 0
    _stops: int = 0

    def begin(self) -> None:
        """There is another spec: what was done for an earlier one is no repetition."""
        self._stops = 0
        self._done.clear()
        self.forgive()

    def forgive(self) -> None:
        """What failed may be tried again."""
        self._failed.clear()
        self.refused.clear()

    def start_over(self) -> None:
        """What is done from here on is done for another attempt to make it."""
        self._done.clear()

    def hold_back(self, step: Do, now: float, *, calm: float = CALM) -> float:
        """Seconds to wait before this step, if the very same one was done for this spec and did not last.

        Steps that take it away are not held back unless they failed: their own answers tell how they went.
        """
        at, repeats = self._done.get(_signature(step), (-inf, 0))
        unheld = step.verb in {Verb.DELETE, Verb.DETACH, Verb.ADOPT} and self.failure(step) is None
        if unheld or now - at > calm:
            return 0.0
        return max(0.0, at + min(REPEAT_MOST, REPEAT_FIRST * 4.0 ** min(repeats, 10)) - now)

    def times(self, step: Do) -> int:
        """How often this step was done for this spec, as far as it is remembered."""
        done = self._done.get(_signature(step))
        return 0 if done is None else done[1] + 1

    def did(self, step: Do, now: float, *, calm: float = CALM) -> None:
        """The step was taken."""
        at, repeats = self._done.get(_signature(step), (-inf, 0))
        self._done[_signature(step)] = (now, repeats + 1 if -inf < at and now - at <= calm else 0)
        self._waits = 0

    def failure(self, step: Do) -> Refuse | None:
        """Why this step failed the last time."""
        failed = self._failed.get(_signature(step))
        return failed[1] if failed else None

    def failed(self, step: Do, error: CloudError) -> bool:
        """The step was not taken, or its task failed. Whether by that the plan changes: what needs a stopped machine, and
        is refused or fails again and again, is given up for this spec.
        """
        told = Refuse(error.reason, error.message)
        times = self._failed.get(_signature(step), (0, told))[0] + 1
        self._failed[_signature(step)] = times, told
        passing = error.reason in _PASSING or isinstance(error, Unclear)
        final = error.disposition is Disposition.STOP or (times >= GIVE_UP and not passing)
        if not final or error.disposition is Disposition.WAIT:
            return False
        cold = [action.field for action in step.actions if action.disruptive and action.verb in CONFIGURING]
        news = [field for field in cold if field not in self.refused]
        self.refused.update(dict.fromkeys(news, told))
        return bool(news)

    def succeeded(self, step: Do) -> None:
        """The step has taken effect."""
        self._failed.pop(_signature(step), None)

    def patience(self) -> float:
        """Seconds until something that others have to finish is looked at again: a growing number."""
        self._waits += 1
        return 0.5 * 2.0 ** min(self._waits - 1, 10)

    def recheck(self, reason: Reason) -> float:
        """Seconds until something that a person has to mend is looked at again: a growing number for each spec."""
        first = RECHECK_SECRET_FIRST if reason is Reason.SECRET_NOT_FOUND else RECHECK_FIRST
        self._stops += 1
        return min(RECHECK_MOST, first * 2.0 ** min(self._stops - 1, 30))


#: Reasons that say nothing of what was asked for.
_PASSING = frozenset({Reason.PROVIDER_DOWN, Reason.THROTTLED, Reason.LOCKED})


def _signature(step: Do) -> tuple[object, ...]:
    return (step.hard, *((action.verb, action.field, action.after) for action in step.actions))
