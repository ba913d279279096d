"""Machines on every cloud of a bed, and what they use; what is wanted of them, and what is not so, in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

from hybridge.api.shared import FINALIZER
from lab.faultproxy import Cloud
from tests.integration.operator.people import Person, person
from tests.leftovers import leftovers
from tests.operator_bed import OperatorBed, condition_of
from tests.things import MACHINES, PRIMARY, THINGS
from tests.things.thing import Thing, Things

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
    """A machine of the herd, or another thing that it has."""

    cloud: Cloud
    name: str
    kind: str = MACHINES.kind

    @property
    def things(self) -> Things:
        """Its kind."""
        return THINGS[self.kind]


class Herd:
    """The objects of one namespace, at the Providers that are named after their clouds."""

    def __init__(
        self, bed: OperatorBed, persons: Mapping[Cloud, Person], providers: Mapping[Cloud, str] | None = None
    ) -> None:
        self.bed = bed
        self.namespace = bed.namespace()
        self.persons = persons
        self.providers = dict(providers or {cloud: str(cloud) for cloud in self.persons})
        #: What people wanted last, as the spec says it.
        self.wanted: dict[Member, dict[str, Any]] = {}
        #: Ids of those that are to stay the ones that they are.
        self.ids: dict[Member, str] = {}
        #: Ids of what others made, whatever it is.
        self.strangers = {cloud: {one.id for one in self._seen(cloud)} for cloud in self.persons}
        self.litter = {cloud: leftovers(bed.lab.clouds[cloud]) for cloud in self.persons}
        self._leaving: set[Member] = set()

    @property
    def clouds(self) -> list[Cloud]:
        """The clouds."""
        return list(self.persons)

    def manifest(self, member: Member) -> dict[str, Any]:
        """The object as people have it in their files."""
        made = member.things.manifest(member.cloud, member.name, self.providers[member.cloud], self.namespace)
        made["spec"] = dict(self.wanted[member])
        return made

    def furnish(self, *, anew: bool = False) -> None:
        """Applies one of each kind of thing that machines use on each cloud; ``anew``: whose object can be made anew."""
        for cloud in self.clouds:
            for things in PRIMARY:
                if cloud in (things.adopting if anew else things.clouds):
                    self._want(Member(cloud, f"{cloud}-{things.kind.lower()}", things.kind))

    def create(self, cloud: Cloud, name: str | None = None, /, **spec: object) -> Member:
        """Applies a machine, which uses what is there and no other uses; ``spec`` adds or replaces fields."""
        uses: dict[str, object] = {}
        taken = [self.wanted[member] for member in self.of(cloud)]
        for ware in self.wares(cloud):
            use = ware.things.use(ware.name)
            if not use.keys() & {key for one in taken for key in one} or ware.things.shared:
                uses |= use
        return self._want(Member(cloud, name or f"{cloud}-{next(_NUMBERS)}"), **uses, **spec)

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
        """Applies the files of these, or of all."""
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
        self.bed.delete(member.things.plural, member.name, namespace=self.namespace)

    def recreate(self, member: Member, tend: Callable[[], None]) -> None:
        """Deletes, and applies the same file as soon as the object is gone. AssertionError when it does not go."""
        spec = self.wanted[member]
        self.delete(member)

        def gone() -> bool:
            tend()
            return self.body(member) is None

        self.bed.wait_for(gone, f"{member.name} to be gone", PATIENCE)
        self._want(member, **spec)

    def of(self, cloud: Cloud) -> list[Member]:
        """The machines that are wanted on one cloud."""
        return [member for member in self.wanted if member.cloud == cloud and member.things is MACHINES]

    def wares(self, cloud: Cloud) -> list[Member]:
        """What machines can use on one cloud."""
        return [member for member in self.wanted if member.cloud == cloud and member.things is not MACHINES]

    def alter(self, cloud: Cloud, number: int) -> None:
        """Changes what machines can use on one cloud; every number gives other specs."""
        for ware in self.wares(cloud):
            self.change(ware, **ware.things.change(number))

    def disown(self, *members: Member) -> None:
        """The objects go and the things stay, provided that the operator does not work now."""
        for member in members:
            self.bed.patch(member.things.plural, member.name, {"metadata": {"finalizers": []}}, self.namespace)
            self.bed.delete(member.things.plural, member.name, namespace=self.namespace)

    def wait_gone(self, *members: Member) -> None:
        """Blocks until none of these objects exists."""
        for things in THINGS.values():
            names = [member.name for member in members if member.things is things]
            self.bed.wait_gone(things.plural, *names, namespace=self.namespace)

    def body(self, member: Member) -> dict[str, Any] | None:
        """The object."""
        return self.bed.get(member.things.plural, member.name, self.namespace)

    def bodies(self) -> dict[Member, dict[str, Any]]:
        """All objects of the namespace."""
        clouds = {name: cloud for cloud, name in self.providers.items()}
        return {
            Member(clouds[body["spec"]["providerRef"]["name"]], body["metadata"]["name"], things.kind): body
            for things in THINGS.values()
            for body in self.bed.objects(things.plural, self.namespace)
        }

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
        bodies = self.bodies()
        for member in self.wanted:
            body = bodies.get(member)
            lacks = [kind for kind in ("Ready", "Synced") if condition_of(body, kind).get("status") != "True"]
            token = self.wanted[member].get("restartToken")
            restarted = (body or {}).get("status", {}).get("restart") or {}
            if token is not None and (restarted.get("token"), restarted.get("phase")) != (token, "Done"):
                lacks.append(f"the restart {token}")
            if lacks:
                told = (body or {}).get("status")
                yield f"stuck: {_words(member)} is not {' and not '.join(lacks)}: {told}"
        for member in self._leaving & bodies.keys():
            yield f"stuck: {_words(member)} does not go: {bodies[member]['status']}"

    def _differs(self, member: Member) -> list[str]:
        body = self.body(member)
        if body is None:
            return [f"wrong: there is no object {member.name}"]
        someone, told = self.persons[member.cloud], str(body["status"].get("id", ""))
        known = self.ids.setdefault(member, told)
        found = [one for one in member.things.seen(someone) if one.is_of(body["metadata"]["uid"])]
        if len(found) != 1:
            kind = "duplicate" if found else "wrong"
            return [f"{kind}: {len(found)} are {_words(member)}: {[one.id for one in found]}"]
        wrong = member.things.differs(someone, found[0], self.wanted[member])
        if found[0].id != told or told != known:
            wrong.append(f"it is {found[0].id}, the status says {told}, and it was {known}")
        if FINALIZER not in body["metadata"].get("finalizers", []):
            wrong.append("the finalizer is missing")
        return [f"wrong: {_words(member)}: {one}" for one in wrong]

    def _surplus(self, cloud: Cloud) -> list[str]:
        """What the cloud has too much."""
        known = {body.get("status", {}).get("id") for body in self.bodies().values()} | self.strangers[cloud]
        seen = self._seen(cloud)
        extra = [one for one in seen if one.id not in known]
        left = leftovers(self.bed.lab.clouds[cloud]) - self.litter[cloud] - {one.id for one in seen}
        return [
            *(f"duplicate: {cloud} {one.id} ({one.owner}, {one.looks})" for one in extra),
            *(f"leak: {cloud} {one}" for one in sorted(left)),
        ]

    def _want(self, member: Member, **spec: object) -> Member:
        made = member.things.manifest(member.cloud, member.name, self.providers[member.cloud], self.namespace)
        self.wanted[member] = {**made["spec"], **spec}
        self.ids.pop(member, None)
        self._leaving.discard(member)
        self.apply(member)
        return member

    def _seen(self, cloud: Cloud) -> list[Thing]:
        return [one for things in THINGS.values() if cloud in things.clouds for one in things.seen(self.persons[cloud])]


def _words(member: Member) -> str:
    return f"{member.cloud} {member.kind} {member.name}"
