"""One VirtualMachine with the real engine around it: a cloud and an API server in memory, and a clock that tests turn."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, cast

from hybridge.core.attempt import Intent
from hybridge.core.cloudinit import HOSTNAME, USER_DATA
from hybridge.core.errors import CloudError
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Address, Change, Machine, MachineSpec, Power, Traits
from hybridge.core.place import Placed
from hybridge.core.task import Task, TaskState
from hybridge.drivers.base import Connection, Driver, Prepared, Started, Sweep, SweepRequest
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.cluster import Body, Cluster, Conflict, Secret
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.machines.kind import MachineKind
from hybridge.engine.meter import MachineMeter
from hybridge.engine.outcome import Again, Done, Failed, Outcome
from hybridge.engine.queue import WorkQueue
from hybridge.engine.store import Store
from hybridge.engine.world import World
from tests.sweeps import shown

KEY, PROVIDER = Key("VirtualMachine", "shop", "web"), Key("Provider", "", "pve")
#: Turns after which something that has not settled never will.
MOST = 40


class Silent:
    """A meter that measures nothing."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_given, **_named: None


class ApiServer:
    """Keeps objects and Secrets, refuses stale writes, and counts the writes."""

    def __init__(self) -> None:
        self.objects: dict[Key, Body] = {}
        self.secrets: dict[str, Secret] = {}
        self.events: list[tuple[str, str]] = []
        #: Of Namespaces, by name.
        self.labels: dict[str, dict[str, str]] = {}
        #: Called when a Secret is read: what happens meanwhile.
        self.meanwhile: Callable[[], None] = lambda: None
        self._versions = itertools.count(10)

    def version(self) -> str:
        """The next resourceVersion."""
        return str(next(self._versions))

    async def patch_status(self, key: Key, patch: Body, *, resource_version: str | None = None) -> Body:
        body = self.objects[key]
        if resource_version != body["metadata"]["resourceVersion"]:
            raise Conflict
        return self._put(key, body, {"status": _merged(body["status"], patch["status"])})

    async def set_finalizers(self, key: Key, finalizers: Collection[str], *, resource_version: str | None) -> Body:
        del resource_version
        body = self.objects[key]
        return self._put(key, body, {"metadata": {**body["metadata"], "finalizers": list(finalizers)}})

    async def get(self, key: Key) -> Body | None:
        return self.objects.get(key)

    async def secret(self, _namespace: str, name: str) -> Secret | None:
        found, happens = self.secrets.get(name), self.meanwhile
        self.meanwhile = lambda: None
        happens()
        return found

    async def namespace(self, name: str) -> Body:
        return {"metadata": {"labels": self.labels.get(name, {}), "annotations": {}}}

    async def emit(self, _body: Body, *, reason: str, message: str, warning: bool) -> None:
        del warning
        self.events.append((reason, message))

    def _put(self, key: Key, body: Body, words: Body) -> Body:
        new = {**body, **words}
        new["metadata"] = {**new["metadata"], "resourceVersion": self.version()}
        self.objects[key] = new
        return new


