"""How often a cloud is looked at, in virtual time: a look takes as long as the cloud wants."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.errors import CloudError, Throttled, Unreachable
from hybridge.core.kinds import CloudKind
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.base import Connection, Driver, Sweep, SweepRequest
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.keys import Key
from hybridge.engine.link import QUICK, SLOWEST_QUICK, Link
from tests.sweeps import shown
from tests.unit.engine.virtual import now, run

KEY = Key("VirtualMachine", "shop", "web")
INTERVAL = 30.0


class Cloud:
    """Shows nothing, takes its time, and notes when it was asked."""

    push = False

    def __init__(self, seconds: float, mistakes: int = 0, refusals: int = 0) -> None:
        self.seconds = seconds
        self.mistakes = mistakes
        self.refusals = refusals
        self.asked: list[float] = []
        self.requests: list[SweepRequest] = []

    def sweep(self, request: SweepRequest) -> Sweep:
        self.asked.append(now())
        self.requests.append(request)
        if self.mistakes:
            self.mistakes -= 1
            raise RuntimeError("dictionary changed size during iteration")
        if self.refusals:
            self.refusals -= 1
            raise Throttled("Rate exceeded")
        return Sweep({CloudKind.MACHINE: shown(())}, requests=1)


class Patient(Bulkhead):
    """Without threads, in whose place the time goes by."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__("cloud", threads=1, bucket=TokenBucket(9, 9, now), breaker=Breaker(now), leads=lambda: True)
        self._cloud = cloud

    async def sweep(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        await asyncio.sleep(self._cloud.seconds)
        return found


def looks(seconds: float, until: float, story: Callable[[Link], None] = lambda _: None) -> list[float]:
    """When a cloud whose sweeps take ``seconds`` was looked at; ``story`` is told in the middle of the first pause."""
    return watched(Cloud(seconds), until, story)[0].asked


def watched(
    cloud: Cloud, until: float, story: Callable[[Link], None] = lambda _: None
) -> tuple[Cloud, Link, list[CloudError]]:
    """The cloud and its link after so many seconds, and the errors that were told meanwhile."""
    told: list[CloudError] = []

    async def tell() -> Link:
        link = Link(
            "cloud", cast("Driver", cloud), Connection("cloud:1", "1"), Patient(cloud), clock=now, monotonic=now,
            interval=INTERVAL, kinds=tuple, on_change=lambda *_: None, on_error=lambda _, error: told.append(error),
        )  # fmt: skip
        sweeping = asyncio.create_task(link._run())
        await asyncio.sleep(INTERVAL / 2)
        story(link)
        await asyncio.sleep(until - INTERVAL / 2)
        seen.append(link.trouble)
        sweeping.cancel()
        return link

    seen: list[CloudError | None] = []
    link = run(tell())
    return cloud, link, told + [error for error in seen if error is not None]


@given(st.floats(0.01, 15.0))
def test_sweeps_begin_an_interval_apart_however_long_they_take(seconds: float) -> None:
    assert looks(seconds, 100.0) == pytest.approx([0.0, 30.0, 60.0, 90.0], abs=0.01)


@given(st.floats(25.0, 120.0))
def test_a_slow_cloud_is_left_alone_for_a_third_of_the_time(seconds: float) -> None:
    asked = looks(seconds, 1000.0)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps == pytest.approx([seconds * 1.5] * len(gaps), abs=0.01)


def test_who_waits_for_something_is_told_soon_and_ever_more_slowly() -> None:
    asked = looks(0.01, 60.0, lambda link: link.expect(KEY))
    gaps = [later - earlier for earlier, later in pairwise(asked[1:])]
    assert asked[1] == pytest.approx(INTERVAL / 2 + QUICK, abs=0.05)
    assert gaps == pytest.approx(sorted(gaps))
    assert gaps[0] < 1.0
    assert gaps[-1] == pytest.approx(SLOWEST_QUICK + 0.01, abs=0.05)


def test_who_waits_no_longer_changes_nothing() -> None:
    def story(link: Link) -> None:
        link.expect(KEY)
        link.settle(KEY)

    asked = looks(0.01, 100.0, story)
    assert asked[2] - asked[1] == pytest.approx(INTERVAL, abs=0.05)


def test_a_task_that_failed_for_want_of_a_right_is_counted_once() -> None:
    def story(link: Link) -> None:
        for state, reason in (
            (TaskState.RUNNING, None),
            (TaskState.SUCCEEDED, None),
            (TaskState.FAILED, Reason.CAPACITY),
            (TaskState.FAILED, Reason.NOT_PERMITTED),
        ):
            link.watch_task(Task(f"{state}-{reason}", "Clone", 0.0, state, reason=reason), KEY)
        counted.append(link.denials)

    counted: list[int] = []
    looks(1.0, 20.0, story)

    assert counted == [1]


def test_a_sweep_is_given_what_does_not_change_while_it_reads() -> None:
    def story(link: Link) -> None:
        link.machines.bind("i-1", KEY, 60.0)

    cloud, link, _ = watched(Cloud(0.01), INTERVAL * 1.5, story)
    given = cloud.requests[-1].max_age
    link.machines.bind("i-2", KEY._replace(name="db"), 60.0)

    assert given == {"i-1": 60.0}


def test_a_mistake_in_one_sweep_is_told_and_the_next_one_comes_all_the_same() -> None:
    cloud, link, told = watched(Cloud(0.01, mistakes=2), 60.0, lambda link: link.expect(KEY))

    assert [error.reason for error in told] == [Reason.SWEEP_FAILED] * 2
    assert "RuntimeError" in told[0].message
    assert len(cloud.asked) > 2
    assert link.error is None
    assert link.last_sweep is not None


def test_mistakes_in_a_row_come_at_growing_distances() -> None:
    cloud, _, told = watched(Cloud(0.01, mistakes=1000), 600.0)

    assert len(cloud.asked) < 15
    assert told[-1].reason is Reason.SWEEP_FAILED


def test_a_cloud_that_refuses_is_soon_asked_no_more_often_than_one_that_answers() -> None:
    cloud, _, told = watched(Cloud(0.01, refusals=1000), 900.0)

    gaps = [later - earlier for earlier, later in pairwise(cloud.asked)]
    assert gaps[0] < 2.0
    assert min(gaps[-10:]) > INTERVAL * 0.7
    assert {error.reason for error in told} == {Reason.THROTTLED}


def test_sweeps_that_do_not_end_are_told() -> None:
    _, _, told = watched(Cloud(10_000.0), 300.0)
    assert [error.reason for error in told] == [Reason.SWEEP_FAILED]


def test_a_slow_cloud_is_not_overdue_while_its_sweeps_end() -> None:
    for until in (40.0, 100.0, 150.0, 230.0):
        assert watched(Cloud(100.0), until)[2] == []


def bound() -> tuple[Link, Key]:
    """A link that does not sweep, and another object."""
    link = watched(Cloud(1.0), INTERVAL)[1]
    return link, KEY._replace(name="db")


def test_an_object_has_one_machine_and_what_it_had_before_is_free() -> None:
    link, other = bound()
    link.machines.bind("101", KEY, 60.0)
    link.machines.bind("102", KEY, 60.0)
    assert link.machines.owners == {"102": KEY}
    assert link.machines.max_age == {"102": 60.0}

    link.machines.bind("101", other, 30.0)
    link.machines.release(KEY)
    assert link.machines.owners == {"101": other}
    assert link.machines.max_age == {"101": 30.0}


def test_who_lost_a_machine_to_another_does_not_take_it_with_him() -> None:
    link, other = bound()
    link.machines.bind("101", KEY, 60.0)
    link.machines.bind("101", other, 60.0)
    link.unbind(KEY)

    assert link.machines.owners == {"101": other}
    assert link.machines.concerned(["101"]) == {other}


def test_an_observer_that_becomes_the_owner_is_only_that() -> None:
    link, other = bound()
    link.machines.bind("101", KEY, 60.0, observed=True)
    link.machines.bind("101", other, 30.0, observed=True)
    link.machines.bind("101", KEY, 60.0)
    assert link.machines.owners == {"101": KEY}
    link.machines.release(KEY)

    assert link.machines.concerned(["101"]) == {other}


class Closable:
    """Shows nothing, or fails, in a thread of its bulkhead."""

    push = False

    def __init__(self, error: type[Throttled | Unreachable] | None) -> None:
        self.error = error

    def sweep(self, _: SweepRequest) -> Sweep:
        if self.error is not None:
            raise self.error("no")
        return Sweep({CloudKind.MACHINE: shown(())}, requests=1)

    def close(self) -> None: ...


@pytest.mark.parametrize("error", [None, Throttled, Unreachable], ids=["well", "after an error", "in an outage"])
def test_what_was_closed_is_gone_at_once(error: type[Throttled | Unreachable] | None) -> None:
    """It holds a picture of a whole cloud, and the interpreter seldom looks for cycles; others may know its bulkhead."""

    known: list[weakref.ref[Link]] = []

    async def tell() -> None:
        swept = asyncio.Event()
        clock = time.monotonic
        bucket, breaker = TokenBucket(9, 9, clock), Breaker(clock)
        bulkhead = Bulkhead("cloud", threads=1, bucket=bucket, breaker=breaker, leads=lambda: True)
        link = Link(
            "cloud", cast("Driver", Closable(error)), Connection("cloud:1", "1"), bulkhead, clock=clock, monotonic=clock,
            interval=INTERVAL, kinds=tuple, on_change=lambda *_: swept.set(), on_error=lambda *_: swept.set(),
        )  # fmt: skip
        link.start()
        await swept.wait()
        known.append(weakref.ref(link))
        await link.close()
        assert bulkhead.bucket.is_closed()

    gc.collect()
    gc.disable()
    try:
        asyncio.run(tell())
        assert [gone() for gone in known] == [None]
    finally:
        gc.enable()
