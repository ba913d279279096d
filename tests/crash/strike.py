"""Lives lives: once undisturbed to see where they can be struck, and then as often as they are to be struck.

In one life each step is struck at most once, so that many blows cost few lives.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.faultproxy import FaultControl
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.hooks import Blow, Hook, How, blows, counted
from tests.crash.step import Step, Subject
from tests.crash.stories import Story, told
from tests.integration.operator.series import samples

#: Seconds after the end of a step in which a request that comes again and again may still reach its hook.
_GRACE = 4.0
#: Seconds until a step has come to its end by itself, whatever happened; an answer is waited for up to 20 s.
_PATIENCE = 120.0
#: Seconds until what a machine leaves for a moment is gone.
_TIDY = 20.0
_POLL = 0.05
_LOOK = 0.1

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a blow. ``reached``: the request came; ``found``: what was not as it should be, in words."""

    blow: Blow
    reached: bool
    found: tuple[str, ...]
    seconds: float

    def count(self, kind: str) -> int:
        """How many findings are of a kind: duplicate, leak, stuck or wrong."""
        return sum(one.startswith(f"{kind}:") for one in self.found)


@dataclass(frozen=True, slots=True)
class Reference:
    """What undisturbed lives asked for: the hooks of each step."""

    hooks: Mapping[str, list[Hook]]


class Stuck(Exception):
    """A step did not come to its end."""


