"""When a capacity is told again."""

from __future__ import annotations

import pytest

from hybridge.drivers.base import Capacity, StorageCapacity
from hybridge.engine.provider_capacity import has_moved, status_of

TIB = 2**40
BEFORE = Capacity(cpus=400, memory=4 * TIB, storage=(StorageCapacity("ceph", 100 * TIB, 40 * TIB),))


def ceph(total: int, used: int) -> tuple[StorageCapacity, ...]:
    return (StorageCapacity("ceph", total, used),)


@pytest.mark.parametrize(
    ("after", "moved"),
    [
        (BEFORE, False),
        (Capacity(400, 4 * TIB, ceph(100 * TIB, 40 * TIB + TIB // 2)), False),
        (Capacity(400, 4 * TIB, ceph(100 * TIB, 39 * TIB)), False),
        (Capacity(400, 4 * TIB, ceph(100 * TIB, 42 * TIB)), True),
        (Capacity(400, 4 * TIB, ceph(100 * TIB, 38 * TIB)), True),
        (Capacity(400, 4 * TIB, ceph(120 * TIB, 40 * TIB)), True),
        (Capacity(300, 4 * TIB, ceph(100 * TIB, 40 * TIB)), True),
        (Capacity(400, 3 * TIB, ceph(100 * TIB, 40 * TIB)), True),
        (Capacity(400, 4 * TIB), True),
        (Capacity(400, 4 * TIB, (*BEFORE.storage, StorageCapacity("nfs", TIB, 0))), True),
        (Capacity(400, None, BEFORE.storage), True),
        (Capacity(), True),
    ],
)
def test_only_what_is_noticeable_has_moved(after: Capacity, moved: bool) -> None:
    assert has_moved(status_of(BEFORE), status_of(after)) is moved
    assert has_moved(status_of(after), status_of(BEFORE)) is moved


def test_a_cloud_that_tells_no_capacity_has_none() -> None:
    assert status_of(Capacity()) is None
    assert not has_moved(None, None)


def test_an_empty_storage_of_no_size_does_not_move() -> None:
    empty = status_of(Capacity(storage=ceph(0, 0)))

    assert not has_moved(empty, empty)
