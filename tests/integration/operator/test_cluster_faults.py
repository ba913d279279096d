"""Two leaders, stale and broken watches, restored and rebuilt clusters, in small: ``make chaos`` does it at length."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster.accidents import accidents
from tests.cluster.rivals import rivals
from tests.cluster.stale import differences, stories

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


@pytest.mark.timeout(400)
def test_the_leader_changes_in_the_middle_of_work(tmp_path: Path) -> None:
    """Exactly one of everything, whoever leads, and a former leader that ends."""
    print(f"HYBRIDGE_SEED={SEED}")
    with rivals(tmp_path, SEED) as both:
        results = both.rounds(2, print)

    assert [(result.words, result.found) for result in results if result.found] == []


@pytest.mark.timeout(400)
def test_a_cluster_is_restored_and_rebuilt(tmp_path: Path) -> None:
    """Machines whose object is not known are told and not touched; nothing is made a second time."""
    with accidents(tmp_path) as lab:
        found = [words for name in ("restored from a backup", "cluster rebuilt") for words in lab.suffer(name)]

    assert found == []
    assert lab.orphans


@pytest.mark.timeout(400)
def test_watches_lose_events(tmp_path: Path) -> None:
    """In the end objects and clouds are as they are without that."""
    print(f"HYBRIDGE_SEED={SEED}")
    with stories(tmp_path) as telling:
        reference, wrong, _ = telling.tell()
        assert wrong == []
        state, wrong, spoilt = telling.tell("events lost", SEED)

    assert wrong == []
    assert differences(reference, state) == []
    assert spoilt
