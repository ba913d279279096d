"""The plan for a volume: a pure function of what is wanted, what is on record and what is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from hybridge.core import situation
from hybridge.core.convergence import planned, unless_used, unused
from hybridge.core.difference import (
    changing,
    counts_name,
    name_change,
    setting_changes,
    setting_texts,
    tag_changes,
)
from hybridge.core.machine import Change
from hybridge.core.plan import Action, Plan, Verb
from hybridge.core.units import format_bytes
from hybridge.core.volume import Volume, VolumeSpec, VolumeTraits

_NOUN = "volume"


@dataclass(frozen=True, slots=True)
class Situation(situation.Situation[VolumeSpec, Volume]):
    """A volume's."""

    noun: ClassVar[str] = _NOUN

    traits: VolumeTraits


def plan(situation: Situation) -> Plan:
    """The next step and all that is left to do. Never raises; the same arguments give the same plan."""
    return planned(
        situation,
        lambda found: differences(situation.spec, found, situation.traits, named=counts_name(situation)),
        lambda found: unused(situation, found, _machines(found)),
        lambda found: unless_used(situation, found, _machines(found)),
    )


def _machines(volume: Volume) -> list[str]:
    return [one.machine_id for one in volume.attachments]


def differences(spec: VolumeSpec, volume: Volume, traits: VolumeTraits, *, named: bool = False) -> tuple[Action, ...]:
    """What has to change. ``disruptive``: not possible while a machine has it. ``named``: its name counts.

    What is larger than wanted stays so.
    """
    return (
        *name_change(spec, volume, named=named),
        *_size(spec, volume, traits),
        *tag_changes(spec.tags, volume),
        *_settings(spec, volume, traits),
    )


def _size(spec: VolumeSpec, volume: Volume, traits: VolumeTraits) -> Iterator[Action]:
    if spec.size is not None and volume.size is not None and volume.size < spec.size:
        change = traits.changes.get("size", Change.REPLACE)
        yield changing(Verb.RESIZE, "size", format_bytes(volume.size), format_bytes(spec.size), change, _NOUN)


def _settings(spec: VolumeSpec, volume: Volume, traits: VolumeTraits) -> Iterator[Action]:
    shown = {**volume.settings, **{path: (text,) for path, text in setting_texts(_figures(volume)).items()}}
    wanted = {
        **setting_texts({"class": spec.class_, **_figures(spec)}),
        **setting_texts(spec.placement, "placement"),
        **setting_texts(spec.options, traits.block),
    }
    return setting_changes(wanted, shown, traits.changes, _NOUN)


def _figures(one: VolumeSpec | Volume) -> Mapping[str, object]:
    return {"iops": one.iops, "throughput": one.throughput, "encrypted": one.encrypted}
