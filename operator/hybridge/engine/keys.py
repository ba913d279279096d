"""Names of things inside the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Key(NamedTuple):
    """One custom resource. ``namespace`` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    @property
    def in_words(self) -> str:
        """For people: ``VirtualMachine shop/web-1``."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


#: Unix seconds. The engine is given its clock, so that tests run in virtual time.
Clock = Callable[[], float]
