"""Who may write a status, and onto what."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import msgspec
import pytest

from hybridge.api.virtualmachine import VirtualMachine
from hybridge.engine.bulkhead import NotLeading
from hybridge.engine.cluster import Body, Cluster, Conflict
from hybridge.engine.keys import Key
from hybridge.engine.queue import WorkQueue
from hybridge.engine.store import Store
from hybridge.engine.world import World

KEY = Key("VirtualMachine", "shop", "web")


class ApiServer:
    """Takes what is written onto its newest version, and keeps it."""

    def __init__(self) -> None:
        self.written: list[Body] = []
        self.surroundings: dict[str, Any] = {}

    async def namespace(self, name: str) -> Body | None:
        return {"metadata": dict(self.surroundings)} if name == "shop" else None

    async def patch_status(self, key: Key, patch: Body, *, resource_version: str | None = None) -> Body:
        del key, resource_version
        self.written.append(patch)
        return body("9")

    async def set_finalizers(self, key: Key, finalizers: Any, *, resource_version: str) -> Body:
        del key, resource_version
        self.written.append(finalizers)
        return body("9")


def body(version: str, **status: object) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": version, "generation": 1}
    return {"kind": KEY.kind, "metadata": metadata, "spec": {"providerRef": {"name": "pve"}}, "status": status}


def make(server: ApiServer, *, leads: bool = True) -> World:
    world = World(Store(), WorkQueue(time.monotonic), cast("Cluster", server), time.time, "c", lambda: leads)
    world.store.put(KEY, body("1", id="101"))
    return world


def test_a_status_made_of_an_older_version_is_not_written_onto_a_newer_one() -> None:
    """Another replica has written since: the watch brought that while this one was at it."""
    server = ApiServer()
    world = make(server)
    machine = world.decode(KEY, VirtualMachine)
    assert machine is not None
    status = msgspec.structs.replace(machine.status, host="pve1")
    world.store.put(KEY, body("2", id="101", host="pve2"))

    with pytest.raises(Conflict):
        asyncio.run(world.write_status(KEY, status, read=machine.metadata.resource_version))
    assert server.written == []

    asyncio.run(world.write_status(KEY, status, read="2"))
    assert server.written[0]["status"]["host"] == "pve1"


def test_who_does_not_lead_writes_nothing() -> None:
    server = ApiServer()
    world = make(server, leads=False)
    machine = world.decode(KEY, VirtualMachine)
    assert machine is not None

    with pytest.raises(NotLeading):
        asyncio.run(world.write_status(KEY, msgspec.structs.replace(machine.status, host="pve1")))
    with pytest.raises(NotLeading):
        asyncio.run(world.add_finalizer(KEY))
    assert server.written == []


@pytest.mark.parametrize(
    ("change", "concerned"),
    [
        ({"labels": {"tier": "gold"}}, True),
        ({"annotations": {"hybridge.io/paused": "true"}}, True),
        ({"uid": "n2"}, True),
        ({"annotations": {"somebody.else/seen": "today"}, "resourceVersion": "2"}, False),
    ],
)
def test_whoever_sees_that_a_namespace_has_changed_calls_all_that_is_in_it(
    change: dict[str, Any], concerned: bool
) -> None:
    """Once, and only for what decides what may be done in it."""
    server = ApiServer()
    server.surroundings = {"uid": "n1"}
    world = make(server)
    world.store.put(
        Key("VirtualMachine", "other", "web"), {**body("1"), "metadata": {**body("1")["metadata"], "uid": "u2"}}
    )
    asyncio.run(world.namespace("shop"))
    assert asyncio.run(world.namespace("shop", age=0.0)) == {"uid": "n1"}
    assert world.queue.depth() == 0

    server.surroundings |= change
    asyncio.run(world.namespace("shop"))
    assert world.queue.depth() == 0, "what is young enough is not read again"
    for _ in range(2):
        asyncio.run(world.surroundings("pve"))
        assert asyncio.run(world.namespace("shop", age=0.0)) == server.surroundings
    assert world.queue.depth() == concerned
