"""A cloud that shows late what it made: what ``make chaos`` does for minutes, in seconds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.lateness import Lateness, live_through
from tests.operator_bed import operator_bed

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_is_shown_late_is_neither_doubled_nor_let_go(cloud: Cloud, tmp_path: Path) -> None:
    print(f"HYBRIDGE_SEED={SEED}")
    lateness = Lateness(lag=4.0, flapping=2.0)
    with operator_bed(tmp_path, clouds=[cloud], options=lateness.options) as bed:
        found, denied = live_through(bed, cloud, SEED, lateness, number=9, kills=2)

    assert found == []
    assert denied, "nothing was late"
