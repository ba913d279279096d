"""Answers that no cloud should give: no crash, nothing foreign touched, nothing lost or doubled, and all is well again."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.bed import crash_bed
from tests.crash.strike import Strikes
from tests.hostile.blows import mistakes, rewritings
from tests.hostile.strangers import Stranger
from tests.reliability.report import Report
from tests.reliability.rows import Row


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_hostile_answers(
    cloud: Cloud,
    seed: int,
    tell: Callable[[str], None],
    report: Report,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Every operation of every step of a machine's life, in every way."""
    most, only = request.config.getoption("--most"), request.config.getoption("--blow")
    with crash_bed(tmp_path, cloud) as bed:
        strikes, stranger = Strikes(bed, tell), Stranger(bed.person)
        hooks = strikes.reference().hooks
        chosen = [blow for blow in rewritings(hooks, seed, most) if fnmatchcase(str(blow), only or "*")]
        results = strikes.strike(chosen)
        besides = [*mistakes(bed.operator.log()), *stranger.touched()]

    for result in results:
        if result.found:
            words = shlex.quote(f'-k "{request.node.name}" --seed {seed} --blow "{result.blow}"')
            tell(f"once more: make chaos ARGS={words}")
    reached = sum(result.reached for result in results)
    report(
        Row.HOSTILE,
        cloud,
        f"{len(results)} of {len(rewritings(hooks, seed))} answers and ways, {reached} reached",
        [*(f"{one} ({result.blow})" for result in results for one in result.found), *besides],
        words=[f"--most {most}"] * bool(most) + [f"--blow {shlex.quote(only)}"] * bool(only),
    )