class Cloud:
    """Machines in memory. ``fails``: what an operation raises (``configure``), or with what its task fails (``start``,
    ``create``, ``delete``).
    """

    push = False
    traits = Traits(
        visibility=1.0,
        token_lifetime=86_400.0,
        block="proxmox",
        changes={HOSTNAME: Change.STOPPED, USER_DATA: Change.STOPPED},
    )

    def __init__(self) -> None:
        self.machines = self
        self.volumes: Any = None
        self.networks: Any = None
        self.images: Any = None
        self.firewalls: Any = None
        self.snapshots: Any = None
        self.there: dict[str, Machine] = {}
        self.calls: list[str] = []
        self.created: list[tuple[int, Mapping[str, object]]] = []
        self.fails: dict[str, CloudError | str] = {}
        self.given: str | None = None
        self._ids, self._tasks = itertools.count(101), dict[str, Task]()

    def normalize(self, spec: MachineSpec) -> MachineSpec:
        return spec

    def prepare(self, spec: MachineSpec, _taken: Collection[str], _apart: Collection[Placed] = ()) -> Prepared:
        return Prepared({"cpus": spec.cpus})

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started[Machine]:
        self.calls.append("create")
        self.created.append((intent.attempt, intent.parameters))
        if task := self._failing("create"):
            return Started(task=task)
        known = next((one for one in self.there.values() if one.uuid == intent.uuid), None)
        if known is None:
            known = Machine(
                str(next(self._ids)), intent.name, Power.RUNNING, marker, intent.uuid, spec.cpus, spec.memory,
                addresses=(Address("InternalIP", "192.0.2.1"),),
            )  # fmt: skip
            self.there[known.id] = known
            self.given = spec.cloud_init.user_data
        return Started(known.id, known)

    def find(self, marker: Marker, _intent: Intent | None) -> list[Machine]:
        return [one for one in self.there.values() if one.marker == marker]

    def get(self, machine_id: str) -> Machine | None:
        self.calls.append("get")
        return self.there.get(machine_id)

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], _intent: Intent | None, _marker: Marker
    ) -> Started[Machine]:
        self.calls.append(f"configure {' '.join(sorted(fields))}")
        failure = self.fails.get("configure")
        if isinstance(failure, CloudError) and not set(fields) <= {"tags"}:
            raise failure
        if USER_DATA in fields:
            self.given = spec.cloud_init.user_data
        return self._changed(machine, cpus=spec.cpus, tags={**machine.tags, **spec.tags})

    def mark(self, machine: Machine, marker: Marker | None) -> Started[Machine]:
        return self._changed(machine, marker=marker)

    def set_power(self, machine: Machine, _spec: MachineSpec, power: Power, *, hard: bool = False) -> Started[Machine]:
        del hard
        self.calls.append(power.value)
        if power is Power.RUNNING and (task := self._failing("start")):
            return Started(machine.id, task=task)
        return self._changed(machine, power=power)

    def delete(self, machine: Machine) -> Started[Machine]:
        self.calls.append("delete")
        if task := self._failing("delete"):
            return Started(machine.id, task=task)
        self.there.pop(machine.id)
        return Started(machine.id)

    def sweep(self, _request: SweepRequest) -> Sweep:
        return Sweep({CloudKind.MACHINE: shown(self.there.values())}, tasks=dict(self._tasks))

    def change(self, machine_id: str, **words: Any) -> None:
        """What a person does in the cloud."""
        self.there[machine_id] = replace(self.there[machine_id], **words)

    def _changed(self, machine: Machine, **words: Any) -> Started[Machine]:
        self.change(machine.id, **words)
        return Started(machine.id, self.there[machine.id])

    def _failing(self, operation: str) -> Task | None:
        failure = self.fails.get(operation)
        if not isinstance(failure, str):
            return None
        task = Task(f"task-{len(self._tasks)}", operation.capitalize(), 0.0)
        self._tasks[task.id] = replace(task, state=TaskState.FAILED, error=failure)
        return task


