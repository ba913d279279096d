"""Which fields of a machine differ from its spec."""

from __future__ import annotations

from hybridge.core.machine import Machine, MachineSpec
from hybridge.core.machine_diff import differences
from hybridge.drivers.base import Driver


def fields(driver: Driver, spec: MachineSpec, machine: Machine) -> list[str]:
    return [change.field for change in differences(spec, machine, driver.machines.traits, named=True)]
