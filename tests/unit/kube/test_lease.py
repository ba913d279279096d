"""Who may act: two candidates for one Lease, in virtual time, with a network and processes that fail."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.engine.cluster import ClusterUnavailable, Conflict
from hybridge.kube.client import Kubernetes
from hybridge.kube.lease import Lease, LeaseLost
from tests.unit.engine.virtual import now, run

DURATION = 15.0
FOLDER = "/apis/coordination.k8s.io/v1/namespaces/hybridge-system/leases"


@dataclass
class ApiServer:
    """Leases, with the API server's optimistic locking."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 0

    def handle(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any] | None:
        if method == "GET":
            return copy.deepcopy(self.objects.get(path))
        assert body is not None
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                raise Conflict
        elif path not in self.objects:
            return None
        elif body["metadata"]["resourceVersion"] != self.objects[path]["metadata"]["resourceVersion"]:
            raise Conflict
        self.version += 1
        self.objects[path] = copy.deepcopy(body)
        self.objects[path]["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.objects[path])


class Connection(Kubernetes):
    """One process's way to the API server: slow, cut, deaf to answers, led to the past, or the process stands still."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.past: dict[str, dict[str, Any]] | None = None
        self.delay = 0.01
        self.cut = False
        self.deaf = False
        #: How many answers are lost from now on.
        self.losses = 0
        self.running = asyncio.Event()
        self.running.set()

    async def request(self, method: str, path: str, body: Any = None, *, content_type: str = "") -> Any:
        del content_type
        await self._pass()
        if self.cut:
            raise ClusterUnavailable("refused")
        stale = method == "GET" and self.past is not None
        answer = copy.deepcopy((self.past or {}).get(path)) if stale else self.server.handle(method, path, body)
        await self._pass()
        self.losses -= (lost := self.losses > 0)
        if self.deaf or self.cut or lost:
            raise ClusterUnavailable("reset")
        return answer

    async def _pass(self) -> None:
        await asyncio.sleep(self.delay)
        await self.running.wait()


class Candidate:
    """A process that wants to act."""

    def __init__(self, server: ApiServer, name: str) -> None:
        self.connection = Connection(server)
        self.lease = Lease(
            self.connection, namespace="hybridge-system", identity=name, duration=DURATION, monotonic=now
        )
        self.terms = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._live())

    async def stop(self) -> None:
        """Ends without a farewell, as a killed process does."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _live(self) -> None:
        while True:
            await self.lease.acquire()
            self.terms += 1
            with contextlib.suppress(LeaseLost):
                await self.lease.keep()


def candidates(story: Callable[[Candidate, Candidate], Awaitable[None]]) -> None:
    """Tells the story of two; at no moment may both act."""

    async def tell() -> None:
        server = ApiServer()
        first, second = Candidate(server, "first"), Candidate(server, "second")

        async def watch() -> None:
            while True:
                assert not (first.lease.held() and second.lease.held()), f"both act at {now()}"
                await asyncio.sleep(0.2)

        watcher = asyncio.create_task(watch())
        ended = asyncio.create_task(_told(story(first, second)))
        await asyncio.wait({watcher, ended}, return_when=asyncio.FIRST_COMPLETED)
        for candidate in (first, second):
            candidate.connection.running.set()
            await candidate.stop()
        if watcher.done():
            watcher.result()
        watcher.cancel()
        await ended

    run(tell())


async def _told(story: Awaitable[None]) -> None:
    await story


async def held_by(candidate: Candidate, within: float) -> float:
    """When ``candidate`` holds the Lease; fails when it does not within so many seconds."""
    deadline = now() + within
    while not candidate.lease.held():
        assert now() < deadline, "nobody took over"
        await asyncio.sleep(0.05)
    return now()


async def lapsed(candidate: Candidate, within: float) -> float:
    """When ``candidate`` holds the Lease no more; fails when it still does after so many seconds."""
    deadline = now() + within
    while candidate.lease.held():
        assert now() < deadline, "it goes on"
        await asyncio.sleep(0.05)
    return now()


def test_one_of_two_holds_it_and_keeps_it() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        second.start()
        await asyncio.sleep(1.0)
        holders = [candidate for candidate in (first, second) if candidate.lease.held()]
        assert len(holders) == 1
        await asyncio.sleep(300.0)
        assert holders[0].lease.held()
        assert first.terms + second.terms == 1

    candidates(story)


def test_a_dead_holders_lease_is_taken_only_after_its_whole_duration() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        second.start()
        await asyncio.sleep(60.0)
        await first.stop()
        ended = now()
        taken = await held_by(second, 3 * DURATION)
        assert taken - ended >= DURATION * 2 / 3
        assert taken - ended <= DURATION + 2.0

    candidates(story)


def test_a_candidate_that_comes_later_waits_for_the_whole_duration_too() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        await first.stop()
        await asyncio.sleep(DURATION * 10)
        second.start()
        began = now()
        assert await held_by(second, 3 * DURATION) - began > DURATION

    candidates(story)


def test_a_holder_that_was_paused_does_not_act_when_it_goes_on() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        second.start()
        first.connection.running.clear()
        await held_by(second, 3 * DURATION)
        first.connection.running.set()
        for _ in range(200):
            assert not first.lease.held()
            await asyncio.sleep(0.1)
        assert second.lease.held()

    candidates(story)


def test_a_holder_that_cannot_renew_stops_before_another_may_begin() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        second.start()
        await asyncio.sleep(20.0)
        first.connection.cut = True
        ended = await lapsed(first, DURATION)
        assert await held_by(second, 2 * DURATION) - ended >= DURATION / 3 - 1.0

    candidates(story)


def test_a_short_outage_costs_nothing() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        second.start()
        await asyncio.sleep(10.0)
        first.connection.cut = True
        await asyncio.sleep(DURATION / 3)
        first.connection.cut = False
        await asyncio.sleep(60.0)
        assert first.lease.held()
        assert (first.terms, second.terms) == (1, 0)

    candidates(story)


def test_answers_that_are_lost_in_a_row_cost_nothing() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        second.start()
        await asyncio.sleep(10.0)
        first.connection.losses = 3
        await asyncio.sleep(60.0)
        assert first.lease.held()
        assert (first.terms, second.terms) == (1, 0)

    candidates(story)


def test_a_release_lets_the_other_begin_at_once() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        second.start()
        await asyncio.sleep(10.0)
        await first.stop()
        await first.lease.release()
        assert not first.lease.held()
        began = now()
        assert await held_by(second, DURATION) - began <= 1.2

    candidates(story)


def test_who_does_not_hold_it_releases_nothing() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        await second.lease.release()
        await asyncio.sleep(30.0)
        assert first.lease.held()

    candidates(story)


def test_a_process_that_was_restarted_goes_on_at_once() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        del second
        first.start()
        await held_by(first, 1.0)
        await first.stop()
        again = Lease(first.connection, namespace="hybridge-system", identity="first", duration=DURATION, monotonic=now)
        began = now()
        await again.acquire()
        assert now() - began < 1.0
        assert again.held()

    candidates(story)


def test_who_goes_on_without_it_is_not_healthy() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        first.start()
        await held_by(first, 1.0)
        await asyncio.sleep(10 * DURATION)
        assert first.lease.overdue() is None

        first.connection.cut = True
        second.start()
        await lapsed(first, DURATION)
        assert first.lease.overdue() is None
        await asyncio.sleep(2 * DURATION)
        assert "has not ended" in str(first.lease.overdue())

    candidates(story)


def test_losing_it_is_told() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        del second
        await first.lease.acquire()
        first.connection.cut = True
        with pytest.raises(LeaseLost):
            await first.lease.keep()
        assert not first.lease.held()

    candidates(story)


@pytest.mark.parametrize("before", ["an earlier renewal", "its beginning"])
def test_a_cluster_that_was_restored_is_told_and_nobody_acts_on_what_he_knew_of_it(before: str) -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        del second
        server = first.connection.server
        backup = copy.deepcopy(server.objects), server.version
        await first.lease.acquire()
        if before == "an earlier renewal":
            backup = copy.deepcopy(server.objects), server.version
            await asyncio.sleep(0.1)
        keeping = asyncio.create_task(first.lease.keep())
        await asyncio.sleep(DURATION)
        server.objects, server.version = backup
        with pytest.raises(LeaseLost, match="restored"):
            await asyncio.wait_for(keeping, DURATION / 2)
        assert not first.lease.held()

    candidates(story)


def test_a_stale_read_of_the_lease_is_no_restored_cluster() -> None:
    async def story(first: Candidate, second: Candidate) -> None:
        del second
        await first.lease.acquire()
        keeping = asyncio.create_task(first.lease.keep())
        first.connection.past = copy.deepcopy(first.connection.server.objects)
        await asyncio.sleep(DURATION * 0.6)
        first.connection.past = None
        await asyncio.sleep(DURATION * 2)
        assert first.lease.held()
        assert not keeping.done()
        keeping.cancel()

    candidates(story)


def test_the_lease_tells_people_who_holds_it_and_how_often_it_changed_hands() -> None:
    async def tell() -> None:
        server = ApiServer()
        for name in ("first", "second", "second"):
            candidate = Candidate(server, name)
            await candidate.lease.acquire()
            if name == "first":
                await candidate.lease.release()
        spec = server.objects[f"{FOLDER}/hybridge"]["spec"]
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("second", 15, 1)

    run(tell())


TROUBLES = ("cut", "deaf", "slow", "pause", "kill", "release")
troubles = st.lists(
    st.tuples(
        st.floats(0.0, 20.0), st.integers(0, 1), st.sampled_from(TROUBLES), st.floats(0.1, 40.0), st.floats(0.1, 12.0)
    ),
    max_size=8,
)


@given(troubles)
def test_two_never_act_at_once_and_one_does_in_the_end(story_of: list[tuple[float, int, str, float, float]]) -> None:
    async def story(*both: Candidate) -> None:
        for candidate in both:
            candidate.start()
        for pause, index, trouble, length, delay in story_of:
            await asyncio.sleep(pause)
            await befall(both[index], trouble, length, delay)
        await asyncio.sleep(6 * DURATION)
        assert sum(candidate.lease.held() for candidate in both) == 1

    candidates(story)


async def befall(candidate: Candidate, trouble: str, length: float, delay: float) -> None:
    connection = candidate.connection
    if trouble in {"kill", "release"}:
        await candidate.stop()
        if trouble == "release":
            await candidate.lease.release()
        await asyncio.sleep(length)
        candidate.start()
        return
    if trouble == "pause":
        connection.running.clear()
    elif trouble == "slow":
        connection.delay = delay
    else:
        setattr(connection, trouble, True)
    await asyncio.sleep(length)
    connection.running.set()
    connection.delay, connection.cut, connection.deaf = 0.01, False, False


def test_a_holder_that_sees_another_holder_stops_at_once() -> None:
    async def story() -> None:
        server = ApiServer()
        first = Candidate(server, "first")
        await first.lease.acquire()
        taken = server.objects[f"{FOLDER}/hybridge"]
        taken["spec"]["holderIdentity"] = "second"
        taken["metadata"]["resourceVersion"] = "99"

        assert not await first.lease._try()
        assert not first.lease.held()

    run(story())
