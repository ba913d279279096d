"""Every way to deceive the operator about what is whose, alone and in pairs."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.deceit.matrix import OPTIONS, WISHES, cases, play
from tests.integration.operator.people import person
from tests.operator_bed import operator_bed
from tests.reliability.report import Report
from tests.reliability.rows import Row

#: Pairs of deceits, if no other number is given by ``--most``.
_PAIRS = 10


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
    found: list[str] = []
    tried = 0
    with operator_bed(tmp_path, clouds=[cloud], options=OPTIONS) as bed:
        for number, case in enumerate(cases(cloud, seed, pairs=pairs)):
            names = " and ".join(deceit.name for deceit in case)
            if not fnmatchcase(names, only):
                continue
            wrong = play(bed, person(cloud, bed.lab), tmp_path, case, kill=len(case) > 1 and number % 2 == 0)
            tried += 1
            found += [f"{one} ({names})" for one in wrong]
            tell(f"{cloud}: {names}: {'; '.join(wrong) or 'as wanted'}")
    words = [f"--most {pairs}"] if only == "*" else [f"--most {pairs} --blow '{only}'"]
    report(Row.DECEIT, cloud, f"{tried} deceits and pairs of them, {len(WISHES)} objects each", found, words=words)
