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
from hybridge.core.situation import Situation
from hybridge.core.story import conditions
from hybridge.drivers.base import Driver, ObjectDriver, Prepared
from hybridge.engine import conditions as written
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.meter import MachineMeter
from hybridge.engine.objects import sight
from hybridge.engine.objects.case import Case, M, W
from hybridge.engine.objects.kind import ObjectKind
from hybridge.engine.objects.memo import Memo
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

    @abstractmethod
    def driver(self, driver: Driver) -> ObjectDriver[W, P] | None:
        """The part of a cloud's driver for this kind; None where the cloud has no such thing."""

    @abstractmethod
    def wanted(self, told: M, cloud: str) -> W:
        """What the user wants, in the core's words. ``cloud``: the type of the Provider, empty where it is not known."""

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

    memory = Memo

    def __init__(self, world: World, meter: MachineMeter, nature: Nature[M, W, P]) -> None:
        super().__init__(world, meter, _Steps(world, nature), _Reporter(world, meter, nature))
        self.model = nature.model
        self._nature = nature

    async def case(
        self, key: Key, told: M, memo: Memo[M, P], provider: ProviderSpec, link: Link, marker: Marker
    ) -> Case[M, W, P]:
        """See the base."""
        driver = self._nature.driver(link.driver)
        if driver is None:
            raise Refused(Reason.UNSUPPORTED, f"a Provider of type {provider.type} has no {self._nature.kind.value}s")
        spec = driver.normalize(self._nature.wanted(told, provider.type))
        return Case(key, told, memo, provider, link, link.shelf(self._nature.kind), driver, spec, marker)

    def situation(self, case: Case[M, W, P]) -> Situation[W, P]:
        """See the base."""
        record = case.memo.record(case.object)
        return self._nature.situation(
            case.spec,
            record,
            sight.look(self._world, case, record, self._nature.outside),
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

    async def prepare(self, case: Case[M, W, P], wish: Wish, taken: Collection[str]) -> Prepared:
        return await case.link.bulkhead.call(case.driver.prepare, wish.spec, taken)

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
