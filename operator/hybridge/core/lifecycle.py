"""What every kind's spec says about the cloud object's life, in the core's words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Drift(StrEnum):
    """What is done when somebody changed the cloud object."""

    CORRECT = "Correct"
    REPORT = "Report"
    IGNORE = "Ignore"


def digest(wanted: str) -> str:
    """A wanted value in short, for the record of what drifted from it; only ever compared."""
    return hashlib.sha256(wanted.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Import:
    """Which existing cloud object to take: the one of this id, or the one that has this name and these tags."""

    id: str | None = None
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guarantees:
    """What a cloud guarantees of what it is asked to make.

    ``chooses_uuid``: we give the cloud object its UUID, and it is part of the proof.
    ``visibility``: seconds after which a create that took effect, without an answer, is certain to be seen.
    ``lag``: seconds after the request of a create for which the cloud may deny a cloud object, even by its id, that it has
    answered for before (eventual consistency).
    ``token_lifetime``: seconds for which repeating a create with its token is certain to give the same; 0: never.
    ``remains``: something may be left of one that is gone, which a search finds (``CloudObject.remains``).
    """

    chooses_uuid: bool = True
    visibility: float = 300.0
    lag: float = 0.0
    token_lifetime: float = 0.0
    remains: bool = field(default=False, kw_only=True)
