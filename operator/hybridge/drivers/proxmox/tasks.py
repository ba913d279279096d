"""PVE's worker tasks as the core's."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable
from dataclasses import replace

from hybridge.core.errors import CloudError, Throttled, Unreachable
from hybridge.core.task import Task, TaskState
from hybridge.drivers.proxmox.answers import LogLine, TaskRow, TaskStatus
from hybridge.drivers.proxmox.client import Client
from hybridge.drivers.proxmox.errors import Missing, reason_of

#: Tasks that are asked for one by one in a sweep, when the cluster's list does not have them (or hides them).
_SINGLES = 20
#: From so many tasks of a node on its whole list is read; seconds by which its clock may differ from ours; rows of the list.
_SEVERAL, _CLOCKS, _PAGE = 4, 600, 1000
_LOG_LINES = 3
_MOST_LOG = 500
#: Ends of tasks that found the guest in the state that they should bring about.
_ALREADY = re.compile(r"already running|not running")
#: Operations after whose end the guest's configuration names other volumes.
MOVES = frozenset({"MoveDisk", "Migrate"})
#: Operations after whose end a guest has other snapshots, or builds on another one.
CHAINED = frozenset({"Revert", "Snapshot", "DeleteSnapshot"})
#: Operations whose progress is told: the making of images.
_SLOW = frozenset({"CreateImage", "Download", "ImportDisk"})
#: The end of a task that did its work, but not all of it as it should be.
_WARNED = "WARNINGS"
_PERCENT = re.compile(r"\b(\d{1,3})(?:\.\d+)?\s?%")
_POWER_TASKS = frozenset({"qmstart", "qmstop", "qmshutdown"})


def begun(upid: str | None, operation: str, result: str | None = None) -> Task | None:
    """A task that a call has just started; None when PVE did the work at once."""
    return Task(upid, operation, time.time(), result=result) if upid else None


def node_of(upid: str) -> str:
    """The node that runs a task. ``UPID:node:pid:pstart:starttime:type:id:user:``."""
    return _part(upid, 1)


def guest_of(upid: str) -> str | None:
    """The VMID that a task is about (of a clone: the template's)."""
    return _part(upid, 6) or None


def _part(upid: str, index: int) -> str:
    parts = upid.split(":")
    return parts[index] if len(parts) > index else ""


def poll(client: Client, wanted: Collection[Task]) -> dict[str, Task]:
    """The state of tasks, by id: one request for all; then one for each node that has several left, because the
    cluster's list holds but the newest of each node; the others one by one, some each time.

    A task whose node does not answer is left out. Raises CloudError.
    """
    if not wanted:
        return {}
    rows = {row.upid: row for row in client.get("Tasks", list[TaskRow], "cluster", "tasks")}
    for node, left in _by_node(task for task in wanted if task.id not in rows).items():
        if len(left) >= _SEVERAL:
            rows |= {row.upid: row for row in _listed(client, node, min(task.started_at for task in left))}
    found: dict[str, Task] = {}
    singles = _SINGLES
    for task in wanted:
        row = rows.get(task.id)
        if row is not None:
            found[task.id] = _state(client, task, row.status if row.endtime is not None else None)
        elif singles:
            singles -= 1
            found |= {asked.id: asked for asked in _ask(client, task)}
    return found


def _by_node(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    nodes: dict[str, list[Task]] = {}
    for task in tasks:
        nodes.setdefault(node_of(task.id), []).append(task)
    return nodes


def _listed(client: Client, node: str, since: float) -> Iterable[TaskRow]:
    """The tasks of a node that began after ``since``, running or ended; none when the node does not answer."""
    limits = {"source": "all", "since": int(since) - _CLOCKS, "limit": _PAGE}
    try:
        return client.get("NodeTasks", list[TaskRow], "nodes", node, "tasks", **limits)
    except (Unreachable, Throttled):
        raise
    except CloudError:
        return ()


def _ask(client: Client, task: Task) -> Iterable[Task]:
    try:
        status = client.get("TaskStatus", TaskStatus, "nodes", node_of(task.id), "tasks", task.id, "status")
    except Missing:
        return (replace(task, state=TaskState.UNKNOWN),)
    except (Unreachable, Throttled):
        raise
    except CloudError:
        return ()
    return (_state(client, task, status.exitstatus if status.status == "stopped" else None),)


def ended(client: Client, upid: str, operation: str) -> Task:
    """The state of one task now. Raises CloudError."""
    status = client.get("TaskStatus", TaskStatus, "nodes", node_of(upid), "tasks", upid, "status")
    task = Task(upid, operation, time.time())
    return _state(client, task, status.exitstatus if status.status == "stopped" else None)


def _state(client: Client, task: Task, end: str | None) -> Task:
    """``end`` is the task's exit status, None while it runs."""
    if end is None:
        return replace(task, state=TaskState.RUNNING, progress=_progress(client, task))
    already = _part(task.id, 5) in _POWER_TASKS and _ALREADY.search(end)
    if end == "OK" or end.startswith(_WARNED) or already:
        warned = end if end.startswith(_WARNED) else ""
        return replace(task, state=TaskState.SUCCEEDED, progress=None, error=warned)
    why = _why(client, task.id, end)
    return replace(task, state=TaskState.FAILED, progress=None, error=why, reason=reason_of(end) or reason_of(why))


def _progress(client: Client, task: Task) -> int | None:
    """How far it is in percent, by the last that its log says of that; only of operations that people wait for."""
    if task.operation not in _SLOW:
        return None
    try:
        log = client.get("TaskLog", list[LogLine], "nodes", node_of(task.id), "tasks", task.id, "log", limit=_MOST_LOG)
    except CloudError:
        return task.progress
    told = [int(found[1]) for line in log if (found := _PERCENT.search(line.t))]
    return min(told[-1], 100) if told else task.progress


def _why(client: Client, upid: str, end: str) -> str:
    """The exit status, and the last lines of the log where they say more."""
    try:
        log = client.get("TaskLog", list[LogLine], "nodes", node_of(upid), "tasks", upid, "log", limit=_MOST_LOG)
    except CloudError:
        return end
    lines = [line.t.strip() for line in log if line.t.strip() and end not in line.t]
    return "; ".join([end, *lines[-_LOG_LINES:]])
