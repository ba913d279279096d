"""A life of one Network in steps, of all parts that it can have, with a machine in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from tests.crash.bed import CrashBed
from tests.crash.household import End, Household, LetGo, Settling, TakeOver
from tests.crash.life import KIND as MACHINE
from tests.crash.step import Step
from tests.integration.operator.people_networks import clear_away, network_person
from tests.things.network import differences

KIND = "network"
NAME = "front"
GUEST = "web"


class NetworkLife(Household):
    """One Network, and a machine in it."""

    kind, name, kinds = KIND, NAME, (KIND,)

    def __init__(self, bed: CrashBed) -> None:
        self.networks = network_person(bed.person.simulated)
        super().__init__(bed)

    def network(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The Network, of this spec alone."""
        made = manifests.network(NAME, self.bed.cloud, self.bed.cloud, self.namespace)
        return {**made, "spec": {"providerRef": made["spec"]["providerRef"], **spec}}

    def facts(self, kind: str) -> Sequence[Any]:
        return self.networks.all() if kind == KIND else ()

    def clear(self, thing_id: str) -> None:
        clear_away(self.networks, thing_id)

    def differences(self, kind: str, name: str, found: Any, body: Mapping[str, Any]) -> list[str]:
        if kind != KIND:
            return []
        wrong = self.renamed(found)
        wrong += [f"wrong: {name}: {one}" for one in differences(self.networks, found, body["spec"])]
        guest = self.ids.get((MACHINE, GUEST))
        inside = [one.networks for one in self.bed.person.machines() if one.id == guest]
        return wrong + [
            f"wrong: the machine is in {one}, not in {found.word}" for one in inside if one != (found.word,)
        ]


class Lay(Step[NetworkLife]):
    """A machine and the network in which it shall be, applied at once."""

    name = "lay"

    def begin(self, life: NetworkLife) -> None:
        wanted = {**life.networks.rich(), "lifecycle": {"disruption": "Allow"}, "tags": {"team": "shop"}}
        guest = life.machine(GUEST, networks=[{"name": "nic0", "networkRef": {"name": NAME}}])
        life.apply(guest, life.network(wanted))


class Mend(Settling[NetworkLife]):
    """What a person takes from it or gives it another value, and its name, are put back."""

    name = "mend"
    optional = True

    def begin(self, life: NetworkLife) -> None:
        life.networks.spoil(life.id)
        life.networks.rename(life.id, f"by-hand-{life.namespace}")


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


class Tear(End):
    """The end of the network and of the machine in it, at once."""

    name = "tear"


class Annex(TakeOver[NetworkLife]):
    """A network that a person made is taken over."""

    name = "annex"

    def prepare(self, life: NetworkLife) -> None:
        life.handmade = life.networks.make(f"by-hand-{life.namespace}")

    def begin(self, life: NetworkLife) -> None:
        life.apply(life.network({"lifecycle": {"import": {"id": life.handmade}, "onDelete": "Detach"}}))


class Cede(LetGo):
    """The object goes, and the network stays."""

    name = "cede"


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[Any]]] = {
    "network made": (Lay(), Mend(), Retune(), Waken(), Tear()),
    "network taken": (Annex(), Cede()),
}
