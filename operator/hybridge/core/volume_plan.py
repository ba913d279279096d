"""The plan for a volume: a pure function of what is wanted, what is on record and what is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from hybridge.core import situation
from hybridge.core.convergence import busy, converge, unless_used
from hybridge.core.deletion import await_dependants, plan_deletion
from hybridge.core.difference import (
    changing,
    counts_name,
    name_change,
    setting_changes,
    setting_texts,
    tag_changes,
)
from hybridge.core.existence import ours
from hybridge.core.machine import Change
from hybridge.core.plan import Action, Plan, Rest, Verb
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
    found = ours(situation)
    if isinstance(found, Plan):
        return found
    machines = [one.machine_id for one in found.attachments]
    if situation.record.deleting:
        used = await_dependants(situation, found, machines)
        return plan_deletion(situation, found, used or busy(situation, found))
    changes = differences(situation.spec, found, situation.traits, named=counts_name(situation))
    if situation.spec.observed:
        return Plan(Rest(), drift=changes)
    return converge(situation, found, changes, unless_used(situation, found, machines))


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
