"""A driver whose every call meets rewritten answers before it meets those that the cloud gave."""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from hybridge.core.errors import CloudError, Disposition
from hybridge.core.machine import Machine
from hybridge.core.managed import ManagedObject
from hybridge.drivers.base import Driver, Started
from lab.faultproxy import Garble, Rule
from tests.contract.bed import Bed
from tests.contract.eye import PATIENCE

#: Chances of an answer to be rewritten, of which a call meets one: all, and some.
_CHANCES = (1.0, 0.4)
#: How often a call is made with rewritten answers before it is made without.
_TRIES = 3
_PAUSE = 0.05


@dataclass
class Hostility:
    """Rewrites answers, and keeps what came of it. ``found`` has each finding once, with how often and one replay."""

    bed: Bed
    seed: int
    rewritten: int = 0
    met: Counter[str] = field(default_factory=Counter)
    found: dict[str, str] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def try_call(self, name: str, call: Callable[[], Any]) -> Future[Any]:
        """The call with rewritten answers. What it raises besides CloudError is a finding."""
        number = next(self._numbers)
        source = random.Random(f"{self.seed}/{number}")
        proxy = self.bed.proxy
        proxy.reset_counts()
        rule = Rule("*", Garble(seed=source.randrange(2**31)), probability=source.choice(_CHANCES), seed=number)
        proxy.inject(rule)
        ended = self._pool.submit(call)
        error = ended.exception(120)
        proxy.clear()
        hit = [entry for entry in proxy.log() if "garble" in entry.fault]
        self.rewritten += len(hit)
        self.met.update(entry.operation for entry in hit)
        if error is not None and not isinstance(error, CloudError):
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "hybridge" in frame.filename]
            at = f"{frames[-1].filename.rpartition('hybridge/')[2]}:{frames[-1].lineno}" if frames else "?"
            told = ", ".join(f"{entry.operation} {entry.fault}" for entry in hit)
            self.note(f"wrong: {name}: {type(error).__name__} at {at}", f"{error!s:.200} after {told} (call {number})")
        return ended

    def note(self, finding: str, replay: str) -> None:
        """Keeps a finding."""
        self.found.setdefault(finding, replay)

    def close(self) -> None:
        """Ends the thread of the calls."""
        self._pool.shutdown()


class HostileObjects:
    """The part of a driver for one kind; each method meets rewritten answers first, and then makes good what was begun."""

    def __init__(self, part: Any, hostility: Hostility) -> None:
        self._part = part
        self._hostility = hostility

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not callable(found) or name in {"normalize", "close"}:
            return found

        def call(*words: Any, **more: Any) -> Any:
            tries = [self._hostility.try_call(name, lambda: found(*words, **more)) for _ in range(_TRIES)]
            good = self._insist(lambda: self._made(words)) if name == "create" else None
            fresh = self._fresh(words)
            good = good or self._insist(lambda: found(*fresh, **more))
            if name == "get" and good is not None:
                self._is_not_denied(words[0], tries)
            return good

        return call

    def _fresh(self, words: tuple[Any, ...]) -> tuple[Any, ...]:
        """The words of a call with the cloud object as it is now: an engine looks again after a call that failed."""
        if not words or not isinstance(words[0], Machine | ManagedObject):
            return words
        now = self._insist(lambda: self._part.get(words[0].id))
        return (now or words[0], *words[1:])

    def _made(self, words: tuple[Any, ...]) -> Started[Any] | None:
        """What creates have made whose answers were rewritten: an engine looks before it asks again."""
        intent, _, marker = words
        made = self._part.find(marker, intent)
        return Started(made[0].id, made[0]) if made else None

    def _is_not_denied(self, known_id: str, tries: list[Future[Any]]) -> None:
        for one in tries:
            if one.exception() is None and one.result() is None:
                self._hostility.note("wrong: get: what is there was told as gone", known_id)

    def _insist(self, call: Callable[[], Any]) -> Any:
        """The call as the engine makes it: what has to wait is asked again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return call()
            except CloudError as error:
                if error.disposition is Disposition.STOP or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)


class HostileDriver:
    """A driver, seen through rewritten answers."""

    def __init__(self, driver: Driver, hostility: Hostility) -> None:
        self._driver = driver
        self._hostility = hostility
        self.push = driver.push
        self.machines = HostileObjects(driver.machines, hostility)
        self.volumes = None if driver.volumes is None else HostileObjects(driver.volumes, hostility)
        self.images = None if driver.images is None else HostileObjects(driver.images, hostility)
        self.snapshots = None if driver.snapshots is None else HostileObjects(driver.snapshots, hostility)
        self.networks = None if driver.networks is None else HostileObjects(driver.networks, hostility)
        self.firewalls = None if driver.firewalls is None else HostileObjects(driver.firewalls, hostility)

    def check(self) -> Any:
        """A check with rewritten answers, and one without."""
        for _ in range(_TRIES):
            self._hostility.try_call("check", self._driver.check)
        return self._driver.check()

    def sweep(self, request: Any) -> Any:
        """What a sweep told, though its answers were rewritten: an engine believes it, too. Else one without."""
        told = self._hostility.try_call("sweep", lambda: self._driver.sweep(request))
        return told.result() if told.exception() is None else self._driver.sweep(request)


def hostile(driver: Driver, hostility: Hostility) -> Driver:
    """The driver, seen through rewritten answers."""
    return cast("Driver", HostileDriver(driver, hostility))
