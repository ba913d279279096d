"""The steps that change a cloud, each with its record written first where it has to be."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import msgspec

from hybridge.api import records
from hybridge.api.managed import ManagedStatus
from hybridge.core.attempt import Intent, SecretVersion
from hybridge.core.difference import driver_field
from hybridge.core.errors import CloudError, NotProven, Refused, TokenMismatch
from hybridge.core.identity import machine_uuid, token
from hybridge.core.place import Placed
from hybridge.core.plan import Do, Verb
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Started
from hybridge.engine.cluster import Conflict
from hybridge.engine.objects.case import AnyCase
from hybridge.engine.objects.claim import allow, claim
from hybridge.engine.restrictions import misplaced
from hybridge.engine.world import World

#: The case of one kind.
K = TypeVar("K", bound=AnyCase)


@dataclass(frozen=True, slots=True)
class Wish:
    """A spec with all that a creation needs, the versions of the Secrets that went into it, and where it will be."""

    spec: Any
    secrets: tuple[SecretVersion, ...] = ()
    placed: Placed | None = None


class ObjectSteps(ABC, Generic[K]):
    """Takes one step of a plan. Intent before effect: what is about to be made is on record before it is made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lanes: dict[Hashable, asyncio.Lock] = {}

    @abstractmethod
    async def prepare(self, case: K, wish: Wish, taken: Collection[str]) -> Prepared:
        """The exact parameters of a create. ``taken``: ids that other objects have on record. Raises Refused."""

    @abstractmethod
    def creating(self, told: Any, intent: Intent, wish: Wish) -> ManagedStatus:
        """The status that goes with a new intent, written before the cloud is asked. ``told``: the newest object."""

    @abstractmethod
    def outside(self, case: K, found: Any) -> str | None:
        """What keeps tenants from something that exists."""

    async def wish(self, case: K) -> Wish:
        """What is to be made. Raises Refused."""
        return Wish(case.spec)

    async def adopting(self, case: K) -> None:
        """Something is about to be taken over, which is not on record yet."""

    async def going(self, case: K) -> None:
        """It is about to be deleted in the cloud. Raises Conflict when we are stale."""

    def recorded(self, case: K, wish: Wish) -> None:
        """An intent is on record."""

    def after(self, case: K, step: Do, mine: Any, started: Started[Any]) -> Any:
        """How the cloud object will be when the task that has begun is done; None: only the cloud will know."""

    async def change(self, case: K, step: Do, mine: Any) -> Started[Any]:
        """Any other step than those that make it, take it over or take it away."""
        fields = {driver_field(action.field) for action in step.actions}
        intent = case.memo.intent(case.object)
        return await case.link.bulkhead.call(case.driver.configure, mine, case.spec, fields, intent, case.marker)

    async def take(self, case: K, step: Do, mine: Any) -> None:
        """Changes the cloud and keeps what is known of the result. Raises CloudError, Conflict, NotLeading."""
        began = case.shelf.inventory.begin()
        try:
            started = await self._call(case, step, mine)
        except CloudError as error:
            target = mine.id if mine is not None else step.actions[0].after if step.verb is Verb.ADOPT else None
            if target is not None and (isinstance(error, NotProven) or error.reason is Reason.NOT_FOUND):
                # What was seen is not what is there: forget the picture, so that the next plan asks the cloud.
                case.shelf.inventory.forget(target)
            raise
        self._keep(case, step, mine, started, began)

    async def _call(self, case: K, step: Do, mine: Any) -> Started[Any]:
        call = case.link.bulkhead.call
        if step.verb is Verb.CREATE:
            return await self._create(case, anew=step.anew)
        if step.verb is Verb.ADOPT:
            return await self._adopt(case, step.actions[0].after)
        if mine is None:
            raise CloudError(Reason.IDENTITY_MISMATCH, "there is nothing to change")
        if step.verb is Verb.DELETE:
            await self.going(case)
            return await call(case.driver.delete, mine)
        if step.verb is Verb.DETACH:
            return await call(case.driver.mark, mine, None)
        return await self.change(case, step, mine)

    async def write(self, case: K, status: ManagedStatus) -> None:
        """Writes the status onto the object as this reconcile knows it. Raises Conflict."""
        await self._world.write_status(case.key, status, read=case.object.metadata.resource_version)
        self._know_written(case)

    def _know_written(self, case: K) -> None:
        written = self._world.decode(case.key, type(case.object))
        if written is None or written.metadata.uid != case.object.metadata.uid:
            raise Conflict
        case.object = written

    async def _create(self, case: K, *, anew: bool) -> Started[Any]:
        with self._world.making(case.key):
            return await self._make(case, anew=anew)

    async def _make(self, case: K, *, anew: bool) -> Started[Any]:
        wish = await self.wish(case)
        intent = case.memo.intent(case.object)
        first = anew or intent is None
        if anew or intent is None:
            intent = await self._intend(case, wish, attempt=intent.attempt + 1 if intent else 1)
        else:
            intent = await self._note_repetition(case, intent)
        case.memo.asked_once = False
        try:
            started = await case.link.bulkhead.call(case.driver.create, intent, wish.spec, case.marker)
        except TokenMismatch:
            case.memo.token_spent = True
            raise
        except CloudError as error:
            # What a repetition is told says nothing of the first request, which may have taken effect.
            if _rules_out(error):
                if first:
                    await self._reject(case, intent)
                else:
                    case.memo.token_spent = True
            raise
        case.memo.asked_once = first
        return started

    async def _note_repetition(self, case: K, intent: Intent) -> Intent:
        """Puts on record that a request is sent once more: how long what it makes may be out of sight counts from then.

        Raises Conflict when we are stale.
        """
        again = replace(intent, repeated_at=self._world.clock())
        await self.write(case, msgspec.structs.replace(case.object.status, intent=records.intent_status(again)))
        return again

    async def give_up(self, case: K) -> None:
        """Ends the attempt whose request the cloud took, only to find in its task that something else has the id.

        A repeated request may have met what the first one made: then the cloud is searched before another attempt.
        """
        memo, intent = case.memo, case.memo.intent(case.object)
        if intent is None or intent.id is None:
            return
        case.shelf.inventory.forget(intent.id)
        memo.attempts.start_over()
        if not memo.asked_once:
            memo.token_spent = True
            return
        await self._reject(case, intent)
        memo.id = None
        case.link.unbind(case.key)

    async def _intend(self, case: K, wish: Wish, *, attempt: int) -> Intent:
        """Reads what the call needs, and writes down what is about to happen. Raises Conflict when we are stale."""
        taken = {known_id for known_id, owner in case.shelf.owners.items() if owner != case.key}
        async with self._alone(case):
            prepared = await self.prepare(case, wish, taken)
            named = misplaced(prepared.placed, case.provider)
            if named:
                raise Refused(
                    Reason.NOT_PERMITTED, f"Provider {case.link.name} does not allow {named}: see its spec.restrict"
                )
            intent = self._intent(case, wish, prepared, attempt)
            await self._record(case, intent, replace(wish, placed=prepared.placed))
        memo = case.memo
        memo.id = memo.created_at = memo.absent = memo.ending = memo.searched_at = None
        memo.token_spent = False
        return intent

    def _alone(self, case: K) -> AbstractAsyncContextManager[object]:
        """Objects of one lane choose one after the other, so that each sees what the others chose."""
        return nullcontext() if case.lane is None else self._lanes.setdefault(case.lane, asyncio.Lock())

    def _intent(self, case: K, wish: Wish, prepared: Prepared, attempt: int) -> Intent:
        uid = case.object.metadata.uid
        return Intent(
            attempt=attempt,
            token=token(uid, attempt),
            name=wish.spec.name,
            uuid=machine_uuid(uid, attempt),
            provider_identity=case.link.connection.identity,
            started_at=self._world.clock(),
            parameters=prepared.parameters,
            id=prepared.id,
            secrets=wish.secrets,
        )

    async def _record(self, case: K, intent: Intent, wish: Wish) -> None:
        current = self._world.decode(case.key, type(case.object))
        if current is None or current.metadata.uid != case.object.metadata.uid:
            raise Conflict
        if current.metadata.deletion_timestamp is not None:
            raise Conflict
        await self._world.write_status(case.key, self.creating(current, intent, wish))
        self.recorded(case, wish)
        self._know_written(case)

    async def _reject(self, case: K, intent: Intent) -> None:
        """The cloud proved that the attempt was without effect: the next one may choose anew."""
        current = self._world.decode(case.key, type(case.object))
        if current is None:
            return
        rejected = records.intent_status(replace(intent, rejected=True))
        status = msgspec.structs.replace(current.status, intent=rejected, id=None, task=None)
        await self._world.write_status(case.key, status)

    async def _adopt(self, case: K, known_id: str) -> Started[Any]:
        """Takes over what an earlier object in our place had, after an uncached look that it is gone; or what is nobody's
        and is to be imported, unless another object of ours is faster.
        """
        allow(case, known_id, lambda found, _: self.outside(case, found))
        claim(self._world, case, known_id)
        found = await self._look_again(case, known_id)
        body = await self._world.cluster.get(case.key)
        if body is None or body["metadata"]["uid"] != case.object.metadata.uid:
            raise Conflict
        known = case.memo.intent(case.object)
        adopting = known is not None and known.attempt == 0 and known.id == known_id
        intent = Intent(
            attempt=0,
            token="",
            name=found.name,
            uuid=found.uuid or "",
            provider_identity=case.link.connection.identity,
            started_at=self._world.clock(),
            id=known_id,
        )
        if not adopting:
            await self.adopting(case)
            # What it was given is not known: what is asked for now counts as that.
            await self._record(case, intent, Wish(case.spec))
            case.memo.id = case.memo.created_at = None
        return await case.link.bulkhead.call(case.driver.mark, found, case.marker)

    @staticmethod
    async def _look_again(case: K, known_id: str) -> Any:
        """It past every cache, still with the marker that it was chosen with: nowhere but on Proxmox VE would the cloud
        itself refuse to overwrite another one. Raises Conflict.
        """
        inventory, before = case.shelf.inventory, case.shelf.inventory.get(known_id)
        began = inventory.begin()
        found = await case.link.bulkhead.call(case.driver.get, known_id)
        if found is None:
            inventory.forget(known_id)
        else:
            inventory.see(found, began)
        if found is None or before is None or found.marker != before.marker:
            case.link.unbind(case.key)
            raise Conflict
        return found

    def _keep(self, case: K, step: Do, mine: Any, started: Started[Any], began: int) -> None:
        memo, inventory = case.memo, case.shelf.inventory
        if started.id:
            memo.id = started.id
        memo.task = started.task
        memo.after_task = None
        found = started.found
        if found is not None and found.ending:
            memo.ending = found.id
        # A push that told its end while it was being changed is newer than this answer.
        known = found is not None and (mine is None or inventory.get(mine.id) is not None)
        if found is not None and known and not inventory.see(found, began):
            # Neither has to show what the other does: somebody else's change, and ours. The cloud itself is asked.
            inventory.forget(found.id)
        if started.task is not None:
            memo.step = step
            case.link.watch_task(started.task, case.key)
            memo.after_task = self.after(case, step, mine, started)
        elif mine is not None and step.verb is Verb.DELETE and started.found is None:
            inventory.forget(mine.id)


def _rules_out(error: CloudError) -> bool:
    """Whether an attempt is over: nothing was changed, and what was asked for cannot be had in this way."""
    return not error.took_effect_possible and error.reason not in _PASSING


#: Reasons for which the very same request may succeed in a moment.
_PASSING = frozenset({Reason.THROTTLED, Reason.PROVIDER_DOWN, Reason.LOCKED})
