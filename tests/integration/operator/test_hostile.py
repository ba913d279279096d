"""Some answers of a life that no cloud should give: what ``make chaos`` does with every one of them in every way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.bed import crash_bed
from tests.crash.stories import brief, told
from tests.crash.strike import Strikes
from tests.hostile.blows import mistakes, rewritings
from tests.hostile.strangers import Stranger

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_some_answers_of_a_life_are_rewritten(cloud: Cloud, tmp_path: Path) -> None:
    """Exactly one machine, as its spec wants it, nothing besides, and no mistake in the log."""
    print(f"HYBRIDGE_SEED={SEED}")
    with crash_bed(tmp_path, cloud) as bed:
        strikes, stranger = Strikes(bed, print, brief(told(cloud))), Stranger(bed.person)
        chosen = rewritings(strikes.reference().hooks, SEED, 4)
        results = strikes.strike(chosen)
        besides = [*mistakes(bed.operator.log()), *stranger.touched()]

    assert [(str(result.blow), result.found) for result in results if result.found] == []
    assert besides == []
    assert any(result.reached for result in results)
