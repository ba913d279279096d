"""Which lives there are, by kind: a kind without one fails a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.crash import life, provider
from tests.crash.bed import CrashBed
from tests.crash.step import Step, Subject


@dataclass(frozen=True, slots=True)
class Story:
    """A whole life of an object: what lives it, and its steps. No two steps of all stories have the same name."""

    subject: Callable[[CrashBed], Subject]
    steps: Sequence[Step[Any]]


#: By the kind's name in the API.
STORIES: Mapping[str, Sequence[Story]] = {
    "Provider": [Story(provider.ProviderLife, steps) for steps in provider.STORIES.values()],
    "VirtualMachine": [Story(life.Life, steps) for steps in life.STORIES.values()],
}
