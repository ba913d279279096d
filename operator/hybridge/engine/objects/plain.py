"""Kinds of cloud objects that need nothing besides what all kinds have: a nature says what is theirs alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, Generic, TypeVar

import msgspec

from hybridge.api import records
from hybridge.api.managed import ManagedStatus
from hybridge.api.provider import Provider, ProviderSpec
from hybridge.core.attempt import Intent
from hybridge.core.conditions import Type
from hybridge.core.errors import CloudError, Refused
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.managed import ManagedObject, Phase
from hybridge.core.managed_status import Story, phase
from hybridge.core.plan import Action, Do, Plan, Verb
from hybridge.core.reasons import Reason
from hybridge.core.situation import Sight, Situation
from hybridge.core.story import conditions
from hybridge.drivers.base import Driver, ObjectDriver, Prepared
from hybridge.engine import conditions as written
from hybridge.engine.cluster import Conflict
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.meter import MachineMeter
from hybridge.engine.objects import sight
from hybridge.engine.objects.case import Case, M, W, normal
from hybridge.engine.objects.kind import ObjectKind
from hybridge.engine.objects.memo import AnyMemo, Memo
from hybridge.engine.objects.report import ObjectReporter
from hybridge.engine.objects.steps import ObjectSteps, Wish
from hybridge.engine.world import World

P = TypeVar("P", bound=ManagedObject)


class Nature(ABC, Generic[M, W, P]):
    """What is one kind's alone."""

    kind: CloudKind
    #: The custom resource, and what the plan looks at.
    model: type[M]
    situation: type[Situation[W, P]]
    #: What is remembered of each object; its ``tell`` puts that into the status.
    memory: type[AnyMemo] = Memo

    @abstractmethod
    def driver(self, driver: Driver) -> ObjectDriver[W, P] | None:
        """The part of a cloud's driver for this kind; None where the cloud has no such thing."""

    def lacking(self, cloud: str) -> str:
        """Why clouds of this type have no such thing, and what to do instead."""
        return f"a Provider of type {cloud} has no {self.kind.value}s"

    @abstractmethod
    def wanted(self, told: M, cloud: str) -> W:
        """What the user wants, in the core's words. ``cloud``: the type of the Provider, empty where it is not known."""

    async def resolved(self, _world: World, _told: M, wanted: W) -> W:
        """The same with what other objects tell of what it refers to, as far as they do."""
        return wanted

    async def await_others(self, _world: World, _case: Case[M, W, P]) -> None:
        """Raises CloudError while what is to be made has to wait for other objects."""
        return

    async def prepare(self, _world: World, _case: Case[M, W, P]) -> float | None:
        """Reads what the plan needs besides; seconds until that is to be looked at again, None where it need not be."""
        return None

    def holders(self, _found: P) -> Collection[str] | None:
        """Ids of what in the cloud would lose something with it, which is looked at once more before it goes; None: its
        cloud lets nothing go that is in use.
        """
        return None

    def look(self, _case: Case[M, W, P], seen: Sight[P]) -> Sight[P]:
        """What is known of the cloud, with what this kind knows besides."""
        return seen

    def wake(self, _case: Case[M, W, P], _now: float) -> float | None:
        """Seconds until something is due by itself, after what was done just now; None: nothing is."""
        return None

    def going(self, _told: M) -> ManagedStatus | None:
        """What has to be on record before its cloud object is deleted; None: nothing besides what is."""
        return None

    def remark(self, _wanted: W) -> str:
        """What people are told besides of an object that is as it should be."""
        return ""

    @abstractmethod
    def plan(self, situation: Any) -> Plan:
        """What is left to do, and the next step."""

    @abstractmethod
    def status(self, old: Any, story: Story[W, P], now: Phase) -> ManagedStatus:
        """What the kind tells besides what all do."""

    @abstractmethod
    def beyond(self, told: M, provider: ProviderSpec) -> str | None:
        """The first thing that the object names and that tenants may not name."""

    @abstractmethod
    def outside(self, found: P, provider: ProviderSpec) -> str | None:
        """What keeps tenants from something that exists."""


