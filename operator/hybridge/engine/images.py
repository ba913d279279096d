"""The kind Image."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import unquote

import msgspec

from hybridge.api.image import Image, ImageSource, ImageSpec, ImageStatus, NewerImage
from hybridge.api.image_desired import image_spec
from hybridge.api.provider import ProviderSpec
from hybridge.api.shared import LocalRef, clip
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core import image as core
from hybridge.core import image_plan
from hybridge.core.errors import CloudError
from hybridge.core.image import Find, newer, newest
from hybridge.core.image_plan import Situation
from hybridge.core.kinds import CloudKind
from hybridge.core.managed import Phase, State
from hybridge.core.managed_status import Story
from hybridge.core.plan import Plan, Refuse, Wait
from hybridge.core.situation import Sight
from hybridge.core.snapshot import Snapshot, SourceKind
from hybridge.core.units import format_bytes, format_time, parse_duration
from hybridge.drivers.base import Driver, ImageDriver
from hybridge.engine.cluster import Conflict
from hybridge.engine.keys import Key
from hybridge.engine.objects import memo
from hybridge.engine.objects.case import Case
from hybridge.engine.objects.plain import Nature
from hybridge.engine.references import circle, error, own, owner_of, reach, read_grants, unready, users
from hybridge.engine.snapshots import usable
from hybridge.engine.world import World

_MOST_ID, _MOST_NAME, _MOST_ARCHITECTURE, _MOST_USERS, _MOST_USER = 128, 255, 64, 64, 400
#: Of more than so many users it is told once in so many seconds who they are.
_MANY, _PAUSE = 256, 30.0


@dataclass(slots=True)
class Memo(memo.Memo[Image, core.Image]):
    """``sought``: what was found the last time at ``sought_at``, of what ``source.find`` may mean. ``newer``: see
    ``core.image.newer``; ``used_by``: in words, who used it at ``used_at``.
    """

    sought: tuple[core.Image, ...] = ()
    sought_at: float | None = None
    newer: core.Image | None = None
    used_by: tuple[str, ...] = ()
    used_at: float | None = None

    def tell(self, status: ImageStatus) -> ImageStatus:
        """See the base."""
        told = msgspec.structs.replace(status, used_by=self.used_by)
        if self.task is not None and self.created_at is None:
            told = msgspec.structs.replace(told, progress=self.task.progress)
        return told if self.sought_at is None else msgspec.structs.replace(told, newer=_newer_status(self.newer))

    def look_again(self) -> None:
        """See the base."""
        super(Memo, self).look_again()
        self.sought_at = None


class ImageNature(Nature[Image, core.ImageSpec, core.Image]):
    """See the base."""

    kind = CloudKind.IMAGE
    model = Image
    situation = Situation
    memory = Memo

    def driver(self, driver: Driver) -> ImageDriver | None:
        """See the base."""
        return driver.images

    def wanted(self, told: Image, cloud: str) -> core.ImageSpec:
        """See the base."""
        del cloud
        return image_spec(told)

    async def resolved(self, world: World, told: Image, wanted: core.ImageSpec) -> core.ImageSpec:
        """See the base: the ids of the machine, or of the snapshot, that it is made from."""
        source = told.spec.source
        if source is not None and source.snapshot_ref is not None:
            taken = await _taken(world, told, source.snapshot_ref)
            return image_spec(told, taken.source_id, taken.id) if isinstance(taken, Snapshot) else wanted
        if source is None or source.virtual_machine_ref is None:
            return wanted
        machine = world.decode(_machine(told, source.virtual_machine_ref), VirtualMachine)
        return image_spec(told, machine.status.id, owner=owner_of(world, machine)) if machine else wanted

    async def await_others(self, world: World, case: Case[Image, core.ImageSpec, core.Image]) -> None:
        """See the base: the machine that it is made from is whole, and stays."""
        step = await _hold(world, case)
        if step is not None:
            raise error(step)

    async def prepare(self, world: World, case: Case[Image, core.ImageSpec, core.Image]) -> float | None:
        """See the base: what ``source.find`` may mean, once for each ``syncInterval``."""
        known = cast("Memo", case.memo)
        due = [await self._name_users(world, case.key, known), await self._look_for_newer(world, case, known)]
        return min((seconds for seconds in due if seconds is not None), default=None)

    @staticmethod
    async def _name_users(world: World, key: Key, known: Memo) -> float | None:
        """Puts in memory who uses it. Where thousands come and go that is not done for each of them."""
        now, many = world.clock(), len(world.store.relations.referrers(key)) > _MANY
        if many and known.used_at is not None and now - known.used_at < _PAUSE:
            return known.used_at + _PAUSE - now
        await read_grants(world, key)
        known.used_by = tuple(clip(one, _MOST_USER) for one in users(world, key)[:_MOST_USERS])
        known.used_at = now
        return None

    async def _look_for_newer(
        self, world: World, case: Case[Image, core.ImageSpec, core.Image], known: Memo
    ) -> float | None:
        find = case.spec.find
        if find is None or case.deleting:
            return None
        now, most = world.clock(), parse_duration(case.object.spec.sync_interval)
        age = most if known.sought_at is None else now - known.sought_at
        if age < most:
            return most - age
        await self._seek(case, known, find, now)
        return most

    async def _seek(self, case: Case[Image, core.ImageSpec, core.Image], known: Memo, find: Find, now: float) -> None:
        began = case.shelf.inventory.begin()
        try:
            found = await case.link.bulkhead.call(cast("ImageDriver", case.driver).seek, find)
        except CloudError:
            if known.id is None:
                raise
            # Nothing waits for a newer one.
            known.sought_at = now
            return
        known.sought, known.sought_at = tuple(found), now
        meant = newest(find, found)
        if meant is not None and known.id is None:
            case.shelf.inventory.see(meant, began)

    def look(self, case: Case[Image, core.ImageSpec, core.Image], seen: Sight[core.Image]) -> Sight[core.Image]:
        """See the base: of all that ``source.find`` may mean the newest is meant, when it is first seen."""
        find, known = case.spec.find, cast("Memo", case.memo)
        if find is None:
            return seen
        shown = (*known.sought, *case.shelf.inventory.all())
        known.newer = newer(find, seen.recorded, shown) if seen.recorded is not None else None
        meant = newest(find, shown)
        return replace(seen, matches=() if meant is None else (meant,))

    def holders(self, found: core.Image) -> Collection[str]:
        """See the base."""
        return found.machines

    def plan(self, situation: Situation) -> Plan:
        """See the base."""
        return image_plan.plan(situation)

    def status(self, old: ImageStatus, story: Story[core.ImageSpec, core.Image], now: Phase) -> ImageStatus:
        """See the base."""
        status, found = msgspec.structs.replace(old, phase=now), story.found
        if found is None:
            return status
        return msgspec.structs.replace(
            status,
            progress=found.progress if found.state is State.PENDING else None,
            image_name=clip(found.name, _MOST_NAME) or None,
            size=None if found.size is None else format_bytes(found.size),
            architecture=clip(found.architecture, _MOST_ARCHITECTURE) if found.architecture else None,
            published_at=None if found.created_at is None else format_time(found.created_at),
        )

    def beyond(self, told: Image, provider: ProviderSpec) -> str | None:
        """See the base."""
        return beyond(told.spec, provider)

    def outside(self, found: core.Image, provider: ProviderSpec) -> str | None:
        """See the base: what machines may start from is not restricted."""
        del found, provider
        return None


def beyond(spec: ImageSpec, provider: ProviderSpec) -> str | None:
    """The first thing that the image names and that tenants may not name."""
    restrict, placement = provider.restrict, spec.placement
    fetched = _fetched(spec.source) if spec.source is not None else None
    if fetched is not None and restrict.image_sources is not None:
        field, place = fetched
        if not _is_below(place, restrict.image_sources):
            return f"spec.source.{field} {place!r}"
    if placement is None:
        return None
    named = (
        ("placement.node", placement.node, restrict.nodes),
        ("placement.storage", placement.storage, restrict.storages),
        ("placement.folder", placement.folder, restrict.folders),
        ("placement.cluster", placement.cluster, restrict.resource_pools),
    )
    for field, value, allowed in named:
        if value is not None and allowed is not None and value not in allowed:
            return f"spec.{field} {value!r}"
    return None


def _fetched(source: ImageSource) -> tuple[str, str] | None:
    """The field that says from where the cloud fetches it, and that place as a URL."""
    if source.url is not None:
        return "url.url", source.url.url
    if source.s3 is not None:
        return "s3", f"s3://{source.s3.bucket}/{source.s3.key}"
    return None


def _is_below(place: str, allowed: Collection[str]) -> bool:
    """Whether a URL is one of these, or of a file below one; whatever servers could take for a way out of it is not."""
    if any(unquote(step) in {".", ".."} for step in re.split(r"[/\\]", unquote(place))):
        return False
    return any(place == one or place.startswith(f"{one.rstrip('/')}/") for one in allowed)


async def _hold(world: World, case: Case[Image, core.ImageSpec, core.Image]) -> Wait | Refuse | None:
    """What keeps an image from being made of its machine now. Raises Conflict where another one has come meanwhile."""
    told = case.object
    reference = told.spec.source.virtual_machine_ref if told.spec.source else None
    if reference is None:
        return await _hold_taken(world, case)
    key = _machine(told, reference)
    machine = await reach(world, told, key, "source.virtualMachineRef", VirtualMachine)
    if isinstance(machine, Wait | Refuse):
        return machine
    step = circle(world, case.key, key) or unready(machine, key)
    meant = case.spec.source
    if step is None and isinstance(meant, core.Published) and meant.machine_id != machine.status.id:
        raise Conflict
    found = own(world, machine, key) if step is None else None
    return found if isinstance(found, Wait) else step


async def _hold_taken(world: World, case: Case[Image, core.ImageSpec, core.Image]) -> Wait | Refuse | None:
    """The same of an image that is made from a snapshot."""
    told = case.object
    reference = told.spec.source.snapshot_ref if told.spec.source else None
    if reference is None:
        return None
    found = await _taken(world, told, reference)
    if isinstance(found, Wait):
        return circle(world, case.key, Key("Snapshot", case.key.namespace, reference.name)) or found
    meant = case.spec.source
    if isinstance(found, Snapshot) and isinstance(meant, core.Taken) and meant.snapshot_id != found.id:
        raise Conflict
    return found if isinstance(found, Refuse) else None


async def _taken(world: World, told: Image, reference: LocalRef) -> Snapshot | Wait | Refuse:
    return await usable(world, told, reference.name, "source.snapshotRef", SourceKind.MACHINE)


def _machine(told: Image, reference: LocalRef) -> Key:
    return Key("VirtualMachine", told.metadata.namespace, reference.name)


def _newer_status(newer: core.Image | None) -> NewerImage | None:
    if newer is None:
        return None
    return NewerImage(
        id=clip(newer.id, _MOST_ID),
        name=clip(newer.name, _MOST_NAME) or None,
        created_at=None if newer.created_at is None else format_time(newer.created_at),
    )
