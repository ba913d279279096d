"""The plan for a volume: a pure function of what is wanted, what is on record and what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hybridge.core import situation
from hybridge.core.convergence import busy, converge
from hybridge.core.deletion import await_dependants, plan_deletion
from hybridge.core.difference import (
    changing,
    counts_name,
    name_change,
    setting_change,
    setting_text,
    tag_changes,
)
from hybridge.core.existence import ours
from hybridge.core.machine import Change
from hybridge.core.plan import Action, Plan, Rest, Step, Verb, Wait
from hybridge.core.reasons import Reason
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
    if situation.record.deleting:
        attached = await_dependants(situation, found, (one.machine_id for one in found.attachments))
        return plan_deletion(situation, found, attached or busy(situation, found))
    changes = differences(situation.spec, found, situation.traits, named=counts_name(situation))
    if situation.spec.observed:
        return Plan(Rest(), drift=changes)
    return converge(situation, found, changes, _in_use(situation, found))


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
    shown = {
        **volume.settings,
        **{path: (setting_text(value),) for path, value in _figures(volume).items() if value is not None},
    }
    wanted = {
        **({"class": spec.class_} if spec.class_ is not None else {}),
        **{path: setting_text(value) for path, value in _figures(spec).items() if value is not None},
        **{f"placement.{key}": value for key, value in spec.placement.items()},
        **{f"{traits.block}.{key}": setting_text(value) for key, value in spec.options.items() if value is not None},
    }
    for path, value in wanted.items():
        if path in shown:
            change = setting_change(path, value, shown[path], traits.changes.get(path, Change.REPLACE), _NOUN)
            if change is not None:
                yield change


def _figures(one: VolumeSpec | Volume) -> dict[str, int | bool | None]:
    return {"iops": one.iops, "throughput": one.throughput, "encrypted": one.encrypted}


def _in_use(situation: Situation, volume: Volume) -> Step | None:
    """What a change has to wait for that cannot be made while a machine has the volume."""
    if not volume.attachments:
        return None
    owners = situation.sight.owners
    names = ", ".join(owners.get(one.machine_id, one.machine_id) for one in volume.attachments)
    return Wait(Reason.HAS_DEPENDANTS, f"{volume.id} cannot be changed so while {names} has it", patient=True)
