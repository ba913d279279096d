"""The cluster itself is away, restored from a backup or rebuilt; its objects come anew, bare, or twice."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.cluster.accidents import ACCIDENTS, accidents
from tests.reliability.report import Report
from tests.reliability.rows import Row


@pytest.mark.timeout(3600)
def test_accidents(tell: Callable[[str], None], report: Report, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Each accident by itself, on machines of its own, on all clouds at once."""
    only = request.config.getoption("--blow") or "*"
    found: list[str] = []
    chosen = [name for name in ACCIDENTS if fnmatchcase(name, only)]
    with accidents(tmp_path) as lab:
        for name in chosen:
            words = lab.suffer(name)
            found += words
            tell(f"{name}: {'; '.join(words) or 'as wanted'}")
        orphans = lab.orphans

    report(Row.ACCIDENTS, "all", f"{len(chosen)} accidents", found, besides=f"{orphans} orphans told, none touched")
