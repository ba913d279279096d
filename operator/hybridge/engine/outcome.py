"""What a reconcile ends with. Errors are exceptions; see ``reconciler`` for the one switch over both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hybridge.engine.keys import Key


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more to do until something changes."""


@dataclass(frozen=True, slots=True)
class Again:
    """Come back after so many seconds, or earlier when something changes. 0: at once."""

    after: float


@dataclass(frozen=True, slots=True)
class Failed:
    """An error was reported to the user; come back with backoff, or after ``after`` seconds where that is known."""

    result: str
    after: float | None = None


Outcome = Done | Again | Failed


class Kind(Protocol):
    """One kind of custom resource: how its objects are reconciled."""

    def group(self, key: Key) -> str:
        """Whose turn it takes: the name of the Provider."""
        ...

    async def reconcile(self, key: Key) -> Outcome:
        """One step towards the spec. May raise Conflict and ClusterUnavailable."""
        ...
