"""Networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from hybridge.core.identity import PREFIX
from lab import manifests
from lab.faultproxy import Cloud
from tests.integration.operator.people import Person
from tests.integration.operator.people_networks import NetworkFacts, NetworkPerson, network_person
from tests.things.thing import Thing, Things


class Networks(Things):
    """See the base. Machines of every cloud are put into one when they are made, and stay there."""

    kind = "Network"
    plural = "networks"
    shared = True
    lasting = True
    creation: ClassVar[Mapping[Cloud, str]] = {
        "aws": "ec2:CreateVpc",
        "proxmox": "POST /cluster/sdn/vnets",
        "vsphere": "CreateDVPortgroup_Task",
    }

    def __init__(self) -> None:
        self._people: WeakKeyDictionary[Person, NetworkPerson] = WeakKeyDictionary()

    def manifest(self, cloud: Cloud, name: str, provider: str, namespace: str) -> dict[str, Any]:
        """See the base."""
        return manifests.network(name, cloud, provider, namespace)

    def use(self, name: str) -> Mapping[str, Any]:
        """See the base."""
        return {"networks": [{"name": "nic0", "networkRef": {"name": name}}]}

    def seen(self, someone: Person) -> list[Thing]:
        """See the base."""
        return [Thing(one.id, one.owner, _looks(one)) for one in self._of(someone).all()]

    def differs(self, someone: Person, thing: Thing, spec: Mapping[str, Any]) -> list[str]:
        """See the base."""
        person = self._of(someone)
        network = person.get(thing.id)
        if network is None:
            return ["it is gone"]
        lifecycle = spec.get("lifecycle", {})
        kept = lifecycle.get("management") == "Observed" or lifecycle.get("drift") in {"Ignore", "Report"}
        return [] if kept else list(differences(person, network, spec))

    def destroy(self, someone: Person, thing_id: str) -> None:
        """See the base."""
        self._of(someone).destroy(thing_id)

    def _of(self, someone: Person) -> NetworkPerson:
        if someone not in self._people:
            self._people[someone] = network_person(someone.simulated)
        return self._people[someone]


def differences(person: NetworkPerson, network: NetworkFacts, spec: Mapping[str, Any]) -> Iterator[str]:
    """How a network is not as its spec wants it, in words; what the spec leaves open is as it is."""
    if not network.word:
        yield "machines cannot be in it"
    options = spec.get("aws", {})
    shown = {"vlan": network.vlan, "internet": network.internet, "publicAddresses": network.public}
    for name, wanted in {**options, "vlan": spec.get("vlan")}.items():
        if name in shown and wanted is not None and shown[name] != wanted:
            yield f"its {name} is {shown[name]}, not {wanted}"
    for name, text in spec.get("tags", {}).items():
        if person.tags and network.tags.get(name) != text:
            yield f"its tag {name!r} is {network.tags.get(name)!r}, not {text!r}"


def _looks(network: NetworkFacts) -> tuple[object, ...]:
    tags = {key: text for key, text in network.tags.items() if not key.startswith(PREFIX) and key != "Name"}
    return bool(network.word), network.vlan is None, network.internet, network.public, sorted(tags.items())
