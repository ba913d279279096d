"""One cloud of three is in trouble: the others do not notice, and it is not run over. ``make chaos`` does it for minutes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud, LogEntry
from tests.operator_bed import OperatorBed
from tests.outage.outage import BURST, RATE, Outage, beyond, outage_bed, troubles

#: In another trouble each.
WAYS: dict[Cloud, str] = dict(zip(CLOUDS, ("throttling", "silence", "overload"), strict=True))


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorBed]:
    """An operator under limits."""
    with outage_bed(tmp_path_factory.mktemp("trouble")) as bed:
        yield bed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_others_go_on_and_a_cloud_that_is_back_is_asked_within_its_limits(bed: OperatorBed, cloud: Cloud) -> None:
    outcome = Outage(bed, cloud, troubles(cloud, bed)[WAYS[cloud]], print).run(machines=8, seconds=1.0, rounds=2)

    print(outcome.told())
    assert outcome.found == []


def test_what_comes_faster_than_the_limits_allow_is_found() -> None:
    calm = [LogEntry(number / RATE, "GET", mutating=False) for number in range(500)]
    herd = [LogEntry(0.001 * number, "GET", mutating=False) for number in range(BURST + RATE)]
    assert list(beyond(calm)) == []
    assert len(list(beyond(herd))) == 1
