"""What passed through a fault proxy: counts by operation, and a log of the last requests."""

from __future__ import annotations

import time
from collections import deque

import msgspec

from lab.faultproxy_operations import Operation

LOG_LENGTH = 10_000


class Count(msgspec.Struct):
    """The requests of one operation since the last reset.

    ``requests`` came from the client, ``forwarded`` went on to the cloud, ``faults`` were hit by a fault or the dark.
    ``statuses`` are what the client got; 0 stands for no answer (reset, or the client gave up).
    """

    mutating: bool
    requests: int = 0
    forwarded: int = 0
    faults: int = 0
    statuses: dict[int, int] = {}


class LogEntry(msgspec.Struct):
    """One finished request.

    ``time`` is Unix seconds of its arrival, ``seconds`` how long it took. ``status`` is what the client got and
    ``upstream`` what the cloud said, 0 for nothing. ``fault`` names what was done to it, "" for nothing.
    """

    time: float
    operation: str
    mutating: bool
    status: int = 0
    upstream: int = 0
    seconds: float = 0.0
    fault: str = ""


class Visit:
    """One request on its way; its count stays its own when the counts are reset meanwhile."""

    __slots__ = ("_count", "_log", "_started", "entry")

    def __init__(self, operation: Operation, count: Count, log: deque[LogEntry]) -> None:
        self.entry = LogEntry(time.time(), operation.name, operation.mutating)
        self._count = count
        self._log = log
        self._started = time.perf_counter()
        count.requests += 1

    def fault(self, name: str) -> None:
        """Note a fault; a request with several counts once."""
        if self.entry.fault:
            self.entry.fault += f", {name}"
            return
        self.entry.fault = name
        self._count.faults += 1

    def lost(self, reason: str) -> None:
        """Note that the cloud broke off on its own, which no rule asked for."""
        self.entry.fault = ", ".join(filter(None, [self.entry.fault, f"cloud: {reason}"]))

    def forwarded(self) -> None:
        """Note that the request goes on to the cloud."""
        self._count.forwarded += 1

    def end(self, status: int) -> None:
        """Note what the client got, and write the log entry."""
        self.entry.status = status
        self.entry.seconds = time.perf_counter() - self._started
        self._count.statuses[status] = self._count.statuses.get(status, 0) + 1
        self._log.append(self.entry)


class Record:
    """Counts and log of one proxy."""

    def __init__(self) -> None:
        self.counts: dict[str, Count] = {}
        self.log: deque[LogEntry] = deque(maxlen=LOG_LENGTH)

    def arrived(self, operation: Operation) -> Visit:
        """Count a request."""
        count = self.counts.get(operation.name)
        if count is None:
            count = self.counts[operation.name] = Count(operation.mutating)
        return Visit(operation, count, self.log)

    def reset(self) -> None:
        """Forget everything; requests under way end in what was forgotten."""
        self.counts = {}
        self.log = deque(maxlen=LOG_LENGTH)
