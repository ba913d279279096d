"""Two operators, of which one leads and is struck in the middle of its work, so that the other takes over.

Each has a proxy of its own before the API server. What has left the leader may be under way for longer than the Lease.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from lab.bed import CLOUDS, Lab
from lab.faultproxy import Cloud, Delay, FaultProxy, Rule
from lab.faultproxy_kubernetes import before, through
from lab.operator import ACCOUNT, NAMESPACE, Operator
from tests.cluster.herd import LARGER, Herd, Member, people
from tests.operator_bed import OperatorBed

NAMES = ("a", "b")
#: Seconds: the Lease, and the longest time that a request of the last leader is under way.
LEASE, LONGEST = 4.0, 6.0
OPTIONS = ("--lease-duration", str(LEASE), "--visibility-grace", "8")
#: Seconds after the beginning of work in which the leader is struck.
_MOMENT = 1.5
_POLL = 0.02


class Blow(StrEnum):
    """What befalls the leader."""

    #: Its process stands still for longer than the Lease.
    PAUSED = "paused"
    #: The API server does not answer it, and nobody else.
    CUT = "cut off"


@dataclass(frozen=True, slots=True)
class Rival:
    """An operator and its way to the API server."""

    name: str
    operator: Operator
    door: FaultProxy

    def strike(self, blow: Blow) -> None:
        """Takes it out of work."""
        if blow is Blow.PAUSED:
            self.operator.process.pause()
        else:
            self.door.dark()

    def heal(self) -> None:
        """Lets it go on."""
        self.operator.process.resume()
        self.door.light()


@dataclass(frozen=True, slots=True)
class Round:
    """``late``: how many requests that change something arrived after the other one had finished all work."""

    words: str
    found: tuple[str, ...]
    late: int = 0


class Rivals:
    """Rounds of work in which the leader is struck."""

    def __init__(self, bed: OperatorBed, both: Sequence[Rival], seed: int) -> None:
        self.bed = bed
        self._both = {one.name: one for one in both}
        self._random = random.Random(seed)
        self._herd = Herd(bed, people(bed))

    def rounds(self, number: int, tell: Callable[[str], None]) -> list[Round]:
        """Plays them one after the other."""
        self._herd.furnish()
        for cloud in self._herd.clouds:
            for _ in range(2):
                self._herd.create(cloud)
        results = [Round("before", tuple(self._herd.settle(self.tend)))]
        for nth in range(1, number + 1):
            results.append(self._round())
            told = "; ".join(results[-1].found) or "as wanted"
            tell(f"round {nth} of {number}: {results[-1].words}: {told}")
        return results

    def tend(self) -> None:
        """Starts who has ended, as a kubelet does."""
        for rival in self._both.values():
            if not rival.operator.process.alive:
                rival.operator.start()

    def _round(self) -> Round:
        leader = self._leader()
        (other,) = (rival for rival in self._both.values() if rival is not leader)
        blow = self._random.choice(tuple(Blow))
        late = self._random.random() < 0.5
        slow = self._slow_down()
        words = f"{leader.name} {blow}, {'after' if late else 'while'} the other works, slow: {slow or 'nothing'}"
        self._work()
        self._wait(self._random.uniform(0.0, _MOMENT))
        leader.strike(blow)
        arrived = time.monotonic() + LONGEST
        self._lift()
        self.bed.wait_for(partial(self._leads, other), f"{other.name} to take over", 90)
        found: list[str] = []
        if late:
            self._wait(arrived - time.monotonic())
            found = self._herd.settle()
        self._forget()
        leader.heal()
        found += self._end(leader)
        mutating = sum(self.bed.lab.proxies[cloud].mutating() for cloud in self._herd.clouds) if late else 0
        self.tend()
        self._wait(arrived - time.monotonic())
        return Round(words, tuple(found or self._herd.settle(self.tend)), mutating)

    def _leader(self) -> Rival:
        """Whoever leads and works; the other one is started."""

        def leads() -> Rival | None:
            self.tend()
            return next((rival for rival in self._both.values() if self._leads(rival)), None)

        found = self.bed.wait_for(leads, "somebody to lead", 90)
        assert found is not None
        return found

    def _leads(self, rival: Rival) -> bool:
        lease = self.bed.api.get("lease", "hybridge", NAMESPACE)
        holds = lease is not None and lease["spec"].get("holderIdentity") == rival.name
        try:
            return holds and rival.operator.process.alive and rival.operator.ready()
        except OSError:
            return False

    def _slow_down(self) -> str:
        """Has one request to each of some clouds be under way for so long that the next leader is at work meanwhile."""
        slow = [cloud for cloud in self._herd.clouds if self._random.random() < 0.5]
        for cloud in slow:
            seconds, after = self._random.uniform(LEASE, LONGEST), self._random.randrange(6)
            self.bed.lab.proxies[cloud].inject(Rule("mutating", Delay(seconds), times=1, after=after))
        return ", ".join(slow)

    def _work(self) -> None:
        for cloud in self._herd.clouds:
            self._herd.alter(cloud, self._random.randrange(1000))
            mine = self._herd.of(cloud)
            self._random.shuffle(mine)
            for member in mine[:1]:
                self._herd.delete(member)
            for member in mine[1:]:
                self._change(member)
            for _ in range(2):
                self._herd.create(cloud)
            self._herd.delete(self._herd.create(cloud))

    def _change(self, member: Member) -> None:
        match self._random.randrange(3):
            case 0:
                self._herd.change(member, **LARGER)
            case 1:
                self._herd.change(member, tags={"turn": str(self._random.randrange(1000))})
            case _:
                self._herd.change(member, restartToken=str(self._random.randrange(2**30)))

    @staticmethod
    def _wait(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(_POLL)

    def _lift(self) -> None:
        """What is under way stays so; nothing of the next leader is delayed."""
        for proxy in self.bed.lab.proxies.values():
            for rule in proxy.faults():
                proxy.lift(rule.id)

    def _forget(self) -> None:
        for proxy in self.bed.lab.proxies.values():
            proxy.reset_counts()

    def _end(self, former: Rival) -> list[str]:
        """Whoever led before ends by himself."""
        deadline = time.monotonic() + 45
        while former.operator.process.alive:
            if time.monotonic() > deadline:
                return [f"wrong: {former.name} goes on though another leads"]
            time.sleep(_POLL)
        code = former.operator.process.returncode
        return [] if code == 1 else [f"wrong: {former.name} ended with {code}"]


@contextmanager
def rivals(folder: Path, seed: int, clouds: Sequence[Cloud] = CLOUDS) -> Iterator[Rivals]:
    """A lab with two operators in it; all of it is ended afterwards."""
    with (
        Lab(folder, clouds=clouds, prometheus=False) as lab,
        before(lab.controlplane, folder, "kubernetes-a") as first,
        before(lab.controlplane, folder, "kubernetes-b") as second,
    ):
        bed = OperatorBed(lab, folder, [*OPTIONS, "--identity", NAMES[0]], before_kubernetes=first)
        way = through(second, lab.controlplane.kubeconfig_for(NAMESPACE, ACCOUNT))
        words = ["--log-format", "json", *OPTIONS, "--identity", NAMES[1]]
        rival = Operator(folder, way, name="operator-b", options=words)
        try:
            bed.operator.start().wait()
            rival.start()
            bed.connect(*clouds, sweepInterval="1s", imports="Managed")
            yield Rivals(bed, [Rival(NAMES[0], bed.operator, first), Rival(NAMES[1], rival, second)], seed)
        finally:
            rival.stop()
            bed.operator.stop()
