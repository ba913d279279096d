"""Proxmox VE's worker tasks in the lab: how long they take, how they are listed, what a clone shows meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web
from fakepve import (  # type: ignore[import-untyped]  # fakepve ships neither annotations nor stubs
    FakePve,
    FakeVm,
)
from fakepve.server import USER, ok, params  # type: ignore[import-untyped]  # as above

Route = tuple[str, str, Callable[[dict[str, Any], str], Awaitable[Any]]]
Work = Callable[[], Awaitable[str | None]]

#: What PVE writes into a clone's configuration file until its first disk was copied.
CLONE_PLACEHOLDER = "qmclone temporary file"
#: Finished tasks that each node announces to the cluster; older ones are only in the node's own archive.
ANNOUNCED_PER_NODE = 25
#: Scale of PVE's own waiting times when only ``task_seconds`` was asked for: locks must wait, pauses need not.
_BRISK = 0.001


class TimedTasks(FakePve):  # type: ignore[misc]  # the base class is untyped
    """Tasks that take ``task_seconds``, and the three places where PVE lists them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.task_seconds = 0.0

    def pace(self, *, task_seconds: float, time_scale: float) -> None:
        """Let every task take ``task_seconds`` (real seconds) on top of what fakepve itself scales."""
        self.task_seconds = task_seconds
        self.time_scale = time_scale or (_BRISK if task_seconds else 0.0)
        if self.time_scale:
            self.lock_wait = 10 / min(self.time_scale, 1.0)  # PVE waits 10 real seconds for a guest's lock

    async def task(self, *about: Any, **rest: Any) -> str:
        """Start a task and return its UPID; with no duration at all it has ended when this returns.

        ``about`` is node, type, id, user and work, as fakepve's own code passes them; ``rest`` holds the guest.
        """
        node, kind, ident, user, body = about
        vm: FakeVm | None = rest.get("vm")
        work = body
        if self.task_seconds:
            work = self._slow_clone(vm, body) if kind == "qmclone" and vm is not None else self._slow(body)
        upid: str = await super().task(node, kind, ident, user, work, **rest)
        return upid

    def _slow(self, body: Work) -> Work:
        async def work() -> str | None:
            await asyncio.sleep(self.task_seconds)
            return await body()

        return work

    def _slow_clone(self, vm: FakeVm, body: Work) -> Work:
        """As on a real node: first only a lock and a placeholder, then the copied configuration, last the disks."""
        config, name = vm.config, vm.name
        vm.config = {"lock": "clone", "description": CLONE_PLACEHOLDER}
        vm.name = f"VM {vm.vmid}"

        async def work() -> str | None:
            try:
                await asyncio.sleep(self.task_seconds / 2)
            finally:
                vm.config, vm.name = config, name
            await asyncio.sleep(self.task_seconds / 2)
            return await body()

        return work

    # ------------------------------------------------------------------ lists

    def _routes_lab_tasks(self) -> list[Route]:
        return [("GET", "/cluster/tasks", self._cluster_tasks)]

    async def _task_list(self, request: web.Request) -> web.Response:
        """``GET /nodes/{node}/tasks``, which fakepve routes by itself."""
        values = self._verify(request, await params(request))
        return ok(self._node_tasks(values, request[USER]))  # type: ignore[no-any-return]  # fakepve is untyped

    def _visible(self, user: str, tasks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            task
            for task in tasks
            if self._task_owner(user, task) or self.allowed(user, f"/nodes/{task['node']}", "Sys.Audit")
        ]

    async def _cluster_tasks(self, _values: dict[str, Any], user: str) -> list[dict[str, Any]]:
        """All running tasks, and the newest finished ones of each node."""
        finished: dict[str, int] = {}
        shown = []
        for task in reversed(self.tasklog):
            if "endtime" in task:
                finished[task["node"]] = finished.get(task["node"], 0) + 1
                if finished[task["node"]] > ANNOUNCED_PER_NODE:
                    continue
            shown.append(task)
        return [self._task_view(task, listing=True) for task in self._visible(user, shown)]

    def _node_tasks(self, values: dict[str, Any], user: str) -> list[dict[str, Any]]:
        """A node's tasks, newest first; PVE's default ``source`` is the archive, which holds finished ones only."""
        source = values.get("source", "archive")
        wanted = [
            task
            for task in reversed(self.tasklog)
            if task["node"] == values["node"]
            and ("endtime" in task or source in {"active", "all"})
            and ("endtime" not in task or source != "active")
            and _matches(task, values)
        ]
        start = int(values.get("start", 0))
        page = self._visible(user, wanted)[start : start + int(values.get("limit", 50))]
        return [self._task_view(task, listing=True) for task in page]


def _matches(task: dict[str, Any], values: dict[str, Any]) -> bool:
    """Whether a task passes the filters of ``GET /nodes/{node}/tasks``."""
    failed = task.get("exitstatus") not in {None, "OK"}
    return (
        values.get("vmid") in {None, int(task["id"]) if task["id"].isdigit() else None}
        and int(values.get("since", 0)) <= task["starttime"]
        and ("until" not in values or task["starttime"] <= int(values["until"]))
        and values.get("typefilter") in {None, task["type"]}
        and str(values.get("userfilter", "")) in task["user"]
        and (not values.get("errors") or failed)
    )
