"""An id that an intent chose, and that turns out to be something else's in the task of a create that was accepted."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Disposition, IdTaken, Unreachable
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.plan import Action, Do, Verb
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.base import Connection, Driver, Prepared, Started
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.cluster import Cluster
from hybridge.engine.link import Link
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.memo import Memo
from hybridge.engine.machines.steps import MachineSteps
from hybridge.engine.objects.tasks import follow
from hybridge.engine.queue import WorkQueue
from hybridge.engine.store import Store
from hybridge.engine.world import World
from tests.unit.engine.test_machine_steps import KEY, PROVIDER, ApiServer

LOST = Unreachable("no answer", took_effect_possible=True)


class AcceptingCloud:
    """A cloud that takes every create, after it has lost its answer as often as asked, and fails it in its task."""

    push = False

    def __init__(self, lost: int, vmid: str | None) -> None:
        self.machines = self
        self._lost, self._vmid = lost, vmid

    def prepare(self, _spec: MachineSpec, _taken: object, _apart: object) -> Prepared:
        return Prepared({}, self._vmid)

    def create(self, _intent: Intent, _spec: MachineSpec, _marker: Marker) -> Started[Machine]:
        self._lost -= 1
        if self._lost >= 0:
            raise LOST
        task = Task("1", "Clone", 0.0, TaskState.FAILED, error="exists", reason=Reason.NAME_TAKEN, result=self._vmid)
        machine = Machine(self._vmid, "web", Power.STOPPED, lock="clone", detailed=False) if self._vmid else None
        return Started(self._vmid, machine, task)


def told(*, lost: int = 0, vmid: str | None = "1000") -> tuple[CloudError, Case]:
    """The error that the failed task ends in, and how the case stands after it."""

    async def story() -> tuple[CloudError, Case]:
        server = ApiServer(lambda: world)
        world = World(Store(), WorkQueue(time.monotonic), cast("Cluster", server), time.time, "c", lambda: True)
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
            "aws", cast("Driver", AcceptingCloud(lost, vmid)), Connection("aws:1:x", "1"), bulkhead, clock=time.time,
            monotonic=time.monotonic, interval=30.0, kinds=tuple, on_change=lambda *_: None, on_error=lambda *_: None,
        )  # fmt: skip
        machine = world.decode(KEY, VirtualMachine)
        assert machine is not None
        marker = Marker("c", "u1", "VirtualMachine", "shop", "web")
        case = Case(
            KEY, machine, Memo.resume(machine), PROVIDER, link, link.machines, link.driver.machines, SPEC, marker
        )
        steps = MachineSteps(world)
        for attempt in range(lost + 1):
            try:
                await steps.take(case, _create(anew=attempt == 0), None)
            except Unreachable:
                assert attempt < lost
            case.object = world.decode(KEY, VirtualMachine) or case.object
        try:
            follow(case)
        except CloudError as error:
            if isinstance(error, IdTaken):
                await steps.give_up(case)
            case.object = world.decode(KEY, VirtualMachine) or case.object
            return error, case
        finally:
            bulkhead.close()
        raise AssertionError("the task did not fail")

    return asyncio.run(story())


SPEC = MachineSpec("web", image="ami-1")


def _create(*, anew: bool) -> Do:
    return Do((Action(Verb.CREATE, "machine", "", "web"),), anew=anew)


def test_the_attempt_is_over_and_the_next_one_chooses_anew() -> None:
    error, case = told()

    assert isinstance(error, IdTaken)
    assert error.disposition is Disposition.RETRY
    intent = case.memo.intent(case.object)
    assert intent is not None
    assert intent.rejected
    assert (case.memo.id, case.object.status.id) == (None, None)
    assert case.link.machines.inventory.get("1000") is None, "what was expected to come would be waited for"


def test_a_repeated_request_may_have_met_its_own_machine() -> None:
    error, case = told(lost=1)

    assert isinstance(error, IdTaken)
    intent = case.memo.intent(case.object)
    assert intent is not None
    assert not intent.rejected
    assert case.memo.token_spent, "it would be repeated, without a search"


def test_a_name_that_a_person_chose_is_for_a_person_to_change() -> None:
    error, case = told(vmid=None)

    assert not isinstance(error, IdTaken)
    assert error.disposition is Disposition.STOP
    intent = case.memo.intent(case.object)
    assert intent is not None
    assert not intent.rejected
