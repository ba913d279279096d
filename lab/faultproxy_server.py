"""The fault proxy's process: ``python -m lab.faultproxy_server``, started by ``lab.faultproxy``.

It listens on two free loopback ports, writes both URLs to the file named by ``--ready``, and runs until SIGTERM. One
port is the cloud's stand-in; the other takes orders, as JSON over plain HTTP:

    GET /counts, POST /counts/reset, GET /log, GET|POST|DELETE /faults, DELETE /faults/{id},
    POST /dark {"how": "silent" | "refuse"}, POST /light
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import msgspec
from aiohttp import web

from lab.faultproxy_operations import Api
from lab.faultproxy_rules import Darkness, Rule
from lab.faultproxy_traffic import Traffic, abort, upstream_session

_HOST = "127.0.0.1"
_BACKLOG = 1024
#: Seconds; clients close first, so that no request meets a closing connection.
_CLIENT_KEEPALIVE = 3600.0


class Ready(msgspec.Struct, frozen=True):
    """What the server says of itself once it listens: two URLs."""

    endpoint: str
    control: str


class _Options(argparse.Namespace):
    api: Api
    upstream: str
    upstream_ca: Path | None
    certificate: Path | None
    key: Path | None
    ready: Path


class Door:
    """The port in front of the cloud; shut, it refuses connections and still belongs to this process."""

    def __init__(self, server: web.Server, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._listener: asyncio.Server | None = None
        # Bound and never listening: it keeps the port while the door is shut.
        self._anchor = self._bound(0)
        self._port = int(self._anchor.getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"{'https' if self._tls else 'http'}://{_HOST}:{self._port}"

    async def open(self) -> None:
        """Accept connections."""
        if self._listener is None:
            loop = asyncio.get_running_loop()
            end = self._bound(self._port)
            self._listener = await loop.create_server(self._server, sock=end, ssl=self._tls, backlog=_BACKLOG)

    def shut(self) -> None:
        """Refuse connections, and break those there are."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self._server.connections):
            abort(connection.transport)

    def close(self) -> None:
        """Shut, and give the port back."""
        self.shut()
        self._anchor.close()

    def _bound(self, port: int) -> socket.socket:
        end = socket.socket()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        end.bind((_HOST, port))
        return end


class Control:
    """The orders that a proxy takes."""

    def __init__(self, traffic: Traffic, door: Door) -> None:
        self._traffic = traffic
        self._door = door

    def application(self) -> web.Application:
        """The second port's routes."""
        app = web.Application()
        app.router.add_get("/counts", self._counts)
        app.router.add_post("/counts/reset", self._reset_counts)
        app.router.add_get("/log", self._log)
        app.router.add_get("/faults", self._faults)
        app.router.add_post("/faults", self._inject)
        app.router.add_delete("/faults", self._clear)
        app.router.add_delete("/faults/{id:[0-9]+}", self._lift)
        app.router.add_post("/dark", self._dark)
        app.router.add_post("/light", self._light)
        return app

    async def _counts(self, _: web.Request) -> web.Response:
        return _json(self._traffic.record.counts)

    async def _reset_counts(self, _: web.Request) -> web.Response:
        self._traffic.record.reset()
        return _json(None)

    async def _log(self, _: web.Request) -> web.Response:
        return _json(list(self._traffic.record.log))

    async def _faults(self, _: web.Request) -> web.Response:
        return _json(self._traffic.rules.active())

    async def _inject(self, request: web.Request) -> web.Response:
        try:
            rule = msgspec.json.decode(await request.read(), type=Rule)
        except msgspec.DecodeError as error:
            return web.Response(status=400, text=str(error))
        return _json({"id": self._traffic.rules.add(rule)})

    async def _clear(self, _: web.Request) -> web.Response:
        self._traffic.rules.clear()
        self._traffic.release()
        return _json(None)

    async def _lift(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        if not self._traffic.rules.remove(number):
            return web.Response(status=404, text=f"no rule {number} is in force")
        return _json(None)

    async def _dark(self, request: web.Request) -> web.Response:
        try:
            order = msgspec.json.decode(await request.read() or b"{}", type=dict[str, Darkness])
        except msgspec.DecodeError as error:
            return web.Response(status=400, text=str(error))
        how = order.get("how", "silent")
        self._traffic.dark(how)
        if how == "refuse":
            self._door.shut()
        else:
            await self._door.open()
        return _json(None)

    async def _light(self, _: web.Request) -> web.Response:
        self._traffic.light()
        await self._door.open()
        return _json(None)


def _json(content: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), content_type="application/json")


async def serve(options: _Options) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tls = None
    if options.certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)
    async with upstream_session(options.upstream_ca) as session:
        traffic = Traffic(options.api, options.upstream, session)
        server = web.Server(
            traffic.handle,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            keepalive_timeout=_CLIENT_KEEPALIVE,
        )
        door = Door(server, tls)
        await door.open()
        runner = web.AppRunner(Control(traffic, door).application(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, _HOST, 0)
        await site.start()
        _announce(options.ready, Ready(door.url, site.name))
        await stop.wait()
        door.close()
        await runner.cleanup()


def _announce(file: Path, ready: Ready) -> None:
    """Write the file whole or not at all."""
    draft = file.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode(ready))
    draft.replace(file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m lab.faultproxy_server", description=__doc__)
    parser.add_argument("--api", required=True, choices=get_args(Api))
    parser.add_argument("--upstream", required=True, help="URL that requests are handed on to")
    parser.add_argument("--upstream-ca", type=Path, help="PEM file with the CA of the upstream's certificate")
    parser.add_argument("--certificate", type=Path, help="PEM file; with it the proxy speaks HTTPS")
    parser.add_argument("--key", type=Path, help="PEM file with the certificate's key")
    parser.add_argument("--ready", type=Path, required=True, help="file that gets the two URLs")
    asyncio.run(serve(parser.parse_args(arguments, namespace=_Options())))


if __name__ == "__main__":
    main()
