"""kill -9 and lost answers at some of the calls of a machine's life: what ``make chaos`` does at every one of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hybridge.api.kinds import KINDS
from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.bed import crash_bed
from tests.crash.hooks import KILLS, How
from tests.crash.sendable import UNREACHED, sendable
from tests.crash.stories import STORIES
from tests.crash.strike import Strikes, choose

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_some_calls_of_a_life_are_struck(cloud: Cloud, tmp_path: Path) -> None:
    """Exactly one machine and nothing besides, without a human hand; and no request that changes something escapes."""
    print(f"HYBRIDGE_SEED={SEED}")
    with crash_bed(tmp_path, cloud) as bed:
        reference = Strikes(bed, print).reference()
        # One that a driver learns to send has to be sent by a life.
        assert sendable(cloud) - reference.operations == set(UNREACHED[cloud])

        # One blow in each step, so that all of them are struck in one life of each story.
        ways = (*KILLS, How.ERROR, How.RESET)
        results = Strikes(bed, print).strike(choose(reference.hooks, ways, SEED, len(reference.hooks)))

    assert [(str(result.blow), result.found) for result in results if result.found] == []
    assert any(result.reached for result in results)


def test_every_kind_has_a_life() -> None:
    assert STORIES.keys() == {kind.kind for kind in KINDS}
    names = [step.name for stories in STORIES.values() for story in stories for step in story.steps]
    assert len(names) == len(set(names)) > 0
