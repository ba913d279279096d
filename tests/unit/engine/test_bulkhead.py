"""A Provider's own threads, rate and breaker. Threads are real, time is virtual."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.errors import Refused, Unreachable
from hybridge.core.reasons import Reason
from hybridge.engine.bulkhead import Breaker, Bulkhead, Closed, NotLeading, TokenBucket


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Waiting(threading.Event):
    """An event that nobody sets in time: waiting for it lets the time go by."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self._clock.now += timeout or 0.0
        return self.is_set()


def bucket(clock: Clock, rate: float, burst: float) -> TokenBucket:
    found = TokenBucket(rate, burst, clock)
    found._closed = Waiting(clock)
    return found


@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 100))
def test_a_burst_is_free_and_what_follows_keeps_to_the_rate(rate: int, burst: int, requests: int) -> None:
    clock = Clock()
    limited = bucket(clock, rate, burst)
    for _ in range(requests):
        limited.acquire()
    assert clock.now - 1000.0 == pytest.approx(max(0, requests - burst) / rate, abs=1e-6)


@given(st.floats(0.0, 1000.0))
def test_a_pause_saves_up_no_more_than_a_burst(pause: float) -> None:
    clock = Clock()
    limited = bucket(clock, 10.0, 5.0)
    for _ in range(5):
        limited.acquire()
    clock.now += pause
    began = clock.now
    for _ in range(6):
        limited.acquire()
    saved = min(5.0, pause * 10.0)
    assert clock.now - began == pytest.approx((6 - saved) / 10.0, abs=1e-6)


