"""A life of one Network in steps, of all parts that it can have, with a machine in it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.life import KIND as MACHINE
from tests.crash.step import FINALIZER, Step, Subject
from tests.integration.operator.people_networks import NetworkFacts, clear_away, network_person
from tests.operator_bed import condition_of
from tests.things.network import differences

KIND = "network"
NAME = "front"
GUEST = "web"


class NetworkLife(Subject):
    """One Network in a namespace of its own, and a machine in it."""

    def __init__(self, bed: CrashBed) -> None:
        super().__init__(bed)
        self.namespace = bed.operator.namespace()
        self.networks = network_person(bed.person.simulated)
        self.strangers = {machine.id for machine in bed.person.machines()}
        self.foreign = {network.id for network in self.networks.all()}
        self.litter = bed.leftovers()
        self.uid = ""
        #: The network's, once it is known; and what people call it in the cloud.
        self.id, self.called = "", ""
        #: Whether there shall be a machine in it, and its id once it is known.
        self.employed, self.machine_id = False, ""
        #: A network that a person made, which shall be taken over and let go.
        self.handmade = ""

    def apply(self, spec: Mapping[str, Any]) -> None:
        """Applies the Network."""
        made = manifests.network(NAME, self.bed.cloud, self.bed.cloud, self.namespace)
        made["spec"] = {"providerRef": made["spec"]["providerRef"], **spec}
        self.uid = self.bed.operator.api.apply(made)["metadata"]["uid"]

    def change(self, **spec: object) -> None:
        """Changes fields of its spec."""
        self.bed.operator.patch(KIND, NAME, {"spec": spec}, self.namespace)

    def employ(self) -> None:
        """A machine is applied that shall be in it."""
        wanted = [{"name": "nic0", "networkRef": {"name": NAME}}]
        self.bed.operator.api.apply(manifests.machine(GUEST, self.bed.cloud, self.namespace, networks=wanted))
        self.employed = True

    def delete(self) -> None:
        """Asks for the deletion of everything at once, of what is used first."""
        self.bed.operator.delete(KIND, NAME, namespace=self.namespace)
        if self.employed:
            self.bed.operator.delete(MACHINE, GUEST, namespace=self.namespace)

    def body(self) -> dict[str, Any] | None:
        return self.bed.operator.get(KIND, NAME, self.namespace)

    def machine(self) -> dict[str, Any] | None:
        """The object of the machine."""
        return self.bed.operator.get(MACHINE, GUEST, self.namespace)

    def settled(self) -> bool:
        bodies = [self.body(), *([self.machine()] if self.employed else [])]
        return all(condition_of(body, kind).get("status") == "True" for body in bodies for kind in ("Ready", "Synced"))

    def over(self) -> bool:
        """Whether no object is left."""
        return self.body() is None and self.machine() is None

    def bury(self) -> None:
        bed, people = self.bed.operator, self.bed.person
        self.delete()
        for kind, name in ((MACHINE, GUEST), (KIND, NAME)):
            with contextlib.suppress(AssertionError):
                bed.wait_gone(f"{kind}s", name, namespace=self.namespace, timeout=30)
            if bed.get(kind, name, self.namespace) is not None:
                bed.patch(kind, name, {"metadata": {"finalizers": []}}, self.namespace)
        for machine in {one.id for one in people.machines()} - self.strangers:
            with contextlib.suppress(LabError):
                people.destroy(machine)
        for network in {one.id for one in self.networks.all()} - self.foreign:
            clear_away(self.networks, network)

    # ------------------------------------------------------------------- truth

    def alone(self) -> list[str]:
        machines = {machine.id for machine in self.bed.person.machines()} - self.strangers
        networks = {network.id for network in self.networks.all()} - self.foreign
        surplus = machines - {self.machine_id} | networks - {self.id, self.handmade}
        litter = self.bed.leftovers() - self.litter - networks
        return [f"duplicate: {one}" for one in sorted(surplus)] + [f"leak: {one}" for one in sorted(litter)]

    def present(self) -> list[str]:
        body = self.body()
        if body is None:
            return ["wrong: there is no object"]
        wrong = [] if FINALIZER in body["metadata"].get("finalizers", []) else ["wrong: the finalizer is missing"]
        found = [one for one in self.networks.all() if one.owner.partition("/")[2] == self.uid]
        if len(found) != 1:
            kind = "duplicate" if found else "wrong"
            return [*wrong, f"{kind}: {len(found)} networks carry the marker: {[one.id for one in found]}"]
        (network,), told = found, str(body["status"].get("id", ""))
        if network.id != told or told != (self.id or told):
            wrong.append(f"wrong: the network is {network.id}, the status says {told}, and it was {self.id or 'none'}")
        self.id = told
        self.called = self.called or network.name
        if network.name != self.called:
            wrong.append(f"wrong: its name is {network.name!r}, not {self.called!r}")
        wrong += [f"wrong: {one}" for one in differences(self.networks, network, body["spec"])]
        return wrong + self._guest(network) + self.alone()

    def gone(self) -> list[str]:
        """What is left of what should be gone, in words."""
        self.id = self.machine_id = ""
        self.employed = False
        return self.alone()

    def let_go(self) -> list[str]:
        """What is wrong with a network that should be as people made it, in words."""
        self.id = ""
        found = self.networks.get(self.handmade)
        if found is None:
            return ["wrong: the network that should stay is gone", *self.alone()]
        return ([f"wrong: it still carries the marker {found.owner}"] if found.owner else []) + self.alone()

    def _guest(self, network: NetworkFacts) -> list[str]:
        body = self.machine()
        if not self.employed or body is None:
            return ["wrong: the machine has no object"] if self.employed else []
        found = self.bed.person.find(body["metadata"]["uid"])
        if len(found) != 1:
            return [f"{'duplicate' if found else 'wrong'}: {len(found)} machines carry the marker"]
        known, self.machine_id = self.machine_id, found[0].id
        wrong = [] if known in {"", self.machine_id} else [f"wrong: the machine is {self.machine_id}, and was {known}"]
        if found[0].networks != (network.word,):
            wrong.append(f"wrong: the machine is in {found[0].networks}, not in {network.word}")
        return wrong


class Lay(Step[NetworkLife]):
    """A machine and the network in which it shall be, applied at once."""

    name = "lay"

    def begin(self, life: NetworkLife) -> None:
        life.employ()
        life.apply({**life.networks.rich(), "lifecycle": {"disruption": "Allow"}, "tags": {"team": "shop"}})


class Mend(Step[NetworkLife]):
    """What a person takes from it or gives it another value, and its name, are put back."""

    name = "mend"
    optional = True

    def begin(self, life: NetworkLife) -> None:
        life.networks.spoil(life.id)
        life.networks.rename(life.id, f"by-hand-{life.namespace}")

    def done(self, life: NetworkLife) -> bool:
        return life.settled() and not life.present()


class Retune(Step[NetworkLife]):
    """Other values of what can be changed, while the machine is in it."""

    name = "retune"
    optional = True

    def begin(self, life: NetworkLife) -> None:
        life.change(**life.networks.retuned(), tags={"team": "bakery"})


class Waken(Step[NetworkLife]):
    """The operator itself starts, and finds another tag wanted."""

    name = "waken"
    optional = True

    def begin(self, life: NetworkLife) -> None:
        life.bed.operator.operator.kill()
        life.change(tags={"team": "harbour"})
        life.bed.operator.operator.start()


class Tear(Step[NetworkLife]):
    """The end of the network and of the machine in it, at once."""

    name = "tear"

    def begin(self, life: NetworkLife) -> None:
        life.delete()

    def done(self, life: NetworkLife) -> bool:
        return life.over()

    def wrong(self, life: NetworkLife) -> list[str]:
        return life.gone()


class Annex(Step[NetworkLife]):
    """A network that a person made is taken over."""

    name = "annex"

    def prepare(self, life: NetworkLife) -> None:
        life.handmade = life.networks.make(f"by-hand-{life.namespace}")

    def begin(self, life: NetworkLife) -> None:
        life.apply({"lifecycle": {"import": {"id": life.handmade}, "onDelete": "Detach"}})

    def wrong(self, life: NetworkLife) -> list[str]:
        found = life.present()
        return found if life.id == life.handmade else [*found, f"wrong: {life.id} was taken, not {life.handmade}"]


class Cede(Step[NetworkLife]):
    """The object goes, and the network stays."""

    name = "cede"

    def begin(self, life: NetworkLife) -> None:
        life.delete()

    def done(self, life: NetworkLife) -> bool:
        return life.over()

    def wrong(self, life: NetworkLife) -> list[str]:
        return life.let_go()


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[NetworkLife]]] = {
    "network made": (Lay(), Mend(), Retune(), Waken(), Tear()),
    "network taken": (Annex(), Cede()),
}
