"""A cloud as small as can be behind a fault proxy, and its client."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import requests
from aiohttp import web

from lab.faultproxy import FaultProxy

FORM = "application/x-www-form-urlencoded"
ZIPPED = gzip.compress(b"plain")
HOST = "ec2.example"
RUN = "ec2:RunInstances"


def eventually(holds: Callable[[], bool]) -> bool:
    """Ask until it holds; False after half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False


class SmallCloud:
    """An HTTP server in a thread that remembers what reached it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.peers: set[object] = set()
        self.finished: list[str] = []
        self.broken_off: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def forget(self) -> None:
        """What a test begins with: nothing seen, the waiting paths closed."""
        for memory in (self.seen, self.finished, self.broken_off):
            memory.clear()
        self.peers.clear()
        self._loop.call_soon_threadsafe(self._gate.clear)

    def open_gate(self) -> None:
        """Answer the requests that wait."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def bodies(self) -> list[bytes]:
        """What reached the cloud, in order."""
        return [body for *_, body in self.seen]

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop, self._gate, self._together = asyncio.Event(), asyncio.Event(), asyncio.Barrier(100)
        runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True, auto_decompress=False))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=256)
        await site.start()
        self.url = site.name
        self._ready.set()
        await self._stop.wait()
        self._gate.set()
        await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        self.peers.add(request.transport and request.transport.get_extra_info("peername"))
        self.seen.append((request.method, request.raw_path, dict(request.headers), body))
        if request.path == "/zipped":
            return web.Response(body=ZIPPED, headers={"Content-Encoding": "gzip"})
        if request.path == "/running":
            return web.Response(status=500, reason="VM 100 already running", text="no")
        if request.path == "/together":
            await self._together.wait()
        if request.path == "/hangup":
            assert request.transport is not None
            request.transport.abort()
        if request.path == "/wait":
            try:
                await self._gate.wait()
            except asyncio.CancelledError:
                self.broken_off.append(request.method)
                raise
        self.finished.append(request.method)
        return web.Response(text=f"{len(body)}", headers={"X-Cloud": "small"})


class Client:
    """One client of a proxy, with connections of its own."""

    def __init__(self, proxy: FaultProxy, ca: Path) -> None:
        self._proxy = proxy
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(ca)

    def get(self, path: str, timeout: float = 60) -> requests.Response:
        return self._session.get(self._proxy.endpoint + path, timeout=timeout)

    def head(self, path: str) -> requests.Response:
        return self._session.head(self._proxy.endpoint + path, timeout=60)

    def delete(self, path: str) -> requests.Response:
        return self._session.delete(self._proxy.endpoint + path, timeout=60)

    def post(
        self, body: bytes, path: str = "/", *, timeout: float = 60, encoding: str | None = None
    ) -> requests.Response:
        headers = {"Content-Type": FORM, "Host": HOST, "Cookie": "a=b", "Content-Encoding": encoding}
        return self._session.post(self._proxy.endpoint + path, data=body, headers=headers, timeout=timeout)

    def act(self, action: str, timeout: float = 60) -> requests.Response:
        return self.post(f"Action={action}&Version=2016-11-15".encode(), timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
