"""One cloud of three is throttled, overloaded, silent or away for minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.outage.outage import Outage, outage_bed, troubles
from tests.reliability.report import Report
from tests.reliability.rows import Row


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_outage(
    cloud: Cloud, tell: Callable[[str], None], report: Report, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In every way, one after the other."""
    minutes = request.config.getoption("--minutes")
    found, besides = [], []
    with outage_bed(tmp_path) as bed:
        ways = troubles(cloud, bed)
        for way, spell in ways.items():
            outcome = Outage(bed, cloud, spell, tell).run(machines=40, seconds=minutes * 60 / len(ways), rounds=6)
            found += [f"{one} ({way})" for one in outcome.found]
            besides.append(f"{way}: {outcome.told()}")
            tell(f"{cloud}: {besides[-1]}")
    report(
        Row.OUTAGE,
        cloud,
        f"{minutes} minutes in {len(ways)} ways: {', '.join(ways)}; 80 machines each",
        found,
        besides="; ".join(besides),
        words=[f"--minutes {minutes}"],
    )
