"""The work queue in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable

from hypothesis import given
from hypothesis import strategies as st

from hybridge.engine.keys import Key
from hybridge.engine.queue import Priority, WorkQueue
from tests.unit.engine.virtual import now, run


def key(name: str) -> Key:
    return Key("VirtualMachine", "shop", name)


NAMES = ["a", "b", "c", "d", "e", "f"]
#: Each key has one Provider for its life.
GROUPS = {"a": "aws", "b": "aws", "c": "aws", "d": "pve", "e": "pve", "f": "vc"}


async def settle() -> None:
    """Lets everybody who can run now do so."""
    await asyncio.sleep(0.001)


async def drain(queue: WorkQueue, *, done: bool = True) -> list[str]:
    """The names that are handed out now, in their order."""
    names: list[str] = []
    while True:
        try:
            found = await asyncio.wait_for(queue.get(), 0.01)
        except TimeoutError:
            return names
        names.append(found.name)
        if done:
            queue.done(found)


def in_virtual_time(story: Callable[[WorkQueue], Awaitable[None]], *, per_group: int = 32) -> None:
    async def tell() -> None:
        await story(WorkQueue(now, per_group=per_group))

    run(tell())


def test_a_key_that_was_added_twice_comes_once() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws")
        queue.add(key("a"), "aws", Priority.SWEEP)
        assert queue.depth() == 1
        assert await drain(queue) == ["a"]

    in_virtual_time(story)


def test_a_key_that_is_added_while_worked_on_comes_again_afterwards() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws")
        working = await queue.get()
        queue.add(key("a"), "aws")
        assert await drain(queue) == []
        queue.done(working)
        assert await drain(queue) == ["a"]

    in_virtual_time(story)


def test_users_come_before_sweeps_and_those_before_retries() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws", Priority.RETRY)
        queue.add(key("b"), "aws", Priority.SWEEP)
        queue.add(key("c"), "aws", Priority.USER)
        assert await drain(queue) == ["c", "b", "a"]

    in_virtual_time(story)


def test_a_higher_priority_wins_over_one_that_is_known() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws", Priority.RETRY)
        queue.add(key("b"), "aws", Priority.SWEEP)
        queue.add(key("a"), "aws", Priority.USER)
        queue.add(key("a"), "aws", Priority.RETRY)
        assert await drain(queue) == ["a", "b"]

    in_virtual_time(story)


def test_the_earliest_due_time_wins() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws", after=50.0)
        queue.add(key("a"), "aws", after=10.0)
        queue.add(key("a"), "aws", after=30.0)
        assert await queue.get() == key("a")
        assert 10.0 <= now() < 10.1
        queue.done(key("a"))
        await asyncio.sleep(100.0)
        assert await drain(queue) == []

    in_virtual_time(story)


def test_what_is_due_now_replaces_what_would_be_due_later() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws", after=50.0)
        queue.add(key("a"), "aws")
        assert await drain(queue) == ["a"]
        await asyncio.sleep(100.0)
        assert await drain(queue) == []

    in_virtual_time(story)


def test_a_delay_while_worked_on_is_kept() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws")
        working = await queue.get()
        queue.add(key("a"), "aws", after=5.0)
        await asyncio.sleep(20.0)
        assert await drain(queue) == []
        queue.done(working)
        assert await drain(queue) == ["a"]

    in_virtual_time(story)


def test_who_waits_is_woken_by_what_becomes_due_earlier() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws", after=100.0)
        waiting = asyncio.create_task(queue.get())
        await settle()
        queue.add(key("b"), "aws", after=1.0)
        assert await waiting == key("b")
        assert now() < 2.0

    in_virtual_time(story)


def test_an_end_is_not_overheard_that_comes_together_with_work() -> None:
    """A process that stood still hears of everything at once: of new work, and that it has lost its right to do it."""

    async def story(turns: int) -> bool:
        queue = WorkQueue(now)
        queue.add(key("later"), "aws", after=60.0)
        waiting = asyncio.create_task(queue.get())
        await settle()

        queue.add(key("now"), "aws")
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = waiting.cancel()
        await settle()

        assert waiting.cancelled() is ended
        return ended

    async def tell() -> None:
        assert [await story(turns) for turns in range(5)][::4] == [True, False]

    run(tell())


def test_what_is_forgotten_does_not_come() -> None:
    async def story(queue: WorkQueue) -> None:
        queue.add(key("a"), "aws")
        queue.add(key("b"), "aws", after=5.0)
        queue.forget(key("a"))
        queue.forget(key("b"))
        await asyncio.sleep(10.0)
        assert await drain(queue) == []

    in_virtual_time(story)


def test_groups_take_turns() -> None:
    async def story(queue: WorkQueue) -> None:
        for name in ("a", "b", "c"):
            queue.add(key(name), "aws")
        for name in ("d", "e"):
            queue.add(key(name), "pve")
        assert await drain(queue) == ["a", "d", "b", "e", "c"]

    in_virtual_time(story)


def test_a_slow_group_keeps_to_its_share() -> None:
    async def story(queue: WorkQueue) -> None:
        for name in NAMES:
            queue.add(key(name), GROUPS[name])
        assert sorted(await drain(queue, done=False)) == ["a", "b", "d", "e", "f"]
        queue.done(key("a"))
        assert await drain(queue) == ["c"]

    in_virtual_time(story, per_group=2)


def test_depth_and_age_count_what_waits() -> None:
    async def story(queue: WorkQueue) -> None:
        assert queue.oldest() == 0.0
        queue.add(key("a"), "aws")
        await asyncio.sleep(4.0)
        queue.add(key("d"), "pve")
        await asyncio.sleep(1.0)
        assert queue.depth() == 2
        assert abs(queue.oldest() - 5.0) < 0.01
        await queue.get()
        assert queue.depth() == 1
        assert abs(queue.oldest() - 1.0) < 0.01

    in_virtual_time(story)


additions = st.lists(
    st.tuples(
        st.floats(0.0, 3.0),
        st.sampled_from(NAMES),
        st.sampled_from(Priority),
        st.sampled_from([0.0, 0.0, 0.5, 4.0]),
    ),
    max_size=40,
)


@given(additions, st.integers(1, 4), st.integers(1, 3), st.floats(0.0, 2.0))
def test_whatever_is_added_is_worked_on_and_never_twice_at_once(
    added: list[tuple[float, str, Priority, float]], workers: int, per_group: int, effort: float
) -> None:
    working: set[str] = set()
    began: defaultdict[str, list[float]] = defaultdict(list)
    last_due: dict[str, float] = {}

    async def work(queue: WorkQueue) -> None:
        while True:
            found = await queue.get()
            assert found.name not in working
            working.add(found.name)
            busy = Counter(GROUPS[name] for name in working)
            assert max(busy.values()) <= per_group
            began[found.name].append(now())
            await asyncio.sleep(effort)
            working.remove(found.name)
            queue.done(found)

    async def story(queue: WorkQueue) -> None:
        tasks = [asyncio.create_task(work(queue)) for _ in range(workers)]
        for pause, name, priority, after in added:
            await asyncio.sleep(pause)
            queue.add(key(name), GROUPS[name], priority, after=after)
            # A later due time may give way to an earlier one; only what is due at once has to come after its addition.
            if after == 0.0:
                last_due[name] = now()
        await asyncio.sleep(500.0)
        assert not working
        assert queue.depth() == 0
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    in_virtual_time(story, per_group=per_group)
    assert began.keys() == {name for _, name, _, _ in added}
    for name, due in last_due.items():
        assert began[name][-1] >= due
    for name, times in began.items():
        assert len(times) <= sum(1 for _, added_name, _, _ in added if added_name == name)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["aws", "pve", ""])), max_size=20))
def test_a_key_whose_group_changes_is_still_handed_out_once(added: list[tuple[str, str]]) -> None:
    async def story(queue: WorkQueue) -> None:
        for name, group in added:
            queue.add(key(name), group)
        names = await drain(queue, done=False)
        assert sorted(names) == sorted({name for name, _ in added})

    in_virtual_time(story)


def test_a_key_added_again_keeps_its_place_in_the_line() -> None:
    async def story() -> None:
        queue = WorkQueue(now)
        for name in ("a", "b", "a"):
            queue.add(key(name), "g")
        assert (await queue.get()).name == "a"

    run(story())


def test_oldest_is_the_longest_waiting() -> None:
    async def story() -> None:
        queue = WorkQueue(now)
        queue.add(key("a"), "g", Priority.RETRY)
        await asyncio.sleep(10)
        queue.add(key("b"), "g")
        queue.add(key("a"), "g")
        assert queue.oldest() >= 10

    run(story())


def test_the_highest_priority_wins_among_delayed_ones_too() -> None:
    async def story() -> None:
        queue = WorkQueue(now)
        queue.add(key("a"), "g", Priority.RETRY, after=5)
        queue.add(key("a"), "g", Priority.USER, after=9)
        queue.add(key("b"), "g", Priority.SWEEP, after=5)
        await asyncio.sleep(6)
        assert (await queue.get()).name == "a"

    run(story())
