"""What a Volume wants, in the core's words. Pure."""

from __future__ import annotations

from hybridge.api.managed_desired import managed, options, size, words
from hybridge.api.volume import Volume
from hybridge.core.volume import VolumeSpec

_MIB = 1 << 20


def volume_spec(volume: Volume, cloud: str, snapshot: str | None = None) -> VolumeSpec:
    """What the user wants.

    ``cloud`` is the type of the Provider, which picks the block of options; ``snapshot`` is the cloud's id of what
    ``spec.source.snapshotRef`` names. ValueError when a quantity cannot be read (the CRD refuses those).
    """
    spec = volume.spec
    placement = words(spec.placement) if spec.placement else {}
    return VolumeSpec(
        **managed(volume.metadata, spec),
        size=size(spec.size),
        class_=spec.class_,
        iops=spec.iops,
        throughput=None if spec.throughput is None else spec.throughput * _MIB,
        encrypted=spec.encrypted,
        snapshot=snapshot,
        placement={key: str(value) for key, value in placement.items()},
        options=options(spec, cloud),
    )
