"""Every way to deceive the operator about what is whose, alone and in pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from queue import SimpleQueue

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.deceit.deceits import Deceit
from tests.deceit.matrix import OPTIONS, WISHES, cases, play
from tests.integration.operator.people import person
from tests.operator_bed import operator_bed
from tests.reliability.report import Report
from tests.reliability.rows import Row

#: Pairs of deceits, if no other number is given by ``--most``.
_PAIRS = 10
Case = Sequence[type[Deceit]]


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_deceit(
    cloud: Cloud,
    seed: int,
    tell: Callable[[str], None],
    report: Report,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Every second pair is deceived while the operator is killed."""
    pairs, only = request.config.getoption("--most") or _PAIRS, request.config.getoption("--blow") or "*"
    waiting: SimpleQueue[tuple[int, Case] | None] = SimpleQueue()
    for number, case in enumerate(cases(cloud, seed, pairs=pairs)):
        if fnmatchcase(_names(case), only):
            waiting.put((number, case))
    tried = waiting.qsize()
    found: list[str] = []

    def lane(folder: Path) -> None:
        folder.mkdir()
        with operator_bed(folder, clouds=[cloud], options=OPTIONS) as bed:
            while (one := waiting.get()) is not None:
                number, case = one
                try:
                    wrong = play(bed, person(cloud, bed.lab), folder, case, kill=len(case) > 1 and number % 2 == 0)
                except AssertionError as error:
                    wrong = [f"stuck: {str(error)[:1500]}"]
                found.extend(f"{one} ({_names(case)})" for one in wrong)
                tell(f"{cloud}: {_names(case)}: {'; '.join(wrong) or 'as wanted'}")

    lanes = min(tried, request.config.getoption("--lanes"))
    for _ in range(lanes):
        waiting.put(None)
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(lane, [tmp_path / f"lane-{number}" for number in range(lanes)]))
    words = [f"--most {pairs}"] if only == "*" else [f"--most {pairs} --blow '{only}'"]
    report(Row.DECEIT, cloud, f"{tried} deceits and pairs of them, {len(WISHES)} objects each", found, words=words)


def _names(case: Case) -> str:
    return " and ".join(deceit.name for deceit in case)
