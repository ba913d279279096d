"""A task of the cloud that has to end first."""

from __future__ import annotations

from hybridge.core.cloudobject import CloudObject
from hybridge.core.plan import Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import AnySituation
from hybridge.core.task import Task, TaskState


def locked(found: CloudObject) -> Wait:
    """To wait for the task that holds it."""
    return Wait(Reason.LOCKED, f"{found.id} is locked by a task ({found.lock})")


def running(task: Task | None) -> bool:
    """Whether the cloud is still at it."""
    return task is not None and task.state is TaskState.RUNNING


def progress(task: Task | None) -> str:
    """How far it is, in words."""
    if task is None:
        return ""
    percent = f" ({task.progress} %)" if task.progress is not None else ""
    return f"{task.operation} is running in the cloud{percent}"


def is_none_of_ours(situation: AnySituation, found: CloudObject) -> bool:
    """Whether somebody else is at work, such as a backup: nothing has to wait for that which has nothing to do."""
    return bool(found.lock) and situation.record.created and not running(situation.sight.task)
