"""A life of one Firewall in steps, with the machines that come under it and leave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from tests.crash.bed import CrashBed
from tests.crash.household import End, Household, LetGo, Settling, TakeOver
from tests.crash.life import KIND as MACHINE
from tests.crash.step import Step
from tests.integration.operator.people_firewalls import clear_away, firewall_person
from tests.things.firewall import differences

KIND = "firewall"
NAME = "edge"
#: The machine that is under it from its first day, and one that comes under it.
FIRST, SECOND = "web-1", "web-2"
_HTTPS = {"name": "https", "direction": "Ingress", "protocol": "TCP", "ports": [{"from": 443}], "cidrs": ["10.0.0.0/8"]}
_RANGE = {
    "name": "range",
    "direction": "Ingress",
    "protocol": "UDP",
    "ports": [{"from": 5000, "to": 5010}, {"from": 53}],
    "cidrs": ["192.0.2.7/32", "10.1.0.0/16"],
}
_PING = {"name": "ping", "direction": "Ingress", "protocol": "ICMP", "cidrs": ["10.0.0.0/8"]}
_OUT = {"name": "out", "direction": "Egress", "protocol": "TCP", "ports": [{"from": 443}], "cidrs": ["198.51.100.0/24"]}
_NAMES = {"name": "names", "direction": "Egress", "protocol": "UDP", "ports": [{"from": 53}], "cidrs": ["10.0.0.53/32"]}


class FirewallLife(Household):
    """One Firewall, and machines that have its label or not."""

    kind, name, kinds = KIND, NAME, (KIND,)

    def __init__(self, bed: CrashBed) -> None:
        self.firewalls = firewall_person(bed.person.simulated)
        #: The machines that shall be under it.
        self.guarded: set[str] = set()
        super().__init__(bed)

    def firewall(self, **spec: object) -> dict[str, Any]:
        """The Firewall."""
        return manifests.firewall(NAME, self.bed.cloud, self.namespace, **spec)

    def employ(self, name: str, *, guarded: bool) -> None:
        """A machine is applied that is to be under it, or not."""
        made = self.machine(name)
        made["metadata"]["labels"] = _labels(guarded=guarded)
        self.apply(made)
        if guarded:
            self.guarded.add(name)

    def label(self, name: str, *, guarded: bool) -> None:
        """A machine's label, changed."""
        self.bed.operator.patch(MACHINE, name, {"metadata": {"labels": _labels(guarded=guarded)}}, self.namespace)
        (self.guarded.add if guarded else self.guarded.discard)(name)

    def facts(self, kind: str) -> Sequence[Any]:
        return self.firewalls.all() if kind == KIND else ()

    def clear(self, thing_id: str) -> None:
        clear_away(self.firewalls, thing_id)

    def differences(self, kind: str, name: str, found: Any, body: Mapping[str, Any]) -> list[str]:
        if kind != KIND:
            return []
        wrong = self.renamed(found)
        wrong += [f"wrong: {name}: {one}" for one in differences(self.firewalls, found, body["spec"])]
        guarded = {self.ids[MACHINE, name] for name in self.guarded}
        if found.machines != guarded:
            wrong.append(f"wrong: it protects {sorted(found.machines)}, not {sorted(guarded)}")
        return wrong

    def gone(self) -> list[str]:
        self.guarded.clear()
        return super().gone()


class Guard(Settling[FirewallLife]):
    """A machine and the firewall that protects it, applied at once."""

    name = "guard"

    def begin(self, life: FirewallLife) -> None:
        life.employ(FIRST, guarded=True)
        life.apply(life.firewall(rules=[_HTTPS, _RANGE, _OUT], tags={"team": "shop"}, syncInterval="10s"))


class Regrade(Step[FirewallLife]):
    """Other rules, some of which were there before."""

    name = "regrade"
    optional = True

    def begin(self, life: FirewallLife) -> None:
        life.change(rules=[_HTTPS, _PING, _NAMES], tags={"team": "bakery"})


class Enlist(Settling[FirewallLife]):
    """Another machine gets the label, and the first one loses it."""

    name = "enlist"
    optional = True

    def prepare(self, life: FirewallLife) -> None:
        life.employ(SECOND, guarded=False)
        life.bed.operator.wait_ready(SECOND, namespace=life.namespace)

    def begin(self, life: FirewallLife) -> None:
        life.label(SECOND, guarded=True)
        life.label(FIRST, guarded=False)


class Relieve(Settling[FirewallLife]):
    """The operator itself starts, and finds that labels were changed while it was away."""

    name = "relieve"
    optional = True

    def begin(self, life: FirewallLife) -> None:
        life.bed.operator.operator.kill()
        life.label(FIRST, guarded=True)
        life.change(tags={"team": "harbour"})
        life.bed.operator.operator.start()


class Undo(Settling[FirewallLife]):
    """What people do with it by hand is put back: a rule more, a rule less, a machine less, another name."""

    name = "undo"
    optional = True

    def begin(self, life: FirewallLife) -> None:
        life.firewalls.forbid(life.id)
        life.firewalls.allow(life.id)
        life.firewalls.part(life.id, life.ids[MACHINE, FIRST])
        if life.firewalls.renames:
            life.firewalls.rename(life.id, f"by-hand-{life.namespace}")


class Raze(End):
    """The end of the firewall and of the machines under it, at once."""

    name = "raze"


class Seize(TakeOver[FirewallLife]):
    """A firewall that a person made is taken over."""

    name = "seize"

    def prepare(self, life: FirewallLife) -> None:
        life.handmade = life.firewalls.make(f"by-hand-{life.namespace}")

    def begin(self, life: FirewallLife) -> None:
        life.apply(life.firewall(rules=[_HTTPS], lifecycle={"import": {"id": life.handmade}, "onDelete": "Detach"}))


class Yield(LetGo):
    """The object goes, and the firewall stays."""

    name = "yield"


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[Any]]] = {
    "firewall made": (Guard(), Regrade(), Enlist(), Relieve(), Undo(), Raze()),
    "firewall taken": (Seize(), Yield()),
}


def _labels(*, guarded: bool) -> dict[str, str]:
    return {"guarded": NAME if guarded else "not"}