class MachineBed:
    """The machine ``shop/web`` and its Provider."""

    def __init__(self, cloud: Cloud | None = None, /, **spec: object) -> None:
        self.api, self.cloud, self.now = ApiServer(), cloud or Cloud(), 1_000_000_000.0
        self._put(
            PROVIDER,
            {
                "proxmox": {"endpoint": "https://pve"},
                "credentials": {"secretRef": {"namespace": "n", "name": "s"}},
                "allowedNamespaces": {"names": ["*"]},
                "imports": "Managed",
            },
        )
        self._put(KEY, {"providerRef": {"name": "pve"}, "image": {"id": "debian"}, "cpus": 2, "memory": "1Gi", **spec})
        self._loop = asyncio.new_event_loop()
        self.restart()

    def restart(self) -> None:
        """A new operator process: all that was in memory is gone."""

        def clock() -> float:
            return self.now

        self.world = World(Store(), WorkQueue(clock), cast("Cluster", self.api), clock, "cluster", lambda: True)
        for key, body in self.api.objects.items():
            self.world.store.put(key, body)
        bulkhead = Bulkhead(
            "pve", threads=1, bucket=TokenBucket(9e6, 9e6, clock), breaker=Breaker(clock), leads=lambda: True
        )
        self.link = Link(
            "pve", cast("Driver", self.cloud), Connection("pve:1", "1"), bulkhead, clock=clock, monotonic=clock,
            interval=30.0, kinds=tuple, on_change=lambda *_: None, on_error=lambda *_: None,
        )  # fmt: skip
        self.world.providers["pve"] = self.link
        self.kind = MachineKind(self.world, cast("MachineMeter", Silent()))

    def close(self) -> None:
        """Ends what was begun."""
        self.link.bulkhead.close()
        self._loop.close()

    def edit(self, **spec: object) -> None:
        """What a user changes in the spec."""
        body = self.api.objects[KEY]
        metadata = {**body["metadata"], "generation": body["metadata"]["generation"] + 1}
        self._replace({**body, "metadata": metadata, "spec": {**body["spec"], **spec}})

    def annotate(self, **annotations: str) -> None:
        """The object's annotations in ``hybridge.io/``; all others are gone."""
        body = self.api.objects[KEY]
        words = {f"hybridge.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self._replace({**body, "metadata": {**body["metadata"], "annotations": words}})

    def restrict(self, **restrict: object) -> None:
        """What the Provider allows tenants to name, from now on."""
        self._provide(restrict=restrict)

    def revoke(self) -> None:
        """No namespace may use the Provider any more."""
        self._provide(allowedNamespaces={"names": []})

    def _provide(self, **spec: object) -> None:
        body = self.api.objects[PROVIDER]
        metadata = {**body["metadata"], "resourceVersion": self.api.version()}
        self.api.objects[PROVIDER] = {**body, "metadata": metadata, "spec": {**body["spec"], **spec}}
        self.world.store.put(PROVIDER, self.api.objects[PROVIDER])

    def another(self, name: str, status: Mapping[str, object], **spec: object) -> None:
        """Another VirtualMachine of the same Provider that has had no turn yet."""
        key = Key("VirtualMachine", KEY.namespace, name)
        self._put(key, {"providerRef": {"name": "pve"}, **spec})
        self.api.objects[key] = {**self.api.objects[key], "status": status}
        self.world.store.put(key, self.api.objects[key])

    def delete(self) -> None:
        """What a user does with kubectl delete."""
        body = self.api.objects[KEY]
        self._replace({**body, "metadata": {**body["metadata"], "deletionTimestamp": "2026-01-02T00:00:00Z"}})

    def secret(self, text: str, version: str, name: str = "init") -> None:
        """A Secret with user data under the key ``data``."""
        self.api.secrets[name] = Secret(name, f"uid-{name}", version, {"data": text})

    def turn(self) -> Outcome:
        """One sweep and one reconcile."""
        return self._loop.run_until_complete(self._turn())

    def settle(self) -> None:
        """Turns until nothing is left to do at once, or soon. The clock goes along."""
        for _ in range(MOST):
            outcome = self.turn()
            wait = outcome.after if isinstance(outcome, Again | Failed) else None
            if isinstance(outcome, Done) or (wait is not None and wait > 20):
                return
            self.now += (wait or 0.0) + 0.01

    def pass_time(self, seconds: float) -> None:
        """Reconciles whenever it is asked for, until so many seconds have gone by."""
        end = self.now + seconds
        while self.now < end:
            outcome = self.turn()
            wait = outcome.after if isinstance(outcome, Again | Failed) else None
            self.now += max(0.01, min(30.0 if wait is None else wait, end - self.now))

    @property
    def body(self) -> Body:
        """The object."""
        return self.api.objects[KEY]

    @property
    def status(self) -> Body:
        """Its status."""
        found: Body = self.body["status"]
        return found

    @property
    def machine(self) -> Machine:
        """The one machine in the cloud."""
        (found,) = self.cloud.there.values()
        return found

    def told(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        for condition in self.status.get("conditions", ()):
            if condition["type"] == kind:
                return condition["status"], condition["reason"], condition.get("message", "")
        return "", "", ""

    async def _turn(self) -> Outcome:
        await self.link._sweep_once()
        return await self.kind.reconcile(KEY)

    def _put(self, key: Key, spec: Mapping[str, object]) -> None:
        metadata: dict[str, object] = {
            "name": key.name,
            "uid": f"uid-{key.name}",
            "generation": 1,
            "resourceVersion": self.api.version(),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        if key.namespace:
            metadata["namespace"] = key.namespace
        self.api.objects[key] = {"kind": key.kind, "metadata": metadata, "spec": spec, "status": {}}

    def _replace(self, body: Body) -> None:
        new = {**body, "metadata": {**body["metadata"], "resourceVersion": self.api.version()}}
        self.api.objects[KEY] = new
        self.world.store.put(KEY, new)


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    before = old if isinstance(old, dict) else {}
    new = {**before, **{name: _merged(before.get(name), value) for name, value in patch.items()}}
    return {name: value for name, value in new.items() if value is not None}
