"""Where something is in its cloud, and where it may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a cloud object is, or is going to be. ``why`` tells people how the place was chosen, where it was not given."""

    host: str | None = None
    zone: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Within:
    """Where it may be, whoever chooses the place: names of hosts and of zones. None: anywhere."""

    hosts: frozenset[str] | None = None
    zones: frozenset[str] | None = None
