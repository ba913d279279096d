"""Clouds that show late what they made, for up to 120 s, and then deny it now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.lateness import Lateness, live_through
from tests.operator_bed import operator_bed
from tests.reliability.report import Report
from tests.reliability.rows import Row

NUMBER, KILLS = 60, 6


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_lateness(cloud: Cloud, seed: int, report: Report, tmp_path: Path) -> None:
    """60 machines, 20 deletions and 6 kills while they cannot be seen for certain."""
    lateness = Lateness(lag=120.0, flapping=30.0)
    with operator_bed(tmp_path, clouds=[cloud], options=lateness.options) as bed:
        found, denied = live_through(bed, cloud, seed, lateness, number=NUMBER, kills=KILLS)

    what = {"aws": "answers denied an instance", "proxmox": "readings denied a guest", "vsphere": "pushes came late"}
    tried = f"{NUMBER} machines, {NUMBER // 3} of them deleted, {KILLS} kills"
    report(Row.LATENESS, cloud, tried, found, besides=f"{denied} {what[cloud]}")
