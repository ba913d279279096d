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
