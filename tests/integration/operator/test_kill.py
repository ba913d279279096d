"""kill -9 in small: what ``make chaos`` does at length, on every cloud at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.kills import OPTIONS, change_and_restart, create_and_delete, take_over
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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_kills_while_changing_and_restarting(bed: OperatorBed, cloud: Cloud) -> None:
    """5 machines, two kills: each is the one that it was, as the spec wants it, and runs."""
    change_and_restart(bed, cloud, seed=CLOUDS.index(cloud), number=5, kills=2)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_kills_while_importing(bed: OperatorBed, cloud: Cloud) -> None:
    """4 machines, each wanted by two objects, two kills: each has one owner, and nothing was made."""
    take_over(bed, cloud, seed=CLOUDS.index(cloud), number=4, kills=2)
