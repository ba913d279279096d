"""Looks at a cloud through its driver, in sweeps alone, until something is so."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from hybridge.core.attempt import Intent
from hybridge.core.difference import driver_field
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.machine_diff import differences
from hybridge.core.task import Task, TaskState
from hybridge.core.volume import Volume
from hybridge.drivers.base import C, Driver, Portion, Started, Sweep, SweepRequest
from tests.contract.bed import Bed
from tests.sweeps import machines, volumes

#: Seconds after which what did not come will not come.
PATIENCE = 30.0
_PAUSE = 0.05


@dataclass
class Eye:
    """The picture that the sweeps of one driver give, put together as the port says."""

    bed: Bed
    driver: Driver
    machines: dict[str, Machine] = field(default_factory=dict)
    sweeps: list[Sweep] = field(default_factory=list)
    settled: bool = False
    #: What sweeps look at, and the volumes where that has them.
    kinds: Collection[CloudKind] = (CloudKind.MACHINE,)
    volumes: dict[str, Volume] = field(default_factory=dict)

    def look(
        self,
        *,
        tasks: Collection[Task] = (),
        refresh: Collection[str] = (),
        max_age: Mapping[str, float] | None = None,
        wait: float = 0.1,
    ) -> Sweep:
        """One sweep, taken into the picture."""
        ages = max_age or {}
        sweep = self.driver.sweep(SweepRequest(kinds=self.kinds, tasks=tasks, refresh=refresh, max_age=ages, wait=wait))
        seen, besides = machines(sweep), volumes(sweep)
        self.machines = merged(self.machines, seen)
        self.volumes = merged(self.volumes, besides)
        self.settled = self.settled or (seen.settled and besides.settled)
        self.sweeps.append(sweep)
        return sweep

    def until(
        self,
        holds: Callable[[], bool],
        what: str,
        *,
        refresh: Collection[str] = (),
        max_age: Mapping[str, float] | None = None,
    ) -> None:
        """Sweeps until it holds, at least once."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.look(refresh=refresh, max_age=max_age)
            if holds():
                return
            assert time.monotonic() < deadline, f"never came: {what}; in sight: {self.machines}"
            time.sleep(_PAUSE)

    def settle(self) -> None:
        """Sweeps until everything was read once."""
        self.until(lambda: self.settled, "a settled sweep")

    def see(self, machine_id: str, holds: Callable[[Machine], bool] = lambda _: True, *, fresh: bool = True) -> Machine:
        """The machine, as soon as it is so and nothing holds it. ``fresh``: its details are asked for each time."""

        def so() -> bool:
            machine = self.machines.get(machine_id)
            return machine is not None and machine.detailed and machine.lock is None and holds(machine)

        self.until(so, f"{machine_id} as wanted", refresh=[machine_id] if fresh else ())
        return self.machines[machine_id]

    def end(self, started: Started[C]) -> Task | None:
        """Waits for the task of a change, if there is one; how it ended."""
        task = started.task
        if task is None:
            return None
        deadline = time.monotonic() + PATIENCE
        while (now := self.look(tasks=[task]).tasks.get(task.id, task)).state is TaskState.RUNNING:
            assert time.monotonic() < deadline, f"never ended: {task}"
            time.sleep(_PAUSE)
        return now

    def finish(self, started: Started[C]) -> Task | None:
        """Waits for the task of a change, which has to succeed."""
        task = self.end(started)
        assert task is None or task.state is TaskState.SUCCEEDED, task
        return task

    def find(self, marker: Marker) -> Machine:
        """The one machine of this marker, as soon as the cloud shows it in detail."""

        def found() -> list[Machine]:
            return [machine for machine in self.machines.values() if _carries(machine, marker)]

        self.until(lambda: bool(found()), f"a machine of {marker.owner}")
        (machine,) = found()
        return self.see(machine.id)

    def make(self, spec: MachineSpec, marker: Marker, intent: Intent | None = None) -> Machine:
        """Creates a machine and brings it to its spec, in the steps that a plan takes."""
        spec = self.driver.machines.normalize(spec)
        intent = intent or self.bed.intent(self.driver, spec, marker)
        started = self.driver.machines.create(intent, spec, marker)
        task = self.finish(started)
        machine_id = started.id or (task.result if task else None)
        return self.complete(machine_id or self.find(marker).id, spec, marker, intent)

    def create(self, spec: MachineSpec, marker: Marker) -> Machine:
        """Creates a machine and initializes it where the cloud needs that, and nothing more."""
        machines, intent = self.driver.machines, self.bed.intent(self.driver, spec, marker)
        started = machines.create(intent, spec, marker)
        task = self.finish(started)
        machine_id = started.id or (task.result if task else None) or self.find(marker).id
        if machines.traits.initialize:
            self.until(lambda: machine_id in self.machines, f"{machine_id} in a list")
            self.finish(machines.configure(self.machines[machine_id], spec, {"initialize"}, intent, marker))
        return self.see(machine_id, lambda machine: machine.power in {Power.RUNNING, Power.STOPPED})

    def complete(self, machine_id: str, spec: MachineSpec, marker: Marker, intent: Intent) -> Machine:
        """Brings a machine that was created to its spec."""
        machines = self.driver.machines
        if machines.traits.initialize:
            self.until(lambda: machine_id in self.machines, f"{machine_id} in a list")
            machine = self.machines[machine_id]
            self.finish(machines.configure(machine, spec, {"initialize"}, intent, marker))
        machine = self.see(machine_id, lambda machine: machine.power in {Power.RUNNING, Power.STOPPED})
        for change in differences(spec, machine, machines.traits):
            assert not change.disruptive or machine.power is Power.STOPPED, change
            machine = self.configure(machine, spec, {driver_field(change.field)}, marker, intent)
        if spec.power is not None and machine.power is not spec.power:
            self.finish(machines.set_power(machine, spec, spec.power))
        return self.see(machine_id, lambda machine: spec.power in {None, machine.power})

    def stop(self, machine: Machine, spec: MachineSpec) -> Machine:
        """Stops a machine, hard."""
        self.finish(self.driver.machines.set_power(machine, spec, Power.STOPPED, hard=True))
        return self.see(machine.id, lambda machine: machine.power is Power.STOPPED)

    def start(self, machine: Machine, spec: MachineSpec) -> Machine:
        """Starts a machine."""
        self.finish(self.driver.machines.set_power(machine, spec, Power.RUNNING))
        return self.see(machine.id, lambda machine: machine.power is Power.RUNNING)

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], marker: Marker, intent: Intent | None = None
    ) -> Machine:
        """Changes fields of a machine; what has to wait for something is asked for again, as the engine does."""
        deadline = time.monotonic() + PATIENCE
        change = partial(self.driver.machines.configure, machine, spec, fields, intent, marker)
        while True:
            try:
                started = change()
                self.finish(started)
            except CloudError as error:
                if error.disposition is not Disposition.WAIT or time.monotonic() > deadline:
                    raise
                self.look()
            else:
                if not started.again:
                    return self.see(machine.id)

    def delete(self, machine: Machine, spec: MachineSpec) -> None:
        """Deletes a machine, stopped before where the cloud wants that, and waits until it is gone."""
        if self.driver.machines.traits.delete_needs_stop and machine.power is not Power.STOPPED:
            machine = self.stop(machine, spec)
        self.finish(self.driver.machines.delete(machine))
        self.until(lambda: self.is_gone(machine.id), f"{machine.id} gone")

    def is_gone(self, machine_id: str) -> bool:
        """Whether the picture has no such machine any more."""
        machine = self.machines.get(machine_id)
        return machine is None or machine.power is Power.GONE


def merged(known: dict[str, C], seen: Portion[C]) -> dict[str, C]:
    """What is known after a sweep."""
    kept = {} if seen.full else {one: found for one, found in known.items() if one not in seen.gone}
    return {**kept, **seen.objects}


def error_of(call: Callable[[], object]) -> CloudError | None:
    """The error of a call that may succeed as well."""
    try:
        call()
    except CloudError as error:
        return error
    return None


def _carries(machine: Machine, marker: Marker) -> bool:
    return machine.power is not Power.GONE and machine.marker is not None and machine.marker.owner == marker.owner
