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

from lab import manifests
from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from lab.process import LabError
from tests.integration.operator.people import Person, person
from tests.operator_bed import OperatorBed

KIND = "virtualmachine"
#: What every machine is made of: small, and one that is lost is made again.
_SPEC: Mapping[str, Any] = {
    "memory": "1Gi",
    "powerState": "Running",
    "lifecycle": {"disruption": "Allow", "onLost": "Recreate"},
}
_SIZES = ({"cpus": 2, "memory": "1Gi"}, {"cpus": 2, "memory": "2Gi"}, {"cpus": 4, "memory": "16Gi"})
#: How often each of these is drawn, of all that is drawn.
_LIKELY = (4, 4, 1)
#: Machines that people leave behind, in each cloud.
_MOST_STRANGERS = 8


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
        self.wanted: dict[str, dict[str, Any]] = {}
        self.strangers: dict[Cloud, set[str]] = {
            cloud: {machine.id for machine in someone.machines()} for cloud, someone in self.people.items()
        }
        self._made: Counter[Cloud] = Counter()
        #: Names of objects whose machine has a double that carries its marker.
        self._doubled: set[str] = set()
        self.by_users: Counter[str] = Counter()
        self.by_people: Counter[str] = Counter()

    def settle(self, number: int) -> None:
        """So many objects, spread over the clouds."""
        for _, cloud in zip(range(number), itertools.cycle(CLOUDS), strict=False):
            self._apply(cloud)

    def run(self, end: threading.Event, pace: float) -> None:
        """Acts ``pace`` times a second at most, until the end."""
        acts = [(act, weight) for some in LIVES.values() for act, weight in some]
        due = time.monotonic()
        while not end.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - 1.0) + 1.0 / pace
            (act,) = self._random.choices([act for act, _ in acts], [weight for _, weight in acts])
            name = self._random.choice(sorted(self.wanted))
            act(self, name)

    def cloud(self, name: str) -> Cloud:
        """Where an object's machine is."""
        cloud: Cloud = self.wanted[name]["providerRef"]["name"]
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
        runs = self.wanted[name]["powerState"] == "Running"
        self._change(name, powerState="Stopped" if runs else "Running")

    def restart(self, name: str) -> None:
        """Wants a restart, of a machine that runs."""
        if self.wanted[name]["powerState"] == "Running":
            self._change(name, restartToken=str(next(self._numbers)))

    def replace(self, name: str) -> None:
        """Deletes an object, whatever is going on with it, and makes another one."""
        cloud = self.cloud(name)
        self._bed.delete(KIND, name, namespace=self.namespace)
        del self.wanted[name]
        self._doubled.discard(name)
        self._apply(cloud)
        self.by_users["replace"] += 1

    def tune(self, name: str) -> None:
        """Changes a Provider a little, so that it is connected anew."""
        limits = {**self._tuned, "burst": self._tuned["burst"] + next(self._numbers) % 7}
        self._bed.patch("provider", self.cloud(name), {"spec": {"limits": limits}})
        self.by_users["tune"] += 1

    def _apply(self, cloud: Cloud) -> None:
        name = f"soak-{next(self._numbers)}"
        made = manifests.machine(name, cloud, self.namespace, **_SPEC)
        self._bed.apply(made)
        self.wanted[name] = made["spec"]

    def _change(self, name: str, **spec: Any) -> None:
        self._bed.patch(KIND, name, {"spec": spec}, self.namespace)
        self.wanted[name] |= spec
        self.by_users["change"] += 1

    # ------------------------------------------------------------------- people

    def switch(self, name: str) -> None:
        """Pulls the plug of a machine that should run, or starts one that should not."""
        on = self.wanted[name]["powerState"] != "Running"
        self._by_hand("switch", name, lambda someone, machine_id: someone.power(machine_id, on=on))

    def destroy(self, name: str) -> None:
        """Destroys a machine, unless it has a double: then nobody could tell which of them is lost."""
        if name not in self._doubled:
            self._by_hand("destroy", name, lambda someone, machine_id: someone.destroy(machine_id))

    def double(self, name: str) -> None:
        """Copies a machine with its marker."""

        def copy(someone: Person, machine_id: str) -> None:
            self._doubled.add(name)
            self.strangers[someone.cloud].add(someone.copy(machine_id))

        if self._has_room(self.cloud(name)):
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
        body = self._bed.get(KIND, name, self.namespace)
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


Act = Callable[[Crowd, str], None]
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
}
