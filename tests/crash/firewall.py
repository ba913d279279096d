"""A life of one Firewall in steps, with the machines that come under it and leave it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.life import KIND as MACHINE
from tests.crash.step import FINALIZER, Step, Subject
from tests.integration.operator.people_firewalls import clear_away, firewall_person
from tests.operator_bed import condition_of
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


class FirewallLife(Subject):
    """One Firewall in a namespace of its own, and machines that have its label or not."""

    def __init__(self, bed: CrashBed) -> None:
        super().__init__(bed)
        self.namespace = bed.operator.namespace()
        self.firewalls = firewall_person(bed.person.simulated)
        self.strangers = {machine.id for machine in bed.person.machines()}
        self.foreign = {firewall.id for firewall in self.firewalls.all()}
        self.litter = bed.leftovers()
        self.uid = ""
        self.id = ""
        #: The ids of machines by name, once they are known; and those that shall be under it.
        self.machines: dict[str, str] = {}
        self.guarded: set[str] = set()
        #: A firewall that a person made, which shall be taken over and let go.
        self.handmade = ""

    def apply(self, **spec: object) -> None:
        """Applies the Firewall."""
        made = manifests.firewall(NAME, self.bed.cloud, self.namespace, **spec)
        self.uid = self.bed.operator.api.apply(made)["metadata"]["uid"]

    def change(self, **spec: object) -> None:
        """Changes fields of its spec."""
        self.bed.operator.patch(KIND, NAME, {"spec": spec}, self.namespace)

    def employ(self, name: str, *, guarded: bool) -> None:
        """A machine is applied that is to be under it, or not."""
        made = manifests.machine(name, self.bed.cloud, self.namespace)
        made["metadata"]["labels"] = {"guarded": NAME if guarded else "not"}
        self.bed.operator.api.apply(made)
        self.machines.setdefault(name, "")
        if guarded:
            self.guarded.add(name)

    def label(self, name: str, *, guarded: bool) -> None:
        """A machine's label, changed."""
        labels = {"guarded": NAME if guarded else "not"}
        self.bed.operator.patch(MACHINE, name, {"metadata": {"labels": labels}}, self.namespace)
        (self.guarded.add if guarded else self.guarded.discard)(name)

    def delete(self) -> None:
        """Asks for the deletion of everything at once."""
        self.bed.operator.delete(KIND, NAME, namespace=self.namespace)
        for name in self.machines:
            self.bed.operator.delete(MACHINE, name, namespace=self.namespace)

    def body(self) -> dict[str, Any] | None:
        return self.bed.operator.get(KIND, NAME, self.namespace)

    def machine(self, name: str) -> dict[str, Any] | None:
        """The object of a machine."""
        return self.bed.operator.get(MACHINE, name, self.namespace)

    def settled(self) -> bool:
        bodies = [self.body(), *map(self.machine, self.machines)]
        return all(condition_of(body, kind).get("status") == "True" for body in bodies for kind in ("Ready", "Synced"))

    def over(self) -> bool:
        """Whether no object is left."""
        return self.body() is None and all(self.machine(name) is None for name in self.machines)

    def bury(self) -> None:
        bed, people = self.bed.operator, self.bed.person
        self.delete()
        for kind, names in ((MACHINE, tuple(self.machines)), (KIND, (NAME,))):
            for name in names:
                with contextlib.suppress(AssertionError):
                    bed.wait_gone(f"{kind}s", name, namespace=self.namespace, timeout=30)
                if bed.get(kind, name, self.namespace) is not None:
                    bed.patch(kind, name, {"metadata": {"finalizers": []}}, self.namespace)
        for machine in {one.id for one in people.machines()} - self.strangers:
            with contextlib.suppress(LabError):
                people.destroy(machine)
        for firewall in {one.id for one in self.firewalls.all()} - self.foreign:
            clear_away(self.firewalls, firewall)

    # ------------------------------------------------------------------- truth

    def alone(self) -> list[str]:
        machines = {machine.id for machine in self.bed.person.machines()} - self.strangers
        firewalls = {firewall.id for firewall in self.firewalls.all()} - self.foreign
        surplus = machines - set(self.machines.values()) | firewalls - {self.id, self.handmade}
        litter = self.bed.leftovers() - self.litter - firewalls
        return [f"duplicate: {one}" for one in sorted(surplus)] + [f"leak: {one}" for one in sorted(litter)]

    def present(self) -> list[str]:
        body = self.body()
        if body is None:
            return ["wrong: there is no object"]
        wrong = [] if FINALIZER in body["metadata"].get("finalizers", []) else ["wrong: the finalizer is missing"]
        for name in self.machines:
            wrong += self._employed(name)
        found = [one for one in self.firewalls.all() if one.owner.partition("/")[2] == self.uid]
        if len(found) != 1:
            kind = "duplicate" if found else "wrong"
            return [*wrong, f"{kind}: {len(found)} firewalls carry the marker: {[one.id for one in found]}"]
        (firewall,), told = found, str(body["status"].get("id", ""))
        if firewall.id != told or told != (self.id or told):
            wrong.append(
                f"wrong: the firewall is {firewall.id}, the status says {told}, and it was {self.id or 'none'}"
            )
        self.id = told
        wrong += [f"wrong: {one}" for one in differences(self.firewalls, firewall, body["spec"])]
        guarded = {self.machines[name] for name in self.guarded}
        if firewall.machines != guarded:
            wrong.append(f"wrong: it protects {sorted(firewall.machines)}, not {sorted(guarded)}")
        if self.firewalls.renames and firewall.name != body["status"].get("name", firewall.name):
            wrong.append(f"wrong: its name is {firewall.name!r}")
        return wrong + self.alone()

    def gone(self) -> list[str]:
        """What is left of what should be gone, in words."""
        self.id = ""
        self.machines.clear()
        self.guarded.clear()
        return self.alone()

    def let_go(self) -> list[str]:
        """What is wrong with a firewall that should be as people made it, in words."""
        self.id = ""
        found = self.firewalls.get(self.handmade)
        if found is None:
            return ["wrong: the firewall that should stay is gone", *self.alone()]
        return ([f"wrong: it still carries the marker {found.owner}"] if found.owner else []) + self.alone()

    def _employed(self, name: str) -> list[str]:
        body = self.machine(name)
        if body is None:
            return [f"wrong: the machine {name} has no object"]
        found = self.bed.person.find(body["metadata"]["uid"])
        if len(found) != 1:
            return [f"{'duplicate' if found else 'wrong'}: {len(found)} machines carry the marker of {name}"]
        known = self.machines[name]
        self.machines[name] = found[0].id
        return [] if known in {"", found[0].id} else [f"wrong: {name} is {found[0].id}, and was {known}"]


