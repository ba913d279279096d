"""What the engine is told of the API server's answers."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from hybridge.engine.cluster import ClusterUnavailable, Conflict, Invalid
from hybridge.engine.keys import Key
from hybridge.kube.client import Kubernetes

KEY = Key("VirtualMachine", "shop", "web")
WORDS = "status.plan[0].field: Too long: may not be more than 128 bytes"


def written(status: int) -> list[tuple[str, int]]:
    """Writes a status to an API server that answers so; the writes that were counted. Raises what the engine is told."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": WORDS}, status=status)

    async def story() -> list[tuple[str, int]]:
        server = web.Application()
        server.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        configuration = Configuration()
        host, port = runner.addresses[0][:2]
        configuration.host = f"http://{host}:{port}"
        writes: list[tuple[str, int]] = []
        kubernetes = Kubernetes(configuration, lambda verb, code: writes.append((verb, code)))
        try:
            await kubernetes.emit(
                {"kind": "VirtualMachine", "metadata": {"name": "web", "uid": "u", "resourceVersion": "1"}},
                reason="Drifted",
                message="cpus",
                warning=True,
            )
            await kubernetes.patch_status(KEY, {"status": {}}, resource_version="1")
        finally:
            await kubernetes.close()
            await runner.cleanup()
        return writes

    return asyncio.run(story())


def test_what_the_schema_forbids_is_no_outage_and_says_which_field() -> None:
    with pytest.raises(Invalid, match=r"status\.plan\[0\]\.field"):
        written(422)


@pytest.mark.parametrize(("status", "told"), [(409, Conflict), (403, ClusterUnavailable), (500, ClusterUnavailable)])
def test_other_refusals(status: int, told: type[Exception]) -> None:
    with pytest.raises(told):
        written(status)


def test_what_is_gone_is_no_error() -> None:
    assert written(404) == [("POST", 404), ("PATCH", 404)]
