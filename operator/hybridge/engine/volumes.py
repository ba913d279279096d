"""The kind Volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from hybridge.api.provider import ProviderSpec
from hybridge.api.shared import clip
from hybridge.api.volume import AttachmentStatus, Volume, VolumeSpec, VolumeStatus
from hybridge.api.volume_desired import volume_spec
from hybridge.core import volume as core
from hybridge.core import volume_plan
from hybridge.core.kinds import CloudKind
from hybridge.core.managed import Phase
from hybridge.core.managed_status import Story
from hybridge.core.plan import Plan, Refuse, Wait
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot, SourceKind
from hybridge.core.units import format_bytes
from hybridge.core.volume_plan import Situation
from hybridge.drivers.base import Driver, VolumeDriver
from hybridge.engine import selected
from hybridge.engine.keys import Key
from hybridge.engine.objects import memo
from hybridge.engine.objects.case import Case
from hybridge.engine.objects.plain import Nature
from hybridge.engine.references import circle, error
from hybridge.engine.snapshots import usable
from hybridge.engine.world import World

_MIB = 1 << 20
_MOST_PLACE, _MOST_ATTACHED, _MOST_ID, _MOST_DEVICE = 255, 64, 128, 64


@dataclass(slots=True)
class Memo(memo.Memo[Volume, core.Volume]):
    """``machines``: the objects of the machines that have it, by their ids."""

    machines: Mapping[str, Key] = field(default_factory=dict)

    def tell(self, status: VolumeStatus) -> VolumeStatus:
        """See the base."""
        names = {known_id: f"{key.namespace}/{key.name}" for known_id, key in self.machines.items()}
        told = tuple(
            msgspec.structs.replace(one, virtual_machine=names.get(one.id, one.virtual_machine))
            for one in status.attachments
        )
        return msgspec.structs.replace(status, attachments=told)


class VolumeNature(Nature[Volume, core.VolumeSpec, core.Volume]):
    """See the base."""

    kind = CloudKind.VOLUME
    model = Volume
    situation = Situation
    memory = Memo

    def driver(self, driver: Driver) -> VolumeDriver | None:
        """See the base."""
        return driver.volumes

    def wanted(self, told: Volume, cloud: str) -> core.VolumeSpec:
        """See the base."""
        return volume_spec(told, cloud)

    async def resolved(self, world: World, told: Volume, wanted: core.VolumeSpec) -> core.VolumeSpec:
        """See the base: the snapshot that it is made from, where that can be used."""
        found = await _origin(world, told)
        return replace(wanted, snapshot=found.id) if isinstance(found, Snapshot) else wanted

    async def await_others(self, world: World, case: Case[Volume, core.VolumeSpec, core.Volume]) -> None:
        """See the base: the Snapshot that it is made from is Ready. It is never made empty instead."""
        found = await _origin(world, case.object)
        if isinstance(found, Wait | Refuse):
            raise error(found)
        if found is not None and case.spec.snapshot != found.id:
            raise error(Wait(Reason.DEPENDENCY_NOT_READY, f"snapshot {found.id} has only just come"))

    async def prepare(self, world: World, case: Case[Volume, core.VolumeSpec, core.Volume]) -> float | None:
        """See the base."""
        found = case.shelf.inventory.get(case.memo.id) if case.memo.id else None
        if isinstance(case.memo, Memo):
            holders = [one.machine_id for one in found.attachments] if found is not None else []
            case.memo.machines = selected.owners(world, case.link, holders)
        return None

    def plan(self, situation: Situation) -> Plan:
        """See the base."""
        return volume_plan.plan(situation)

    def status(self, old: VolumeStatus, story: Story[core.VolumeSpec, core.Volume], now: Phase) -> VolumeStatus:
        """See the base."""
        status, found = msgspec.structs.replace(old, phase=now), story.found
        if found is None:
            return status
        shown = {path: clip(words[0], _MOST_PLACE) for path, words in found.settings.items() if words and words[0]}
        return msgspec.structs.replace(
            status,
            size=None if found.size is None else format_bytes(found.size),
            class_=shown.get("class"),
            iops=found.iops,
            throughput=None if found.throughput is None else found.throughput // _MIB,
            encrypted=found.encrypted,
            zone=shown.get("placement.zone"),
            host=shown.get("placement.node"),
            storage=shown.get("placement.storage"),
            attachments=tuple(
                AttachmentStatus(id=clip(one.machine_id, _MOST_ID), device=clip(one.device, _MOST_DEVICE) or None)
                for one in found.attachments[:_MOST_ATTACHED]
            ),
        )

    def beyond(self, told: Volume, provider: ProviderSpec) -> str | None:
        """See the base."""
        return beyond(told.spec, provider)

    def outside(self, found: core.Volume, provider: ProviderSpec) -> str | None:
        """See the base."""
        return outside(found, provider)


async def _origin(world: World, told: Volume) -> Snapshot | Wait | Refuse | None:
    """The snapshot that a Volume is made from, or what keeps it from being made; None: it is made empty."""
    source = told.spec.source
    if source is None:
        return None
    name, namespace = source.snapshot_ref.name, told.metadata.namespace
    found = await usable(world, told, name, "source.snapshotRef", SourceKind.VOLUME)
    if isinstance(found, Wait):
        return circle(world, Key("Volume", namespace, told.metadata.name), Key("Snapshot", namespace, name)) or found
    return found


def beyond(spec: VolumeSpec, provider: ProviderSpec) -> str | None:
    """The first thing that the volume names and that tenants may not name."""
    restrict, placement = provider.restrict, spec.placement
    named = (
        ("placement.zone", placement.zone if placement else None, restrict.zones),
        ("placement.node", placement.node if placement else None, restrict.nodes),
        ("placement.storage", placement.storage if placement else None, restrict.storages),
        # On EC2 the class is a type of volume; elsewhere it names a storage, or a policy that leads to storages.
        ("class", None if provider.aws else spec.class_, restrict.storages),
    )
    for path, value, allowed in named:
        if value is not None and allowed is not None and value not in allowed:
            return f"spec.{path} {value!r}"
    return None


def outside(volume: core.Volume, provider: ProviderSpec) -> str | None:
    """What keeps tenants from a volume that exists: a kind of place, never its name. What is not known is not allowed."""
    restrict = provider.restrict
    places = (("zone", restrict.zones), ("node", restrict.nodes), ("storage", restrict.storages))
    for kind, allowed in places:
        if allowed is None:
            continue
        if not volume.detailed:
            return "its configuration, which cannot be read,"
        names = volume.settings.get(f"placement.{kind}", ())
        if names and not set(names) & set(allowed):
            return f"its {kind}"
    return None
