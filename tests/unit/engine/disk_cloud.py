"""Volumes of a cloud in memory, beside its machines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Refused
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Change, Disk, Machine
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.volume import Attachment, Volume, VolumeSpec, VolumeTraits
from hybridge.drivers.base import Portion, Prepared, Started, Sweep, SweepRequest
from tests.unit.engine.estate import Remote


class Volumes:
    """See ``hybridge.drivers.base.VolumeDriver``. Nothing is made twice for one token."""

    traits = VolumeTraits(visibility=1.0, token_lifetime=86_400.0, changes={"size": Change.ONLINE})

    def __init__(self, ask: Callable[[str], None]) -> None:
        self.there: dict[str, Volume] = {}
        self.calls: list[str] = []
        self._ask = ask
        self._tokens: dict[str, str] = {}
        self._ids = itertools.count(1)

    def normalize(self, spec: VolumeSpec) -> VolumeSpec:
        return spec

    def prepare(self, spec: VolumeSpec, _taken: Collection[str]) -> Prepared:
        self._ask("prepare")
        return Prepared({"size": spec.size})

    def create(self, intent: Intent, spec: VolumeSpec, marker: Marker) -> Started[Volume]:
        self._asked("create")
        if intent.token not in self._tokens:
            made = Volume(f"vol-{next(self._ids)}", intent.name, marker=marker, size=spec.size)
            self.there[made.id], self._tokens[intent.token] = made, made.id
        found = self.there[self._tokens[intent.token]]
        return Started(found.id, found)

    def find(self, marker: Marker, _intent: Intent | None) -> list[Volume]:
        self._ask("find")
        return [one for one in self.there.values() if one.marker == marker]

    def get(self, known_id: str) -> Volume | None:
        self._ask("get")
        return self.there.get(known_id)

    def configure(
        self, found: Volume, spec: VolumeSpec, fields: Collection[str], _intent: Intent | None, _marker: Marker
    ) -> Started[Volume]:
        self._asked(f"configure {' '.join(sorted(fields))}")
        return self._changed(found.id, size=spec.size, tags={**found.tags, **spec.tags})

    def mark(self, found: Volume, marker: Marker | None) -> Started[Volume]:
        self._asked("mark")
        return self._changed(found.id, marker=marker)

    def delete(self, found: Volume) -> Started[Volume]:
        self._asked("delete")
        if self.there[found.id].attachments:
            raise Refused(Reason.HAS_DEPENDANTS, f"{found.id} is attached")
        del self.there[found.id]
        # A cloud that sees late shows it for a moment yet.
        return Started(found.id, replace(found, state=State.DELETING) if self.traits.lag else None)

    def attached(self, volume_id: str, machine_id: str | None) -> None:
        """A machine has it from now on, or none has."""
        self._changed(volume_id, attachments=(Attachment(machine_id),) if machine_id else ())

    def _changed(self, known_id: str, **words: Any) -> Started[Volume]:
        self.there[known_id] = replace(self.there[known_id], **words)
        return Started(known_id, self.there[known_id])

    def _asked(self, operation: str) -> None:
        self._ask(operation)
        self.calls.append(operation)


class DiskCloud(Remote):
    """Machines take their volumes with them when they go: what is attached then is lost."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self.volumes = Volumes(self._request)
        self.lost: list[str] = []
        #: Why nothing can be seen of volumes.
        self.blind: CloudError | None = None

    def attach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        self._request("attach")
        self.calls.append("attach")
        if any(one.machine_id != machine.id for one in self.volumes.there[volume_id].attachments):
            raise Refused(Reason.HAS_DEPENDANTS, f"{volume_id} is elsewhere")
        self.volumes.attached(volume_id, machine.id)
        return self._disks(machine, {*self._ids_at(machine), volume_id})

    def detach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        self._request("detach")
        self.calls.append("detach")
        self.volumes.attached(volume_id, None)
        return self._disks(machine, self._ids_at(machine) - {volume_id})

    def delete(self, machine: Machine) -> Started[Machine]:
        for volume_id in self._ids_at(machine):
            self.lost.append(volume_id)
            del self.volumes.there[volume_id]
        return super().delete(machine)

    def create(self, intent: Intent, spec: Any, marker: Marker) -> Started[Machine]:
        started = super().create(intent, spec, marker)
        assert started.found is not None
        return self._disks(started.found, self._ids_at(started.found))

    def sweep(self, request: SweepRequest) -> Sweep:
        sweep = super().sweep(request)
        if self.blind is not None:
            return replace(sweep, troubles={CloudKind.VOLUME: self.blind})
        seen = Portion(dict(self.volumes.there), full=True)
        return replace(sweep, portions={**sweep.portions, CloudKind.VOLUME: seen})

    def _ids_at(self, machine: Machine) -> set[str]:
        return {disk.id for disk in self.there[machine.id].disks or ()}

    def _disks(self, machine: Machine, ids: Collection[str]) -> Started[Machine]:
        return self._changed(machine, disks=tuple(Disk(one) for one in sorted(ids)))
