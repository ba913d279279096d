"""Looks at volumes, and at the machines that have them, in sweeps alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine
from hybridge.core.managed import State
from hybridge.core.volume import Volume, VolumeSpec
from hybridge.drivers.base import Driver, VolumeDriver
from tests.contract.bed import Bed
from tests.contract.eye import PATIENCE, Eye

T = TypeVar("T")
_PAUSE = 0.05


@dataclass
class VolumeEye:
    """The picture that the sweeps of one driver give of volumes."""

    bed: Bed
    driver: Driver
    eye: Eye = field(init=False)

    def __post_init__(self) -> None:
        self.eye = Eye(self.bed, self.driver, kinds=(CloudKind.MACHINE, CloudKind.VOLUME))

    @property
    def volumes(self) -> VolumeDriver:
        """The port."""
        assert self.driver.volumes is not None
        return self.driver.volumes

    def see(self, volume_id: str, holds: Callable[[Volume], bool] = lambda _: True) -> Volume:
        """The volume, as soon as it is there, so, and nothing holds it."""

        def so() -> bool:
            found = self.eye.volumes.get(volume_id)
            return found is not None and found.state is State.READY and found.lock is None and holds(found)

        self.eye.until(so, f"{volume_id} as wanted: {self.eye.volumes.get(volume_id)}", refresh=[volume_id])
        return self.eye.volumes[volume_id]

    def is_gone(self, volume_id: str) -> bool:
        """Whether the picture has no such volume any more."""
        found = self.eye.volumes.get(volume_id)
        return found is None or found.gone

    def insist(self, call: Callable[[], T]) -> T:
        """The call as the engine makes it: what has to wait is asked again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return call()
            except CloudError as error:
                if error.disposition is Disposition.STOP or time.monotonic() > deadline:
                    raise
                self.eye.look()
                time.sleep(_PAUSE)

    def make(self, spec: VolumeSpec, marker: Marker, intent: Intent | None = None) -> Volume:
        """Creates a volume, and waits until it is there."""
        spec = self.volumes.normalize(spec)
        intent = intent or self.bed.volume_intent(self.driver, spec, marker)
        started = self.volumes.create(intent, spec, marker)
        task = self.eye.finish(started)
        volume_id = started.id or (task.result if task else None)
        if volume_id is None:
            (found,) = self.volumes.find(marker, intent)
            volume_id = found.id
        return self.see(volume_id)

    def configure(self, volume: Volume, spec: VolumeSpec, fields: Collection[str], marker: Marker) -> None:
        """Changes fields of a volume, to the end."""
        spec = self.volumes.normalize(spec)
        again = True
        while again:
            started = self.insist(lambda: self.volumes.configure(volume, spec, fields, None, marker))
            self.eye.finish(started)
            again = started.again

    def attach(self, machine: Machine, volume: Volume) -> tuple[Machine, Volume]:
        """Gives a machine a volume; both as they are then."""
        started = self.insist(lambda: self.driver.machines.attach(machine, volume.id))
        self.eye.finish(started)
        machine = self.eye.see(machine.id, lambda seen: has(seen, volume))
        return machine, self.see(volume.id, lambda seen: is_at(seen, machine))

    def detach(self, machine: Machine, volume: Volume) -> tuple[Machine, Volume]:
        """Takes a volume off a machine; both as they are then."""
        started = self.insist(lambda: self.driver.machines.detach(machine, volume.id))
        self.eye.finish(started)
        machine = self.eye.see(machine.id, lambda seen: not has(seen, volume))
        return machine, self.see(volume.id, lambda seen: not seen.attachments)

    def delete(self, volume: Volume) -> None:
        """Deletes a volume, and waits until it is gone."""
        self.eye.finish(self.insist(lambda: self.volumes.delete(volume)))
        self.eye.until(lambda: self.is_gone(volume.id), f"{volume.id} gone")


def has(machine: Machine, volume: Volume) -> bool:
    """Whether a machine shows that it has a volume."""
    return any(disk.id == volume.id for disk in machine.disks or ())


def is_at(volume: Volume, machine: Machine) -> bool:
    """Whether a volume shows that this machine alone has it."""
    return [one.machine_id for one in volume.attachments] == [machine.id]
