"""kill -9 at random moments during creations and deletions ends with exactly the wanted machines, by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.kills import Killer, create, uids
from tests.operator_bed import OperatorBed, operator_bed

NUMBER = 30
KILLS = 10


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The cloud under test."""
    chosen: Cloud = request.param
    return chosen


@pytest.fixture
def bed(cloud: Cloud, tmp_path: Path) -> Iterator[OperatorBed]:
    """An operator that may be killed: it keeps its name in the Lease, as a container does that is restarted in its pod."""
    options = ["--identity", "chaos", "--lease-duration", "6", "--visibility-grace", "3"]
    with operator_bed(tmp_path, clouds=[cloud], options=options) as bed:
        yield bed


@pytest.mark.timeout(600)
def test_kills_while_creating_and_deleting(bed: OperatorBed, cloud: Cloud, seed: int) -> None:
    """30 creations and 30 deletions, ten kills in each: no duplicate, no orphan, no stuck object, no human hand."""
    namespace = bed.namespace()
    strangers = set(bed.machines(cloud))
    killer = Killer(bed, seed)

    names = create(bed, cloud, namespace, NUMBER)
    wanted = uids(bed, namespace)
    killer.run(KILLS, lambda: False)
    bed.wait_ready(*names, namespace=namespace, timeout=180)

    owned = bed.owned(cloud, wanted.values())
    assert {uid: len(found) for uid, found in owned.items()} == dict.fromkeys(wanted.values(), 1)
    assert set(bed.machines(cloud)) - strangers == {found[0].id for found in owned.values()}

    bed.delete("virtualmachines", *names, namespace=namespace)
    killer.run(KILLS, lambda: False)
    bed.wait_gone("virtualmachines", *names, namespace=namespace, timeout=180)

    assert set(bed.machines(cloud)) == strangers
    assert killer.kills == 2 * KILLS


@pytest.mark.timeout(600)
def test_kills_while_creations_and_deletions_overlap(bed: OperatorBed, cloud: Cloud, seed: int) -> None:
    """Half of the machines are deleted while they are being made: exactly the other half remains."""
    namespace = bed.namespace()
    strangers = set(bed.machines(cloud))
    killer = Killer(bed, seed)

    names = create(bed, cloud, namespace, NUMBER)
    killer.run(2, lambda: False)
    doomed, kept = names[::2], names[1::2]
    bed.delete("virtualmachines", *doomed, namespace=namespace)
    killer.run(KILLS, lambda: False)
    bed.wait_ready(*kept, namespace=namespace, timeout=180)
    bed.wait_gone("virtualmachines", *doomed, namespace=namespace, timeout=180)

    owned = bed.owned(cloud, uids(bed, namespace).values())
    assert {uid: len(found) for uid, found in owned.items()} == dict.fromkeys(owned, 1)
    assert set(bed.machines(cloud)) - strangers == {found[0].id for found in owned.values()}
