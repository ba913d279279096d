"""The audit of the watch: what a list shows and the watch never brought is put right, from a real API server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from hybridge.engine.keys import Key
from hybridge.engine.queue import WorkQueue
from hybridge.engine.store import Store
from hybridge.engine.world import World
from hybridge.kube.audit import WatchAudit
from hybridge.kube.client import Kubernetes
from hybridge.kube.handlers import Watch
from tests.integration.api import bodies
from tests.integration.api.conftest import Api

Story = Callable[[World, WatchAudit], Awaitable[None]]


def tell(api: Api, story: Story) -> None:
    """Runs a story in which the watch hears nothing."""

    async def run() -> None:
        configuration = Configuration()
        await config.load_kube_config(config_file=str(api.plane.kubeconfig), client_configuration=configuration)
        configuration.client_session_kwargs = {"trust_env": False}
        kubernetes = Kubernetes(configuration, lambda _verb, _status: None)
        world = World(Store(), WorkQueue(time.monotonic), kubernetes, time.time, "audit", lambda: True)
        try:
            await story(world, WatchAudit(world, kubernetes, Watch(world)))
        finally:
            await kubernetes.close()

    asyncio.run(run())


def test_what_the_watch_missed_twice_is_put_right_and_told(api: Api, name: str) -> None:
    api.create(bodies.machine(name))
    key = Key("VirtualMachine", "default", name)

    async def story(world: World, audit: WatchAudit) -> None:
        await audit.audit()
        assert (world.store.get(key), audit.problem) == (None, None)

        await audit.audit()
        body = world.store.get(key)
        assert body is not None
        assert body["spec"]["providerRef"] == {"name": "aws-prod"}
        assert audit.problem is not None
        assert world.queue.depth() >= 1

        await audit.audit()
        assert audit.problem is None

    tell(api, story)


def test_what_is_older_than_what_is_known_is_told_and_not_believed(api: Api, name: str) -> None:
    api.create(bodies.machine(name))
    key = Key("VirtualMachine", "default", name)

    async def story(world: World, audit: WatchAudit) -> None:
        body = await audit._kubernetes.get(key)
        assert body is not None
        version = int(body["metadata"]["resourceVersion"])
        future = {**body["metadata"], "resourceVersion": str(version + 100), "annotations": {"made": "in the future"}}
        world.store.put(key, {**body, "metadata": future})

        for _ in range(2):
            await audit.audit()

        assert audit.problem is not None
        known = world.store.get(key)
        assert known is not None
        assert known["metadata"]["resourceVersion"] == str(version + 100)

    tell(api, story)


def test_an_object_that_went_without_a_word_is_forgotten(api: Api, name: str) -> None:
    api.create(bodies.aws(name))
    key = Key("Provider", "", name)

    async def story(world: World, audit: WatchAudit) -> None:
        for _ in range(2):
            await audit.audit()
        assert world.store.get(key) is not None

        api.remove_all()
        await audit.audit()
        assert world.store.get(key) is not None
        await audit.audit()
        assert world.store.get(key) is None
        assert audit.problem is not None

    tell(api, story)


def test_all_pages_are_read(api: Api, name: str) -> None:
    made = {f"{name}-{number}" for number in range(503)}
    for one in sorted(made):
        assert api.create(bodies.machine(one)).code == 201

    async def story(world: World, audit: WatchAudit) -> None:
        for _ in range(2):
            await audit.audit()
        assert made <= {key.name for key in world.store.keys("VirtualMachine")}

    tell(api, story)
