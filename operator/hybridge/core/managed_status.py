"""What is told of everything but machines: its phase, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from hybridge.core import story
from hybridge.core.cloudobject import Wanted
from hybridge.core.managed import ManagedObject, Phase, State
from hybridge.core.plan import Do
from hybridge.core.reasons import Reason
from hybridge.core.story import Standing, early_phase

W_co = TypeVar("W_co", bound=Wanted, covariant=True)
C_co = TypeVar("C_co", bound=ManagedObject, covariant=True)


@dataclass(frozen=True, slots=True)
class Story(story.Story[W_co, C_co]):
    """``remark``: what people are told besides, of one that is there."""

    remark: str = ""

    def standing(self) -> Standing | None:
        """See the base."""
        found = self.proven
        if found is None:
            return None
        remark = f"; {self.remark}" if self.remark else ""
        words = f"{found.id} is {_WORDS.get(found.state, found.state.value.lower())}{remark}"
        return Standing(found.state is State.READY, Reason.AVAILABLE, words)


def phase(told: Story[Any, Any]) -> Phase:
    """The phase, from the first line that fits."""
    early, found = early_phase(told), told.proven
    if early is not None or found is None:
        return Phase(early or Phase.UNKNOWN)
    if found.state is State.READY:
        return Phase.UPDATING if told.plan and isinstance(told.plan.step, Do) else Phase.READY
    return _PHASES.get(found.state, Phase.UNKNOWN)


_WORDS = {State.READY: "there", State.PENDING: "being made"}
_PHASES = {State.PENDING: Phase.CREATING, State.FAILED: Phase.FAILED, State.DELETING: Phase.UPDATING}
