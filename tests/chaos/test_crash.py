"""kill -9 and lost answers at every call to the cloud and to the API server: one machine, and then none."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.hooks import KILLS, LOSSES, How
from tests.crash.lanes import lanes
from tests.crash.strike import choose
from tests.reliability.report import Report
from tests.reliability.rows import Row

#: Of the requests that were recorded, how many have to come again, and so be struck.
_SHARE = 0.9


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(("row", "ways"), [(Row.KILLS, KILLS), (Row.LOSSES, LOSSES)], ids=["kills", "losses"])
def test_crashes(
    row: Row,
    ways: Sequence[How],
    cloud: Cloud,
    seed: int,
    tell: Callable[[str], None],
    report: Report,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Every hook point of every step of a machine's life, each by itself."""
    most, only = request.config.getoption("--most"), request.config.getoption("--blow")
    number = 1 if only else request.config.getoption("--lanes")
    with lanes(tmp_path, cloud, number) as beds:
        hooks = beds.reference(tell).hooks
        chosen = [blow for blow in choose(hooks, ways, seed, most) if fnmatchcase(str(blow), only or "*")]
        results = beds.strike(chosen, tell)

    reached = sum(result.reached for result in results)
    for result in results:
        if result.found:
            words = shlex.quote(f'-k {request.node.callspec.id} --blow "{result.blow}"')
            tell(f"once more: make chaos ARGS={words}")
    possible = len(choose(hooks, ways, seed))
    report(
        row,
        cloud,
        f"{len(results)} of {possible} hook points, {reached} reached",
        [f"{one} ({result.blow})" for result in results for one in result.found],
        words=[f"--most {most}"] * bool(most) + [f"--blow {shlex.quote(only)}"] * bool(only),
    )
    if not only:
        unreached = [str(result.blow) for result in results if not result.reached]
        assert reached >= _SHARE * len(results), f"not reached: {unreached}"
