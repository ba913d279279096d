"""An hour with a thousand machines, in which much happens and more goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reliability.report import Report
from tests.reliability.rows import Row
from tests.soak import vitals
from tests.soak.soak import Course, Soak, soak_bed
from tests.soak.weather import Climate


@pytest.mark.timeout(6 * 3600)
def test_soak(
    seed: int, tell: Callable[[str], None], report: Report, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """All objects as they want to be, nothing sent any more, and no more taken than before."""
    machines, minutes = request.config.getoption("--machines"), request.config.getoption("--minutes")
    course = Course(
        machines=machines, seconds=minutes * 60, pace=2.0, life=(60.0, 180.0),
        climate=Climate((5.0, 20.0), (10.0, 40.0)), sweep="10s", rest=60.0, patience=1200.0, looks=12,
    )  # fmt: skip
    with soak_bed(tmp_path, course.sweep) as (bed, doors):
        outcome = Soak(bed, doors, course, seed, tell).run()

    assert outcome.early is not None
    assert outcome.late is not None
    report(
        Row.SOAK,
        "all",
        f"{machines} machines, {outcome.deeds}, {outcome.spells} spells of faults, {outcome.kills} kills",
        outcome.found,
        besides=f"0 requests that change something in the last minute; {vitals.told(outcome.early, outcome.late)}",
        words=[f"--machines {machines} --minutes {minutes}"],
    )
