"""Machines that exist already: which one an import means, and what comes close when none does."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from hybridge.core.lifecycle import Import
from hybridge.core.machine import Machine, Power
from hybridge.core.machine_proof import take
from hybridge.core.machine_situation import Situation
from hybridge.core.plan import Bind, Look, Plan, Refuse, Step, Wait
from hybridge.core.reasons import Reason

#: How many machines are named to people.
_NAMED = 8


def matches(wanted: Import, machines: Iterable[Machine]) -> tuple[Machine, ...]:
    """The machines that are meant, by id. What is gone or a template is never meant by its name or tags."""
    return tuple(
        sorted((machine for machine in machines if _is_meant(wanted, machine)), key=lambda machine: machine.id)
    )


def near(wanted: Import, machines: Iterable[Machine]) -> tuple[str, ...]:
    """In words, what comes close: ids and names that are spelled alike, or the right name with other tags."""
    candidates = [machine for machine in machines if machine.power is not Power.GONE and not machine.template]
    named = [machine for machine in candidates if wanted.name is not None and machine.name == wanted.name]
    if named:
        return tuple(f"{machine.id} ({machine.name}) has {_other_tags(wanted, machine)}" for machine in named[:_NAMED])
    if wanted.tags and wanted.name is None:
        some = [machine for machine in candidates if any(machine.tags.get(k) == v for k, v in wanted.tags.items())]
        return tuple(f"{machine.id} ({machine.name}) has {_other_tags(wanted, machine)}" for machine in some[:_NAMED])
    words = {word: machine for machine in candidates for word in (machine.id, machine.name)}
    close = get_close_matches(wanted.id or wanted.name or "", words, n=4, cutoff=0.6)
    return tuple(dict.fromkeys(f"{words[word].id} ({words[word].name})" for word in close))


def plan_import(situation: Situation) -> Plan:
    """What is to be done while nothing is bound yet: never a creation."""
    return Plan(_seek(situation))


def absent_import(situation: Situation) -> Plan:
    """Nothing has the id that is to be imported or observed."""
    if situation.record.created:
        return Plan(Refuse(Reason.LOST, f"{situation.id} is gone from the cloud, and nobody here asked for that"))
    return Plan(_no_match(situation))


def _seek(situation: Situation) -> Step:
    sight, imports = situation.sight, situation.spec.imports
    if not sight.settled:
        return Wait(Reason.PENDING, "the first sweep of the cloud has not ended")
    if len(sight.matches) > 1:
        names = ", ".join(f"{machine.id} ({machine.name})" for machine in sight.matches[:_NAMED])
        more = f" and {len(sight.matches) - _NAMED} more" if len(sight.matches) > _NAMED else ""
        return Refuse(Reason.IMPORT_AMBIGUOUS, f"{len(sight.matches)} machines match: {names}{more}")
    if sight.matches:
        machine = sight.matches[0]
        return Bind(machine.id) if situation.spec.observed else take(situation, machine)
    if imports is not None and imports.id is not None and not sight.absent:
        return Look(imports.id)
    return _no_match(situation)


def _no_match(situation: Situation) -> Wait:
    close = "; near: " + ", ".join(situation.sight.near) if situation.sight.near else ""
    return Wait(Reason.IMPORT_NOT_FOUND, f"no machine {_words(situation.spec.imports)}{close}", patient=True)


def _words(wanted: Import | None) -> str:
    if wanted is None:
        return "is on record"
    if wanted.id is not None:
        return f"has the id {wanted.id}"
    tags = ", ".join(f"{key}={value}" for key, value in sorted(wanted.tags.items()))
    parts = [f"the name {wanted.name}"] if wanted.name is not None else []
    return "has " + " and ".join([*parts, *([f"the tags {tags}"] if tags else [])])


def _is_meant(wanted: Import, machine: Machine) -> bool:
    if machine.power is Power.GONE:
        return False
    if wanted.id is not None:
        return machine.id == wanted.id
    if machine.template or not (wanted.name or wanted.tags):
        return False
    tagged = all(machine.tags.get(key) == value for key, value in wanted.tags.items())
    return tagged and wanted.name in {None, machine.name}


def _other_tags(wanted: Import, machine: Machine) -> str:
    other = [
        f"{key}={machine.tags[key]} instead of {value}" if key in machine.tags else f"no tag {key}"
        for key, value in sorted(wanted.tags.items())
        if machine.tags.get(key) != value
    ]
    return ", ".join(other) or "what is asked for, but it is not counted"
