"""Reconciles objects of any managed kind: has the plan decide, takes its next step, and reports."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any, Generic

from hybridge.api.controls import steered
from hybridge.api.managed import ManagedObject, ManagedSpec
from hybridge.api.managed_desired import foreign_blocks
from hybridge.api.notyet import not_yet
from hybridge.api.provider import ProviderSpec
from hybridge.api.shared import FINALIZER, SYNC_NOW, Management
from hybridge.core import proof
from hybridge.core.errors import CloudError, Disposition, IdTaken, Refused, Unreachable
from hybridge.core.identity import PREFIX, Marker
from hybridge.core.plan import Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import Situation
from hybridge.core.story import progress
from hybridge.core.units import format_time
from hybridge.engine.admission import admit
from hybridge.engine.bulkhead import Closed
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.meter import MachineMeter
from hybridge.engine.objects import sight
from hybridge.engine.objects.claim import allow
from hybridge.engine.objects.memo import AnyMemo
from hybridge.engine.objects.report import ObjectReporter
from hybridge.engine.objects.steps import K, ObjectSteps
from hybridge.engine.objects.tasks import follow
from hybridge.engine.outcome import Again, Done, Failed, Outcome
from hybridge.engine.references import read_grants
from hybridge.engine.world import World

log = logging.getLogger(__name__)

#: Seconds after which something that others have to finish is looked at again, at most.
PATIENCE = 60.0
#: How often the same thing is done before it is told that somebody undoes it.
CONTESTED = 2


class ObjectKind(ABC, Generic[K]):
    """Reconciles the objects of one kind in all clouds."""

    #: The custom resource, and what is remembered of each of its objects.
    model: type[ManagedObject]
    memory: type[AnyMemo]

    def __init__(self, world: World, meter: MachineMeter, steps: ObjectSteps[K], reporter: ObjectReporter[K]) -> None:
        self._world = world
        self._meter = meter
        self._memos: dict[Key, AnyMemo] = {}
        self._steps = steps
        self._reporter = reporter

    @abstractmethod
    async def case(self, key: Key, told: Any, memo: Any, provider: ProviderSpec, link: Link, marker: Marker) -> K:
        """Everything that a reconcile needs. Raises CloudError when this object cannot be worked on."""

    @abstractmethod
    def situation(self, case: K) -> Situation[Any, Any]:
        """What the plan looks at."""

    @abstractmethod
    def plan(self, situation: Any) -> Plan:
        """What is left to do, and the next step."""

    @abstractmethod
    def beyond(self, told: Any, provider: ProviderSpec) -> str | None:
        """The first thing that the object names and that tenants may not name."""

    @abstractmethod
    def outside(self, found: Any, provider: ProviderSpec) -> str | None:
        """What keeps tenants from something that exists."""

    async def prepare(self, case: K) -> float | None:
        """Reads what the plan needs besides; seconds until that is to be looked at again, None where it need not be."""

    def wake(self, case: K) -> float | None:
        """Seconds until something is due by itself, after what was done just now; None: nothing is."""

    def recognise(self, case: K, mine: Any, plan: Plan) -> None:
        """Puts in memory what seeing ours proves."""
        memo = case.memo
        memo.id, memo.absent = mine.id, None
        # What is only half made is nothing that others could use, whatever keeps it from being made to its end.
        unfinished = any(action.verb in {Verb.INITIALIZE, Verb.COMPLETE} for action in plan.actions)
        whole = mine.detailed and not mine.lock and not unfinished
        if memo.created_at is None and whole and not case.deleting and memo.task is None:
            memo.created_at = self._world.clock()

    def group(self, key: Key) -> str:
        """The turn of the object's Provider."""
        return self._world.group(key)

    async def reconcile(self, key: Key) -> Outcome:
        """One step towards the spec, or an honest word why not."""
        told = self._world.decode(key, self.model)
        if told is None or self._is_released(told):
            self._forget(key)
            return Done()
        memo = self._memo(key, told)
        memo.began(told.metadata.generation)
        if self._is_connecting(told.spec.provider_ref.name):
            return Done()
        try:
            case = await self._open(key, told, memo)
        except CloudError as error:
            if told.metadata.deletion_timestamp and self._holds_nothing(told, memo):
                await self._world.drop_finalizer(key)
                return Again(0.0)
            return await self._tell(key, memo, error)
        try:
            return await self._advance(case)
        except CloudError as error:
            return await self._tell(key, memo, error, case)

    @staticmethod
    def _is_released(told: ManagedObject) -> bool:
        return told.metadata.deletion_timestamp is not None and FINALIZER not in told.metadata.finalizers

    def _forget(self, key: Key) -> None:
        memo = self._memos.pop(key, None)
        if memo is not None:
            for link in self._world.links():
                link.unbind(key)
            self._meter.gone(key.kind, key.namespace, key.name)

    def _memo(self, key: Key, told: ManagedObject) -> AnyMemo:
        memo = self._memos.get(key)
        if memo is None or memo.uid != told.metadata.uid:
            memo = self._memos[key] = self.memory.resume(told)
        return memo

    @staticmethod
    def _holds_nothing(told: ManagedObject, memo: AnyMemo) -> bool:
        """Nothing of it can be in the cloud: an intent is on record before anything is made, and what is only observed
        is nobody's.
        """
        lifecycle = told.spec.lifecycle
        if lifecycle.management is Management.OBSERVED:
            return not lifecycle.deletion_protection
        return told.status.id is None and memo.intent(told) is None and memo.id is None

    async def _open(self, key: Key, told: ManagedObject, memo: AnyMemo) -> K:
        """Everything a reconcile needs. Raises CloudError when this object may not, or cannot, be worked on."""
        provider = await admit(self._world, told, partial(self.beyond, told))
        deleting = told.metadata.deletion_timestamp is not None
        unknown = not_yet(told.spec)
        if unknown and not deleting:
            raise Refused(Reason.NOT_IMPLEMENTED_YET, f"not implemented yet: {', '.join(unknown)}")
        foreign = foreign_blocks(told.spec, provider.spec.type)
        if foreign and not deleting:
            raise Refused(
                Reason.INVALID_SPEC,
                f"spec.{foreign[0]} is given, but Provider {provider.metadata.name} is of type {provider.spec.type}",
            )
        if not deleting:
            _check_words(told.spec)
        link = self._link(provider.metadata.name)
        marker = Marker(
            self._world.cluster_id, told.metadata.uid, key.kind, told.metadata.namespace, told.metadata.name
        )
        return await self.case(key, told, memo, provider.spec, link, marker)

    def _is_connecting(self, name: str) -> bool:
        """Whether it will be known in a moment how the Provider is: that is not worth a word to each of its objects."""
        exists = self._world.store.get(Key("Provider", "", name)) is not None
        return exists and name not in self._world.providers

    def _link(self, name: str) -> Link:
        state = self._world.providers.get(name)
        if state is None:
            raise Closed
        if isinstance(state, Link):
            return state
        raise CloudError(
            state.error.reason,
            f"Provider {name}: {state.error.message} (since {format_time(state.since)})",
            disposition=Disposition.WAIT,
        )

    async def _advance(self, case: K) -> Outcome:
        if case.link.bulkhead.breaker.open:
            raise self._down(case.link)
        if case.shelf.trouble is not None:
            raise case.shelf.trouble
        if not case.deleting and FINALIZER not in case.object.metadata.finalizers:
            await self._world.add_finalizer(case.key)
        try:
            follow(case)
        except IdTaken:
            await self._steps.give_up(case)
            raise
        self._sync_now(case)
        if case.spec.imports is not None and not case.deleting:
            await self._may_import(case)
        if case.deleting:
            await read_grants(self._world, case.key)
        outdated = await self.prepare(case)
        situation = self.situation(case)
        plan = self.plan(situation)
        found = proof.locate(situation)
        mine = None if isinstance(found, proof.Absent | proof.Nowhere | Step) else found
        if mine is not None:
            self.recognise(case, mine, plan)
            if mine.ending:
                case.memo.ending = mine.id
        outcome = await self._step(case, plan, mine)
        due = [seconds for seconds in (outdated, self.wake(case)) if seconds is not None]
        return Again(min(due)) if due and isinstance(outcome, Done) else outcome

    async def _may_import(self, case: K) -> None:
        """Nothing is told of what the Provider's restrictions do not allow to name, also of one that has moved.
        One that was taken over is ours, wherever it is.
        """
        memo, imports, intent = case.memo, case.spec.imports, case.memo.intent(case.object)
        recorded = memo.id or (intent.id if intent else None)
        if recorded is not None and not case.spec.observed:
            return
        known = recorded or (imports.id if imports else None)
        seen = case.shelf.inventory.get(known) if known else None
        if known is None or seen is None:
            return
        asked = memo.unreadable_at is not None and self._world.clock() - memo.unreadable_at < sight.UNREADABLE
        if not seen.detailed and not asked and self.outside(seen, case.provider):
            await self._look(case, known)
        try:
            allow(case, known, self.outside)
        except Refused:
            memo.id = memo.created_at = None
            case.link.unbind(case.key)
            raise

    @staticmethod
    def _down(link: Link) -> CloudError:
        breaker = link.bulkhead.breaker
        since = f" (since {format_time(breaker.down_since)})" if breaker.down_since else ""
        return Unreachable(f"{breaker.words or 'no answer'}{since}")

    def _sync_now(self, case: K) -> None:
        wanted = case.object.metadata.annotations.get(SYNC_NOW)
        if wanted != case.memo.sync_now:
            case.memo.sync_now = wanted
            case.memo.look_again()
            if wanted is not None and case.memo.id:
                case.link.expect(case.key, refresh=case.memo.id)

    async def _step(self, case: K, plan: Plan, mine: Any) -> Outcome:
        memo, link = case.memo, case.link
        match plan.step:
            case Do() as step:
                return await self._do(case, plan, step, mine)
            case Bind(known_id):
                memo.id = known_id
                return Again(0.0)
            case Look(known_id):
                await self._look(case, known_id)
                return Again(0.0)
            case Search():
                await self._search(case)
                return Again(0.0)
            case Wait() if not case.shelf.inventory.settled:
                # The end of the first sweep calls everybody; a restart is no news.
                return Done()
            case Wait(_, _, after, patient=False):
                link.expect(case.key, refresh=memo.id if mine and mine.lock else None)
                return await self._reporter.report(case, plan, mine, settled=False, after=after)
            case Wait() | Refuse():
                link.settle(case.key)
                again = None if memo.unreadable_at is None else PATIENCE
                return await self._reporter.report(case, plan, mine, settled=True, after=again)
            case Release():
                return await self._release(case)
            case Rest():
                return await self._reporter.report(case, plan, mine, settled=True, after=None)

    async def _look(self, case: K, known_id: str) -> None:
        began = case.shelf.inventory.begin()
        machine = await case.link.bulkhead.call(case.driver.get, known_id)
        if machine is None:
            case.memo.deny(known_id, self._world.clock())
            case.shelf.inventory.forget(known_id)
        else:
            case.memo.absent = None
            case.memo.unreadable_at = None if machine.detailed else self._world.clock()
            case.shelf.inventory.see(machine, began)

    async def _release(self, case: K) -> Outcome:
        """Lets the object go. What is there without our marker is looked at once more: what was seen of it may be old."""
        known_id, inventory = case.memo.id, case.shelf.inventory
        seen = inventory.get(known_id) if known_id and not case.spec.observed else None
        if known_id and seen is not None and not seen.gone:
            await self._look(case, known_id)
            now = inventory.get(known_id)
            if now is not None and not now.gone and now.marker is not None and now.marker.owner == case.marker.owner:
                return Again(0.0)
        if await self._leaves_something(case):
            return Again(0.0)
        await self._world.drop_finalizer(case.key)
        return Again(0.0)

    async def _leaves_something(self, case: K) -> bool:
        """Whether something is left of what is gone: the next plan sees it, and has it go first."""
        intended = case.memo.intent(case.object) is not None
        if not (case.driver.traits.remains and intended) or case.spec.observed or case.spec.detach:
            return False
        await self._search(case)
        found = [one for one in case.shelf.inventory.owned_by(case.marker.owner) if not one.gone]
        return any(one.remains or case.memo.id is None for one in found)

    async def _search(self, case: K) -> None:
        link, began = case.link, self._world.clock()
        intent, number = case.memo.intent(case.object), case.shelf.inventory.begin()
        for machine in await link.bulkhead.call(case.driver.find, case.marker, intent):
            case.shelf.inventory.see(machine, number)
        case.memo.searched_at = began

    async def _do(self, case: K, plan: Plan, step: Do, mine: Any) -> Outcome:
        memo, now = case.memo, self._world.clock()
        wait = memo.attempts.hold_back(step, now)
        if wait > 0:
            return await self._hold_back(case, plan, step, mine, now + wait)
        if case.provider.allowed_namespaces.selector is not None:
            # Labels are not watched: what was right a moment ago must not be what a change is made on.
            await admit(self._world, case.object, partial(self.beyond, case.object), age=0.0)
        for action in step.actions:
            log.info(
                "%s %s: %s -> %s", action.verb, action.field, action.before or "-", action.after or "-",
                extra={"object": str(case.key), "provider": case.link.name},
            )  # fmt: skip
        try:
            await self._steps.take(case, step, mine)
        except CloudError as error:
            if not memo.attempts.failed(step, error):
                raise
            self._reporter.warn(case.key, error)
            return Again(0.0)
        memo.attempts.did(step, now)
        if memo.step is None:
            memo.attempts.succeeded(step)
        reason, words = progress(step)
        self._world.tell(case.key, reason.value, words)
        return await self._reporter.report(case, plan, mine, settled=False, after=0.0)

    async def _hold_back(self, case: K, plan: Plan, step: Do, mine: Any, until: float) -> Outcome:
        """What was done before and did not last is done again at growing distances, and that is told."""
        wait, times = until - self._world.clock(), case.memo.attempts.times(step)
        failure = case.memo.attempts.failure(step)
        if failure is not None:
            told = f"{failure.message}; again at {format_time(until)}"
            plan = replace(plan, step=Wait(failure.reason, told))
        elif times >= CONTESTED:
            _, words = progress(step)
            told = f"{words}: done {times} times, and changed back each time; again at {format_time(until)}"
            plan = replace(plan, step=Wait(Reason.CONTESTED, told))
        else:
            case.link.expect(case.key)
        return await self._reporter.report(case, plan, mine, settled=False, after=wait)

    async def _tell(self, key: Key, memo: AnyMemo, error: CloudError, case: K | None = None) -> Outcome:
        """Reports an error; how soon it is tried again depends on what it says."""
        await self._reporter.report_error(key, memo, error, case)
        if error.disposition is Disposition.STOP:
            link = self._world.link(self._world.group(key))
            if link is not None:
                link.settle(key)
            return Failed(error.reason.value, after=memo.attempts.recheck(error.reason))
        if error.disposition is Disposition.WAIT:
            if case is not None:
                case.link.expect(key)
            return Failed(error.reason.value, after=min(PATIENCE, memo.attempts.patience()))
        return Failed(error.reason.value, after=error.retry_after)


def _check_words(spec: ManagedSpec) -> None:
    """Raises Refused for texts that the schema does not admit, or did not always, and that clouds would take amiss."""
    if any(name.startswith(PREFIX) for name in spec.tags):
        raise Refused(Reason.INVALID_SPEC, f"spec.tags may not begin with {PREFIX}")
    if odd := next((name for name, text in spec.tags.items() if not f"{name}{text}".isprintable()), None):
        raise Refused(Reason.INVALID_SPEC, f"spec.tags[{odd}] has characters that cannot be printed")
    if path := steered(spec):
        raise Refused(Reason.INVALID_SPEC, f"spec.{path} has characters that cannot be printed")
