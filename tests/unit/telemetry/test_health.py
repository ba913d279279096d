"""The port for Prometheus and the kubelet, asked over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry, Counter, Gauge

from hybridge.telemetry.health import Check, application


def asked(path: str, health: Mapping[str, Check] | None = None) -> tuple[int, str]:
    """Status and text of one answer."""
    registry = CollectorRegistry()
    Gauge("hybridge_up", "Up.", ("provider",), registry=registry).labels("aws").set(1)
    Counter("hybridge_writes", "Writes.", registry=registry).inc(3)

    async def ask() -> tuple[int, str]:
        app = application(registry, health=health or {}, ready={})
        async with TestServer(app) as server, aiohttp.ClientSession() as session:
            answer = await session.get(server.make_url(path))
            return answer.status, await answer.text()

    return asyncio.run(ask())


def series(text: str) -> set[str]:
    return {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def test_all_series_are_shown() -> None:
    status, text = asked("/metrics")
    assert status == 200
    assert series(text) >= {"hybridge_up", "hybridge_writes_total"}


def test_only_the_series_that_are_named_are_shown() -> None:
    assert series(asked("/metrics?name[]=hybridge_up")[1]) == {"hybridge_up"}
    assert series(asked("/metrics?name[]=hybridge_writes_total&name[]=hybridge_up")[1]) == {
        "hybridge_up",
        "hybridge_writes_total",
    }
    assert series(asked("/metrics?name[]=unknown")[1]) == set()


def test_a_check_that_fails_is_named() -> None:
    status, text = asked("/healthz", {"watch": lambda: "nothing was heard", "clock": lambda: None})
    assert (status, text) == (503, "clock: ok\nwatch: nothing was heard\n")
    assert asked("/healthz", {"watch": lambda: None}) == (200, "watch: ok\n")
