"""What a volume should be, and what it is. Sizes are bytes, throughput is bytes a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybridge.core.lifecycle import Guarantees
from hybridge.core.machine import Change, Known
from hybridge.core.managed import ManagedObject, ManagedSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec(ManagedSpec):
    """What the user wants. None means *chosen at create, not managed afterwards*.

    ``size`` is the least: a volume never shrinks. ``snapshot`` is the cloud's id of what it is made from. ``placement``
    and ``options`` (the block of the volume's own cloud) are keyed as in the custom resource.
    """

    size: int | None = None
    class_: str | None = None
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool | None = None
    snapshot: str | None = None
    placement: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attachment:
    """That a machine has the volume: the machine's id, and as what, such as ``/dev/sdf`` or ``scsi1``."""

    machine_id: str
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(ManagedObject):
    """One volume as its cloud shows it.

    ``settings`` are the other fields that a spec can set and this cloud shows, by path: ``class``, ``placement.zone``,
    ``placement.storage``, ``placement.node``, and those of the block of options under its name: ``aws.kmsKeyID``.
    ``attachments``: also those that are only being made or undone.
    """

    size: int | None = None
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool | None = None
    settings: Mapping[str, Known] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeTraits(Guarantees):
    """How a cloud's volumes differ where the plan has to know.

    ``block``: the name of the cloud's options in a spec. ``changes``: what changing a field takes, by path as in
    ``Volume.settings``, and ``size``, ``iops``, ``throughput``, ``encrypted``; STOPPED: that no machine has it. What is not
    listed takes another volume.
    """

    chooses_uuid: bool = False
    block: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)