def test_threads_that_wait_are_served_in_turn() -> None:
    clock = Clock()
    limited = TokenBucket(2.0, 1.0, clock)
    asked: list[float] = []

    class Asked(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            asked.append(timeout or 0.0)
            return False

    limited._closed = Asked()
    for _ in range(4):
        limited.acquire()
    assert asked == [0.0, 0.5, 1.0, 1.5]


def test_who_waits_when_it_is_closed_is_told() -> None:
    limited = TokenBucket(0.001, 1.0, Clock())
    limited.acquire()
    ended: list[bool] = []

    def wait() -> None:
        with pytest.raises(Closed):
            limited.acquire()
        ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    limited.close()
    thread.join()
    assert ended == [True]
    with pytest.raises(Closed):
        limited.acquire()


def test_the_breaker_opens_after_failures_in_a_row() -> None:
    clock = Clock()
    breaker = Breaker(clock, threshold=3, first=1.0, longest=8.0)
    for _ in range(2):
        breaker.failed(Unreachable("refused"))
        assert not breaker.open
    breaker.failed(Unreachable("timeout"))
    assert breaker.open
    assert breaker.just_opened
    assert breaker.down_since == 1000.0
    assert breaker.words == "timeout"


def test_the_breaker_tries_again_after_a_pause_that_grows_to_its_longest() -> None:
    clock = Clock()
    breaker = Breaker(clock, threshold=3, first=1.0, longest=8.0)
    pauses = []
    for _ in range(8):
        breaker.failed(Unreachable("refused"))
        pauses.append(breaker.retry_in)
        clock.now += breaker.retry_in
        assert not breaker.open
    assert pauses == [0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_an_answer_closes_the_breaker() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.failed(Unreachable("refused"))
    breaker.succeeded()
    assert not breaker.open
    assert breaker.down_since is None
    assert not breaker.words
    breaker.failed(Unreachable("refused"))
    assert not breaker.open


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bulkhead(clock: Clock) -> Iterator[Bulkhead]:
    found = Bulkhead(
        "aws", threads=2, bucket=bucket(clock, 10.0, 5.0), breaker=Breaker(clock, threshold=2), leads=lambda: True
    )
    yield found
    found.close()


def unreachable() -> None:
    raise Unreachable("no route")


def refused() -> None:
    raise Refused(Reason.QUOTA, "VcpuLimitExceeded")


def expect(error: type[Exception], call: Callable[[], object]) -> None:
    with pytest.raises(error):
        call()


def test_calls_fail_at_once_while_the_breaker_is_open(bulkhead: Bulkhead, clock: Clock) -> None:
    made: list[int] = []

    async def story() -> None:
        for _ in range(2):
            with pytest.raises(Unreachable):
                await bulkhead.call(unreachable)
        with pytest.raises(Unreachable, match="no route"):
            await bulkhead.call(made.append, 1)
        assert made == []
        clock.now += 1.0
        await bulkhead.call(made.append, 2)
        assert made == [2]
        assert bulkhead.breaker.down_since is None

    asyncio.run(story())


def test_sweeps_go_on_and_find_that_the_cloud_is_back(bulkhead: Bulkhead) -> None:
    async def story() -> None:
        for _ in range(2):
            with pytest.raises(Unreachable):
                await bulkhead.sweep(unreachable)
        assert bulkhead.breaker.open
        assert await bulkhead.sweep(lambda: "seen") == "seen"
        assert not bulkhead.breaker.open

    asyncio.run(story())


def test_an_answer_that_refuses_is_an_answer(bulkhead: Bulkhead) -> None:
    async def story() -> None:
        with pytest.raises(Unreachable):
            await bulkhead.call(unreachable)
        with pytest.raises(Refused):
            await bulkhead.call(refused)
        with pytest.raises(Unreachable):
            await bulkhead.call(unreachable)
        assert not bulkhead.breaker.open

    asyncio.run(story())


def test_what_was_refused_for_want_of_a_right_is_counted(bulkhead: Bulkhead) -> None:
    def denied() -> None:
        raise Refused(Reason.NOT_PERMITTED, "not for you")

    async def story() -> None:
        for call, count in ((refused, 0), (denied, 1), (lambda: None, 1), (denied, 2)):
            with contextlib.suppress(Refused):
                await bulkhead.call(call)
            assert bulkhead.denials == count

    asyncio.run(story())


def test_changes_take_no_place_from_sweeps(bulkhead: Bulkhead) -> None:
    release = threading.Event()

    async def story() -> None:
        changes = [asyncio.create_task(bulkhead.call(release.wait)) for _ in range(4)]
        assert await bulkhead.sweep(lambda: "seen") == "seen"
        release.set()
        assert await asyncio.gather(*changes) == [True] * 4

    asyncio.run(story())


def test_one_outage_felt_by_many_threads_counts_once() -> None:
    breaker = Breaker(Clock(), first=1.0)
    for _ in range(8):
        breaker.failed(Unreachable("timeout"))

    assert breaker.retry_in <= 1.0


def test_after_the_pause_one_call_tries_and_the_others_wait_for_it() -> None:
    clock = Clock()
    breaker = Breaker(clock, first=1.0)
    for _ in range(3):
        breaker.failed(Unreachable("timeout"))
    clock.now += 2.0

    assert [breaker.admit() for _ in range(3)] == [True, False, False]

    breaker.succeeded()
    breaker.ended()
    assert [breaker.admit() for _ in range(3)] == [True, True, True]


def test_calls_of_a_provider_that_was_disconnected_end_as_closed() -> None:
    async def story() -> None:
        clock = Clock()
        bulkhead = Bulkhead("x", threads=1, bucket=bucket(clock, 1, 1), breaker=Breaker(clock), leads=lambda: True)
        gate = threading.Event()
        calls = [asyncio.create_task(bulkhead.call(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        bulkhead.close()
        gate.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert results[0] is True
        assert isinstance(results[1], Closed)
        with pytest.raises(Closed):
            await bulkhead.call(gate.wait)

    asyncio.run(story())


def test_a_clock_that_goes_back_stops_nobody() -> None:
    clock = Clock()
    limited = bucket(clock, 10, 10)
    clock.now -= 3600

    before = clock.now
    limited.acquire()

    assert clock.now == before


def test_what_waited_for_its_turn_until_the_lease_was_lost_is_not_sent(clock: Clock) -> None:
    """Whoever waited for a token, or for a thread, asks once more right before each request."""
    sent: list[str] = []

    def request(name: str) -> None:
        bulkhead.acquire()
        sent.append(name)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        calls = [asyncio.create_task(bulkhead.call(request, name)) for name in ("first", "second")]
        await loop.run_in_executor(None, waits.asked.wait)
        leading.clear()
        waits.go_on.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sent == ["first"]
        assert isinstance(results[1], NotLeading)
        with pytest.raises(NotLeading):
            await bulkhead.call(request, "third")
        await bulkhead.sweep(request, "sweep")
        assert sent == ["first", "sweep"]

    leading = threading.Event()
    leading.set()
    waits = Turn()
    limited = TokenBucket(1.0, 1.0, clock)
    limited._closed = waits
    bulkhead = Bulkhead("x", threads=1, bucket=limited, breaker=Breaker(clock), leads=leading.is_set)
    asyncio.run(story())
    bulkhead.close()


class Turn(threading.Event):
    """Holds the first thread that has to wait for a token until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        if timeout:
            self.asked.set()
            self.go_on.wait()
        return False


def test_a_call_that_waited_for_its_thread_asks_the_breaker_again(clock: Clock) -> None:
    """Thirty calls in line for the threads of a cloud that hangs are not thirty timeouts."""
    begun: list[int] = []
    timeouts = threading.Semaphore(0)

    def hang(number: int) -> None:
        begun.append(number)
        timeouts.acquire()
        raise Unreachable("timeout")

    async def story() -> None:
        bulkhead = Bulkhead(
            "x", threads=1, bucket=bucket(clock, 10, 5), breaker=Breaker(clock, threshold=2), leads=lambda: True
        )
        calls = [asyncio.create_task(bulkhead.call(hang, number)) for number in range(30)]
        for call in calls[:2]:
            timeouts.release()
            await asyncio.wait({call})
        timeouts.release(30)
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, Unreachable) for result in results)
        assert len(begun) <= 3, "more than the two that opened it, and the one that had a thread by then"
        assert bulkhead.breaker.retry_in <= 1.0
        clock.now += 1.0
        with pytest.raises(Unreachable):
            await bulkhead.call(hang, 99)
        assert begun[-1] == 99
        bulkhead.close()

    asyncio.run(story())
