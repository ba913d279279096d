"""From the part that the specs of all kinds have in common to the core. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import msgspec

from hybridge.api.fields import Model
from hybridge.api.managed import ManagedSpec
from hybridge.api.shared import Disruption, Management, ObjectMeta, OnDelete, OnLost
from hybridge.api.shared import Import as ImportOptions
from hybridge.core.lifecycle import Drift, Import
from hybridge.core.units import parse_quantity

_CLOUDS = ("aws", "proxmox", "vsphere")
_MOST_NAME = 63
_UID_START = 8


class Managed(TypedDict):
    """The fields with which the core's specs of all kinds begin."""

    name: str
    tags: Mapping[str, str]
    named: bool
    observed: bool
    imports: Import | None
    detach: bool
    drift: Drift
    recreate_lost: bool
    disruption: bool


def managed(metadata: ObjectMeta, spec: ManagedSpec) -> Managed:
    """What the user wants of the cloud object's life, in the core's words."""
    lifecycle = spec.lifecycle
    return Managed(
        name=cloud_name(metadata, spec),
        tags=spec.tags,
        named=spec.name is not None,
        observed=lifecycle.management is Management.OBSERVED,
        imports=_import(lifecycle.import_),
        detach=lifecycle.on_delete is OnDelete.DETACH,
        drift=lifecycle.drift,
        recreate_lost=lifecycle.on_lost is OnLost.RECREATE,
        disruption=lifecycle.disruption is Disruption.ALLOW,
    )


def cloud_name(metadata: ObjectMeta, spec: ManagedSpec) -> str:
    """The name in the cloud: ``spec.name``, else the object's name, cut, and the first 8 characters of its uid."""
    if spec.name:
        return spec.name
    room = _MOST_NAME - _UID_START - 1
    return f"{metadata.name[:room].rstrip('-.')}-{metadata.uid[:_UID_START]}"


def options(spec: ManagedSpec, cloud: str) -> Mapping[str, object]:
    """The block of the spec that only ``cloud``, the type of the Provider, has; empty where there is none."""
    block: Model | None = getattr(spec, cloud, None) if cloud in _CLOUDS else None
    return words(block) if block else {}


def foreign_blocks(spec: ManagedSpec, cloud: str) -> tuple[str, ...]:
    """The blocks of options that belong to another cloud than ``cloud``."""
    return tuple(other for other in _CLOUDS if other != cloud and getattr(spec, other, None) is not None)


def words(block: Model) -> Mapping[str, object]:
    """The block as JSON values, so that it is the same after it was stored and read again."""
    told: Mapping[str, object] = msgspec.json.decode(msgspec.json.encode(block))
    return told


def size(value: int | str | None) -> int | None:
    """Bytes of a quantity. ValueError when it is none (the CRD refuses those)."""
    return None if value is None else parse_quantity(value)


def _import(wanted: ImportOptions | None) -> Import | None:
    if wanted is None:
        return None
    if wanted.filter is not None:
        return Import(name=wanted.filter.name, tags=wanted.filter.tags)
    return Import(id=wanted.id)
