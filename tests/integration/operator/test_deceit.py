"""Some ways to deceive the operator about what is whose: what ``make chaos`` does with all of them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.deceit.matrix import OPTIONS, cases, play
from tests.integration.operator.people import person
from tests.operator_bed import OperatorBed, operator_bed

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorBed]:
    """An operator that may be killed."""
    with operator_bed(tmp_path_factory.mktemp("deceit"), options=OPTIONS) as bed:
        yield bed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_who_is_deceived_touches_nothing(bed: OperatorBed, cloud: Cloud, tmp_path: Path) -> None:
    """Two ways and a pair of them, with a kill."""
    print(f"HYBRIDGE_SEED={SEED}")
    every = cases(cloud, SEED, pairs=1)
    chosen = [*random.Random(f"{SEED} {cloud}").sample(every[:-1], 2), every[-1]]
    for number, case in enumerate(chosen):
        names = " and ".join(deceit.name for deceit in case)
        assert play(bed, person(cloud, bed.lab), tmp_path, case, kill=number == len(chosen) - 1) == [], names
