"""What an object's status says, written when it is worth a write. The same for every kind."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Generic

import msgspec

from hybridge.api import records
from hybridge.api.managed import ManagedObject, ManagedStatus
from hybridge.api.provider import Provider
from hybridge.api.shared import DriftEntry, Management, PlanEntry, clip
from hybridge.core import story as core
from hybridge.core.conditions import Type
from hybridge.core.errors import CloudError
from hybridge.core.kinds import CloudKind
from hybridge.core.lifecycle import digest
from hybridge.core.plan import Do, Plan, Refuse, Rest
from hybridge.core.reasons import Reason
from hybridge.core.story import AnyStory
from hybridge.core.units import format_time, parse_duration, parse_time
from hybridge.drivers.base import Driver
from hybridge.engine import conditions
from hybridge.engine.keys import Key
from hybridge.engine.meter import MachineMeter
from hybridge.engine.objects.memo import AnyMemo
from hybridge.engine.objects.steps import K
from hybridge.engine.outcome import Again, Done, Outcome
from hybridge.engine.world import World

log = logging.getLogger(__name__)

#: Seconds for which a state that will pass is not worth a write of its own; twice as long after each such write.
FLEETING = 2.0
_MOST = 32
#: How many fields ``status.drifted`` holds, and how long the name of a field is in a status.
_MOST_DRIFTED, _MOST_FIELD = 64, 128


class ObjectReporter(ABC, Generic[K]):
    """Writes statuses. What passes within moments is not told, what must not be lost is told at once."""

    #: The custom resource.
    model: type[ManagedObject]

    def __init__(self, world: World, meter: MachineMeter) -> None:
        self._world = world
        self._meter = meter

    @abstractmethod
    def story(self, case: K, told: Any, plan: Plan, found: Any) -> AnyStory:
        """What is known of an object that was worked on."""

    @abstractmethod
    def story_of_error(self, told: Any, spec: Any, found: Any, error: CloudError) -> AnyStory:
        """The same of one that could not be; ``spec`` is None where nobody got so far."""

    @abstractmethod
    def status(self, old: Any, story: Any) -> ManagedStatus:
        """What the kind tells besides what all do."""

    @abstractmethod
    def lag(self, driver: Driver) -> float:
        """Seconds for which the cloud may not show what was just made."""

    def outside(self, found: Any, provider: Provider) -> str | None:
        """What keeps tenants from something that exists."""

    def awaits(self, case: K, story: Any) -> float | None:
        """Seconds until something that is to come by itself is looked for again; None: nothing is."""

    async def report(self, case: K, plan: Plan, mine: Any, *, settled: bool, after: float | None) -> Outcome:
        """Tells how it stands; when to come back. ``settled``: nothing will happen by itself soon."""
        memo, now = case.memo, self._world.clock()
        told = self._world.decode(case.key, self.model)
        if told is None:
            return Done()
        if told.metadata.generation != memo.generation:
            return Again(0.0)  # Nothing is known yet of the spec that has come meanwhile.
        # What the cloud shows now is told, not what the step just taken will bring; and only of what is provably ours.
        ours = mine is not None or isinstance(plan.step, Do)
        shown = case.shelf.inventory.get(memo.id) if ours and memo.id else None
        story = self.story(case, told, plan, shown or mine)
        if isinstance(plan.step, Rest):
            memo.synced = memo.generation
        self._count_drift(case, story)
        awaited = self.awaits(case, story) if settled else None
        if awaited is not None:
            settled, after = False, awaited
        if settled:
            case.link.settle(case.key)
        else:
            left = self._fleeting(memo, now)
            if left > 0:
                return Again(left if after is None else min(after, left))
        await self._write(case.key, memo, told, story)
        memo.unsettled_since = None if settled else now
        memo.unsettled_told = 0 if settled else memo.unsettled_told + 1
        if after is None:
            return Done()
        return Again(after)

    async def report_error(self, key: Key, memo: AnyMemo, error: CloudError, case: K | None) -> None:
        """Tells what is in the way, and how it is all the same, as far as it is seen."""
        told = self._world.decode(key, self.model)
        if told is None or told.metadata.generation != memo.generation:
            return
        before = any(
            condition.type == Type.SYNCED.value and condition.reason == error.reason.value
            for condition in told.status.conditions
        )
        if not before and error.reason not in _PROGRESS:
            self.warn(key, error)
        shown = case.shelf.inventory.get(memo.id) if case and memo.id else self._seen(key, memo, told, error)
        story = self.story_of_error(told, case.spec if case else None, shown, error)
        story = replace(
            story,
            unseen=shown is None and self._is_unseen(key, memo, told),
            deleting=told.metadata.deletion_timestamp is not None,
            created=memo.created_at is not None,
            was_ready=conditions.is_true(told.status.conditions, Type.READY),
        )
        await self._write(key, memo, told, story)

    def _seen(self, key: Key, memo: AnyMemo, told: ManagedObject, error: CloudError) -> Any:
        """The cloud object of an object that may not be worked on, where it is in sight and ours; its changes call the
        object.

        One that is only observed is not ours, and is shown as long as nothing forbids it.
        """
        name = told.spec.provider_ref.name
        link, provider = self._world.link(name), self._world.decode(Key("Provider", "", name), Provider)
        if link is None or provider is None or memo.id is None:
            return None
        observed = told.spec.lifecycle.management is Management.OBSERVED
        if observed and error.reason is Reason.NOT_PERMITTED:
            return None
        shelf = link.shelf(CloudKind(key.kind))
        shelf.bind(memo.id, key, parse_duration(told.spec.sync_interval), observed=observed)
        found = shelf.inventory.get(memo.id)
        if found is None or not found.detailed or (observed and self.outside(found, provider)):
            return None
        owner = f"{self._world.cluster_id}/{told.metadata.uid}"
        return found if observed or (found.marker is not None and found.marker.owner == owner) else None

    def _is_unseen(self, key: Key, memo: AnyMemo, told: ManagedObject) -> bool:
        """Whether the cloud is looked at and does not show what was there."""
        link = self._world.link(told.spec.provider_ref.name)
        if link is None or memo.id is None or memo.created_at is None or link.bulkhead.breaker.open:
            return False
        inventory = link.shelf(CloudKind(key.kind)).inventory
        known = inventory.get(memo.id) is not None
        return inventory.settled and not known and self._world.clock() - memo.created_at >= self.lag(link.driver)

    def warn(self, key: Key, error: CloudError) -> None:
        """Tells of an error in the log and in an Event. To wait for another object is none: all come in any order."""
        waits = error.reason is Reason.DEPENDENCY_NOT_READY
        extra = {"object": str(key), "provider": self._world.group(key)}
        log.log(logging.INFO if waits else logging.WARNING, "%s: %s", error.reason, error.message, extra=extra)
        self._world.tell(key, error.reason.value, error.message, warning=not waits)

    def _count_drift(self, case: K, story: AnyStory) -> None:
        """Also of drift that is corrected before it is worth a write."""
        memo, key, now, items = case.memo, case.key, self._world.clock(), core.drift(story)
        provider = self._world.group(key)
        if items and memo.drifted_since is None:
            memo.drifted_since = now
            self._meter.drifted(key.kind, provider, len(items))
            words = "; ".join(
                f"{one.field} is {one.before or 'missing'}, wanted {one.after or 'none'}" for one in items
            )
            self._world.tell(key, Reason.DRIFTED.value, words, warning=True)
        elif not items and memo.drifted_since is not None:
            self._meter.undrifted(key.kind, provider, now - memo.drifted_since)
            memo.drifted_since = None

    @staticmethod
    def _fleeting(memo: AnyMemo, now: float) -> float:
        """Seconds for which the present state is not worth telling yet."""
        if memo.unsettled_since is None:
            memo.unsettled_since = now
        return memo.unsettled_since + FLEETING * 2.0 ** min(memo.unsettled_told, 5) - now

    async def _write(self, key: Key, memo: AnyMemo, told: ManagedObject, story: AnyStory) -> None:
        now, old = self._world.clock(), told.status
        generation = told.metadata.generation
        new = core.conditions(story)
        plan, drift, drifted = _plan(story), _drift(story, old.drift, now), _drifted(story, old.drifted)
        if story.error is not None:
            # Nothing was compared: what was told of differences stays.
            plan, drift, drifted = old.plan, old.drift, old.drifted
            before = conditions.read(old.conditions)
            new = (
                *(one for one in new if one.type is not Type.DRIFTED),
                *(o for o in before if o.type is Type.DRIFTED),
            )
        written = conditions.write(old.conditions, new, generation=generation, now=now)
        task = memo.task
        status = msgspec.structs.replace(
            memo.tell(self.status(old, story)),
            observed_generation=generation,
            met_generation=memo.synced,
            id=memo.id,
            intent=old.intent or (records.intent_status(memo.recorded) if memo.recorded else None),
            conditions=written,
            task=records.task_status(task) if task else None,
            plan=plan,
            drift=drift,
            drifted=drifted,
            created_at=format_time(memo.created_at) if memo.created_at is not None else None,
        )
        await self._world.write_status(key, status)
        ready = conditions.is_true(written, Type.READY)
        provider = self._world.group(key)
        self._meter.state(
            key.kind, key.namespace, key.name, provider, ready=ready, synced=conditions.is_true(written, Type.SYNCED)
        )
        if ready and not memo.was_ready and told.metadata.creation_timestamp:
            memo.was_ready = True
            self._meter.became_ready(key.kind, provider, now - parse_time(told.metadata.creation_timestamp))


def _plan(story: AnyStory) -> tuple[PlanEntry, ...]:
    if story.plan is None:
        return ()
    waiting = isinstance(story.plan.step, Refuse)
    return tuple(
        PlanEntry(
            action=action.verb.value,
            field=clip(action.field, _MOST_FIELD) or None,
            from_=clip(action.before),
            to=clip(action.after),
            disruptive=action.disruptive,
            reason=clip(action.reason or (Reason.RESTART_REQUIRED.hint if waiting and action.disruptive else "")),
        )
        for action in story.plan.actions[:_MOST]
    )


def _drift(story: AnyStory, before: tuple[DriftEntry, ...], now: float) -> tuple[DriftEntry, ...]:
    since = {entry.field: entry.since for entry in before}
    return tuple(
        DriftEntry(
            field=clip(action.field, _MOST_FIELD),
            want=clip(action.after),
            found=clip(action.before),
            since=since.get(clip(action.field, _MOST_FIELD)) or format_time(now),
        )
        for action in core.drift(story)[:_MOST]
    )


def _drifted(story: AnyStory, before: Mapping[str, str]) -> Mapping[str, str]:
    found = story.plan.drifted if story.plan else None
    if found is None:
        return before  # Nothing was compared.
    return {clip(action.field, _MOST_FIELD): digest(action.after) for action in found[:_MOST_DRIFTED]}


#: What is told as an error and is none: something is under way that was asked for, or somebody else is at work.
_PROGRESS = frozenset({Reason.UPDATING, Reason.STARTING, Reason.STOPPING, Reason.LOCKED, Reason.PAUSED})
