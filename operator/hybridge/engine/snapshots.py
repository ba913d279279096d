"""The kind Snapshot."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self, cast

import msgspec

from hybridge.api.managed import ManagedObject
from hybridge.api.provider import ProviderSpec
from hybridge.api.shared import Management, clip
from hybridge.api.snapshot import PartStatus, Snapshot, SnapshotStatus
from hybridge.api.snapshot_desired import snapshot_spec
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.api.volume import Volume
from hybridge.core import snapshot as core
from hybridge.core import snapshot_plan
from hybridge.core.kinds import CloudKind
from hybridge.core.managed import Phase, State
from hybridge.core.managed_status import Story
from hybridge.core.plan import Plan, Refuse, Wait
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import SourceKind
from hybridge.core.snapshot_plan import Record, Situation
from hybridge.core.units import format_bytes, format_time, parse_time
from hybridge.drivers.base import Driver, SnapshotDriver
from hybridge.engine.keys import Key
from hybridge.engine.objects import memo
from hybridge.engine.objects.case import Case
from hybridge.engine.objects.plain import Nature
from hybridge.engine.references import circle, error, own, reach
from hybridge.engine.world import World

_MOST_ID, _MOST_PARTS = 128, 64
_MODELS: dict[SourceKind, type[ManagedObject]] = {SourceKind.MACHINE: VirtualMachine, SourceKind.VOLUME: Volume}


@dataclass(slots=True)
class Memo(memo.Memo[Snapshot, core.Snapshot]):
    """``taken_at``: when it was taken, as the cloud tells it; ``expires_after``: seconds after which it is to go."""

    taken_at: float | None = None
    expires_after: float | None = None

    @classmethod
    def resume(cls, told: Snapshot) -> Self:
        """See the base."""
        resumed = super(Memo, cls).resume(told)
        resumed.taken_at = parse_time(told.status.taken_at) if told.status.taken_at else None
        return resumed

    @property
    def since(self) -> float | None:
        """When it was taken: where the cloud does not tell, when it was first seen whole."""
        return self.created_at if self.taken_at is None else self.taken_at

    @property
    def until(self) -> float | None:
        """When its time is over."""
        return None if self.since is None or self.expires_after is None else self.since + self.expires_after

    def record(self, told: Snapshot) -> Record:
        """See the base."""
        known = super(Memo, self).record(told)
        return Record(
            **{one.name: getattr(known, one.name) for one in fields(known)},
            taken_at=self.since,
            expired=told.status.expired,
        )

    def tell(self, status: SnapshotStatus) -> SnapshotStatus:
        """See the base."""
        told = msgspec.structs.replace(
            status,
            taken_at=None if self.since is None else format_time(self.since),
            expires_at=None if self.until is None else format_time(self.until),
        )
        making = self.task is not None and self.created_at is None
        return msgspec.structs.replace(told, progress=self.task.progress) if making and self.task else told


class SnapshotNature(Nature[Snapshot, core.SnapshotSpec, core.Snapshot]):
    """See the base."""

    kind = CloudKind.SNAPSHOT
    model = Snapshot
    situation = Situation
    memory = Memo

    def driver(self, driver: Driver) -> SnapshotDriver | None:
        """See the base."""
        return driver.snapshots

    def wanted(self, told: Snapshot, cloud: str) -> core.SnapshotSpec:
        """See the base."""
        del cloud
        return snapshot_spec(told)

    async def resolved(self, world: World, told: Snapshot, wanted: core.SnapshotSpec) -> core.SnapshotSpec:
        """See the base: the id of what it is taken of."""
        key = _source(told)
        source = world.decode(key, _MODELS[SourceKind(key.kind)]) if key is not None else None
        if source is None or source.spec.provider_ref.name != told.spec.provider_ref.name:
            return wanted
        return snapshot_spec(told, source.status.id)

    async def await_others(self, world: World, case: Case[Snapshot, core.SnapshotSpec, core.Snapshot]) -> None:
        """See the base: what it is taken of is whole, provably that, and stays."""
        step = await _hold(world, case)
        if step is not None:
            raise error(step)

    async def prepare(self, _world: World, case: Case[Snapshot, core.SnapshotSpec, core.Snapshot]) -> float | None:
        """See the base: when it was taken."""
        known = cast("Memo", case.memo)
        found = case.shelf.inventory.get(known.id) if known.id else None
        known.expires_after = None if case.spec.observed else case.spec.expires_after
        if known.taken_at is None and found is not None:
            known.taken_at = found.created_at
        return None

    def wake(self, case: Case[Snapshot, core.SnapshotSpec, core.Snapshot], now: float) -> float | None:
        """See the base: when its time is over. What keeps it after that calls by itself when it is gone."""
        until = cast("Memo", case.memo).until
        return until - now if until is not None and until > now else None

    def going(self, told: Snapshot) -> SnapshotStatus | None:
        """See the base: an object that stays has expired, and what it stood for is never taken again."""
        if told.metadata.deletion_timestamp is not None:
            return None
        return msgspec.structs.replace(told.status, expired=True)

    def plan(self, situation: Situation) -> Plan:
        """See the base."""
        return snapshot_plan.plan(situation)

    def status(self, old: SnapshotStatus, story: Story[core.SnapshotSpec, core.Snapshot], now: Phase) -> SnapshotStatus:
        """See the base."""
        status, found = msgspec.structs.replace(old, phase=now), story.found
        if found is None:
            return status
        parts = sorted(found.parts.items())[:_MOST_PARTS]
        return msgspec.structs.replace(
            status,
            progress=found.progress if found.state is State.PENDING else None,
            consistency=found.consistency,
            size=None if found.size is None else format_bytes(found.size),
            depth=found.depth,
            parent=clip(found.parent, _MOST_ID) or None if found.parent else None,
            parts=tuple(PartStatus(volume=clip(volume, _MOST_ID), id=clip(one, _MOST_ID)) for volume, one in parts),
        )

    def beyond(self, told: Snapshot, provider: ProviderSpec) -> str | None:
        """See the base: a Snapshot names no more than its source, which has been allowed by itself."""
        del told, provider
        return None

    def outside(self, found: core.Snapshot, provider: ProviderSpec) -> str | None:
        """See the base: a snapshot does not show where that is of which it was taken. What is not known is not allowed."""
        del found
        restrict = provider.restrict
        places = (restrict.zones, restrict.nodes, restrict.storages, restrict.folders, restrict.resource_pools)
        return "the place of its source" if any(allowed is not None for allowed in places) else None


async def usable(
    world: World, told: ManagedObject, name: str, path: str, kind: SourceKind, *, begun: bool = False
) -> core.Snapshot | Wait | Refuse:
    """The snapshot behind the Snapshot that ``told`` names at ``path`` below its spec, where something can be made from it;
    else why not. ``kind``: of what it has to be taken. ``begun``: something is being made from it, for which it stays
    although it is to go.
    """
    key = Key("Snapshot", told.metadata.namespace, name)
    target = await reach(world, told, key, path, Snapshot)
    if not isinstance(target, Snapshot):
        return target
    of = target.spec.source_ref
    if of is not None and of.kind is not kind:
        words = f"{key.in_words} is one of a {of.kind.value}, and one of a {kind.value} is needed"
        return Refuse(Reason.INVALID_SPEC, f"spec.{path}: {words}")
    if target.status.expired:
        return Refuse(Reason.EXPIRED, f"spec.{path}: the time of {key.in_words} is over")
    leaving = target.metadata.deletion_timestamp is not None and not begun
    if leaving or target.status.id is None or target.status.created_at is None:
        words = "is being deleted" if leaving else "is not there yet"
        return Wait(Reason.DEPENDENCY_NOT_READY, f"{key.in_words} {words}", patient=True)
    found: core.Snapshot | Wait = own(world, target, key)
    if isinstance(found, Wait):
        return found
    if found.state is not State.READY:
        words = f"{key.in_words} ({found.id}) is {found.state.value.lower()}"
        return Wait(Reason.DEPENDENCY_NOT_READY, words, patient=True)
    return found


async def _hold(world: World, case: Case[Snapshot, core.SnapshotSpec, core.Snapshot]) -> Wait | Refuse | None:
    """What keeps it from being taken now."""
    key = _source(case.object)
    if key is None:
        return None
    kind = SourceKind(key.kind)
    target = await reach(world, case.object, key, "sourceRef", _MODELS[kind])
    if isinstance(target, Wait | Refuse):
        return circle(world, case.key, key) or target
    if target.spec.lifecycle.management is Management.OBSERVED:
        return Refuse(
            Reason.INVALID_SPEC, f"spec.sourceRef: {key.in_words} is only observed, and nothing is done to it"
        )
    if target.metadata.deletion_timestamp is not None:
        return Wait(Reason.DEPENDENCY_NOT_READY, f"{key.in_words} is being deleted", patient=True)
    source = case.spec.source
    if target.status.id is None or target.status.created_at is None or source is None or source.id is None:
        words = f"{key.in_words} is not there yet"
        return circle(world, case.key, key) or Wait(Reason.DEPENDENCY_NOT_READY, words, patient=True)
    found = own(world, target, key)
    return found if isinstance(found, Wait) else None


def _source(told: Snapshot) -> Key | None:
    reference = told.spec.source_ref
    return None if reference is None else Key(reference.kind.value, told.metadata.namespace, reference.name)
