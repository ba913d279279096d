"""A cloud that pushes each change once: what it tells while a request is under way is not taken back by the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

from hybridge.core.attempt import Intent
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.drivers.base import Started, Sweep, SweepRequest
from tests.sweeps import shown
from tests.unit.engine.machine_bed import Cloud, MachineBed


class Pushing(Cloud):
    """``meanwhile`` is called once, while the next request is under way: after it has taken effect, before its answer."""

    push = True

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] | None = None
        self._told: dict[str, Machine] | None = None

    def sweep(self, request: SweepRequest) -> Sweep:
        before, self._told = self._told, dict(self.there)
        if before is None:
            return super().sweep(request)
        new = [one for known_id, one in self.there.items() if before.get(known_id) != one]
        gone = tuple(before.keys() - self.there.keys())
        return Sweep({CloudKind.MACHINE: shown(new, full=False, gone=gone)}, tasks=dict(self._tasks))

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Machine]:
        super().configure(self.there[machine.id], spec, fields, intent, marker)
        self._interrupt()
        # As the machine was when it was planned, with what was changed.
        return Started(machine.id, replace(machine, tags={**machine.tags, **spec.tags}))

    def get(self, machine_id: str) -> Machine | None:
        found = super().get(machine_id)
        self._interrupt()
        return found

    def _interrupt(self) -> None:
        hand, self.meanwhile = self.meanwhile, None
        if hand is not None:
            hand()


def test_a_hand_that_is_faster_than_the_answer_to_a_change_is_not_forgotten() -> None:
    cloud = Pushing()
    bed = MachineBed(cloud, powerState="Stopped")
    try:
        bed.settle()
        assert bed.machine.power is Power.STOPPED

        cloud.meanwhile = started_by_hand(bed)
        bed.edit(tags={"team": "shop"})
        bed.settle()

        assert bed.machine.tags == {"team": "shop"}
        assert bed.machine.power is Power.STOPPED, "it runs, and nobody knows"
        assert bed.told("Synced")[0] == "True"
        assert cloud.calls.count("configure tags") == 1, "what was done already was done again"
    finally:
        bed.close()


def test_a_hand_that_is_faster_than_the_answer_to_a_question_is_not_forgotten() -> None:
    cloud = Pushing()
    bed = MachineBed(cloud, powerState="Stopped")
    try:
        bed.settle()
        bed.link.machines.inventory.forget(bed.machine.id)

        cloud.meanwhile = started_by_hand(bed)
        bed.settle()

        assert bed.machine.power is Power.STOPPED, "it runs, and nobody knows"
        assert bed.told("Synced")[0] == "True"
    finally:
        bed.close()


def started_by_hand(bed: MachineBed) -> Callable[[], None]:
    """Somebody starts the machine, and the cloud tells so at once."""
    loop = bed._loop

    def act() -> None:
        bed.cloud.change(bed.machine.id, power=Power.RUNNING)
        asyncio.run_coroutine_threadsafe(bed.link._sweep_once(), loop).result(10)

    return act
