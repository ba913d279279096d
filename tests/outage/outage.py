"""The course of an outage, with an operator that has all clouds and may ask each of them only so often."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lab import manifests
from lab.bed import CLOUDS
from lab.faultproxy import Answer, Cloud, LogEntry, Rule
from tests.integration.operator.people import person
from tests.operator_bed import OperatorBed, condition_of, operator_bed
from tests.soak.weather import Spell

KIND = "virtualmachine"
RATE, BURST = 20, 30
LIMITS = {"requestsPerSecond": RATE, "burst": BURST, "concurrentTasks": 8}
#: Seconds by which a request may reach the proxy later than its turn came, and so closer to the next one.
_JITTER = 0.5
#: Seconds in which an object of a cloud that works comes to where it should be, also on a machine that is busy.
_PATIENCE = 120.0
#: What a cloud says that has too much to do.
_OVERLOADED: Mapping[Cloud, Answer] = {"aws": Answer(503), "proxmox": Answer(596), "vsphere": Answer(503)}

Tell = Callable[[str], None]


def troubles(cloud: Cloud, bed: OperatorBed) -> Mapping[str, Spell]:
    """What may become of a cloud, in its own words."""
    return {
        "throttling": Spell("throttling", Rule("*", person(cloud, bed.lab).throttle)),
        "overload": Spell("overload", Rule("*", _OVERLOADED[cloud])),
        "silence": Spell("silence", dark="silent"),
        "nobody there": Spell("nobody there", dark="refuse"),
    }


@dataclass(slots=True)
class Outcome:
    """What was seen. Latencies in seconds, of a machine's way to Ready, to its next spec and to its end.

    ``recovered``: seconds until all of the cloud was settled. ``peak``: requests to it within its busiest second then.
    """

    found: list[str] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    meanwhile: list[float] = field(default_factory=list)
    recovered: float = 0.0
    peak: int = 0

    def told(self) -> str:
        """In words for a table."""
        quiet, meanwhile = statistics.median(self.quiet), statistics.median(self.meanwhile)
        return (
            f"latency of the others {quiet:.2f} → {meanwhile:.2f} s in the median ({meanwhile / quiet:.2f} times, "
            f"{len(self.quiet)} and {len(self.meanwhile)} steps); then at most {self.peak} requests within a second "
            f"(limit {RATE} a second, {BURST} at once), all settled after {self.recovered:.0f} s"
        )


@contextmanager
def outage_bed(folder: Path) -> Iterator[OperatorBed]:
    """An operator with all clouds, under limits."""
    with operator_bed(folder, options=["--visibility-grace", "3"]) as bed:
        bed.connect(*CLOUDS, limits=LIMITS, sweepInterval="5s")
        yield bed


class Outage:
    """One cloud in one trouble."""

    def __init__(self, bed: OperatorBed, broken: Cloud, spell: Spell, tell: Tell = lambda _: None) -> None:
        self._bed = bed
        self._broken: Cloud = broken
        self._spell = spell
        self._tell = tell
        self._door = bed.lab.proxies[broken]
        self._namespace = bed.namespace()
        self._names = (f"machine-{number}" for number in itertools.count(1))
        self._strangers = set(bed.machines(broken))

    def run(self, machines: int, seconds: float, rounds: int) -> Outcome:
        """``machines`` of the cloud exist and are changed while it is away, and as many are asked for besides. In the other
        clouds ``rounds`` machines come and go before that, and at least as many in these seconds.
        """
        seen = Outcome()
        old = [self._apply(self._broken) for _ in range(machines)]
        self._bed.wait_ready(*old, namespace=self._namespace, timeout=_PATIENCE)
        for _ in range(rounds):
            seen.quiet += self._round()
        self._tell(f"{self._broken}: {statistics.median(seen.quiet):.2f} s in the median while all is quiet")
        self._break()
        self._bed.wait_for(partial(self._told, "False"), "the Provider to be told as away", _PATIENCE)
        until = time.monotonic() + seconds
        for name in old:
            self._bed.patch(KIND, name, {"spec": {"tags": {"outage": "changed"}}}, self._namespace)
        new = [self._apply(self._broken) for _ in range(machines)]
        while len(seen.meanwhile) < len(seen.quiet) or time.monotonic() < until:
            seen.meanwhile += self._round()
        if not self._told("False") or any(map(self._settled, new)):
            seen.found.append("wrong: the cloud was not away while the others were asked")
        self._tell(f"{self._broken}: {statistics.median(seen.meanwhile):.2f} s in the median meanwhile")
        self._door.reset_counts()
        self._door.light()
        self._door.clear()
        began = time.monotonic()
        self._bed.wait_for(lambda: all(map(self._settled, [*old, *new])), "all to be settled", _PATIENCE)
        seen.recovered = time.monotonic() - began
        seen.found += self._end(seen, [*old, *new])
        return seen

    def _end(self, seen: Outcome, names: Sequence[str]) -> list[str]:
        log = sorted(self._door.log(), key=lambda entry: entry.time)
        seen.peak = busiest(log)
        found = list(beyond(log))
        uids = {
            body["metadata"]["uid"]
            for body in self._bed.objects("virtualmachines", self._namespace)
            if body["metadata"]["name"] in names
        }
        owned = self._bed.owned(self._broken, uids)
        found += [f"duplicate: {len(some)} machines of {uid}" for uid, some in owned.items() if len(some) > 1]
        found += [f"wrong: no machine of {uid}" for uid, some in owned.items() if not some]
        here = set(self._bed.machines(self._broken)) - self._strangers
        found += [f"leak: {one}" for one in here - {machine.id for some in owned.values() for machine in some}]
        self._bed.delete(KIND, *names, namespace=self._namespace)
        self._bed.wait_gone("virtualmachines", *names, namespace=self._namespace, timeout=_PATIENCE)
        return found

    def _round(self) -> list[float]:
        """A machine comes, changes and goes in each of the other clouds; how long each of that took."""
        return [seconds for cloud in CLOUDS if cloud != self._broken for seconds in self._life(cloud)]

    def _life(self, cloud: Cloud) -> Iterator[float]:
        began = time.perf_counter()
        name = self._apply(cloud)
        self._bed.wait_for(partial(self._settled, name), f"{name} to be made in {cloud}", _PATIENCE)
        yield time.perf_counter() - began
        began = time.perf_counter()
        self._bed.patch(KIND, name, {"spec": {"tags": {"outage": "elsewhere"}}}, self._namespace)
        self._bed.wait_for(partial(self._settled, name), f"{name} to be changed in {cloud}", _PATIENCE)
        yield time.perf_counter() - began
        began = time.perf_counter()
        self._bed.delete(KIND, name, namespace=self._namespace)
        self._bed.wait_gone("virtualmachines", name, namespace=self._namespace, timeout=_PATIENCE)
        yield time.perf_counter() - began

    def _break(self) -> None:
        if self._spell.rule is not None:
            self._door.inject(self._spell.rule)
        if self._spell.dark is not None:
            self._door.dark(self._spell.dark)

    def _apply(self, cloud: Cloud) -> str:
        name = next(self._names)
        self._bed.apply(manifests.machine(name, cloud, self._namespace))
        return name

    def _settled(self, name: str) -> bool:
        body = self._bed.get(KIND, name, self._namespace)
        return all(condition_of(body, kind).get("status") == "True" for kind in ("Ready", "Synced"))

    def _told(self, status: str) -> bool:
        return self._bed.condition("provider", self._broken, "Ready").get("status") == status


def busiest(log: Sequence[LogEntry]) -> int:
    """The most requests that came within one second."""
    times = [entry.time for entry in log]
    return max(
        (sum(begin <= one < begin + 1.0 for one in times[place:]) for place, begin in enumerate(times)), default=0
    )


def beyond(log: Sequence[LogEntry]) -> Iterator[str]:
    """Where requests, in the order in which they came, were more than the limits allow; in words."""
    room, before = float(BURST), log[0].time if log else 0.0
    for entry in log:
        room = min(float(BURST), room + (entry.time - before) * RATE) - 1
        before = entry.time
        if room < -_JITTER * RATE:
            yield f"wrong: {entry.operation} came {-room:.0f} requests too early"
            return
