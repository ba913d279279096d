"""Split brain: the leader stands still or is cut off in the middle of work, another one takes over, and it comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.rivals import rivals
from tests.reliability.report import Report
from tests.reliability.rows import Row

ROUNDS = 30


@pytest.mark.timeout(2 * 3600)
def test_two_leaders(seed: int, tell: Callable[[str], None], report: Report, tmp_path: Path,
                     request: pytest.FixtureRequest) -> None:  # fmt: skip
    """Rounds on all clouds at once: in each one the leader changes."""
    number = request.config.getoption("--most") or ROUNDS
    with rivals(tmp_path, seed) as both:
        results = both.rounds(number, tell)

    late = [result.late for result in results]
    report(
        Row.RIVALS,
        "all",
        f"{number} changes of the leader",
        [f"{one} ({result.words})" for result in results for one in result.found],
        besides=f"{sum(late)} requests of a former leader after the other had finished",
        words=[f"--most {number}"] * (number != ROUNDS),
    )
