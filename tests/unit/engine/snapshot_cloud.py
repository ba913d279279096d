"""Snapshots of a cloud in memory, beside its machines and volumes. What a driver is never asked is noted as a fault."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Refused, Unreachable
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, Snapshot, SnapshotSpec, SnapshotTraits
from hybridge.core.task import Task, TaskState
from hybridge.core.volume import Volume, VolumeSpec
from hybridge.drivers.base import Portion, Prepared, Started, Sweep, SweepRequest
from tests.unit.engine.disk_cloud import DiskCloud, Volumes
from tests.unit.engine.estate import EPOCH


class Snapshots:
    """See ``hybridge.drivers.base.SnapshotDriver``. A create has no token.

    ``lost``: operations of which the next takes effect without an answer. ``data``: what machines and volumes hold, by id.
    """

    def __init__(self, ask: Callable[[str], None], now: Callable[[], float]) -> None:
        self.traits = SnapshotTraits(visibility=10.0)
        self.there: dict[str, Snapshot] = {}
        self.data: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.calls: list[str] = []
        self.faults: list[str] = []
        self.lost: set[str] = set()
        self._ask, self._now = ask, now
        self._ids = itertools.count(1)

    def normalize(self, spec: SnapshotSpec) -> SnapshotSpec:
        return spec

    def prepare(self, _spec: SnapshotSpec, _taken: Collection[str]) -> Prepared:
        self._ask("prepare")
        return Prepared({})

    def create(self, intent: Intent, spec: SnapshotSpec, marker: Marker) -> Started[Snapshot]:
        self._ask("create")
        self.calls.append("create")
        if spec.source is None or spec.source.id is None:
            self.faults.append("create of nothing")
            raise Refused(Reason.INVALID_SPEC, "of what?")
        consistency = Consistency.MEMORY if spec.memory else Consistency.CRASH
        made = Snapshot(
            f"snap-{next(self._ids)}", intent.name, marker=marker, source_id=spec.source.id, consistency=consistency,
            size=1 << 30, depth=len(self._of(spec.source.id)), created_at=EPOCH + self._now(),
        )  # fmt: skip
        self.there[made.id] = made
        self.held[made.id] = self.data.get(spec.source.id, 0)
        return self._answer("create", made.id)

    def find(self, marker: Marker, _intent: Intent | None) -> list[Snapshot]:
        self._ask("find")
        return [one for one in self.there.values() if one.marker == marker]

    def get(self, known_id: str) -> Snapshot | None:
        self._ask("get")
        return self.there.get(known_id)

    def configure(
        self, found: Snapshot, spec: SnapshotSpec, fields: Collection[str], _intent: Intent | None, _marker: Marker
    ) -> Started[Snapshot]:
        self._ask("configure")
        self.calls.append(f"configure {' '.join(sorted(fields))}")
        if set(fields) - {"tags", "name"}:
            self.faults.append(f"configure {sorted(fields)}")
        return self._changed(found.id, tags={**found.tags, **spec.tags})

    def mark(self, found: Snapshot, marker: Marker | None) -> Started[Snapshot]:
        self._ask("mark")
        self.calls.append("mark")
        return self._changed(found.id, marker=marker)

    def delete(self, found: Snapshot) -> Started[Snapshot]:
        self._ask("delete")
        self.calls.append("delete")
        self.there.pop(found.id, None)
        if "delete" in self.lost:
            self.lost.discard("delete")
            raise Unreachable("no answer", took_effect_possible=True)
        return Started(found.id)

    def gone(self, source_id: str) -> None:
        """What a machine or volume takes with it."""
        for one in self._of(source_id):
            del self.there[one]

    def _of(self, source_id: str) -> list[str]:
        return [one.id for one in self.there.values() if one.source_id == source_id]

    def _answer(self, operation: str, known_id: str) -> Started[Snapshot]:
        if operation in self.lost:
            self.lost.discard(operation)
            raise Unreachable("no answer", took_effect_possible=True)
        return Started(known_id, self.there[known_id])

    def _changed(self, known_id: str, **words: Any) -> Started[Snapshot]:
        self.there[known_id] = replace(self.there[known_id], **words)
        return Started(known_id, self.there[known_id])


class Copies(Volumes):
    """Volumes that may be made from a snapshot."""

    def __init__(self, ask: Callable[[str], None], snapshots: Snapshots) -> None:
        super().__init__(ask)
        self._snapshots = snapshots

    def create(self, intent: Intent, spec: VolumeSpec, marker: Marker) -> Started[Volume]:
        if spec.snapshot is not None and spec.snapshot not in self._snapshots.there:
            self._snapshots.faults.append(f"a volume from {spec.snapshot}, which is not there")
        started = super().create(intent, spec, marker)
        if spec.snapshot is not None and started.id is not None:
            self._snapshots.data[started.id] = self._snapshots.held[spec.snapshot]
        return started

    def delete(self, found: Volume) -> Started[Volume]:
        started = super().delete(found)
        self._snapshots.gone(found.id)
        return started


class SnapshotCloud(DiskCloud):
    """A machine takes its snapshots with it. ``refuses``: what a revert is answered. ``slow``: a revert is a task."""

    traits = replace(DiskCloud.traits, reverts=True)

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self.now: Callable[[], float] = loop.time
        self.snapshots = Snapshots(self._request, loop.time)
        self.volumes = Copies(self._request, self.snapshots)
        self.refuses: CloudError | None = None
        self.slow = False

    def revert(self, machine: Machine, snapshot_id: str) -> Started[Machine]:
        self._request("revert")
        self.calls.append("revert")
        shots = self.snapshots
        if self.there[machine.id].power is not Power.STOPPED:
            shots.faults.append(f"{machine.id} runs")
        if snapshot_id not in shots.there or shots.there[snapshot_id].source_id != machine.id:
            shots.faults.append(f"{snapshot_id} is no snapshot of {machine.id}")
        if self.refuses is not None:
            raise self.refuses
        shots.data[machine.id] = shots.held[snapshot_id]
        memory = shots.there[snapshot_id].consistency is Consistency.MEMORY
        self._changed(machine, power=Power.RUNNING if memory else Power.STOPPED)
        if "revert" in shots.lost:
            shots.lost.discard("revert")
            raise Unreachable("no answer", took_effect_possible=True)
        task = None
        if self.slow:
            task = Task(f"task-{len(self._tasks)}", "Revert", EPOCH)
            self._tasks[task.id] = replace(task, state=TaskState.SUCCEEDED)
        return Started(machine.id, self.there[machine.id], task)

    def set_power(self, machine: Machine, spec: MachineSpec, power: Power, *, hard: bool = False) -> Started[Machine]:
        started = super().set_power(machine, spec, power, hard=hard)
        if power is Power.RUNNING and machine.id in self.snapshots.data:
            self.snapshots.data[machine.id] += 1  # A guest that starts writes.
        return started

    def delete(self, machine: Machine) -> Started[Machine]:
        self.snapshots.gone(machine.id)
        return super().delete(machine)

    def sweep(self, request: SweepRequest) -> Sweep:
        sweep = super().sweep(request)
        if CloudKind.SNAPSHOT not in request.kinds:
            return sweep
        seen = Portion(dict(self.snapshots.there), full=True)
        return replace(sweep, portions={**sweep.portions, CloudKind.SNAPSHOT: seen})
