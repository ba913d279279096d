"""One cloud, the API server and the operator, with a proxy before each of both worlds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab.bed import Lab
from lab.faultproxy import Api, Cloud, FaultProxy
from lab.faultproxy_kubernetes import before
from lab.process import LabError
from tests.integration.operator.people import Person, person
from tests.kills import OPTIONS
from tests.leftovers import leftovers
from tests.operator_bed import OperatorBed


@dataclass(frozen=True, slots=True)
class CrashBed:
    """The operator under test, what it works with, and who looks at the result past every proxy."""

    operator: OperatorBed
    person: Person
    doors: dict[Api, FaultProxy]

    @property
    def cloud(self) -> Cloud:
        """The cloud."""
        return self.person.cloud

    def leftovers(self) -> set[str]:
        """Things in the cloud that no machine has."""
        return leftovers(self.operator.lab.clouds[self.cloud])

    def forget(self) -> None:
        """Counts from here on."""
        for door in self.doors.values():
            door.reset_counts()

    def heal(self) -> None:
        """Lifts all faults."""
        for door in self.doors.values():
            door.clear()

    def provider(self) -> dict[str, Any]:
        """The bed's Provider, which is looked at every second."""
        return self.operator.provider(self.cloud, sweepInterval="1s", imports="Managed")

    def connect(self) -> None:
        """Has the bed's Provider be there, with its own Secret, and Ready."""
        self.operator.apply(self.operator.secret(self.cloud), self.provider())
        ready = partial(self.operator.is_true, "provider", self.cloud, "Ready")
        self.operator.wait_for(ready, f"the Provider {self.cloud} to be Ready", tell=lambda: str(self.state()))

    def disconnect(self) -> None:
        """Takes the bed's Provider away, which nothing uses."""
        self.operator.delete("provider", self.cloud)
        self.operator.wait_gone("providers", self.cloud)

    def state(self) -> dict[str, Any] | None:
        """The bed's Provider as it stands."""
        return self.operator.get("provider", self.cloud)

    def respawn(self) -> None:
        """Starts the operator when it has ended, as a kubelet does."""
        if not self.operator.operator.process.alive:
            self.operator.operator.start()

    def revive(self) -> None:
        """Has the operator be at work, also when it ends while it starts."""
        operator = self.operator.operator
        while True:
            self.respawn()
            try:
                operator.wait()
            except LabError:
                if operator.process.alive:
                    raise
            else:
                return


@contextmanager
def crash_bed(folder: Path, cloud: Cloud, options: Sequence[str] = ()) -> Iterator[CrashBed]:
    """A bed with a Ready Provider, which is looked at every second; all of it is ended afterwards.

    ``options`` are added to ``hybridge run``.
    """
    with crash_beds(folder, [cloud], options) as beds:
        yield beds[cloud]


@contextmanager
def crash_beds(folder: Path, clouds: Sequence[Cloud], options: Sequence[str] = ()) -> Iterator[dict[Cloud, CrashBed]]:
    """Beds of several clouds with one operator and one API server."""
    with (
        Lab(folder, clouds=clouds, prometheus=False) as lab,
        before(lab.controlplane, folder) as door,
    ):
        bed = OperatorBed(lab, folder, (*OPTIONS, *options), before_kubernetes=door)
        try:
            bed.operator.start().wait()
            beds = {
                cloud: CrashBed(bed, person(cloud, lab), {"kubernetes": door, cloud: lab.proxies[cloud]})
                for cloud in clouds
            }
            for one in beds.values():
                one.connect()
            yield beds
        finally:
            bed.operator.stop()
