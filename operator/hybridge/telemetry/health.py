"""The HTTP port: /metrics for Prometheus, /healthz and /readyz for the kubelet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

#: A check: None when all is well, else a sentence that says what is not.
Check = Callable[[], str | None]


def application(
    registry: CollectorRegistry, *, health: Mapping[str, Check], ready: Mapping[str, Check]
) -> web.Application:
    """The web application; a failing check answers 503 with one line a check.

    ``/metrics?name[]=…`` shows only the series of these names, as Prometheus' clients in other languages do.
    """
    app = web.Application()

    async def metrics(request: web.Request) -> web.Response:
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        wanted = request.query.getall("name[]", [])
        chosen = registry.restricted_registry(wanted) if wanted else registry
        return web.Response(body=encoder(chosen), headers={"Content-Type": content_type})

    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", _handler(health))
    app.router.add_get("/readyz", _handler(ready))
    return app


def _handler(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        found = {name: check() for name, check in checks.items()}
        lines = [f"{name}: {words or 'ok'}" for name, words in sorted(found.items())]
        return web.Response(text="\n".join([*lines, ""]), status=503 if any(found.values()) else 200)

    return answer


class Server:
    """Serves an application on a port until closed."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(app, access_log=None)
        self._host = host
        self._port = port

    async def start(self) -> None:
        """Begins to listen. OSError when the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def close(self) -> None:
        """Stops listening."""
        await self._runner.cleanup()
