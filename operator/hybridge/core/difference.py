"""Where a cloud object differs from its spec, and what of that is drift: the same for every kind.

What the spec leaves open and what the cloud does not show is not compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hybridge.core.cloudobject import CloudObject, Wanted
from hybridge.core.lifecycle import Drift, digest
from hybridge.core.machine import Change, Known
from hybridge.core.plan import Action, Verb
from hybridge.core.situation import AnySituation

#: Fields of many parts, of which a driver brings all to the spec at once.
_WHOLE = frozenset({"tags", "networks"})


@dataclass(frozen=True, slots=True)
class Judged:
    """Differences, by what becomes of them.

    ``left``: what is to be done about. ``drifted``: what of all came about in the cloud. ``told``: what people are told
    of that.
    """

    left: tuple[Action, ...]
    drifted: tuple[Action, ...]
    told: tuple[Action, ...]


def judge(
    situation: AnySituation,
    changes: Iterable[Action],
    *,
    never: Collection[str] = (),
    anew: Collection[str] = (),
    besides: tuple[Action, ...] = (),
) -> Judged:
    """What the spec wants done about ``changes``. ``never``: fields in which the cloud cannot come to differ by itself.
    ``anew``: those of which something else is wanted than when the spec was met, although it says the same. ``besides``:
    what differs and is told, and nothing is ever done about.
    """
    spec, changes = situation.spec, tuple(changes)
    drifted = tuple(one for one in changes if one.field not in never and _is_drift(situation, one, anew))
    kept = spec.drift is not Drift.CORRECT and not spec.observed
    return Judged(
        left=tuple(action for action in changes if action not in drifted) if kept else changes,
        drifted=drifted,
        told=() if spec.drift is Drift.IGNORE and not spec.observed else (*drifted, *besides),
    )


def counts_name(situation: AnySituation) -> bool:
    """Whether another name is a difference: it was chosen, or given by us. What was there before keeps its own."""
    return situation.spec.named or (situation.intent is not None and situation.intent.attempt > 0)


def name_change(spec: Wanted, found: CloudObject, *, named: bool) -> Iterator[Action]:
    """Another name than the wanted one, where it counts."""
    if named and found.detailed and found.name != spec.name:
        yield Action(Verb.RENAME, "name", found.name, spec.name)


def tag_changes(wanted: Mapping[str, str], found: CloudObject) -> Iterator[Action]:
    """Tags that are missing or have another value; those that are not wanted are people's own."""
    if found.detailed:
        for key, value in sorted(wanted.items()):
            if found.tags.get(key) != value:
                yield Action(Verb.RETAG, f"tags.{key}", found.tags.get(key, ""), value)


def setting_change(path: str, wanted: str, found: Known, change: Change, noun: str) -> Action | None:
    """Another value of a setting than the wanted one; None where they are the same, in whichever words."""
    if wanted in found:
        return None
    return changing(setting_verb(path), path, next(iter(found), ""), wanted, change, noun)


def setting_changes(
    wanted: Mapping[str, str], shown: Mapping[str, Known], changes: Mapping[str, Change], noun: str
) -> Iterator[Action]:
    """Other values of settings than the wanted ones, by path, where the cloud shows any. ``changes``: what each takes;
    what is not listed takes another cloud object.
    """
    for path, value in wanted.items():
        if path in shown:
            change = setting_change(path, value, shown[path], changes.get(path, Change.REPLACE), noun)
            if change is not None:
                yield change


def setting_texts(fields: Mapping[str, object], below: str = "") -> dict[str, str]:
    """Fields of a spec that are set, as settings by path; ``below``: the name of the block they are from."""
    start = f"{below}." if below else ""
    return {f"{start}{key}": setting_text(value) for key, value in fields.items() if value is not None}


def setting_verb(path: str) -> Verb:
    """What another value of a setting is: another place, or another configuration."""
    return Verb.MIGRATE if path.startswith("placement.") else Verb.RECONFIGURE


def changing(verb: Verb, field: str, before: str, after: str, change: Change, noun: str) -> Action:
    """A change as what it takes: REPLACE stands for what no change of this cloud object can bring about."""
    if change is Change.REPLACE:
        return Action(Verb.REPLACE, field, before, after, disruptive=True, reason=f"it takes another {noun}")
    return Action(verb, field, before, after, disruptive=change is Change.STOPPED)


def setting_text(value: object) -> str:
    """A value of a spec in the form of settings: truth values in lower case, lists sorted and joined by commas."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(sorted(str(one) for one in value))
    return str(value)


def driver_field(field: str) -> str:
    """The field of a driver's ``configure`` that brings this field of an action to the spec."""
    first = field.partition(".")[0].partition("[")[0]
    return first if first in _WHOLE else field


def in_words(actions: Iterable[Action]) -> str:
    """What actions change, for people."""
    return ", ".join(
        f"{action.field} {action.before or 'nothing'} to {action.after or 'nothing'}" for action in actions
    )


def _is_drift(situation: AnySituation, action: Action, anew: Collection[str]) -> bool:
    """Whether the cloud came to differ from a spec that it had met; or does since, and the spec wants the same still."""
    record = situation.record
    met = record.reached and action.field not in anew
    return record.created and (met or record.drifted.get(action.field) == digest(action.after))
