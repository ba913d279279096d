"""kill -9 and lost answers at every call to the cloud and to the API server: one machine, and then none."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash import page
from tests.crash.bed import crash_bed
from tests.crash.hooks import KILLS, LOSSES, How
from tests.crash.strike import Strikes, choose

#: Of the requests that were recorded, how many have to come again, and so be struck.
_SHARE = 0.9


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(("row", "ways"), [("kill -9", KILLS), ("lost answer", LOSSES)], ids=["kills", "losses"])
def test_crashes(
    row: str,
    ways: Sequence[How],
    cloud: Cloud,
    seed: int,
    tell: Callable[[str], None],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Every hook point of every step of a machine's life, each by itself."""
    most, only = request.config.getoption("--most"), request.config.getoption("--blow")
    began = time.monotonic()
    with crash_bed(tmp_path, cloud) as bed:
        strikes = Strikes(bed, tell)
        hooks = strikes.reference().hooks
        chosen = [blow for blow in choose(hooks, ways, seed, most) if fnmatchcase(str(blow), only or "*")]
        results = strikes.strike(chosen)
    words = [f"-k {request.node.callspec.id}", f"--seed {seed}"] + [f"--most {most}"] * bool(most)
    command = f"make chaos ARGS='{' '.join(words)}'"
    run = page.Run(row, cloud, len(choose(hooks, ways, seed)), results, time.monotonic() - began, seed, command)
    tell(run.line())
    if target := request.config.getoption("--write"):
        page.write(target, run)

    failed = [result for result in results if result.found]
    again = [f'make chaos ARGS="{words[0]} --blow {shlex.quote(str(one.blow))}"  # {one.found}' for one in failed]
    assert not failed, "\n".join(["what went wrong, and how to repeat each:", *again])
    if not only:
        unreached = [str(result.blow) for result in results if not result.reached]
        assert run.reached >= _SHARE * len(results), f"not reached: {unreached}"
