"""From a Provider's spec and Secret to what its driver and its bulkhead are made with."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from hybridge.api.provider import Provider
from hybridge.core.units import parse_duration
from hybridge.drivers.base import Settings
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from hybridge.engine.cluster import Secret
from hybridge.engine.meter import ProviderMeter
from hybridge.engine.world import World

#: Requests a second and at once where spec.limits says nothing; EC2's own limits are lower than those of the others.
RATES: Mapping[str, tuple[int, int]] = {"aws": (20, 100), "proxmox": (50, 100), "vsphere": (50, 100)}


def fingerprint(provider: Provider, secret: Secret | None) -> str:
    """Changes whenever a new connection is needed. Holds no secret."""
    spec = provider.spec
    parts = (spec.cloud, spec.credentials, spec.tls, spec.limits, spec.sweep_interval, spec.defaults)
    version = (secret.uid, secret.resource_version) if secret else None
    return json.dumps([msgspec.to_builtins(parts), version], sort_keys=True)


def bulkhead(provider: Provider, world: World) -> Bulkhead:
    """Threads, rate limit and circuit breaker of a new connection."""
    limits = provider.spec.limits
    rate, burst = RATES[provider.spec.type]
    bucket = TokenBucket(limits.requests_per_second or rate, limits.burst or burst, world.monotonic)
    breaker = Breaker(world.monotonic, wall=world.clock)
    return Bulkhead(
        provider.metadata.name, threads=limits.concurrent_tasks, bucket=bucket, breaker=breaker, leads=world.leads
    )


def settings(provider: Provider, secret: Secret | None, limited: Bulkhead, meter: ProviderMeter) -> Settings:
    """What the driver of a new connection is told."""
    spec, name = provider.spec, provider.metadata.name
    defaults: dict[str, str] = msgspec.to_builtins(spec.defaults)
    return Settings(
        provider=name,
        cloud=spec.cloud,
        credentials=secret.data if secret else {},
        acquire=limited.acquire,
        meter=meter.requests(name),
        ca_bundle=spec.tls.ca_bundle,
        fingerprint=spec.tls.fingerprint_hex,
        insecure_skip_verify=spec.tls.insecure_skip_verify,
        defaults=defaults,
        concurrency=spec.limits.concurrent_tasks,
        sweep_interval=parse_duration(spec.sweep_interval),
    )
