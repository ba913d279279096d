"""How often a cloud is looked at, in virtual time: a look takes as long as the cloud wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.machine import Task, TaskState
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Connection, Driver, Sweep
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.keys import Key
from hybridge.engine.link import QUICK, SLOWEST_QUICK, Link
from tests.unit.engine.virtual import now, run

KEY = Key("VirtualMachine", "shop", "web")
INTERVAL = 30.0


class Cloud:
    """Shows nothing, takes its time, and notes when it was asked."""

    push = False

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[float] = []

    def sweep(self, _request: object) -> Sweep:
        self.asked.append(now())
        return Sweep({}, full=True, requests=1)


class Patient(Bulkhead):
    """Without threads, in whose place the time goes by."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__("cloud", threads=1, bucket=TokenBucket(9, 9, now), breaker=Breaker(now))
        self._cloud = cloud

    async def sweep(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        await asyncio.sleep(self._cloud.seconds)
        return found


def looks(seconds: float, until: float, story: Callable[[Link], None] = lambda _: None) -> list[float]:
    """When a cloud whose sweeps take ``seconds`` was looked at; ``story`` is told in the middle of the first pause."""

    async def tell() -> list[float]:
        cloud = Cloud(seconds)
        link = Link(
            "cloud", cast("Driver", cloud), Connection("cloud:1", "1"), Patient(cloud), clock=now, monotonic=now,
            interval=INTERVAL, on_change=lambda *_: None, on_error=lambda *_: None,
        )  # fmt: skip
        sweeping = asyncio.create_task(link._run())
        await asyncio.sleep(INTERVAL / 2)
        story(link)
        await asyncio.sleep(until - INTERVAL / 2)
        sweeping.cancel()
        return cloud.asked

    return run(tell())


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
