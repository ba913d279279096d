"""A life of one Provider in steps, with a machine that uses it and that nothing of this may touch."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from lab import manifests
from lab.process import LabError
from tests.crash.bed import CrashBed
from tests.crash.life import KIND as MACHINE
from tests.crash.life import NAME as USER
from tests.crash.step import FINALIZER, Step, Subject
from tests.integration.operator.people import PASSWORDS, WRONG, Facts
from tests.operator_bed import condition_of

KIND = "provider"


class ProviderLife(Subject):
    """The only Provider of its cloud, and from some step on a machine that uses it."""

    def __init__(self, bed: CrashBed) -> None:
        super().__init__(bed)
        bed.disconnect()
        self.namespace = bed.operator.namespace()
        self.strangers = self._machines()
        self.litter = bed.leftovers()
        #: The machine that uses the Provider, as it was made.
        self.user: Facts | None = None

    def apply(self, **replaced: str) -> None:
        """Applies the Secret, with other values for some keys, and the Provider."""
        self.bed.operator.apply(self.bed.operator.secret(self.bed.cloud, **replaced), self.bed.provider())

    def change(self, **spec: object) -> None:
        """Changes fields of the spec."""
        self.bed.operator.patch(KIND, self.bed.cloud, {"spec": spec})

    def employ(self) -> None:
        """A machine uses the Provider; nothing disturbs its creation."""
        if self.user is not None:
            return
        bed = self.bed.operator
        uid = bed.api.apply(manifests.machine(USER, self.bed.cloud, self.namespace))["metadata"]["uid"]
        bed.wait_ready(USER, namespace=self.namespace)
        (self.user,) = self.bed.person.find(uid)

    def body(self) -> dict[str, Any] | None:
        return self.bed.operator.get(KIND, self.bed.cloud)

    def dependant(self) -> dict[str, Any] | None:
        """The object of the machine that uses the Provider."""
        return self.bed.operator.get(MACHINE, USER, self.namespace)

    def bury(self) -> None:
        bed = self.bed.operator
        for kind, name, namespace in ((MACHINE, USER, self.namespace), (KIND, self.bed.cloud, "default")):
            bed.delete(kind, name, namespace=namespace)
            with contextlib.suppress(AssertionError):
                bed.wait_gone(f"{kind}s", name, namespace=namespace, timeout=30)
            if bed.get(kind, name, namespace) is not None:
                bed.patch(kind, name, {"metadata": {"finalizers": []}}, namespace)
        for machine in self._machines().keys() - self.strangers.keys():
            with contextlib.suppress(LabError):
                self.bed.person.destroy(machine)
        self.bed.connect()

    # ------------------------------------------------------------------- truth

    def alone(self) -> list[str]:
        machines = self._machines()
        known = self.strangers | ({self.user.id: self.user} if self.user else {})
        surplus = [f"duplicate: {one}" for one in sorted(machines.keys() - known.keys())]
        touched = [
            f"wrong: {one} was {known[one]}, and is {machines.get(one)}"
            for one in known
            if machines.get(one) != known[one]
        ]
        return surplus + touched + [f"leak: {one}" for one in sorted(self.bed.leftovers() - self.litter)]

    def present(self) -> list[str]:
        body = self.body()
        if body is None:
            return ["wrong: there is no object"]
        held = FINALIZER in body["metadata"].get("finalizers", [])
        wrong = [] if held else ["wrong: the finalizer is missing"]
        if self.user is not None:
            user = self.dependant()
            if user is None or FINALIZER not in user["metadata"].get("finalizers", []):
                wrong.append("wrong: the machine that uses it has lost its object or its finalizer")
            elif user["status"].get("id") != self.user.id:
                wrong.append(f"wrong: the machine {self.user.id} is told to be {user['status'].get('id')}")
        return wrong + self.alone()

    def _machines(self) -> dict[str, Facts]:
        return {machine.id: machine for machine in self.bed.person.machines()}


class Connect(Step[ProviderLife]):
    """A Provider and its Secret."""

    name = "connect"

    def begin(self, life: ProviderLife) -> None:
        life.apply()


class Adjust(Step[ProviderLife]):
    """Other limits, which take another connection, while a machine uses it."""

    name = "adjust"
    optional = True

    def prepare(self, life: ProviderLife) -> None:
        life.employ()

    def begin(self, life: ProviderLife) -> None:
        life.change(limits={"requestsPerSecond": 500, "burst": 500, "concurrentTasks": 8})


class LockOut(Step[ProviderLife]):
    """The Secret does not open the cloud any more."""

    name = "lock out"

    def prepare(self, life: ProviderLife) -> None:
        life.employ()

    def begin(self, life: ProviderLife) -> None:
        life.apply(**{PASSWORDS[life.bed.cloud]: WRONG})

    def done(self, life: ProviderLife) -> bool:
        ready = condition_of(life.body(), "Ready")
        return (ready.get("status"), ready.get("reason")) == ("False", "AuthenticationFailed")


class Rotate(Step[ProviderLife]):
    """Another account's keys."""

    name = "rotate"

    def begin(self, life: ProviderLife) -> None:
        life.apply(**life.bed.operator.lab.clouds[life.bed.cloud].person_credentials)


class Wake(Step[ProviderLife]):
    """The operator itself starts, and finds a Provider that was changed while it was away."""

    name = "wake"
    optional = True

    def begin(self, life: ProviderLife) -> None:
        life.bed.operator.operator.kill()
        life.change(limits={"requestsPerSecond": 700, "burst": 700, "concurrentTasks": 4})
        life.bed.operator.operator.start()


class Retire(Step[ProviderLife]):
    """It shall go, and a machine still uses it."""

    name = "retire"

    def begin(self, life: ProviderLife) -> None:
        life.bed.operator.delete(KIND, life.bed.cloud)

    def done(self, life: ProviderLife) -> bool:
        return condition_of(life.body(), "Synced").get("reason") == "HasDependants"


class Leave(Step[ProviderLife]):
    """The machine goes, and the Provider after it."""

    name = "leave"

    def begin(self, life: ProviderLife) -> None:
        life.bed.operator.delete(MACHINE, USER, namespace=life.namespace)

    def done(self, life: ProviderLife) -> bool:
        return life.dependant() is None and life.body() is None

    def wrong(self, life: ProviderLife) -> list[str]:
        life.user = None
        return life.alone()


#: Each tells a whole life.
STORIES: Mapping[str, Sequence[Step[ProviderLife]]] = {
    "provider": (Connect(), Adjust(), LockOut(), Rotate(), Wake(), Retire(), Leave()),
}
