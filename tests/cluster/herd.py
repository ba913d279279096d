"""Machines on every cloud of a bed, what is wanted of them, and what is not so, in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

from hybridge.api.shared import FINALIZER
from lab import manifests
from lab.faultproxy import Cloud
from tests.crash.wishes import differs
from tests.integration.operator.people import Person, person
from tests.leftovers import leftovers
from tests.operator_bed import OperatorBed, condition_of

KIND = "virtualmachine"
#: The kinds of which these stories tell; machines are the herd, and Providers are what it lives by.
TOLD = {"Provider", "VirtualMachine"}
#: A larger size that every cloud has, and what allows a power cycle for it.
LARGER: Mapping[str, Any] = {"cpus": 4, "memory": "16Gi", "lifecycle": {"disruption": "Allow"}}
#: Seconds until everything has come to its end by itself.
PATIENCE = 120.0
#: Seconds for which nothing may change any more before it counts as the end.
_TIDY = 20.0
_POLL = 0.1
_NUMBERS = count(1)


def people(bed: OperatorBed) -> dict[Cloud, Person]:
    """Who works in the clouds of a bed, for as long as it is there."""
    return {cloud: person(cloud, bed.lab) for cloud in bed.lab.clouds}


class Member(NamedTuple):
    """A machine of the herd."""

    cloud: Cloud
    name: str


class Herd:
    """The machines of one namespace, at the Providers that are named after their clouds."""

    def __init__(
        self, bed: OperatorBed, persons: Mapping[Cloud, Person], providers: Mapping[Cloud, str] | None = None
    ) -> None:
        self.bed = bed
        self.namespace = bed.namespace()
        self.persons = persons
        self.providers = dict(providers or {cloud: str(cloud) for cloud in self.persons})
        #: What people wanted last, as the spec says it.
        self.wanted: dict[Member, dict[str, Any]] = {}
        #: Ids of machines that are to stay the ones that they are.
        self.ids: dict[Member, str] = {}
        self.strangers = {cloud: {one.id for one in someone.machines()} for cloud, someone in persons.items()}
        self.litter = {cloud: leftovers(bed.lab.clouds[cloud]) for cloud in self.persons}
        self._leaving: set[Member] = set()

    @property
    def clouds(self) -> list[Cloud]:
        """The clouds."""
        return list(self.persons)

    def manifest(self, member: Member) -> dict[str, Any]:
        """The object as people have it in their files."""
        made = manifests.machine(member.name, self.providers[member.cloud], self.namespace)
        made["spec"] = dict(self.wanted[member])
        return made

    def create(self, cloud: Cloud, name: str | None = None, /, **spec: object) -> Member:
        """Applies a machine; ``spec`` adds or replaces fields."""
        member = Member(cloud, name or f"{cloud}-{next(_NUMBERS)}")
        made = manifests.machine(member.name, self.providers[cloud], self.namespace)
        self.wanted[member] = {**made["spec"], **spec}
        self.ids.pop(member, None)
        self._leaving.discard(member)
        self.apply(member)
        return member

    def take(self, cloud: Cloud, machine_id: str, name: str | None = None) -> Member:
        """Applies a machine that imports what a person made, and lets it go in the end."""
        member = Member(cloud, name or f"{cloud}-{next(_NUMBERS)}")
        lifecycle = {"import": {"id": machine_id}, "onDelete": "Detach"}
        self.wanted[member] = {"providerRef": {"name": self.providers[cloud]}, "lifecycle": lifecycle}
        self.ids[member] = machine_id
        self.strangers[cloud].add(machine_id)
        self.apply(member)
        return member

    def apply(self, *members: Member) -> None:
        """Applies the files of these machines, or of all."""
        self.bed.apply(*(self.manifest(member) for member in members or tuple(self.wanted)))

    def change(self, member: Member, /, **spec: object) -> None:
        """Changes fields of the spec."""
        self.wanted[member] |= spec
        self.apply(member)

    def delete(self, member: Member) -> None:
        """Asks for the deletion."""
        del self.wanted[member]
        self.ids.pop(member, None)
        self._leaving.add(member)
        self.bed.delete(KIND, member.name, namespace=self.namespace)

    def recreate(self, member: Member, tend: Callable[[], None]) -> None:
        """Deletes, and applies the same file as soon as the object is gone. AssertionError when it does not go."""
        spec = self.wanted[member]
        self.delete(member)

        def gone() -> bool:
            tend()
            return self.body(member) is None

        self.bed.wait_for(gone, f"{member.name} to be gone", PATIENCE)
        self.create(member.cloud, member.name, **spec)

    def of(self, cloud: Cloud) -> list[Member]:
        """The machines that are wanted on one cloud."""
        return [member for member in self.wanted if member.cloud == cloud]

    def disown(self, member: Member) -> None:
        """The object goes and the machine stays, provided that the operator does not work now."""
        self.bed.patch(KIND, member.name, {"metadata": {"finalizers": []}}, self.namespace)
        self.bed.delete(KIND, member.name, namespace=self.namespace)

    def body(self, member: Member) -> dict[str, Any] | None:
        """The object."""
        return self.bed.get(KIND, member.name, self.namespace)

    # ------------------------------------------------------------------- truth

    def settle(self, tend: Callable[[], None] = lambda: None, patience: float = PATIENCE) -> list[str]:
        """Waits until all is as wanted; else what is not so, in words. ``tend`` is called again and again meanwhile."""
        deadline = time.monotonic() + patience
        while True:
            tend()
            stuck = list(self._stuck())
            if not stuck or time.monotonic() > deadline:
                break
            time.sleep(_POLL)
        if stuck:
            return [*stuck, *(one for cloud in self.clouds for one in self._surplus(cloud))]
        deadline = time.monotonic() + _TIDY
        while True:
            tend()
            wrong = self.wrong()
            if not wrong or time.monotonic() > deadline:
                return wrong
            time.sleep(_POLL)

    def settled(self) -> bool:
        """Whether the operator says that all is as wanted."""
        return not any(self._stuck())

    def wrong(self) -> list[str]:
        """What is not as wanted, in words: duplicate, leak or wrong."""
        found = [words for member in self.wanted for words in self._differs(member)]
        return found + [one for cloud in self.clouds for one in self._surplus(cloud)]

    def _stuck(self) -> Iterator[str]:
        bodies = {body["metadata"]["name"]: body for body in self.bed.objects("virtualmachines", self.namespace)}
        for member in self.wanted:
            body = bodies.get(member.name)
            lacks = [kind for kind in ("Ready", "Synced") if condition_of(body, kind).get("status") != "True"]
            token = self.wanted[member].get("restartToken")
            restarted = (body or {}).get("status", {}).get("restart") or {}
            if token is not None and (restarted.get("token"), restarted.get("phase")) != (token, "Done"):
                lacks.append(f"the restart {token}")
            if lacks:
                told = (body or {}).get("status")
                yield f"stuck: {member.cloud} {member.name} is not {' and not '.join(lacks)}: {told}"
        for member in self._leaving:
            if member.name in bodies:
                yield f"stuck: {member.cloud} {member.name} does not go: {bodies[member.name]['status']}"

    def _differs(self, member: Member) -> list[str]:
        body = self.body(member)
        if body is None:
            return [f"wrong: there is no object {member.name}"]
        someone, told = self.persons[member.cloud], str(body["status"].get("id", ""))
        found = someone.find(body["metadata"]["uid"])
        if len(found) != 1:
            kind = "duplicate" if found else "wrong"
            return [f"{kind}: {len(found)} machines are {member.name}: {[machine.id for machine in found]}"]
        wrong = differs(found[0], someone.given(found[0].id), self.wanted[member])
        known = self.ids.setdefault(member, told)
        if found[0].id != told or told != known:
            wrong.append(f"the machine is {found[0].id}, the status says {told}, and it was {known}")
        if FINALIZER not in body["metadata"].get("finalizers", []):
            wrong.append("the finalizer is missing")
        return [f"wrong: {member.cloud} {member.name}: {one}" for one in wrong]

    def _surplus(self, cloud: Cloud) -> list[str]:
        """What the cloud has too much."""
        bodies = self.bed.objects("virtualmachines", self.namespace)
        known = {body.get("status", {}).get("id") for body in bodies} | self.strangers[cloud]
        extra = [machine for machine in self.persons[cloud].machines() if machine.id not in known]
        left = leftovers(self.bed.lab.clouds[cloud]) - self.litter[cloud]
        return [
            *(f"duplicate: {cloud} {machine.id} ({machine.name}, {machine.owner})" for machine in extra),
            *(f"leak: {cloud} {one}" for one in sorted(left)),
        ]
