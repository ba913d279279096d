"""The natures of all kinds of cloud objects but machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hybridge.engine.firewalls import FirewallNature
from hybridge.engine.images import ImageNature
from hybridge.engine.meter import MachineMeter
from hybridge.engine.networks import NetworkNature
from hybridge.engine.objects.plain import Nature, PlainKind
from hybridge.engine.outcome import Kind
from hybridge.engine.snapshots import SnapshotNature
from hybridge.engine.volumes import VolumeNature
from hybridge.engine.world import World

#: One line each.
NATURES: tuple[type[Nature[Any, Any, Any]], ...] = (
    VolumeNature,
    NetworkNature,
    ImageNature,
    FirewallNature,
    SnapshotNature,
)


def plain_kinds(world: World, meter: MachineMeter) -> Mapping[str, Kind]:
    """What reconciles them, by kind."""
    return {nature.kind.value: PlainKind(world, meter, nature()) for nature in NATURES}
