"""Firewalls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from hybridge.core.identity import PREFIX
from lab import manifests
from lab.faultproxy import Cloud
from tests.integration.operator.people import Person
from tests.integration.operator.people_firewalls import FirewallFacts, FirewallPerson, firewall_person, wanted
from tests.things.thing import Thing, Things


class Firewalls(Things):
    """See the base. Machines do not name them: they choose machines by their labels."""

    kind = "Firewall"
    plural = "firewalls"
    clouds: ClassVar[Collection[Cloud]] = ("aws", "proxmox")
    adopting: ClassVar[Collection[Cloud]] = ("aws", "proxmox")
    shared = True
    creation: ClassVar[Mapping[Cloud, str]] = {
        "aws": "ec2:CreateSecurityGroup",
        "proxmox": "POST /cluster/firewall/groups",
    }

    def __init__(self) -> None:
        self._people: WeakKeyDictionary[Person, FirewallPerson] = WeakKeyDictionary()

    def manifest(self, cloud: Cloud, name: str, provider: str, namespace: str) -> dict[str, Any]:
        """See the base."""
        del cloud
        return manifests.firewall(name, provider, namespace)

    def change(self, number: int) -> Mapping[str, Any]:
        """See the base."""
        port = {"from": 1000 + number % 60000}
        rule = {"name": "turn", "direction": "Ingress", "protocol": "TCP", "ports": [port], "cidrs": ["10.0.0.0/8"]}
        return {"tags": {"turn": str(number)}, "rules": [rule]}

    def seen(self, someone: Person) -> list[Thing]:
        """See the base."""
        return [Thing(one.id, one.owner, _looks(one)) for one in self._of(someone).all()]

    def differs(self, someone: Person, thing: Thing, spec: Mapping[str, Any]) -> list[str]:
        """See the base."""
        person = self._of(someone)
        firewall = person.get(thing.id)
        if firewall is None:
            return ["it is gone"]
        lifecycle = spec.get("lifecycle", {})
        kept = lifecycle.get("management") == "Observed" or lifecycle.get("drift") in {"Ignore", "Report"}
        return [] if kept else list(differences(person, firewall, spec))

    def destroy(self, someone: Person, thing_id: str) -> None:
        """See the base."""
        self._of(someone).destroy(thing_id)

    def _of(self, someone: Person) -> FirewallPerson:
        if someone not in self._people:
            self._people[someone] = firewall_person(someone.simulated)
        return self._people[someone]


def differences(person: FirewallPerson, firewall: FirewallFacts, spec: Mapping[str, Any]) -> Iterator[str]:
    """How a firewall is not as its spec wants it, in words; machines by labels as peers are left out."""
    asked = wanted(spec.get("rules", []))
    known = all("cidrs" in rule for rule in spec.get("rules", []))
    for one in sorted(asked - firewall.allows):
        yield f"it does not allow {one}"
    for one in sorted(firewall.allows - asked) if known else ():
        yield f"it allows {one}"
    for name, text in spec.get("tags", {}).items():
        if person.tags and firewall.tags.get(name) != text:
            yield f"its tag {name!r} is {firewall.tags.get(name)!r}, not {text!r}"


def _looks(firewall: FirewallFacts) -> tuple[object, ...]:
    tags = {key: text for key, text in firewall.tags.items() if not key.startswith(PREFIX) and key != "Name"}
    return sorted(firewall.allows), len(firewall.machines), sorted(tags.items())
