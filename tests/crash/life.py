"""A life of one VirtualMachine in steps, and what must be true after each, whatever happened in it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

from lab import manifests
from lab.process import LabError
from tests.crash import wishes
from tests.crash.bed import CrashBed
from tests.crash.step import FINALIZER, Step, Subject

KIND = "virtualmachine"
NAME = "web"
_NUMBERS = count(1)


class Life(Subject):
    """One VirtualMachine in a namespace of its own."""

    def __init__(self, bed: CrashBed) -> None:
        super().__init__(bed)
        self.namespace = bed.operator.namespace()
        #: A tag's name that no cloud has heard of before.
        self.tag = f"crash-{uuid4().hex[:8]}"
        self.strangers = {machine.id for machine in bed.person.machines()}
        self.litter = bed.leftovers()
        #: A machine that a person made, which shall be taken over and let go.
        self.handmade = ""
        self.uid = ""
        self.id = ""
        self.network = ""
        bed.operator.apply(manifests.secret(wishes.SECRET, {"userData": wishes.USER_DATA}, self.namespace))

    def launch(self) -> None:
        """A person makes a machine."""
        self.handmade = self.bed.person.launch(f"by-hand-{self.bed.cloud}-{next(_NUMBERS)}")

    def apply(self, spec: Mapping[str, Any]) -> None:
        """Applies the object."""
        made = manifests.machine(NAME, self.bed.cloud, self.namespace)
        made["spec"] = dict(spec)
        self.uid = self.bed.operator.api.apply(made)["metadata"]["uid"]

    def change(self, **spec: object) -> None:
        """Changes fields of the spec."""
        self.bed.operator.patch(KIND, NAME, {"spec": spec}, self.namespace)

    def delete(self) -> None:
        """Asks for the deletion."""
        self.bed.operator.delete(KIND, NAME, namespace=self.namespace)

    def body(self) -> dict[str, Any] | None:
        return self.bed.operator.get(KIND, NAME, self.namespace)

    def bury(self) -> None:
        bed, people = self.bed.operator, self.bed.person
        self.delete()
        with contextlib.suppress(AssertionError):
            bed.wait_gone("virtualmachines", NAME, namespace=self.namespace, timeout=30)
        if self.body() is not None:
            bed.patch(KIND, NAME, {"metadata": {"finalizers": []}}, self.namespace)
        for machine in people.machines():
            if machine.id not in self.strangers:
                with contextlib.suppress(LabError):
                    people.destroy(machine.id)

    # ------------------------------------------------------------------- truth

    def alone(self) -> list[str]:
        machines = {machine.id for machine in self.bed.person.machines()} - self.strangers
        wanted = {self.id} if self.id else set()
        surplus = [f"duplicate: {one}" for one in sorted(machines - wanted - {self.handmade})]
        return surplus + [f"leak: {one}" for one in sorted(self.bed.leftovers() - self.litter)]

    def present(self) -> list[str]:
        body = self.body()
        if body is None:
            return ["wrong: there is no object"]
        found = self.bed.person.find(self.uid)
        told = str(body["status"].get("id", ""))
        if len(found) != 1:
            kind = "duplicate" if found else "wrong"
            return [f"{kind}: {len(found)} machines carry the marker: {[machine.id for machine in found]}"]
        wrong = wishes.differs(found[0], self.bed.person.given(found[0].id), body["spec"])
        if found[0].id != told or told != (self.id or told):
            wrong.append(f"the machine is {found[0].id}, the status says {told}, and it was {self.id or 'none'}")
        if FINALIZER not in body["metadata"].get("finalizers", []):
            wrong.append("the finalizer is missing")
        self.id = told
        self.network = self.network or found[0].networks[0]
        return [f"wrong: {one}" for one in wrong] + self.alone()

    def gone(self) -> list[str]:
        """What is left of a machine that should be gone, in words."""
        self.id = ""
        return self.alone()

    def let_go(self) -> list[str]:
        """What is wrong with a machine that should be as people made it, in words."""
        machine = self.bed.person.machine(self.handmade)
        self.id = ""
        if machine is None:
            return ["wrong: the machine that should stay is gone", *self.alone()]
        wrong = [f"wrong: it still carries the marker {machine.owner}"] if machine.owner else []
        return wrong + (["wrong: it does not run"] if not machine.running else []) + self.alone()


class Create(Step[Life]):
    """A machine with cloud-init, and user data from a Secret."""

    name = "create"

    def begin(self, life: Life) -> None:
        made = manifests.machine(NAME, life.bed.cloud, life.namespace)
        life.apply({**made["spec"], **wishes.new(life.bed.cloud, life.tag)})


class Grow(Step[Life]):
    """Many changes at once, some of which take a power cycle."""

    name = "change"

    def begin(self, life: Life) -> None:
        life.change(**wishes.grown(life.bed.cloud, life.tag, life.network))


class Restart(Step[Life]):
    """One restart."""

    name = "restart"
    optional = True

    def begin(self, life: Life) -> None:
        life.change(restartToken="1")

    def done(self, life: Life) -> bool:
        body = life.body() or {"status": {}}
        return life.settled() and body["status"].get("restart") == {"token": "1", "phase": "Done"}


class Start(Step[Life]):
    """The operator itself starts, and finds a change that was made while it was away."""

    name = "start"
    optional = True

    def begin(self, life: Life) -> None:
        life.bed.operator.operator.kill()
        life.change(tags={life.tag: "changed-meanwhile"})
        life.bed.operator.operator.start()


class Move(Step[Life]):
    """Other places and networks."""

    name = "move"
    optional = True

    def begin(self, life: Life) -> None:
        life.change(**wishes.moved(life.bed.cloud, life.network))


class Delete(Step[Life]):
    """The end of object and machine."""

    name = "delete"

    def begin(self, life: Life) -> None:
        life.delete()

    def done(self, life: Life) -> bool:
        return life.body() is None

    def wrong(self, life: Life) -> list[str]:
        return life.gone()


class Import(Step[Life]):
    """A machine that a person made is taken over."""

    name = "import"

    def prepare(self, life: Life) -> None:
        life.launch()

    def begin(self, life: Life) -> None:
        lifecycle = {"import": {"id": life.handmade}, "onDelete": "Detach"}
        life.apply({"providerRef": {"name": life.bed.cloud}, "lifecycle": lifecycle, "tags": {life.tag: "new"}})

    def wrong(self, life: Life) -> list[str]:
        found = life.present()
        return found if life.id == life.handmade else [*found, f"wrong: {life.id} was taken, not {life.handmade}"]


class LetGo(Step[Life]):
    """The object goes, and the machine stays."""

    name = "detach"

    def begin(self, life: Life) -> None:
        life.delete()

    def done(self, life: Life) -> bool:
        return life.body() is None

    def wrong(self, life: Life) -> list[str]:
        return life.let_go()


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[Life]]] = {
    "made": (Create(), Grow(), Restart(), Start(), Move(), Delete()),
    "taken": (Import(), LetGo()),
}
