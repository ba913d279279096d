"""A machine's life as a driver leads it, of every call that a driver has."""

from __future__ import annotations

from dataclasses import replace

from hybridge.core.machine import Power
from hybridge.drivers.base import Driver
from tests.contract.bed import GIB, Bed, cloud_init, with_choice
from tests.contract.eye import Eye
from tests.contract.volume_eye import VolumeEye
from tests.hostile.driver import Hostility, hostile


def live(bed: Bed, driver: Driver, hostility: Hostility) -> None:
    """A machine is made, looked at, changed, stopped, let go, taken back and deleted, with rewritten answers before each.

    AssertionError and CloudError when it does not come to its end with good answers.
    """
    with bed.connected() as fresh:  # One that believes what it was told when it looked for an image.
        hostile(fresh, hostility).machines.prepare(fresh.machines.normalize(bed.spec()), ())
    bed.prepared(driver, bed.spec())
    seen = hostile(driver, hostility)
    eye = Eye(bed, seen)
    marker = bed.marker()
    seen.check()
    eye.settle()
    spec = bed.spec(tags={"team": "shop"}, root_disk=20 * GIB, cloud_init=cloud_init("web-1"))
    machine = eye.stop(eye.make(spec, marker), spec)
    spec = replace(spec, power=Power.STOPPED)
    for path, (first, _) in bed.choices.items():
        if path in bed.fixed or path in bed.one_way or path in bed.unseen:
            continue
        spec = with_choice(spec, path, first)
        field = "networks" if path.startswith("networks") else path
        machine = eye.configure(machine, spec, {field}, marker)
    if driver.volumes is not None:
        live_with_a_volume(bed, seen, machine.id)
    for power in (Power.RUNNING, Power.STOPPED):
        eye.finish(seen.machines.set_power(machine, spec, power, hard=True))
        machine = eye.see(machine.id, lambda one, power=power: one.power is power)  # type: ignore[misc]
    seen.machines.get(machine.id)
    seen.machines.get(bed.missing_id)
    seen.machines.find(marker, None)
    eye.finish(seen.machines.mark(machine, None))
    machine = eye.see(machine.id, lambda one: one.marker is None)
    eye.finish(seen.machines.mark(machine, marker))
    machine = eye.see(machine.id, lambda one: one.marker == marker)
    eye.delete(machine, spec)


def live_with_a_volume(bed: Bed, seen: Driver, machine_id: str) -> None:
    """A volume is made, looked at, attached, grown, detached, let go, taken back and deleted, in the same way."""
    eye = VolumeEye(bed, seen)
    spec, marker = bed.volume_spec(), bed.volume_marker()
    volume = eye.make(spec, marker)
    eye.volumes.get(volume.id)
    eye.volumes.get(bed.missing_volume)
    eye.volumes.find(marker, None)
    machine, volume = eye.attach(eye.eye.see(machine_id), volume)
    eye.configure(volume, replace(spec, size=4 * GIB), {"size"}, marker)
    volume = eye.see(volume.id, lambda one: one.size == 4 * GIB)
    _, volume = eye.detach(machine, volume)
    eye.eye.finish(eye.volumes.mark(volume, None))
    volume = eye.see(volume.id, lambda one: one.marker is None)
    eye.eye.finish(eye.volumes.mark(volume, marker))
    eye.delete(eye.see(volume.id, lambda one: one.marker is not None))
