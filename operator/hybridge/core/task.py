"""A long operation of a cloud. Times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hybridge.core.reasons import Reason


class TaskState(StrEnum):
    """How far a task of the cloud is. ``UNKNOWN``: the cloud no longer knows it."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Task:
    """A long operation of the cloud. ``progress`` in percent; ``result`` is the id of what it made, if it says so.

    ``error`` and ``reason`` tell why a FAILED task failed.
    """

    id: str
    operation: str
    started_at: float
    state: TaskState = TaskState.RUNNING
    progress: int | None = None
    error: str = ""
    result: str | None = None
    reason: Reason | None = None
