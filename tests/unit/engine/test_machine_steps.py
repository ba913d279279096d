"""Creating: what a refusal says depends on whether the request was the first of its attempt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from hybridge.api.provider import ProviderSpec
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, IdTaken, Refused, Throttled, Unreachable
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, MachineSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Connection, Driver, Prepared, Started
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.cluster import Body, Cluster
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.memo import Memo
from hybridge.engine.machines.steps import MachineSteps
from hybridge.engine.queue import WorkQueue
from hybridge.engine.store import Store
from hybridge.engine.world import World

KEY = Key("VirtualMachine", "shop", "web")
PROVIDER = msgspec.convert({"aws": {"region": "eu-central-1"}, "credentials": {"workloadIdentity": {}}}, ProviderSpec)


class ApiServer:
    """Takes every status, and gives it a new version."""

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world

    async def patch_status(self, key: Key, patch: Body, *, resource_version: str | None = None) -> Body:
        body = self._world().store.get(key)
        assert body is not None
        known = body["metadata"]["resourceVersion"]
        assert resource_version == known
        metadata = {**body["metadata"], "resourceVersion": str(int(known) + 1)}
        return {**body, "metadata": metadata, "status": merged(body["status"], patch["status"])}


def merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    before = old if isinstance(old, dict) else {}
    new = {**before, **{name: merged(before.get(name), value) for name, value in patch.items()}}
    return {name: value for name, value in new.items() if value is not None}


class RefusingCloud:
    """A cloud that refuses every create."""

    def __init__(self, error: CloudError) -> None:
        self.machines = self
        self._error = error

    def prepare(self, spec: MachineSpec, _taken: object, _apart: object) -> Prepared:
        return Prepared({"image": spec.image})

    def create(self, _intent: Intent, _spec: MachineSpec, _marker: Marker) -> Started[Machine]:
        raise self._error


def rejected(error: CloudError, *, repeated: bool) -> bool:
    """Whether the attempt on record counts as being without effect after the cloud refused with ``error``."""

    async def story() -> bool:
        world = World(
            Store(), WorkQueue(time.monotonic), cast("Cluster", ApiServer(lambda: world)), time.time, "c", lambda: True
        )
        metadata = {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "1", "generation": 1}
        spec = {"providerRef": {"name": "aws"}, "cpus": 1, "memory": "1Gi", "image": {"id": "ami-1"}}
        world.store.put(KEY, {"kind": "VirtualMachine", "metadata": metadata, "spec": spec, "status": {}})
        bulkhead = Bulkhead(
            "aws",
            threads=1,
            bucket=TokenBucket(9, 9, time.monotonic),
            breaker=Breaker(time.monotonic),
            leads=lambda: True,
        )
        link = Link(
            "aws", cast("Driver", RefusingCloud(error)), Connection("aws:1:x", "1"), bulkhead, clock=time.time,
            monotonic=time.monotonic, interval=30.0, kinds=tuple, on_change=lambda *_: None, on_error=lambda *_: None,
        )  # fmt: skip
        machine = world.decode(KEY, VirtualMachine)
        assert machine is not None
        case = Case(
            KEY, machine, Memo.resume(machine), PROVIDER, link, link.machines, link.driver.machines,
            MachineSpec("web", image="ami-1"),
            Marker("c", "u1", "VirtualMachine", "shop", "web"),
        )  # fmt: skip
        steps: Any = MachineSteps(world)
        for attempt in range(2 if repeated else 1):
            case.link.driver.machines._error = error if attempt or not repeated else LOST  # type: ignore[attr-defined]
            with pytest.raises(CloudError):
                await steps._create(case, anew=attempt == 0)
            fresh = world.decode(KEY, VirtualMachine)
            assert fresh is not None
            case.object = fresh
        bulkhead.close()
        intent = case.memo.intent(case.object)
        assert intent is not None
        return intent.rejected

    return asyncio.run(story())


LOST = Unreachable("no answer", took_effect_possible=True)
REFUSALS = [Refused(Reason.INVALID_SPEC, "no"), IdTaken("exists"), Throttled("slowly"), Unreachable("refused")]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_refused_repetition_says_nothing_of_the_first_request(error: CloudError) -> None:
    assert not rejected(error, repeated=True)


def test_a_refused_first_request_ends_the_attempt() -> None:
    assert rejected(Refused(Reason.INVALID_SPEC, "no"), repeated=False)
    assert rejected(IdTaken("exists"), repeated=False)


def test_what_may_succeed_in_a_moment_keeps_its_attempt() -> None:
    assert not rejected(Throttled("slowly"), repeated=False)
    assert not rejected(Unreachable("refused"), repeated=False)
    assert not rejected(LOST, repeated=False)
