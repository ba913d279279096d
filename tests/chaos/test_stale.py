"""Stale reads, conflicts, and watches that lose, repeat, reorder and break: in the end all is as it is without them."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.cluster.stale import ALL, FAULTS, differences, stories
from tests.reliability.report import Report
from tests.reliability.rows import Row


@pytest.mark.timeout(2 * 3600)
def test_stale_clusters(
    seed: int, tell: Callable[[str], None], report: Report, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each fault by itself, and then all at once."""
    only = request.config.getoption("--blow") or "*"
    chosen = [fault for fault in (*FAULTS, ALL) if fnmatchcase(fault, only)]
    found: list[str] = []
    spoilt = 0
    with stories(tmp_path) as telling:
        reference, wrong, _ = telling.tell()
        assert not wrong, f"undisturbed: {wrong}"
        for fault in chosen:
            state, wrong, hits = telling.tell(fault, seed)
            wrong = wrong or differences(reference, state)
            spoilt += hits
            found += [f"{one} ({fault})" for one in wrong]
            tell(f"{fault}: {hits} spoilt: {'; '.join(wrong) or 'as undisturbed'}")
            if not hits:
                found.append(f"wrong: nothing was spoilt ({fault})")

    report(Row.STALE, "all", f"{len(chosen)} kinds of faults", found, besides=f"{spoilt} answers and events spoilt")
