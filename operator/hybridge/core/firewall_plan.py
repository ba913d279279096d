"""The plan for a firewall: a pure function of what is wanted, what is on record and what is seen.

First what is missing is allowed, then it is applied to machines or taken from them, and only when all of that is there is
taken away what is not wanted any more: what was allowed and stays so is never cut off in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar

from hybridge.core import situation
from hybridge.core.convergence import busy, planned
from hybridge.core.deletion import await_dependants
from hybridge.core.difference import counts_name, name_change, tag_changes
from hybridge.core.firewall import (
    Firewall,
    FirewallSpec,
    FirewallTraits,
    in_short,
    joining,
    leaving,
    missing,
    surplus,
)
from hybridge.core.lifecycle import digest
from hybridge.core.plan import Action, Plan, Step, Verb, together

_RULES = frozenset({Verb.ADD_RULE, Verb.REMOVE_RULE})
_MEMBERS = frozenset({Verb.ADD_MEMBER, Verb.REMOVE_MEMBER})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was wanted when the spec was met, in short: machines come and go, and the spec says the same of them."""

    rules: str
    members: str


@dataclass(frozen=True, slots=True)
class Record(situation.Record):
    """``met``: what was wanted when the spec was last met; None: it never was."""

    met: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Situation(situation.Situation[FirewallSpec, Firewall]):
    """A firewall's. ``sight.owners``: the machines of this cluster; to no other it is ever applied, and from none taken."""

    noun: ClassVar[str] = "firewall"

    record: Record
    traits: FirewallTraits


def plan(situation: Situation) -> Plan:
    """The next step and all that is left to do. Never raises; the same arguments give the same plan."""
    return planned(
        situation,
        lambda found: differences(situation.spec, found, situation.sight.owners, named=counts_name(situation)),
        lambda found: _before_deletion(situation, found),
        anew=lambda changes: _anew(situation, changes),
    )


def differences(
    spec: FirewallSpec, firewall: Firewall, machines: Collection[str], *, named: bool = False
) -> tuple[Action, ...]:
    """What has to change, in the order in which it is safe. ``machines``: ids of those of this cluster. ``named``: its name
    counts.
    """
    return (
        *(Action(Verb.ADD_RULE, field, "", in_short(entries)) for field, entries in missing(spec, firewall).items()),
        *(Action(Verb.ADD_MEMBER, field, "", one) for field, one in joining(spec, firewall).items()),
        *_taken(spec.members, firewall, machines),
        *(Action(Verb.REMOVE_RULE, field, in_short(entries), "") for field, entries in surplus(spec, firewall).items()),
        *name_change(spec, firewall, named=named),
        *tag_changes(spec.tags, firewall),
    )


def wanted(spec: FirewallSpec) -> Wanted:
    """What is wanted now, for the record of a spec that is met."""
    rules = sorted(str(entry) for rule in spec.rules for entry in rule.entries)
    return Wanted(digest("\n".join(rules)), digest("\n".join(sorted(spec.members))))


def _anew(situation: Situation, changes: tuple[Action, ...]) -> Collection[str]:
    """Fields of which something else is wanted than when the spec was met: it is the same, but other machines are there."""
    now, met = wanted(situation.spec), situation.record.met
    verbs: frozenset[Verb] = frozenset()
    if met is not None and met.rules != now.rules:
        verbs |= _RULES
    if met is not None and met.members != now.members:
        verbs |= _MEMBERS
    return {action.field for action in changes if action.verb in verbs}


def _before_deletion(situation: Situation, firewall: Firewall) -> Step | None:
    """It is taken from the machines of this cluster; at others people have to do that."""
    wait = busy(situation, firewall)
    if wait or situation.spec.detach:
        return wait
    machines = situation.sight.owners
    foreign = await_dependants(situation, firewall, [one for one in firewall.members if one not in machines])
    taken = tuple(_taken((), firewall, machines))
    return foreign or (together(taken) if taken else None)


def _taken(kept: Collection[str], firewall: Firewall, machines: Collection[str]) -> Iterator[Action]:
    for field, one in leaving(kept, firewall, machines).items():
        yield Action(Verb.REMOVE_MEMBER, field, one, "")
