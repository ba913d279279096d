"""Lives of objects that belong together: one that the story is about, what it is made of, and the machines that use it."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from lab import manifests
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.life import KIND as MACHINE
from tests.crash.step import FINALIZER, Step, Subject
from tests.operator_bed import condition_of


class Household(Subject):
    """Objects in a namespace of their own. The one that the story is about is of ``kind`` and called ``name``.

    A subclass has who works with its things in the cloud before it calls ``super().__init__``.
    """

    kind: ClassVar[str]
    name: ClassVar[str]

    def __init__(self, bed: CrashBed) -> None:
        super().__init__(bed)
        self.namespace = bed.operator.namespace()
        self.strangers = {machine.id for machine in bed.person.machines()}
        self.foreign = self._things()
        self.litter = bed.leftovers()
        #: The ids of all objects there are, by kind and name, once they are known.
        self.ids: dict[tuple[str, str], str] = {}
        #: What the cloud called the one that the story is about when it was first seen to be well.
        self.called = ""
        #: A thing that a person made, which shall be taken over and let go.
        self.handmade = ""

    # ------------------------------------------------------- what kinds differ in

    @abstractmethod
    def facts(self, kind: str) -> Sequence[Any]:
        """All things of a kind but machines, as the cloud shows them: with ``id`` and ``owner``. None of other kinds."""

    @abstractmethod
    def clear(self, thing_id: str) -> None:
        """Takes away a thing, as far as it is there."""

    @abstractmethod
    def differences(self, kind: str, name: str, found: Any, body: Mapping[str, Any]) -> list[str]:
        """How a thing, or a machine that runs, is not as it should be, in words that begin with ``wrong:``."""

    def renamed(self, found: Any) -> list[str]:
        """Whether the one that the story is about has lost its name, in such words."""
        self.called = self.called or found.name
        return [] if found.name == self.called else [f"wrong: it is called {found.name!r}, not {self.called!r}"]

    #: The kinds that ``facts`` knows.
    kinds: ClassVar[Collection[str]] = ()

    def parts(self) -> set[str]:
        """What things consist of, as far as it may look left over."""
        return self._things() - self.foreign

    def owned(self, kind: str, uid: str) -> list[Any]:
        """The things that carry the marker of the object of this uid."""
        found: Sequence[Any] = self.bed.person.machines() if kind == MACHINE else self.facts(kind)
        return [one for one in found if one.owner.partition("/")[2] == uid]

    # ------------------------------------------------------------------- objects

    @property
    def id(self) -> str:
        """That of the one that the story is about, once it is known."""
        return self.ids.get((self.kind, self.name), "")

    def apply(self, *made: Mapping[str, Any]) -> None:
        """Applies objects."""
        for one in made:
            self.bed.operator.api.apply(one)
            self.ids.setdefault((one["kind"].lower(), one["metadata"]["name"]), "")

    def machine(self, name: str, **spec: object) -> dict[str, Any]:
        """A machine."""
        return manifests.machine(name, self.bed.cloud, self.namespace, **spec)

    def change(self, **spec: object) -> None:
        """Changes fields of the spec of the one that the story is about."""
        self.bed.operator.patch(self.kind, self.name, {"spec": spec}, self.namespace)

    def delete(self) -> None:
        """Asks for the deletion of everything at once, of what machines use first."""
        for kind, name in sorted(self.ids, key=lambda one: one[0] == MACHINE):
            self.bed.operator.delete(kind, name, namespace=self.namespace)

    def body(self) -> dict[str, Any] | None:
        return self.one(self.kind, self.name)

    def one(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object."""
        return self.bed.operator.get(kind, name, self.namespace)

    def awaited(self) -> list[tuple[str, str]]:
        """The objects that have to be well."""
        return list(self.ids)

    def settled(self) -> bool:
        bodies = [self.one(kind, name) for kind, name in self.awaited()]
        return all(condition_of(body, kind).get("status") == "True" for body in bodies for kind in ("Ready", "Synced"))

    def over(self) -> bool:
        """Whether no object is left."""
        return all(self.one(kind, name) is None for kind, name in self.ids)

    def bury(self) -> None:
        bed, people = self.bed.operator, self.bed.person
        self.delete()
        for kind, name in self.ids:
            with contextlib.suppress(AssertionError):
                bed.wait_gone(f"{kind}s", name, namespace=self.namespace, timeout=30)
            if self.one(kind, name) is not None:
                bed.patch(kind, name, {"metadata": {"finalizers": []}}, self.namespace)
        for machine in {one.id for one in people.machines()} - self.strangers:
            with contextlib.suppress(LabError):
                people.destroy(machine)
        for thing in self._things() - self.foreign:
            self.clear(thing)

    # --------------------------------------------------------------------- truth

    def alone(self) -> list[str]:
        machines = {machine.id for machine in self.bed.person.machines()} - self.strangers
        surplus = (machines | self._things() - self.foreign) - {*self.ids.values(), *self.excused()}
        litter = self.bed.leftovers() - self.litter - self.parts()
        return [f"duplicate: {one}" for one in sorted(surplus)] + [f"leak: {one}" for one in sorted(litter)]

    def excused(self) -> set[str]:
        """What people made."""
        return {self.handmade}

    def present(self) -> list[str]:
        machines_first = sorted(self.ids, key=lambda one: one[0] != MACHINE)
        return [one for kind, name in machines_first for one in self.standing(kind, name)] + self.alone()

    def standing(self, kind: str, name: str) -> list[str]:
        """What is wrong with one object and what it stands for, in words."""
        body = self.one(kind, name)
        if body is None:
            return [f"wrong: there is no object {kind} {name}"]
        told = str(body["status"].get("id", ""))
        wrong = [] if FINALIZER in body["metadata"].get("finalizers", []) else [f"wrong: {name} has no finalizer"]
        found = self.owned(kind, body["metadata"]["uid"])
        if len(found) != 1:
            what = "duplicate" if found else "wrong"
            return [*wrong, f"{what}: {len(found)} carry the marker of {kind} {name}: {[one.id for one in found]}"]
        known = self.ids[kind, name]
        if found[0].id != told or told != (known or told):
            wrong.append(f"wrong: {name} is {found[0].id}, the status says {told}, and it was {known or 'none'}")
        self.ids[kind, name] = told
        if kind == MACHINE and not found[0].running:
            wrong.append(f"wrong: {name} does not run")
        return wrong + self.differences(kind, name, found[0], body)

    def gone(self) -> list[str]:
        """What is left of what should be gone, in words."""
        self.ids.clear()
        return self.alone()

    def let_go(self) -> list[str]:
        """What is wrong with a thing that should be as people made it, in words."""
        self.ids.clear()
        found = next((one for one in self.facts(self.kind) if one.id == self.handmade), None)
        if found is None:
            return [f"wrong: the {self.kind} that should stay is gone", *self.alone()]
        return ([f"wrong: it still carries the marker {found.owner}"] if found.owner else []) + self.alone()

    def _things(self) -> set[str]:
        return {one.id for kind in self.kinds for one in self.facts(kind)}


H = TypeVar("H", bound=Household)


class Settling(Step[H], Generic[H]):
    """A step after which the cloud is as wanted some time after the object says that all is well."""

    def done(self, life: H) -> bool:
        return life.settled() and not life.present()


class TakeOver(Step[H], Generic[H]):
    """What a person made is taken over."""

    def wrong(self, life: H) -> list[str]:
        found = life.present()
        return found if life.id == life.handmade else [*found, f"wrong: {life.id} was taken, not {life.handmade}"]


class End(Step[Household]):
    """The end of all objects at once."""

    def begin(self, life: Household) -> None:
        life.delete()

    def done(self, life: Household) -> bool:
        return life.over()

    def wrong(self, life: Household) -> list[str]:
        return life.gone()


class LetGo(End):
    """The object goes, and what it stood for stays."""

    def wrong(self, life: Household) -> list[str]:
        return life.let_go()
