"""How a test tells what its row has shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tests.reliability.rows import Row


class Report(Protocol):
    """Tells the figures of a row, and writes them with ``--write``; fails when something was found."""

    def __call__(
        self, row: Row, cloud: str, tried: str, found: Sequence[str], *, besides: str = "", words: Sequence[str] = ()
    ) -> None:
        """``words``: what the command takes besides the test's name and the seed. The rest as page.Figures."""
