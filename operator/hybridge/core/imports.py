"""Cloud objects that exist already: which one an import means, and what comes close when none does."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from hybridge.core.cloudobject import CloudObject
from hybridge.core.lifecycle import Import
from hybridge.core.plan import Bind, Do, Look, Plan, Refuse, Step, Wait
from hybridge.core.proof import C, take
from hybridge.core.reasons import Reason
from hybridge.core.situation import AnySituation

#: How many are named to people.
_NAMED = 8


def matches(wanted: Import, seen: Iterable[C]) -> tuple[C, ...]:
    """Those that are meant, by id. What is gone or cannot be taken over is never meant by its name or tags."""
    return tuple(sorted((one for one in seen if _is_meant(wanted, one)), key=lambda one: one.id))


def near(wanted: Import, seen: Iterable[CloudObject]) -> tuple[str, ...]:
    """In words, what comes close: ids and names that are spelled alike, or the right name with other tags."""
    candidates = [one for one in seen if not (one.gone or one.unfit)]
    named = [one for one in candidates if wanted.name is not None and one.name == wanted.name]
    if named:
        return tuple(f"{one.id} ({one.name}) has {_other_tags(wanted, one)}" for one in named[:_NAMED])
    if wanted.tags and wanted.name is None:
        some = [one for one in candidates if any(one.tags.get(k) == v for k, v in wanted.tags.items())]
        return tuple(f"{one.id} ({one.name}) has {_other_tags(wanted, one)}" for one in some[:_NAMED])
    words = {word: one for one in candidates for word in (one.id, one.name)}
    close = get_close_matches(wanted.id or wanted.name or "", words, n=4, cutoff=0.6)
    return tuple(dict.fromkeys(f"{words[word].id} ({words[word].name})" for word in close))


def plan_import(situation: AnySituation) -> Plan:
    """What is to be done while nothing is bound yet: never a creation."""
    step = _seek(situation)
    return Plan(step, step.actions if isinstance(step, Do) else ())


def absent_import(situation: AnySituation) -> Plan:
    """Nothing has the id that is to be imported or observed."""
    if situation.record.created:
        return Plan(Refuse(Reason.LOST, f"{situation.id} is gone from the cloud, and nobody here asked for that"))
    return Plan(_no_match(situation))


def _seek(situation: AnySituation) -> Step:
    sight, imports = situation.sight, situation.spec.imports
    if not sight.settled:
        return Wait(Reason.PENDING, "the first sweep of the cloud has not ended")
    if len(sight.matches) > 1:
        names = ", ".join(f"{one.id} ({one.name})" for one in sight.matches[:_NAMED])
        more = f" and {len(sight.matches) - _NAMED} more" if len(sight.matches) > _NAMED else ""
        return Refuse(Reason.IMPORT_AMBIGUOUS, f"{len(sight.matches)} {situation.noun}s match: {names}{more}")
    if sight.matches:
        found = sight.matches[0]
        return Bind(found.id) if situation.spec.observed else take(situation, found)
    if imports is not None and imports.id is not None and not sight.absent:
        return Look(imports.id)
    return _no_match(situation)


def _no_match(situation: AnySituation) -> Wait:
    close = "; near: " + ", ".join(situation.sight.near) if situation.sight.near else ""
    return Wait(Reason.IMPORT_NOT_FOUND, f"no {situation.noun} {_words(situation.spec.imports)}{close}", patient=True)


def _words(wanted: Import | None) -> str:
    if wanted is None:
        return "is on record"
    if wanted.id is not None:
        return f"has the id {wanted.id}"
    tags = ", ".join(f"{key}={value}" for key, value in sorted(wanted.tags.items()))
    parts = [f"the name {wanted.name}"] if wanted.name is not None else []
    return "has " + " and ".join([*parts, *([f"the tags {tags}"] if tags else [])])


def _is_meant(wanted: Import, found: CloudObject) -> bool:
    if found.gone:
        return False
    if wanted.id is not None:
        return found.id == wanted.id
    if found.unfit or not (wanted.name or wanted.tags):
        return False
    tagged = all(found.tags.get(key) == value for key, value in wanted.tags.items())
    return tagged and wanted.name in {None, found.name}


def _other_tags(wanted: Import, found: CloudObject) -> str:
    other = [
        f"{key}={found.tags[key]} instead of {value}" if key in found.tags else f"no tag {key}"
        for key, value in sorted(wanted.tags.items())
        if found.tags.get(key) != value
    ]
    return ", ".join(other) or "what is asked for, but it is not counted"
