"""Tenants with a machine each in namespaces of confusing names, and an admin who grants and takes back as chance has it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any

from lab import manifests
from lab.faultproxy import Cloud
from tests.integration.operator.people import Facts, person
from tests.operator_bed import OperatorBed, condition_of

KIND, PROVIDER = "virtualmachine", "shared"
NAMES = ("team", "team-a", "team-b", "xteam-a", "teams-a", "team-a-team", "a", "team0")
PATTERNS = ("team", "team-*", "*-a", "*team", "team-a", "*eam*a", "t*-b", "tea?", "team-[ab]", "team.*", "(team)", "x*")
TIERS = ("gold", "silver", "Gold", "golden", None)
SELECTORS: Sequence[Mapping[str, Any] | None] = (
    None,
    None,
    {"matchLabels": {"tier": "gold"}},
    {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold", "golden"]}]},
    {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
)
#: Seconds until everybody has been told.
PATIENCE = 90.0
_ROUNDS = count(1)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the Provider says, and how namespaces are labelled."""

    names: tuple[str, ...]
    selector: Mapping[str, Any] | None
    tiers: Mapping[str, str | None]

    def allows(self, namespace: str) -> bool:
        """As the documentation has it, and not as the operator does it."""
        return any(_matches(pattern, namespace) for pattern in self.names) or self._selects(self.tiers[namespace])

    def _selects(self, tier: str | None) -> bool:
        match self.selector:
            case {"matchLabels": {"tier": wanted}}:
                return bool(tier == wanted)
            case {"matchExpressions": [{"operator": "In", "values": values}]}:
                return tier in values
            case {"matchExpressions": _}:
                return tier is not None
        return False


def _matches(pattern: str, name: str) -> bool:
    """``*`` stands for any characters; everything else is itself."""
    return re.fullmatch(re.sub(r"\\\*", ".*", re.escape(pattern)), name) is not None


class Tenants:
    """Rounds of granting, taking back and wanting. Everything is asked of the API server and of the cloud."""

    def __init__(self, bed: OperatorBed, cloud: Cloud, chance: Random) -> None:
        self._bed, self._cloud, self._chance = bed, cloud, chance
        self._person = person(cloud, bed.lab)
        self._generation = 0
        self.grant = Grant((), None, dict.fromkeys(NAMES))
        self.given = self.taken = self.denied = 0
        for name in NAMES:
            bed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        bed.apply(bed.secret(cloud, PROVIDER))
        self._say(self.grant)

    def round(self) -> list[str]:
        """Another grant, and right after it everybody wants something else; what was not as it should be."""
        number, before, known = next(_ROUNDS), self.grant, self._machines()
        self._say(self._draw())
        for name in NAMES:
            self.given += self.grant.allows(name) and not before.allows(name)
            self.taken += before.allows(name) and not self.grant.allows(name)
            self.denied += not self.grant.allows(name)
            self._want(name, number)
        try:
            self._bed.wait_for(lambda: not self._untold(), "everybody to be told", PATIENCE, lambda: self._untold()[0])
        except AssertionError as error:
            return [f"stuck: {str(error).partition('[')[0]}"]
        return self._judge(number, known)

    def leave(self) -> list[str]:
        """Everybody goes, with or without a grant; what is left of them."""
        for name in NAMES:
            self._bed.delete(KIND, "web", namespace=name)
        try:
            for name in NAMES:
                self._bed.wait_gone("virtualmachines", "web", namespace=name, timeout=PATIENCE)
        except AssertionError as error:
            return [f"stuck: {str(error).partition(chr(10))[0]}"]
        return [f"leak: {machine.id} of {name}" for name, found in self._machines().items() for machine in found]

    # ------------------------------------------------------------------ people

    def _draw(self) -> Grant:
        chance = self._chance
        tiers = {
            name: chance.choice(TIERS) if chance.random() < 0.4 else tier for name, tier in self.grant.tiers.items()
        }
        return Grant(tuple(chance.sample(PATTERNS, chance.randint(0, 2))), chance.choice(SELECTORS), tiers)

    def _say(self, grant: Grant) -> None:
        """The Provider has taken note of its part before anybody goes on; of labels nobody tells anything."""
        for name, tier in grant.tiers.items():
            if tier != self.grant.tiers[name]:
                self._bed.patch("namespace", name, {"metadata": {"labels": {"tier": tier}}})
        allowed = {"names": list(grant.names), **({"selector": grant.selector} if grant.selector else {})}
        made = self._bed.provider(self._cloud, PROVIDER, allowedNamespaces=allowed, sweepInterval="1s")
        self._bed.apply(made)
        self.grant = replace(grant)
        self._bed.wait_for(lambda: self._bed.is_true("provider", PROVIDER, "Ready"), "the Provider to be Ready")

    def _want(self, name: str, number: int) -> None:
        power = self._chance.choice(("Running", "Stopped"))
        self._bed.apply(
            manifests.machine(
                "web", PROVIDER, name, powerState=power, tags={"round": str(number)}, powerOff={"mode": "Hard"}
            )
        )

    # -------------------------------------------------------------- what is so

    def _untold(self) -> list[str]:
        """Who is not yet told what the grant means for the newest spec."""
        told = []
        for name in NAMES:
            synced = condition_of(self._bed.get(KIND, "web", name), "Synced")
            reason, status = synced.get("reason"), synced.get("status")
            if (status == "True") if self.grant.allows(name) else (reason == "NotPermitted"):
                continue
            told.append(f"{name}, granted {self.grant.allows(name)} by {self.grant}: {status} {reason}")
        return told

    def _machines(self) -> dict[str, list[Facts]]:
        found: dict[str, list[Facts]] = {name: [] for name in NAMES}
        for machine in self._person.machines():
            if machine.namespace in found and machine.owner:
                found[machine.namespace].append(machine)
        return found

    def _judge(self, number: int, before: Mapping[str, list[Facts]]) -> list[str]:
        wrong = []
        for name, now in self._machines().items():
            if not self.grant.allows(name):
                if now != before[name]:
                    wrong.append(f"wrong: {name} is not granted, and {before[name]} became {now}")
            elif len(now) != 1:
                wrong.append(f"{'duplicate' if now else 'wrong'}: {name} has {len(now)} machines")
            elif now[0].tags.get("round") != str(number):
                wrong.append(f"wrong: {name} is granted, and {now[0]} is of another round than {number}")
        return wrong