class _Followed(Step[FirewallLife]):
    """A step after which machines or the cloud are as wanted some time after the object says that all is well."""

    def done(self, life: FirewallLife) -> bool:
        return life.settled() and not life.present()


class Guard(_Followed):
    """A machine and the firewall that protects it, applied at once."""

    name = "guard"

    def begin(self, life: FirewallLife) -> None:
        life.employ(FIRST, guarded=True)
        life.apply(rules=[_HTTPS, _RANGE, _OUT], tags={"team": "shop"}, syncInterval="10s")


class Regrade(Step[FirewallLife]):
    """Other rules, some of which were there before."""

    name = "regrade"
    optional = True

    def begin(self, life: FirewallLife) -> None:
        life.change(rules=[_HTTPS, _PING, _NAMES], tags={"team": "bakery"})


class Enlist(_Followed):
    """Another machine gets the label, and the first one loses it."""

    name = "enlist"
    optional = True

    def prepare(self, life: FirewallLife) -> None:
        life.employ(SECOND, guarded=False)
        life.bed.operator.wait_ready(SECOND, namespace=life.namespace)

    def begin(self, life: FirewallLife) -> None:
        life.label(SECOND, guarded=True)
        life.label(FIRST, guarded=False)


class Relieve(_Followed):
    """The operator itself starts, and finds that labels were changed while it was away."""

    name = "relieve"
    optional = True

    def begin(self, life: FirewallLife) -> None:
        life.bed.operator.operator.kill()
        life.label(FIRST, guarded=True)
        life.change(tags={"team": "harbour"})
        life.bed.operator.operator.start()


class Undo(_Followed):
    """What people do with it by hand is put back: a rule more, a rule less, a machine less, another name."""

    name = "undo"
    optional = True

    def begin(self, life: FirewallLife) -> None:
        life.firewalls.forbid(life.id)
        life.firewalls.allow(life.id)
        life.firewalls.part(life.id, life.machines[FIRST])
        if life.firewalls.renames:
            life.firewalls.rename(life.id, f"by-hand-{life.namespace}")


class Raze(Step[FirewallLife]):
    """The end of the firewall and of the machines under it, at once."""

    name = "raze"

    def begin(self, life: FirewallLife) -> None:
        life.delete()

    def done(self, life: FirewallLife) -> bool:
        return life.over()

    def wrong(self, life: FirewallLife) -> list[str]:
        return life.gone()


class Seize(Step[FirewallLife]):
    """A firewall that a person made is taken over."""

    name = "seize"

    def prepare(self, life: FirewallLife) -> None:
        life.handmade = life.firewalls.make(f"by-hand-{life.namespace}")

    def begin(self, life: FirewallLife) -> None:
        life.apply(rules=[_HTTPS], lifecycle={"import": {"id": life.handmade}, "onDelete": "Detach"})

    def wrong(self, life: FirewallLife) -> list[str]:
        found = life.present()
        return found if life.id == life.handmade else [*found, f"wrong: {life.id} was taken, not {life.handmade}"]


class Yield(Step[FirewallLife]):
    """The object goes, and the firewall stays."""

    name = "yield"

    def begin(self, life: FirewallLife) -> None:
        life.delete()

    def done(self, life: FirewallLife) -> bool:
        return life.over()

    def wrong(self, life: FirewallLife) -> list[str]:
        return life.let_go()


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[FirewallLife]]] = {
    "firewall made": (Guard(), Regrade(), Enlist(), Relieve(), Undo(), Raze()),
    "firewall taken": (Seize(), Yield()),
}
