"""A machine that is nobody's, and what was done to it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.integration.operator.people import Facts, Person


@dataclass
class Stranger:
    """A machine that a person made in the same cloud, which no object knows of."""

    person: Person
    before: Facts | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        self.id = self.person.launch(f"stranger-{self.person.cloud}")
        deadline = time.monotonic() + 60
        while (self.before is None or not self.before.running) and time.monotonic() < deadline:
            self.before = self.person.machine(self.id)

    def touched(self) -> list[str]:
        """What was done to it, in words."""
        now = self.person.machine(self.id)
        return [] if now == self.before else [f"wrong: a foreign machine was {self.before} and is {now}"]
