"""Some fields of each kind are changed to anything: what ``make chaos`` does a thousand times."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.bed import crash_bed
from tests.hostile.blows import mistakes
from tests.misoperation.beds import PLURALS, plurals, walk
from tests.misoperation.schema import spec_schemas

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


def test_every_kind_has_words() -> None:
    """Each CRD is a kind that the walks know how to make."""
    assert set(PLURALS) == set(spec_schemas())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_some_changes_of_each_kind(cloud: Cloud, tmp_path: Path) -> None:
    """As wanted, or told, and taken back."""
    print(f"HYBRIDGE_SEED={SEED}")
    with crash_bed(tmp_path, cloud) as bed:
        found = []
        for plural in plurals(cloud):
            one = walk(bed, plural, 5, SEED)
            one.round()
            found += one.found
        besides = mistakes(bed.operator.log())

    assert (found, besides) == ([], [])