class PlainKind(ObjectKind[Case[M, W, P]], Generic[M, W, P]):
    """Reconciles objects of one nature."""

    def __init__(self, world: World, meter: MachineMeter, nature: Nature[M, W, P]) -> None:
        super().__init__(world, meter, _Steps(world, nature), _Reporter(world, meter, nature))
        self.model, self.memory = nature.model, nature.memory
        self._nature = nature

    async def case(
        self, key: Key, told: M, memo: Memo[M, P], provider: ProviderSpec, link: Link, marker: Marker
    ) -> Case[M, W, P]:
        """See the base."""
        driver = self._nature.driver(link.driver)
        if driver is None:
            raise Refused(Reason.UNSUPPORTED, self._nature.lacking(provider.type))
        wanted = await self._nature.resolved(self._world, told, self._nature.wanted(told, provider.type))
        spec = normal(driver, wanted, deleting=told.metadata.deletion_timestamp is not None)
        case = Case(key, told, memo, provider, link, link.shelf(self._nature.kind), driver, spec, marker)
        if sight.is_to_be_made(case):
            await self._nature.await_others(self._world, case)
        return case

    async def prepare(self, case: Case[M, W, P]) -> float | None:
        """See the base."""
        return await self._nature.prepare(self._world, case)

    def wake(self, case: Case[M, W, P]) -> float | None:
        """See the base."""
        return self._nature.wake(case, self._world.clock())

    def situation(self, case: Case[M, W, P]) -> Situation[W, P]:
        """See the base."""
        record = case.memo.record(case.object)
        return self._nature.situation(
            case.spec,
            record,
            self._nature.look(case, sight.look(self._world, case, record, self._nature.outside)),
            sight.bounded(self._world, case.driver.traits),
            case.marker,
            case.link.connection.identity,
            self._world.clock(),
        )

    def plan(self, situation: Situation[W, P]) -> Plan:
        """See the base."""
        return self._nature.plan(situation)

    def beyond(self, told: M, provider: ProviderSpec) -> str | None:
        """See the base."""
        return self._nature.beyond(told, provider)

    def outside(self, found: P, provider: ProviderSpec) -> str | None:
        """See the base."""
        return self._nature.outside(found, provider)


class _Steps(ObjectSteps[Case[M, W, P]], Generic[M, W, P]):
    def __init__(self, world: World, nature: Nature[M, W, P]) -> None:
        super().__init__(world)
        self._nature = nature

    async def wish(self, case: Case[M, W, P]) -> Wish:
        await self._nature.await_others(self._world, case)
        return await super().wish(case)

    async def take(self, case: Case[M, W, P], step: Do, mine: Any) -> None:
        if step.verb is Verb.DELETE and mine is not None and self._nature.holders(mine) is not None:
            await self._look_for_holders(case, mine)
        await super().take(case, step, mine)

    async def _look_for_holders(self, case: Case[M, W, P], mine: P) -> None:
        """Raises Conflict where somebody has come to use it since the picture was made."""
        began = case.shelf.inventory.begin()
        now = await case.link.bulkhead.call(case.driver.get, mine.id)
        if now is None or self._nature.holders(now):
            if now is None:
                case.shelf.inventory.forget(mine.id)
            else:
                case.shelf.inventory.see(now, began)
            raise Conflict

    async def prepare(self, case: Case[M, W, P], wish: Wish, taken: Collection[str]) -> Prepared:
        return await case.link.bulkhead.call(case.driver.prepare, wish.spec, taken)

    async def going(self, case: Case[M, W, P]) -> None:
        status = self._nature.going(case.object)
        if status is not None and status != case.object.status:
            await self.write(case, status)

    def creating(self, told: M, intent: Intent, wish: Wish) -> ManagedStatus:
        action = Action(Verb.CREATE, self._nature.kind.value, "", intent.name)
        story: Story[W, P] = Story(wish.spec, Plan(Do((action,))), None)
        status = self._nature.status(type(told.status)(), story, Phase.CREATING)
        generation = told.metadata.generation
        return msgspec.structs.replace(
            status,
            observed_generation=generation,
            conditions=written.write(
                told.status.conditions, conditions(story), generation=generation, now=self._world.clock()
            ),
            intent=records.intent_status(intent),
        )

    def outside(self, case: Case[M, W, P], found: P) -> str | None:
        return self._nature.outside(found, case.provider)


class _Reporter(ObjectReporter[Case[M, W, P]], Generic[M, W, P]):
    def __init__(self, world: World, meter: MachineMeter, nature: Nature[M, W, P]) -> None:
        super().__init__(world, meter)
        self.model = nature.model
        self._nature = nature

    def story(self, case: Case[M, W, P], told: M, plan: Plan, found: P | None) -> Story[W, P]:
        return Story(
            case.spec,
            plan,
            found,
            deleting=case.deleting,
            created=case.memo.created_at is not None,
            was_ready=written.is_true(told.status.conditions, Type.READY),
            remark=self._nature.remark(case.spec),
        )

    def story_of_error(self, told: M, spec: W | None, found: P | None, error: CloudError) -> Story[W, P]:
        return Story(spec or self._nature.wanted(told, ""), None, found, error=error)

    def status(self, old: Any, story: Story[W, P]) -> ManagedStatus:
        now = phase(story)
        # What cannot be looked at now is told as it was last seen.
        kept = story.error is not None and now is Phase.UNKNOWN
        return self._nature.status(old, story, (old.phase or now) if kept else now)

    def lag(self, driver: Driver) -> float:
        part = self._nature.driver(driver)
        return part.traits.lag if part else 0.0

    def outside(self, found: P, provider: Provider) -> str | None:
        return self._nature.outside(found, provider.spec)
