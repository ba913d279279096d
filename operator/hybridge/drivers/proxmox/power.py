"""Power states, when the bulk list is older than what PVE has told otherwise.

A node broadcasts the states of its guests every 10 seconds. What a task of ours has reached since, or a guest's own
status has shown, holds until a broadcast must have come.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from hybridge.core.machine import Power

#: Seconds after which the bulk list shows what was true: a broadcast each 10 s, its way, and some room.
LAG = 15.0
#: Seconds for which a change is shown as going on, when nobody asks for its task.
_UNDER_WAY = 60.0
_TRANSITIONS = {Power.RUNNING: Power.STARTING, Power.STOPPED: Power.STOPPING}


@dataclass(frozen=True, slots=True)
class _Expected:
    power: Power
    upid: str | None
    asked_at: float
    reached_at: float | None = None


class Powers:
    """What is known of power states beside the bulk list. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._expected: dict[str, _Expected] = {}
        self._made: set[str] = set()
        self._lock = threading.Lock()

    def made(self, vmid: str) -> None:
        """A guest was cloned: it is stopped, also while its node has not told anything about it."""
        with self._lock:
            self._made.add(vmid)

    def asked(self, vmid: str, power: Power, upid: str | None, now: float) -> None:
        """PVE accepted a change of power."""
        with self._lock:
            self._expected[vmid] = _Expected(power, upid, now)

    def ended(self, upid: str, now: float, *, succeeded: bool) -> None:
        """A task has ended."""
        with self._lock:
            for vmid, expected in list(self._expected.items()):
                if expected.upid == upid and expected.reached_at is None:
                    if succeeded:
                        self._expected[vmid] = replace(expected, reached_at=now)
                    else:
                        del self._expected[vmid]

    def saw(self, vmid: str, power: Power, now: float) -> None:
        """The guest's own status was read."""
        with self._lock:
            self._expected[vmid] = _Expected(power, None, now, now)

    def look(self, vmid: str, listed: Power, now: float) -> Power:
        """The power state of a guest that the bulk list shows as ``listed``."""
        if not self._expected and not self._made:
            return listed
        with self._lock:
            if vmid in self._made:
                if listed is Power.UNKNOWN:
                    listed = Power.STOPPED
                else:
                    self._made.discard(vmid)
            expected = self._expected.get(vmid)
            if expected is None:
                return listed
            if expected.reached_at is None and listed is not expected.power and now - expected.asked_at < _UNDER_WAY:
                return _TRANSITIONS.get(expected.power, listed)
            if expected.reached_at is not None and listed is not expected.power and now - expected.reached_at < LAG:
                return expected.power
            del self._expected[vmid]
            return listed

    def forget(self, vmid: str) -> None:
        """The guest is being deleted."""
        with self._lock:
            self._expected.pop(vmid, None)
            self._made.discard(vmid)
