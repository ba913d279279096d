"""Users who change objects, and people who change machines behind the operator's back; a seed decides who does what."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from lab.process import LabError
from tests.integration.operator.people import Person, person
from tests.operator_bed import OperatorBed
from tests.things import MACHINES, PRIMARY, THINGS
from tests.things.thing import Things

KIND = MACHINES.kind
#: What every machine is made of: small, and one that is lost is made again.
_SPEC: Mapping[str, Any] = {
    "memory": "1Gi",
    "powerState": "Running",
    "lifecycle": {"disruption": "Allow", "onLost": "Recreate"},
}
_WARE_SPEC: Mapping[str, Any] = {"lifecycle": {"onLost": "Recreate"}}
_SIZES = ({"cpus": 2, "memory": "1Gi"}, {"cpus": 2, "memory": "2Gi"}, {"cpus": 4, "memory": "16Gi"})
#: How often each of these is drawn, of all that is drawn.
_LIKELY = (4, 4, 1)
#: Machines that people leave behind, in each cloud.
_MOST_STRANGERS = 8
#: So many machines for each thing of another kind, of which each cloud has one at least.
_MACHINES_A_WARE = 20


class Crowd:
    """Everybody who changes something. ``wanted`` is what the objects ask for, ``strangers`` what people made, by cloud."""

    def __init__(self, bed: OperatorBed, namespace: str, seed: int, *, tuned: Mapping[str, Any]) -> None:
        """``tuned``: the limits of all Providers, of which now and then one is changed a little."""
        self._bed = bed
        self.namespace = namespace
        self._random = random.Random(f"{seed} crowd")
        self._tuned = tuned
        self._numbers = itertools.count(1)
        self.people: dict[Cloud, Person] = {cloud: person(cloud, bed.lab) for cloud in CLOUDS}
        #: By kind and name.
        self.wanted: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in THINGS}
        #: Ids of what others made, of whatever kind.
        self.strangers: dict[Cloud, set[str]] = {
            cloud: {one.id for things in THINGS.values() if cloud in things.clouds for one in things.seen(someone)}
            for cloud, someone in self.people.items()
        }
        self._made: Counter[Cloud] = Counter()
        #: Names of objects whose machine has a double that carries its marker.
        self._doubled: set[str] = set()
        self.by_users: Counter[str] = Counter()
        self.by_people: Counter[str] = Counter()

    def settle(self, number: int) -> None:
        """So many machines, spread over the clouds, and some of what they can use."""
        for things in PRIMARY:
            for cloud in things.clouds:
                for _ in range(1 + number // _MACHINES_A_WARE):
                    self._apply(cloud, things)
        for _, cloud in zip(range(number), itertools.cycle(CLOUDS), strict=False):
            self._apply(cloud)

    @property
    def machines(self) -> dict[str, dict[str, Any]]:
        """What the machines' objects ask for, by name."""
        return self.wanted[KIND]

    def count(self) -> int:
        """How many objects there are."""
        return sum(map(len, self.wanted.values()))

    def run(self, end: threading.Event, pace: float) -> None:
        """Acts ``pace`` times a second at most, until the end."""
        acts = [((kind, act), weight) for kind, some in LIVES.items() for act, weight in some]
        due = time.monotonic()
        while not end.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - 1.0) + 1.0 / pace
            ((kind, act),) = self._random.choices([act for act, _ in acts], [weight for _, weight in acts])
            act(self, self._random.choice(sorted(self.wanted.get(kind, self.machines))))

    def cloud(self, name: str) -> Cloud:
        """Where an object's thing is."""
        cloud: Cloud = self.wanted[self._kind(name)][name]["providerRef"]["name"]
        return cloud

    # -------------------------------------------------------------------- users

    def label(self, name: str) -> None:
        """Changes a tag."""
        self._change(name, tags={"soak": str(next(self._numbers))})

    def resize(self, name: str) -> None:
        """Changes the size."""
        (size,) = self._random.choices(_SIZES, _LIKELY)
        self._change(name, **size)

    def toggle(self, name: str) -> None:
        """Wants a machine off, or on again."""
        runs = self.machines[name]["powerState"] == "Running"
        self._change(name, powerState="Stopped" if runs else "Running")

    def restart(self, name: str) -> None:
        """Wants a restart, of a machine that runs."""
        if self.machines[name]["powerState"] == "Running":
            self._change(name, restartToken=str(next(self._numbers)))

    def replace(self, name: str) -> None:
        """Deletes an object, whatever is going on with it, and makes another one."""
        cloud, kind = self.cloud(name), self._kind(name)
        things = THINGS[kind]
        if things.lasting and self._users(things, name):
            return
        self._bed.delete(things.plural, name, namespace=self.namespace)
        del self.wanted[kind][name]
        self._doubled.discard(name)
        made = self._apply(cloud, things)
        self.by_users["replace"] += 1
        # Who used what is gone now uses the new one.
        for user in self._users(things, name):
            self._change(user, **things.use(made))

    def tune(self, name: str) -> None:
        """Changes a Provider a little, so that it is connected anew."""
        limits = {**self._tuned, "burst": self._tuned["burst"] + next(self._numbers) % 7}
        self._bed.patch("provider", self.cloud(name), {"spec": {"limits": limits}})
        self.by_users["tune"] += 1

    def adjust(self, name: str) -> None:
        """Changes something that machines can use."""
        self._change(name, **THINGS[self._kind(name)].change(next(self._numbers)))

    def hand(self, name: str) -> None:
        """Gives something to a machine, or takes it away: from the one that has it, if only one can."""
        things, cloud = THINGS[self._kind(name)], self.cloud(name)
        use = things.use(name)
        if not use or things.lasting:
            return
        chosen = self._random.choice([one for one in sorted(self.machines) if self.cloud(one) == cloud])
        having = self._users(things, name)
        for one in having if chosen in having or not things.shared else ():
            self._change(one, **{field: [] for field in use})
        if chosen not in having:
            self._change(chosen, **use)

    def _kind(self, name: str) -> str:
        return next(kind for kind, some in self.wanted.items() if name in some)

    def _users(self, things: Things, name: str) -> list[str]:
        return [one for one, spec in self.machines.items() if _uses(spec, things, name)]

    def _apply(self, cloud: Cloud, things: Things = MACHINES) -> str:
        name = f"soak-{next(self._numbers)}"
        made = things.manifest(cloud, name, cloud, self.namespace)
        made["spec"] |= {**_SPEC, **self._lasting(cloud)} if things is MACHINES else _WARE_SPEC
        self._bed.apply(made)
        self.wanted[things.kind][name] = made["spec"]
        return name

    def _lasting(self, cloud: Cloud) -> dict[str, Any]:
        """What a machine uses from its first day on: one of each such kind that its cloud has, or none."""
        uses: dict[str, Any] = {}
        for things in (things for things in PRIMARY if things.lasting):
            there = [one for one in sorted(self.wanted[things.kind]) if self.cloud(one) == cloud]
            if chosen := self._random.choice([*there, None]):
                uses |= things.use(chosen)
        return uses

    def _change(self, name: str, **spec: Any) -> None:
        kind = self._kind(name)
        self._bed.patch(THINGS[kind].plural, name, {"spec": spec}, self.namespace)
        self.wanted[kind][name] |= spec
        self.by_users["change"] += 1

    # ------------------------------------------------------------------- people

    def switch(self, name: str) -> None:
        """Pulls the plug of a machine that should run, or starts one that should not."""
        on = self.machines[name]["powerState"] != "Running"
        self._by_hand("switch", name, lambda someone, machine_id: someone.power(machine_id, on=on))

    def destroy(self, name: str) -> None:
        """Destroys what nothing uses, unless it has a double: then nobody could tell which of the two is lost."""
        things = THINGS[self._kind(name)]
        if not self._users(things, name) and name not in self._doubled:
            self._by_hand("destroy", name, things.destroy)

    def double(self, name: str) -> None:
        """Copies a machine with its marker."""

        def copy(someone: Person, machine_id: str) -> None:
            self._doubled.add(name)
            self.strangers[someone.cloud].add(someone.copy(machine_id))

        # A copy uses what the machine uses, or copies of it: nobody would take it away from there.
        using = [things for things in PRIMARY for one in self.wanted[things.kind] if name in self._users(things, one)]
        if not using and self._has_room(self.cloud(name)):
            self._by_hand("copy", name, copy)

    def launch(self, name: str) -> None:
        """Makes a machine that has nothing to do with any object."""

        def make(someone: Person, _machine_id: str) -> None:
            self.strangers[someone.cloud].add(someone.launch(f"stranger-{next(self._numbers)}"))

        if self._has_room(self.cloud(name)):
            self._by_hand("launch", name, make)

    def _has_room(self, cloud: Cloud) -> bool:
        self._made[cloud] += 1
        return self._made[cloud] <= _MOST_STRANGERS

    def _by_hand(self, act: str, name: str, does: Callable[[Person, str], None]) -> None:
        """Does something to the machine of an object, if there is one that can take it now."""
        body = self._bed.get(THINGS[self._kind(name)].plural, name, self.namespace)
        machine_id = (body or {}).get("status", {}).get("id")
        if machine_id is None:
            return
        try:
            does(self.people[self.cloud(name)], machine_id)
        except (LabError, ClientError):
            # It is off already, or busy, or not there any more: as anybody would be told.
            self.by_people["in vain"] += 1
        else:
            self.by_people[act] += 1

    def told(self) -> str:
        """How much was done, in words."""
        changes = sum(self.by_users.values())
        done = Counter(self.by_people)
        del done["in vain"]
        return f"{changes} changes by users, {sum(done.values())} by hand"


def _uses(spec: Mapping[str, Any], things: Things, name: str) -> bool:
    """Whether a machine uses the thing of this name."""
    use = things.use(name)
    return bool(use) and all(spec.get(field) == words for field, words in use.items())


Act = Callable[[Crowd, str], None]
#: What happens to whatever machines can use.
_WARE_ACTS: Sequence[tuple[Act, int]] = ((Crowd.adjust, 4), (Crowd.hand, 6), (Crowd.replace, 1), (Crowd.destroy, 1))
#: What happens to objects of each kind, and how often beside the others.
LIVES: Mapping[str, Sequence[tuple[Act, int]]] = {
    "Provider": ((Crowd.tune, 1),),
    "VirtualMachine": (
        (Crowd.label, 35),
        (Crowd.resize, 15),
        (Crowd.toggle, 15),
        (Crowd.restart, 8),
        (Crowd.replace, 10),
        (Crowd.switch, 12),
        (Crowd.destroy, 4),
        (Crowd.double, 1),
        (Crowd.launch, 1),
    ),
    **dict.fromkeys((things.kind for things in PRIMARY), _WARE_ACTS),
}
