"""Firewalls of a cloud in memory, beside its machines. What a driver is never asked is noted as a fault."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused, Unreachable
from hybridge.core.firewall import Entry, Firewall, FirewallSpec, FirewallTraits, missing
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Address, Machine
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Portion, Prepared, Started, Sweep, SweepRequest
from tests.unit.engine.estate import Remote


class Firewalls:
    """See ``hybridge.drivers.base.FirewallDriver``. A create has no token, and no name can be there twice.

    ``lost``: operations of which the next takes effect without an answer. ``history``: what was allowed and to whom it
    applied, after each change. ``everywhere``: a firewall is of no network, but of the whole cloud.
    """

    traits = FirewallTraits(visibility=10.0)

    def __init__(self, ask: Callable[[str], None], machines: Mapping[str, Machine]) -> None:
        self.there: dict[str, Firewall] = {}
        self.calls: list[str] = []
        self.faults: list[str] = []
        self.lost: set[str] = set()
        self.history: list[tuple[frozenset[Entry], frozenset[str]]] = []
        self.networks: list[str | None] = []
        self.everywhere = False
        self._ask, self._machines = ask, machines
        self._ids, self._unsure = itertools.count(1), False

    def normalize(self, spec: FirewallSpec) -> FirewallSpec:
        return replace(spec, network=None) if self.everywhere else spec

    def prepare(self, _spec: FirewallSpec, _taken: Collection[str]) -> Prepared:
        self._ask("prepare")
        return Prepared({})

    def create(self, intent: Intent, spec: FirewallSpec, marker: Marker) -> Started[Firewall]:
        self._ask("create")
        self.calls.append("create")
        if any(one.name == intent.name for one in self.there.values()):
            raise Refused(Reason.NAME_TAKEN, f"{intent.name} is there already")
        made = Firewall(f"sg-{next(self._ids)}", intent.name, marker=marker)
        self.there[made.id] = made
        self.networks.append(spec.network)
        return self._answer("create", made.id)

    def find(self, marker: Marker, _intent: Intent | None) -> list[Firewall]:
        self._ask("find")
        return [one for one in self.there.values() if one.marker == marker]

    def get(self, known_id: str) -> Firewall | None:
        self._ask("get")
        return self.there.get(known_id)

    def configure(
        self, found: Firewall, spec: FirewallSpec, fields: Collection[str], _intent: Intent | None, _marker: Marker
    ) -> Started[Firewall]:
        self._ask("configure")
        verbs = sorted({_operation(field, spec) for field in fields})
        self.calls.extend(verbs)
        for field in sorted(fields):
            self._bring(found.id, spec, field)
        now = self.there[found.id]
        self.history.append((frozenset(now.entries), frozenset(now.members)))
        return self._answer(verbs[0], found.id)

    def mark(self, found: Firewall, marker: Marker | None) -> Started[Firewall]:
        self._ask("mark")
        self.calls.append("mark")
        return self._changed(found.id, marker=marker)

    def delete(self, found: Firewall) -> Started[Firewall]:
        self._ask("delete")
        self.calls.append("delete")
        if self.there[found.id].members:
            self.faults.append(f"delete of {found.id}, which has members")
            raise Refused(Reason.HAS_DEPENDANTS, f"{found.id} has members")
        del self.there[found.id]
        if "delete" in self.lost:
            self.lost.discard("delete")
            raise Unreachable("no answer", took_effect_possible=True)
        return Started(found.id)

    def forget(self, machine_id: str) -> None:
        """A machine is gone."""
        for one in self.there.values():
            self._changed(one.id, members=tuple(member for member in one.members if member != machine_id))

    def change(self, known_id: str, **words: Any) -> None:
        """What a person does in the cloud."""
        self._changed(known_id, **words)

    def _bring(self, known_id: str, spec: FirewallSpec, field: str) -> None:
        now = self.there[known_id]
        if field.startswith("rules."):
            lacking = missing(spec, now).get(field, ())
            self._changed(known_id, entries=(*now.entries, *lacking))
        elif field.startswith("rules["):
            kept = tuple(one for one in now.entries if f"rules[{one}]" != field)
            if kept == now.entries or any(f"rules[{entry}]" == field for rule in spec.rules for entry in rule.entries):
                self.faults.append(f"{field} is not to be taken away")
            self._changed(known_id, entries=kept)
        elif field.startswith("members["):
            self._apply(known_id, field[len("members[") : -1], joins=field[len("members[") : -1] in spec.members)
        elif field == "tags":
            self._changed(known_id, tags={**now.tags, **spec.tags})
        else:
            self.faults.append(f"configure {field}")

    def _apply(self, known_id: str, machine_id: str, *, joins: bool) -> None:
        now = self.there[known_id]
        if machine_id not in self._machines:
            self.faults.append(f"{machine_id} is no machine")
        elif joins == (machine_id in now.members) and not self._unsure:
            self.faults.append(f"{machine_id} is as it should be")
        rest = tuple(one for one in now.members if one != machine_id)
        self._changed(known_id, members=(*rest, machine_id) if joins else rest)

    def _answer(self, operation: str, known_id: str) -> Started[Firewall]:
        if operation in self.lost:
            self.lost.discard(operation)
            self._unsure = True  # Who has had no answer may repeat what took effect.
            raise Unreachable("no answer", took_effect_possible=True)
        return Started(known_id, self.there[known_id])

    def _changed(self, known_id: str, **words: Any) -> Started[Firewall]:
        self.there[known_id] = replace(self.there[known_id], **words)
        return Started(known_id, self.there[known_id])


def _operation(field: str, spec: FirewallSpec) -> str:
    if field.startswith("members["):
        return "join" if field[len("members[") : -1] in spec.members else "leave"
    return {"rules.": "allow", "rules[": "forbid"}.get(field[:6], field)


class FirewallCloud(Remote):
    """Each machine has an address of its own."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self.firewalls = Firewalls(self._request, self.there)

    def create(self, intent: Intent, spec: Any, marker: Marker) -> Started[Machine]:
        started = super().create(intent, spec, marker)
        assert started.id is not None
        addresses = (
            Address("InternalIP", f"10.0.0.{started.id}"),
            Address("InternalIP", "fe80::1"),
            Address("InternalIP", "127.0.0.1"),
            Address("Hostname", "web.example"),
        )
        return self._changed(self.there[started.id], addresses=addresses)

    def delete(self, machine: Machine) -> Started[Machine]:
        started = super().delete(machine)
        self.firewalls.forget(machine.id)
        return started

    def sweep(self, request: SweepRequest) -> Sweep:
        sweep = super().sweep(request)
        if CloudKind.FIREWALL not in request.kinds:
            return sweep
        seen = Portion(dict(self.firewalls.there), full=True)
        return replace(sweep, portions={**sweep.portions, CloudKind.FIREWALL: seen})