class Strikes:
    """Strikes the lives of one bed."""

    def __init__(self, bed: CrashBed, tell: Tell = lambda _: None, stories: Sequence[Story] | None = None) -> None:
        """``stories``: all that its cloud tells when None."""
        self._bed = bed
        self._tell = tell
        self._stories = told(bed.cloud) if stories is None else stories
        #: Requests to the cloud, as the metrics name them, of operators that were not killed.
        self.operations: set[str] = set()

    def reference(self) -> Reference:
        """Lives that nothing disturbs. AssertionError when one of them goes wrong."""
        hooks: dict[str, list[Hook]] = {}
        for story in self._stories:
            life = story.subject(self._bed)
            for step in story.steps:
                step.prepare(life)
                self._bed.forget()
                step.begin(life)
                self._finish(life, step)
                hooks[step.name] = counted(self._bed.doors)
                self.operations |= self._metered()
                wrong = self._tidy(life, step)
                assert not wrong, f"{step.name}, undisturbed: {wrong}"
                self._tell(f"{self._bed.cloud}: {step.name} has {len(hooks[step.name])} calls")
            life.bury()
        return Reference(hooks)

    def strike(self, chosen: Iterable[Blow], *, whole: bool = False) -> list[Result]:
        """One life after the other, until every blow was struck. ``whole``: steps in which nothing is struck are lived, too.

        What goes wrong in a later step, in which nothing was struck, counts for the last blow of that life.
        AssertionError when it goes wrong in a life that nothing has struck yet.
        """
        waiting: dict[str, deque[Blow]] = {}
        total = 0
        for blow in chosen:
            waiting.setdefault(blow.step, deque()).append(blow)
            total += 1
        results: list[Result] = []
        for story in self._stories:
            while any(waiting.get(step.name) for step in story.steps):
                for result in self._live(story, waiting, whole=whole):
                    if results and results[-1].blow is result.blow:
                        results.pop()
                    results.append(result)
                    self._tell(_progress(self._bed.cloud, len(results), total, result))
        return results

    def _live(self, story: Story, waiting: Mapping[str, deque[Blow]], *, whole: bool) -> Iterable[Result]:
        life, last = story.subject(self._bed), None
        try:
            for step in story.steps:
                if step.optional and not (waiting.get(step.name) or whole):
                    continue
                try:
                    step.prepare(life)
                except AssertionError as error:
                    if last is None:
                        raise
                    yield replace(last, found=(f"stuck: before {step.name}: {error}", *life.alone()))
                    return
                blow = waiting[step.name].popleft() if waiting.get(step.name) else None
                began = time.monotonic()
                reached, found = self._play(life, step, blow)
                self.operations |= self._metered()
                if blow is not None:
                    last = Result(blow, reached, tuple(found), time.monotonic() - began)
                    yield last
                elif found:
                    assert last is not None, f"{step.name}, undisturbed: {found}"
                    yield replace(last, found=tuple(found))
                if found:
                    return
        finally:
            self._bed.heal()
            self._bed.revive()
            life.bury()

    def _play(self, life: Subject, step: Step[Any], blow: Blow | None) -> tuple[bool, list[str]]:
        """A step from its beginning to its end; whether the blow met its request, and what is not as it should be."""
        reached = False
        try:
            if blow is None:
                step.begin(life)
            else:
                reached = self._blow(life, step, blow)
            self._finish(life, step)
            if reached and blow is not None and blow.how is How.TIMEOUT:
                self._await_expiry(blow)
                self._finish(life, step)
            self._bed.heal()
            return reached, self._tidy(life, step)
        except (Stuck, LabError) as error:
            return reached, [f"stuck: {error}", *life.alone()]

    def _blow(self, life: Subject, step: Step[Any], blow: Blow) -> bool:
        """Begins a step and strikes; whether the blow met its request. One that did not is lifted."""
        door = self._bed.doors[blow.hook.api]
        door.reset_counts()
        number = door.inject(blow.rule())
        reached = False
        try:
            step.begin(life)
            reached = self._until_hit(life, step, door, number)
            if reached and blow.how.kills:
                self._bed.operator.operator.kill()
        finally:
            if blow.how.kills or not reached:
                self._bed.heal()
        return reached

    def _await_expiry(self, blow: Blow) -> None:
        """Waits until the operator has given up to wait for the answer. Raises Stuck."""
        door, fault = self._bed.doors[blow.hook.api], "lose_answer timeout"
        deadline = time.monotonic() + _PATIENCE
        while not any(fault in entry.fault for entry in door.log()):
            if time.monotonic() > deadline:
                raise Stuck(f"the operator still waits for an answer\n{self._bed.operator.log_tail()}")
            time.sleep(_LOOK)

    def _until_hit(self, life: Subject, step: Step[Any], door: FaultControl, number: int) -> bool:
        """Whether the rule hits, at the latest some seconds after the step's end; an operator that ends is started again."""
        deadline = time.monotonic() + _PATIENCE
        look = 0.0
        over = float("inf")
        while time.monotonic() < min(deadline, over):
            if any(rule.hit for rule in door.faults() if rule.id == number):
                return True
            if time.monotonic() > look:
                look = time.monotonic() + _LOOK
                self._bed.respawn()
                if over == float("inf") and step.done(life):
                    over = time.monotonic() + _GRACE
            time.sleep(_POLL)
        return False

    def _metered(self) -> set[str]:
        found = samples(self._bed.operator.operator, provider=self._bed.cloud)
        return {one.labels["operation"] for one in found if one.name == "hybridge_provider_requests_total"}

    def _finish(self, life: Subject, step: Step[Any]) -> None:
        """Waits for the step's end; an operator that has ended is started again, as a kubelet does. Raises Stuck."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            self._bed.revive()
            if step.done(life):
                return
            if time.monotonic() > deadline:
                raise Stuck(
                    f"{step.name} did not end: {(life.body() or {}).get('status')}\n{self._bed.operator.log_tail()}"
                )
            time.sleep(_LOOK)

    @staticmethod
    def _tidy(life: Subject, step: Step[Any]) -> list[str]:
        """What is wrong after a step, once it had some seconds to come right."""
        deadline = time.monotonic() + _TIDY
        while True:
            wrong = step.wrong(life)
            if not wrong or time.monotonic() > deadline:
                return wrong
            time.sleep(_LOOK)


def choose(hooks: Mapping[str, list[Hook]], ways: Sequence[How], seed: int, most: int | None = None) -> list[Blow]:
    """All blows in an order that the seed decides; with ``most``, so many of them, every step in its turn."""
    source = random.Random(seed)
    by_step = [blows(step, found, ways) for step, found in hooks.items()]
    for one in by_step:
        source.shuffle(one)
    everything = [blow for one in by_step for blow in one]
    if most is None or most >= len(everything):
        return everything
    chosen: list[Blow] = []
    while len(chosen) < most:
        for one in by_step:
            if one and len(chosen) < most:
                chosen.append(one.pop())
    return chosen


def _progress(cloud: str, done: int, total: int, result: Result) -> str:
    words = "; ".join(result.found) if result.found else "as wanted" if result.reached else "not reached"
    return f"{cloud}: {done} of {total}: {result.blow} ({result.seconds:.1f} s): {words}"
