"""Any field of any kind is changed to anything, a thousand times: as wanted or clearly told, and always undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.bed import crash_bed
from tests.hostile.blows import mistakes
from tests.misoperation.beds import plurals, walk
from tests.reliability.report import Report
from tests.reliability.rows import Row

TRANSITIONS = 1000
OBJECTS = 20


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(("cloud", "plural"), [(cloud, plural) for cloud in CLOUDS for plural in plurals(cloud)])
def test_misoperations(
    plural: str,
    cloud: Cloud,
    seed: int,
    tell: Callable[[str], None],
    report: Report,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """A random walk over every field of a kind's spec."""
    wanted = request.config.getoption("--most") or TRANSITIONS
    with crash_bed(tmp_path, cloud) as bed:
        process = bed.operator.operator.process.pid
        walked = walk(bed, plural, min(OBJECTS, wanted), seed)
        while walked.transitions < wanted:
            walked.round()
            tell(f"{cloud} {plural}: {walked.transitions} of {wanted}: {dict(walked.steps)}, {len(walked.found)} found")
        same = bed.operator.operator.process.alive and bed.operator.operator.process.pid == process
        found = [*walked.found, *mistakes(bed.operator.log()), *(["wrong: the operator has ended"] * (not same))]

    steps = ", ".join(f"{number} {words}" for words, number in sorted(walked.steps.items()))
    report(
        Row.MISOPERATIONS,
        f"{cloud}, {plural}",
        f"{walked.transitions} changes of {len(walked.tried)} fields",
        found,
        besides=steps,
        words=[f"--most {wanted}"] * (wanted != TRANSITIONS),
    )
