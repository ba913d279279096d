"""A cloud that copies first and configures afterwards: a copy that nobody has configured is not whole, whatever is seen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Unreachable
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.drivers.base import Started
from tests.unit.engine.machine_bed import Cloud, MachineBed

COPYS_OWN = "9c858901-8a57-4791-81fe-4c455b099bc9"


class Copying(Cloud):
    """A clone has a UUID of its own until it is initialized. The answer to the first request for one is lost; ``power`` is
    how the clone is seen at first.
    """

    traits = replace(Cloud.traits, initialize=True, token_lifetime=0.0)

    def __init__(self, power: Power) -> None:
        super().__init__()
        self._power = power

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started[Machine]:
        made = super().create(intent, spec, marker).id
        assert made is not None
        self.change(made, uuid=COPYS_OWN, power=self._power)
        raise Unreachable("Clone: the connection broke")

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Machine]:
        if "initialize" in fields:
            assert intent is not None
            self.change(machine.id, uuid=intent.uuid)
        return super().configure(machine, spec, fields, intent, marker)


@pytest.mark.parametrize("power", [Power.UNKNOWN, Power.STOPPED, Power.STOPPING])
def test_a_copy_whose_making_had_no_answer_is_configured_however_it_is_seen_first(power: Power) -> None:
    cloud = Copying(power)
    bed = MachineBed(cloud)
    try:
        bed.pass_time(60.0)
        cloud.change(bed.machine.id, power=Power.STOPPED)
        bed.pass_time(60.0)

        assert bed.told("Synced")[0] == "True", bed.told("Synced")
        assert bed.machine.uuid != COPYS_OWN
        assert bed.machine.power is Power.RUNNING
    finally:
        bed.close()
