"""One switch over the outcomes of reconciles, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import pytest

from hybridge.engine.bulkhead import Closed, NotLeading
from hybridge.engine.cluster import ClusterUnavailable, Conflict, Invalid
from hybridge.engine.keys import Key
from hybridge.engine.outcome import Again, Done, Failed, Outcome
from hybridge.engine.queue import WorkQueue
from hybridge.engine.reconciler import Reconciler
from tests.unit.engine.virtual import now, run

KEY = Key("VirtualMachine", "shop", "web")
OTHER = Key("VirtualMachine", "shop", "db")


@dataclass
class Script:
    """A kind whose reconciles end as written; Done when nothing more is written."""

    outcomes: list[Outcome | Exception]
    effort: float = 0.0
    times: list[float] = field(default_factory=list)
    running: int = 0
    most: int = 0

    def group(self, key: Key) -> str:
        return key.name

    async def reconcile(self, key: Key) -> Outcome:
        assert key.kind == "VirtualMachine"
        self.running += 1
        self.most = max(self.most, self.running)
        self.times.append(now())
        await asyncio.sleep(self.effort)
        self.running -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else Done()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@dataclass
class Counted:
    results: list[str] = field(default_factory=list)

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        assert kind == "VirtualMachine"
        assert seconds >= 0.0
        self.results.append(result)


def lived(
    kind: Script,
    *keys: Key,
    seconds: float = 2000.0,
    story: Callable[[WorkQueue], None] | None = None,
) -> list[str]:
    """Adds the keys, lets the time go by, and tells how the reconciles ended."""
    counted = Counted()

    async def tell() -> None:
        queue = WorkQueue(now)
        reconciler = Reconciler(queue, {"VirtualMachine": kind}, counted, clock=now)
        runner = asyncio.create_task(reconciler.run())
        for key in keys or (KEY,):
            queue.add(key, key.name)
        await asyncio.sleep(seconds / 2)
        if story:
            story(queue)
        await asyncio.sleep(seconds / 2)
        runner.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await runner

    work: Coroutine[None, None, None] = tell()
    run(work)
    return counted.results


def gaps(kind: Script) -> list[float]:
    return [later - earlier for earlier, later in zip(kind.times, kind.times[1:], strict=False)]


def test_what_is_done_does_not_come_again() -> None:
    kind = Script([])
    assert lived(kind) == ["done"]


def test_what_wants_to_come_again_does_after_its_time() -> None:
    kind = Script([Again(30.0), Again(0.0)])
    assert lived(kind) == ["again", "again", "done"]
    assert gaps(kind) == [pytest.approx(30.0, abs=0.1), pytest.approx(0.0, abs=0.1)]


def test_a_failure_comes_again_when_it_said_so() -> None:
    kind = Script([Failed("Quota", after=60.0)])
    assert lived(kind) == ["Quota", "done"]
    assert gaps(kind) == [pytest.approx(60.0, abs=0.1)]


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (Failed("CloudError"), "CloudError"),
        (Conflict(), "conflict"),
        (ClusterUnavailable("refused"), "kubernetes"),
        (Invalid("PATCH /status: status.plan[0].field: Too long"), "invalid"),
        (Closed(), "interrupted"),
        (NotLeading(), "interrupted"),
        (ValueError("a mistake of ours"), "bug"),
    ],
)
def test_every_failure_is_tried_again_with_a_growing_pause(outcome: Outcome | Exception, result: str) -> None:
    kind = Script([outcome] * 4)
    assert lived(kind) == [*[result] * 4, "done"]
    for number, pause in enumerate(gaps(kind)):
        assert 0.8 * 0.5 * 2**number <= pause <= 1.2 * 0.5 * 2**number + 0.1


def test_a_success_starts_the_pauses_anew() -> None:
    kind = Script([*[Failed("x")] * 6, Again(1.0), Failed("x")])
    lived(kind)
    assert gaps(kind)[-1] <= 0.7


def test_a_bug_in_one_reconcile_touches_no_other() -> None:
    kind = Script([ValueError("a mistake of ours"), Done()])
    assert sorted(lived(kind, KEY, OTHER)) == ["bug", "done", "done"]


@pytest.mark.parametrize("hanging", [1, 2, 5])
def test_however_many_clouds_hang_the_others_work(hanging: int) -> None:
    worked: list[str] = []

    class Clouds:
        def group(self, key: Key) -> str:
            return key.namespace

        async def reconcile(self, key: Key) -> Outcome:
            if key.namespace != "works":
                await asyncio.sleep(1e4)
            worked.append(key.name)
            return Done()

    async def story() -> None:
        queue = WorkQueue(now)
        work = asyncio.create_task(Reconciler(queue, {"VirtualMachine": Clouds()}, Counted(), clock=now).run())
        for number in range(100):
            for cloud in range(hanging):
                queue.add(Key("VirtualMachine", f"hangs-{cloud}", f"{number}"), f"hangs-{cloud}")
        await asyncio.sleep(1.0)
        queue.add(Key("VirtualMachine", "works", "web"), "works")
        await asyncio.sleep(60.0)
        assert worked == ["web"]
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    run(story())


def test_who_stops_waits_for_what_is_under_way() -> None:
    kind = Script([], effort=500.0)
    assert lived(kind, seconds=10.0) == ["done"]


def test_what_is_added_during_a_reconcile_comes_after_it() -> None:
    kind = Script([], effort=60.0)
    assert lived(kind, seconds=100.0, story=lambda queue: queue.add(KEY, KEY.name)) == ["done", "done"]
    assert gaps(kind) == [pytest.approx(60.0, abs=0.1)]


def test_a_reconcile_that_was_cancelled_from_below_comes_again() -> None:
    calls: list[Key] = []

    class Cancelled:
        def group(self, key: Key) -> str:
            return key.name

        async def reconcile(self, key: Key) -> Outcome:
            calls.append(key)
            if len(calls) == 1:
                raise asyncio.CancelledError
            return Done()

    class Nobody:
        def reconciled(self, kind: str, result: str, seconds: float) -> None: ...

    async def story() -> None:
        queue = WorkQueue(now)
        work = asyncio.create_task(Reconciler(queue, {"VirtualMachine": Cancelled()}, Nobody(), clock=now).run())
        queue.add(KEY, "aws")
        await asyncio.sleep(60)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    run(story())
    assert calls == [KEY, KEY]
