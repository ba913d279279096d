"""kill -9 at random moments during creations and deletions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.kills import (
    OPTIONS,
    Killer,
    assert_exactly,
    change_and_restart,
    create,
    create_and_delete,
    slow_down,
    take_over,
    uids,
)
from tests.operator_bed import OperatorBed, operator_bed

NUMBER = 30
KILLS = 10


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The cloud under test."""
    chosen: Cloud = request.param
    return chosen


@pytest.fixture(params=["instant", "slow"])
def bed(request: pytest.FixtureRequest, cloud: Cloud, tmp_path: Path) -> Iterator[OperatorBed]:
    """An operator that may be killed, and a cloud that answers at once or takes its time."""
    with operator_bed(tmp_path, clouds=[cloud], options=OPTIONS) as bed:
        if request.param == "slow":
            slow_down(bed, cloud)
        yield bed


@pytest.mark.timeout(600)
def test_kills_while_creating_and_deleting(bed: OperatorBed, cloud: Cloud, seed: int) -> None:
    """30 creations and 30 deletions, ten kills in each: no duplicate, no orphan, no stuck object, no human hand."""
    create_and_delete(bed, cloud, seed, number=NUMBER, kills=KILLS)


@pytest.mark.timeout(600)
def test_kills_while_creations_and_deletions_overlap(bed: OperatorBed, cloud: Cloud, seed: int) -> None:
    """Half of the machines are deleted while they are being made: exactly the other half remains."""
    namespace = bed.namespace()
    strangers = set(bed.machines(cloud))
    killer = Killer(bed, seed)

    names = create(bed, cloud, namespace, NUMBER)
    killer.run(2)
    doomed, kept = names[::2], names[1::2]
    bed.delete("virtualmachines", *doomed, namespace=namespace)
    killer.run(KILLS)
    bed.wait_ready(*kept, namespace=namespace, timeout=180)
    bed.wait_gone("virtualmachines", *doomed, namespace=namespace, timeout=180)

    assert_exactly(bed, cloud, uids(bed, namespace).values(), strangers)


@pytest.mark.timeout(600)
def test_kills_while_changing_and_restarting(bed: OperatorBed, cloud: Cloud, seed: int) -> None:
    """20 machines get other sizes, tags and a restart, under ten kills: each is the one that it was, and runs."""
    change_and_restart(bed, cloud, seed, number=20, kills=KILLS)


@pytest.mark.timeout(600)
def test_kills_while_importing(bed: OperatorBed, cloud: Cloud, seed: int) -> None:
    """20 machines that people made, each wanted by two objects, under ten kills: each has one owner."""
    take_over(bed, cloud, seed, number=20, kills=KILLS)
