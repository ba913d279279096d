"""The trivial job on Hybridge's engine, as a process: what `controller-runtime/main.go` does in Go.

Each VirtualMachine whose status.id is not the wanted one costs some work, in a thread of a bulkhead as all work on
clouds, and one merge patch of its status. When as many objects as are wanted have it, one line of JSON tells how long
that took, and the process waits until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

import typer
import uvloop

from hybridge.cli import memory
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.keys import Key
from hybridge.engine.outcome import Done, Outcome
from hybridge.engine.queue import WorkQueue
from hybridge.engine.reconciler import Reconciler
from hybridge.engine.store import Store
from hybridge.engine.world import World
from hybridge.kube.client import Kubernetes, configure
from hybridge.kube.handlers import Watch

_SDKS = ("boto3", "botocore", "proxmoxer", "pyVmomi")
_UNLIMITED = 1e9


class Trivial:
    """A kind whose objects want one value in their status. ``ended`` holds the seconds from the first to the last."""

    def __init__(self, world: World, *, value: str, wanted: int, work: float, workers: int) -> None:
        self._world = world
        self._value = value
        self._wanted = wanted
        self._work = work
        bucket = TokenBucket(_UNLIMITED, _UNLIMITED, time.time)
        self._bulkhead = Bulkhead(
            "trivial", threads=workers, bucket=bucket, breaker=Breaker(time.time), leads=lambda: True
        )
        self._started: float | None = None
        self._done: set[Key] = set()
        self.ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def group(self, key: Key) -> str:
        """The Provider that the object names."""
        return self._world.group(key)

    async def reconcile(self, key: Key) -> Outcome:
        """The work for one object, unless it is done."""
        if self._started is None:
            self._started = time.perf_counter()
        body = self._world.store.get(key)
        if body is None or body["status"].get("id") == self._value:
            return Done()
        await self._bulkhead.call(time.sleep, self._work)
        version = body["metadata"]["resourceVersion"]
        patch = {"status": {"id": self._value}}
        patched = await self._world.cluster.patch_status(key, patch, resource_version=version)
        if patched is not None:
            self._world.store.put(key, patched)
            self._finished(key)
        return Done()

    def _finished(self, key: Key) -> None:
        self._done.add(key)
        if len(self._done) == self._wanted and self._started is not None and not self.ended.done():
            self.ended.set_result(time.perf_counter() - self._started)


class _Silent:
    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """Nobody counts."""


async def _work(value: str, objects: int, workers: int, work: float) -> None:
    kubernetes = Kubernetes(await configure(), lambda _verb, _status: None)
    queue = WorkQueue(time.time, per_group=workers)
    world = World(Store(), queue, kubernetes, time.time, "bench", lambda: True)
    job = Trivial(world, value=value, wanted=objects, work=work, workers=workers)
    reconciler = Reconciler(queue, {"VirtualMachine": job}, _Silent(), clock=time.time)
    watch = Watch(world)
    tasks = [asyncio.create_task(reconciler.run()), asyncio.create_task(watch.run())]
    ending: list[asyncio.Future[Any]] = [*tasks, job.ended]
    await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
    if not job.ended.done():
        raise RuntimeError("the engine ended before the job")
    print(json.dumps({"seconds": job.ended.result()}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    watch.stop()
    tasks[0].cancel()
    await asyncio.wait(tasks)
    await kubernetes.close()


def main(value: str, objects: int = 1000, workers: int = 10, work: float = 0.01) -> None:
    """Gives every object the status.id VALUE. ``work`` in seconds. The cluster is KUBECONFIG's."""
    logging.basicConfig(level=logging.WARNING)
    if loaded := [name for name in _SDKS if name in sys.modules]:
        raise RuntimeError(f"the engine alone needs no SDK, but these are loaded: {', '.join(loaded)}")
    memory.prepare()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(value, objects, workers, work))


if __name__ == "__main__":
    typer.run(main)
