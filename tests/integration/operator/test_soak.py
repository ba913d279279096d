"""A storm in small: what ``make chaos`` does for an hour with a thousand machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.soak.soak import Course, Soak, soak_bed
from tests.soak.weather import Climate

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)
#: At rest for longer than it takes until all that people did last is seen: a sweep, and the lag of a cloud's list.
COURSE = Course(
    machines=12, seconds=15.0, pace=3.0, life=(1.0, 3.0), climate=Climate((1.0, 2.0), (1.0, 2.0)), sweep="1s", rest=6.0,
    patience=120.0, looks=2,
)  # fmt: skip


@pytest.mark.timeout(300)
def test_after_a_storm_all_is_as_it_should_be(tmp_path: Path) -> None:
    """Exactly the wanted machines, as they are wanted, and then not one request that changes something."""
    print(f"HYBRIDGE_SEED={SEED}")
    with soak_bed(tmp_path, COURSE.sweep) as (bed, doors):
        outcome = Soak(bed, doors, COURSE, SEED, print).run()

    # In so short a time memory and threads still grow to what they will be.
    assert [one for one in outcome.found if not one.startswith("leak: ") or " grew " not in one] == []
    assert outcome.kills > 1
    assert outcome.spells > 4
