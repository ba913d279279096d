"""kill -9 in small: what ``make chaos`` does at length, on every cloud at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.kills import OPTIONS, create_and_delete
from tests.operator_bed import OperatorBed, operator_bed


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorBed]:
    """An operator that may be killed."""
    with operator_bed(tmp_path_factory.mktemp("kill"), options=OPTIONS) as bed:
        yield bed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_kills_while_creating_and_deleting(bed: OperatorBed, cloud: Cloud) -> None:
    """8 creations and 8 deletions, three kills in each: exactly the wanted machines, and then none."""
    create_and_delete(bed, cloud, seed=CLOUDS.index(cloud), number=8, kills=3)
