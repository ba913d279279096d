"""What is exported of a Provider's cloud."""

from __future__ import annotations

from typing import Any, cast

from prometheus_client import generate_latest

from hybridge.core.kinds import CloudKind
from hybridge.core.network import Network
from hybridge.drivers.base import Connection, Driver, Portion
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.link import Link
from hybridge.telemetry.metrics import Metrics


def clock() -> float:
    return 1000.0


def test_cloud_objects_are_counted_by_kind_once_their_kind_was_seen() -> None:
    bulkhead = Bulkhead(
        "pve", threads=1, bucket=TokenBucket(9e6, 9e6, clock), breaker=Breaker(clock), leads=lambda: True
    )
    nobody = cast("Driver", None)
    link = Link(
        "pve", nobody, Connection("pve:1", "1"), bulkhead, clock=clock, monotonic=clock, interval=30.0, kinds=tuple,
        on_change=lambda *_: None, on_error=lambda *_: None,
    )  # fmt: skip
    networks: dict[str, Any] = {name: Network(name, name) for name in ("vmbr0", "vmbr1")}
    link.shelf(CloudKind.NETWORK).inventory.apply(Portion(networks, full=True), 0)
    metrics = Metrics()

    metrics.swept(link)
    told = generate_latest(metrics.registry).decode()
    assert 'hybridge_inventory_objects{kind="Network",provider="pve"} 2.0' in told
    assert 'kind="Image"' not in told

    metrics.forget("pve")
    assert "hybridge_inventory_objects{" not in generate_latest(metrics.registry).decode()
    bulkhead.close()
