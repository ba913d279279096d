"""Where a life can be struck, and how."""

from __future__ import annotations

import glob
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from lab.faultproxy import Api, Dark, Effect, FaultControl, LoseAnswer, Rule

#: The proxies between the operator and the world, by what is behind them.
Doors: TypeAlias = Mapping[Api, FaultControl]


@dataclass(frozen=True, slots=True)
class Hook:
    """The ``nth`` request of an operation since a step of a life began."""

    api: Api
    operation: str
    nth: int
    mutating: bool


class How(StrEnum):
    """What happens to the request, and to the operator."""

    #: It never arrives, and the operator is killed while it waits for the answer.
    BEFORE = "kill before"
    #: It takes effect, and the operator is killed before it hears of it.
    AFTER = "kill after"
    #: It takes effect, and no answer ever comes.
    TIMEOUT = "timeout"
    #: It takes effect, and the answer says that the server failed.
    ERROR = "500"
    #: It takes effect, and the connection breaks.
    RESET = "reset"

    @property
    def kills(self) -> bool:
        """Whether the operator dies of it."""
        return self in KILLS


KILLS = (How.BEFORE, How.AFTER)
LOSSES = (How.TIMEOUT, How.ERROR, How.RESET)
_EFFECTS: Mapping[How, Effect] = {
    How.BEFORE: Dark(),
    How.AFTER: LoseAnswer("timeout"),
    How.TIMEOUT: LoseAnswer("timeout"),
    How.ERROR: LoseAnswer("500"),
    How.RESET: LoseAnswer("reset"),
}


@dataclass(frozen=True, slots=True)
class Blow:
    """One hook of one step, and what happens there."""

    step: str
    hook: Hook
    how: How

    def __str__(self) -> str:
        return f"{self.step}: {self.how}: {self.hook.api} {self.hook.operation} #{self.hook.nth}"

    def rule(self) -> Rule:
        """The fault, counted from the moment in which it is put in force."""
        return Rule(glob.escape(self.hook.operation), _EFFECTS[self.how], times=1, after=self.hook.nth - 1)


def counted(doors: Doors) -> list[Hook]:
    """Every request since the counts were reset, those that have no answer yet included."""
    return [
        Hook(api, operation, nth, count.mutating)
        for api, door in doors.items()
        for operation, count in sorted(door.counts().items())
        for nth in range(1, count.requests + 1)
    ]


def blows(step: str, hooks: Sequence[Hook], ways: Sequence[How]) -> list[Blow]:
    """Every way at every hook; an answer is lost only where the request may have changed something."""
    return [Blow(step, hook, how) for hook in hooks for how in ways if how.kills or hook.mutating]


def drawn(steps: Iterable[str], apis: Sequence[Api], ways: Sequence[How], source: random.Random) -> list[Blow]:
    """One blow for each of these steps, at one of its first requests that may change something, whichever that is."""
    return [
        Blow(step, Hook(source.choice(apis), "mutating", source.randint(1, 3), True), source.choice(ways))
        for step in steps
    ]
