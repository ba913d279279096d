"""Which VMID a new guest gets."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.vmids import Vmids

RANGE = {"from": 100, "to": 104}


def test_ids_go_up_and_round_and_avoid_what_is_used_or_on_record() -> None:
    vmids = Vmids(RANGE)

    assert [vmids.take({101}, {"103", "not-a-number"}) for _ in range(2)] == [104, 100]


def test_an_id_that_was_freed_is_not_soon_given_again() -> None:
    vmids = Vmids(RANGE)

    assert vmids.take((), ()) == 100
    assert [vmids.take((), ()) for _ in range(4)] == [101, 102, 103, 104]


def test_when_all_were_given_those_that_are_free_come_again() -> None:
    vmids = Vmids(RANGE)
    for _ in range(5):
        vmids.take((), ())

    assert vmids.take({100, 101}, ()) == 102


def test_after_a_restart_it_goes_on_behind_what_is_on_record() -> None:
    assert Vmids(RANGE).take((), {"101"}) == 102


def test_an_id_that_was_freed_after_a_restart_is_not_soon_given_again() -> None:
    vmids = Vmids(RANGE)
    vmids.see([100, 101, 4711])

    assert vmids.take({100}, {"100"}) == 102
    assert [vmids.take({100}, {"100"}) for _ in range(3)] == [103, 104, 101]


def test_a_full_range_is_said() -> None:
    with pytest.raises(Refused) as caught:
        Vmids(RANGE).take(range(100, 105), ())

    assert caught.value.reason is Reason.CAPACITY
    assert "vmIDRange" in caught.value.message


def test_two_threads_never_get_the_same() -> None:
    vmids = Vmids({"from": 100, "to": 999})
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: vmids.take((), ()), range(400)))

    assert len(set(given)) == 400


def test_the_range_when_none_is_named() -> None:
    vmids = Vmids(None)

    assert vmids.take((), ()) == 1000
    assert 9999 in vmids
    assert 10000 not in vmids
