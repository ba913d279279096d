"""The course of a soak: all is made, a storm with kills, one that a process lives through, and what that took in the end."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.bed import CLOUDS, Lab
from lab.faultproxy import Api, FaultProxy
from lab.faultproxy_kubernetes import before
from tests.kills import slow_down
from tests.leftovers import leftovers
from tests.operator_bed import OperatorBed
from tests.soak import truth, vitals
from tests.soak.crowd import Crowd
from tests.soak.vitals import Vitals
from tests.soak.weather import Climate, Weather, of_cloud, of_kubernetes

#: An operator that is killed keeps its name in the Lease, as a container does that is restarted in its pod.
OPTIONS = ("--identity", "soak", "--visibility-grace", "5")
LIMITS = {"requestsPerSecond": 200, "burst": 200, "concurrentTasks": 8}
#: What all pools of threads may have: tasks and a sweep of each Provider, readers of Proxmox VE, and those of asyncio (as
#: ``ThreadPoolExecutor`` has them by default); and the main thread.
MOST_THREADS = len(CLOUDS) * (LIMITS["concurrentTasks"] + 1) + 4 + min(32, (os.cpu_count() or 1) + 4) + 1
#: Of the time of the storm: while the operator is killed now and then, and until the first look at the one that stays.
KILLING, WARMING = 1 / 3, 1 / 6
#: Seconds that a machine terminated in EC2 is still shown, so that they do not become ever more.
_TERMINATED = 120.0
_TICK = 0.5

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Course:
    """How much: ``seconds`` of storm, ``pace`` in changes a second, ``life`` in seconds from kill to kill from and to.

    ``rest``: seconds in which nothing may be sent in the end. ``patience``: seconds until all must be settled. ``looks`` at
    what the process takes, at each rest.
    """

    machines: int
    seconds: float
    pace: float
    life: tuple[float, float]
    climate: Climate
    sweep: str
    rest: float
    patience: float
    looks: int
    progress: float = 30.0


@dataclass(slots=True)
class Outcome:
    """What was seen. ``early`` and ``late``: the same process at rest, before and after the last part of the storm."""

    found: list[str] = field(default_factory=list)
    kills: int = 0
    spells: int = 0
    deeds: str = ""
    early: Vitals | None = None
    late: Vitals | None = None


@contextmanager
def soak_bed(folder: Path, sweep: str) -> Iterator[tuple[OperatorBed, dict[Api, FaultProxy]]]:
    """An operator with all clouds, which take their time, and a proxy before each of them and before the API server."""
    with Lab(folder, prometheus=False) as lab, before(lab.controlplane, folder) as before_kubernetes:
        bed = OperatorBed(lab, folder, OPTIONS, before_kubernetes=before_kubernetes)
        for cloud in CLOUDS:
            slow_down(bed, cloud)
        lab.aws.tune(terminated_seconds=_TERMINATED)
        try:
            bed.operator.start().wait()
            bed.connect(*CLOUDS, sweepInterval=sweep, limits=LIMITS)
            doors: dict[Api, FaultProxy] = dict(lab.proxies.items())
            yield bed, {**doors, "kubernetes": before_kubernetes}
        finally:
            bed.operator.stop()


class Soak:
    """One soak. It is run by the thread that has started the bed: a process ends with the thread that starts it."""

    def __init__(
        self, bed: OperatorBed, doors: dict[Api, FaultProxy], course: Course, seed: int, tell: Tell = lambda _: None
    ) -> None:
        self._bed = bed
        self._doors = doors
        self._course = course
        self._tell = tell
        self._random = random.Random(f"{seed} kills")
        self._crowd = Crowd(bed, bed.namespace(), seed, tuned=LIMITS)
        self._litter = {cloud: leftovers(bed.lab.clouds[cloud]) for cloud in CLOUDS}
        spells = {api: of_kubernetes() for api in doors if api == "kubernetes"} | {
            cloud: of_cloud(someone.throttle) for cloud, someone in self._crowd.people.items()
        }
        self._weathers = [Weather(api, doors[api], spells[api], course.climate, seed) for api in spells]
        self._outcome = Outcome()
        self._began = time.monotonic()

    def run(self) -> Outcome:
        """The whole course."""
        outcome, seconds = self._outcome, self._course.seconds
        self._crowd.settle(self._course.machines)
        self._say("all objects are applied")
        self._lull("made")
        self._storm(seconds * KILLING, kills=True)
        self._restart()
        self._storm(seconds * WARMING)
        self._lull("before the last part")
        outcome.early = vitals.at_rest(self._bed.operator, self._course.looks)
        self._say(f"at rest: {outcome.early}")
        self._storm(seconds * (1 - KILLING - WARMING))
        self._lull("in the end")
        outcome.late = vitals.at_rest(self._bed.operator, self._course.looks)
        self._say(f"at rest: {outcome.late}")
        outcome.found += vitals.grown(outcome.early, outcome.late, MOST_THREADS)
        outcome.found += truth.wrong(self._bed, self._crowd, self._litter)
        outcome.found += _bugs(self._bed.log())
        outcome.spells = sum(weather.spells for weather in self._weathers)
        outcome.deeds = self._crowd.told()
        return outcome

    def _storm(self, seconds: float, *, kills: bool = False) -> None:
        """Everything at once, for so long."""
        end, until = threading.Event(), time.monotonic() + seconds
        with ThreadPoolExecutor(1 + len(self._weathers)) as pool:
            busy: list[Future[None]] = [pool.submit(self._crowd.run, end, self._course.pace)]
            busy += [pool.submit(weather.run, end) for weather in self._weathers]
            try:
                self._watch(until, busy, kills=kills)
            finally:
                end.set()
        for one in busy:
            one.result()

    def _watch(self, until: float, busy: list[Future[None]], *, kills: bool) -> None:
        told = time.monotonic()
        due = self._next_kill() if kills else float("inf")
        while (now := time.monotonic()) < until and not any(one.done() for one in busy):
            if not self._bed.operator.process.alive:
                self._outcome.found.append(f"wrong: the operator ended by itself: {self._bed.operator.process.tail(3)}")
                self._bed.operator.start().wait()
            if now >= due:
                self._restart()
                due = self._next_kill()
            if now - told >= self._course.progress:
                told = now
                self._say(self._progress())
            time.sleep(_TICK)

    def _next_kill(self) -> float:
        return time.monotonic() + self._random.uniform(*self._course.life)

    def _restart(self) -> None:
        self._bed.operator.kill()
        self._outcome.kills += 1
        self._bed.operator.start().wait()

    def _lull(self, when: str) -> None:
        """Nobody does anything any more: all comes to its end by itself, and then nothing is sent."""
        stuck = truth.settle(self._bed, self._crowd, self._course.patience)
        sent = truth.rest(self._doors, self._course.rest, self._course.patience) if not stuck else []
        self._outcome.found += [f"{one} ({when})" for one in [*stuck, *sent]]
        self._say(f"{when}: {self._crowd.count()} objects, {len(stuck)} stuck, {len(sent)} kinds of requests too many")

    def _progress(self) -> str:
        unsettled = len(truth.unsettled(self._bed, self._crowd))
        spells = sum(weather.spells for weather in self._weathers)
        words = f"{self._crowd.told()}, {spells} faults, {self._outcome.kills} kills; {unsettled} objects under way"
        return f"{words}; {vitals.look(self._bed.operator)}"

    def _say(self, words: str) -> None:
        self._tell(f"soak {time.monotonic() - self._began:6.0f} s: {words}")


def _bugs(log: str) -> list[str]:
    """Lines of the operator's log that tell of what nobody has foreseen."""
    lines = [line for line in log.splitlines() if "unexpectedly" in line or "Traceback" in line]
    return [f"wrong: {line[:1000]}" for line in lines]
