"""kill -9 and lost answers at some of the calls of a machine's life: what ``make chaos`` does at every one of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.bed import crash_bed
from tests.crash.hooks import KILLS, How
from tests.crash.sendable import UNREACHED, sendable
from tests.crash.strike import Strikes, choose

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_some_calls_of_a_life_are_struck(cloud: Cloud, tmp_path: Path) -> None:
    """Exactly one machine and nothing besides, without a human hand; and no request that changes something escapes."""
    print(f"HYBRIDGE_SEED={SEED}")
    with crash_bed(tmp_path, cloud) as bed:
        strikes = Strikes(bed, print)
        reference = strikes.reference()
        # One that a driver learns to send has to be sent by a life.
        assert sendable(cloud) - reference.operations == set(UNREACHED[cloud])

        kills = choose(reference.hooks, KILLS, SEED, 3)
        losses = choose(reference.hooks, (How.ERROR, How.RESET), SEED, 5)
        results = strikes.strike([*kills, *losses])

    assert [(str(result.blow), result.found) for result in results if result.found] == []
    assert any(result.reached for result in results)
