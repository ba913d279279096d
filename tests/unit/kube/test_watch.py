"""What the watch makes of an API server that does not remember so far back."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from aiohttp import web

from hybridge.api.kinds import KINDS
from hybridge.api.shared import GROUP, VERSION
from hybridge.engine.cluster import Cluster
from hybridge.engine.keys import Key
from hybridge.engine.queue import WorkQueue
from hybridge.engine.store import Store
from hybridge.engine.world import World
from hybridge.kube.handlers import Watch

FOLDER = f"/apis/{GROUP}/{VERSION}"
GONE = {
    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
    "message": "too old resource version: 1 (9)", "reason": "Expired", "code": 410,
}  # fmt: skip


def body(version: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Provider",
        "metadata": {"name": "pve", "uid": "u", "resourceVersion": version, "generation": 1},
        "spec": {},
    }


class ForgetfulServer:
    """An API server with one Provider, which changes unseen before each list; of the past it tells nothing.

    ``refusal``: how it says so to a watch that goes back to one of the first ``forgotten`` lists.
    """

    def __init__(self, forgotten: int, refusal: web.Response | bytes) -> None:
        self.forgotten = forgotten
        self.refusal = refusal
        self.asked: Counter[str] = Counter()
        self.watched = asyncio.Event()
        self.ended = asyncio.Event()
        self.application = web.Application()
        self.application.router.add_get(f"{FOLDER}/{{plural}}", self._objects)
        self.application.router.add_get("/{path:.*}", self._discovery)

    async def _discovery(self, request: web.Request) -> web.Response:
        answers = {
            "/api": {"versions": ["v1"]},
            "/api/v1": {"resources": [_resource("namespaces", "Namespace", namespaced=False)]},
            "/apis": {"groups": [self._group()]},
            FOLDER: {"resources": [_resource(kind.plural, kind.kind, namespaced=kind.namespaced) for kind in KINDS]},
        }
        return web.json_response(answers.get(request.path, {}))

    def _group(self) -> dict[str, object]:
        version = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
        return {"name": GROUP, "versions": [version], "preferredVersion": version}

    async def _objects(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["plural"] != "providers":
            return await self._hold(request) if "watch" in request.query else web.json_response({"items": []})
        if "watch" not in request.query:
            self.asked["list"] += 1
            version = str(self.asked["list"])
            return web.json_response({"metadata": {"resourceVersion": version}, "items": [body(version)]})
        self.asked["watch"] += 1
        if int(request.query["resourceVersion"]) <= self.forgotten:
            if isinstance(self.refusal, bytes):
                return web.Response(body=self.refusal)
            return web.Response(status=self.refusal.status, body=self.refusal.body, content_type="application/json")
        self.watched.set()
        return await self._hold(request)

    async def _hold(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await self.ended.wait()
        return response


def follow(
    server_of: Callable[[], ForgetfulServer], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ForgetfulServer, World]:
    """Watches until the server has a watch that goes on; raises what ends the watch before."""

    async def story() -> tuple[ForgetfulServer, World]:
        server = server_of()
        runner = web.AppRunner(server.application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(folder, f"http://{host}:{port}")))
        world = World(Store(), WorkQueue(lambda: 0.0), cast("Cluster", None), lambda: 0.0, "c", lambda: True)
        watch = Watch(world)
        running = asyncio.create_task(watch.run())
        waiting = asyncio.create_task(server.watched.wait())
        try:
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
                raise AssertionError("the watch ended")
        finally:
            waiting.cancel()
            watch.stop()
            await asyncio.wait({running})
            server.ended.set()
            await runner.cleanup()
        return server, world

    return asyncio.run(story())


def _resource(plural: str, kind: str, *, namespaced: bool) -> dict[str, object]:
    return {
        "name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": namespaced,
        "verbs": ["get", "list", "watch", "patch"], "shortNames": [], "categories": [],
    }  # fmt: skip


def _kubeconfig(folder: Path, url: str) -> Path:
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {"token": "t"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "refusal",
    [
        web.json_response(GONE, status=410),
        web.Response(status=410, text="gone, says a proxy"),
        json.dumps({"type": "ERROR", "object": GONE}).encode() + b"\n",
    ],
    ids=["answer", "words of a proxy", "event"],
)
def test_what_is_too_old_for_a_watch_is_listed_anew(
    refusal: web.Response | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it is said, once or again: the watch goes on from a fresh list, and nothing of it is missed."""
    server, world = follow(lambda: ForgetfulServer(2, refusal), tmp_path, monkeypatch)

    assert server.asked == {"list": 3, "watch": 3}
    known = world.store.get(Key("Provider", "", "pve"))
    assert known is not None
    assert known["metadata"]["resourceVersion"] == "3"
