"""The kind VirtualMachine: has the plan decide, takes its next step, and reports."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from hybridge.api.desired import machine_spec
from hybridge.api.managed_desired import foreign_blocks
from hybridge.api.notyet import not_yet
from hybridge.api.shared import FINALIZER, SYNC_NOW, Management
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core import machine_plan, machine_status, proof
from hybridge.core.cloudinit import described
from hybridge.core.errors import CloudError, Disposition, IdTaken, Refused, Unreachable
from hybridge.core.identity import PREFIX, Marker
from hybridge.core.machine import Machine, Power
from hybridge.core.machine_situation import Situation
from hybridge.core.plan import Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.units import format_time
from hybridge.engine.admission import admit
from hybridge.engine.bulkhead import Closed
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.machines import sight, userdata
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.claim import allow
from hybridge.engine.machines.memo import Memo
from hybridge.engine.machines.report import MachineReporter
from hybridge.engine.machines.steps import MachineSteps
from hybridge.engine.machines.tasks import follow
from hybridge.engine.meter import MachineMeter
from hybridge.engine.outcome import Again, Done, Failed, Outcome
from hybridge.engine.restrictions import outside, within
from hybridge.engine.world import World

log = logging.getLogger(__name__)

#: Seconds after which something that others have to finish is looked at again, at most.
PATIENCE = 60.0
#: How often the same thing is done before it is told that somebody undoes it.
CONTESTED = 2


class MachineKind:
    """Reconciles VirtualMachines of all clouds."""

    def __init__(self, world: World, meter: MachineMeter) -> None:
        self._world = world
        self._meter = meter
        self._memos: dict[Key, Memo] = {}
        self._steps = MachineSteps(world)
        self._reporter = MachineReporter(world, meter)

    def group(self, key: Key) -> str:
        """The turn of the machine's Provider."""
        return self._world.group(key)

    async def reconcile(self, key: Key) -> Outcome:
        """One step towards the spec, or an honest word why not."""
        machine = self._world.decode(key, VirtualMachine)
        if machine is None or self._is_released(machine):
            self._forget(key)
            return Done()
        memo = self._memo(key, machine)
        memo.began(machine.metadata.generation)
        if self._is_connecting(machine.spec.provider_ref.name):
            return Done()
        try:
            case = await self._open(key, machine, memo)
        except CloudError as error:
            if machine.metadata.deletion_timestamp and self._holds_nothing(machine, memo):
                await self._world.drop_finalizer(key)
                return Again(0.0)
            return await self._tell(key, memo, error)
        try:
            return await self._advance(case)
        except CloudError as error:
            return await self._tell(key, memo, error, case)

    @staticmethod
    def _is_released(machine: VirtualMachine) -> bool:
        return machine.metadata.deletion_timestamp is not None and FINALIZER not in machine.metadata.finalizers

    def _forget(self, key: Key) -> None:
        memo = self._memos.pop(key, None)
        if memo is not None:
            for link in self._world.links():
                link.unbind(key)
            self._meter.gone(key.kind, key.namespace, key.name)

    def _memo(self, key: Key, machine: VirtualMachine) -> Memo:
        memo = self._memos.get(key)
        if memo is None or memo.uid != machine.metadata.uid:
            memo = self._memos[key] = Memo.resume(machine)
        return memo

    @staticmethod
    def _holds_nothing(machine: VirtualMachine, memo: Memo) -> bool:
        """Nothing of it can be in the cloud: an intent is on record before anything is made, and what is only observed
        is nobody's.
        """
        lifecycle = machine.spec.lifecycle
        if lifecycle.management is Management.OBSERVED:
            return not lifecycle.deletion_protection
        return machine.status.id is None and memo.intent(machine) is None and memo.id is None

    async def _open(self, key: Key, machine: VirtualMachine, memo: Memo) -> Case:
        """Everything a reconcile needs. Raises CloudError when this object may not, or cannot, be worked on."""
        provider = await admit(self._world, machine)
        deleting = machine.metadata.deletion_timestamp is not None
        unknown = not_yet(machine.spec)
        if unknown and not deleting:
            raise Refused(Reason.NOT_IMPLEMENTED_YET, f"not implemented yet: {', '.join(unknown)}")
        foreign = foreign_blocks(machine.spec, provider.spec.type)
        if foreign and not deleting:
            raise Refused(
                Reason.INVALID_SPEC,
                f"spec.{foreign[0]} is given, but Provider {provider.metadata.name} is of type {provider.spec.type}",
            )
        link = self._link(provider.metadata.name)
        spec = replace(machine_spec(machine, provider.spec.type), within=within(provider.spec))
        if not deleting:
            _check_tags(spec.tags)
        marker = Marker(
            self._world.cluster_id, machine.metadata.uid, key.kind, machine.metadata.namespace, machine.metadata.name
        )
        return Case(key, machine, memo, provider.spec, link, link.driver.machines.normalize(spec), marker)

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

    async def _advance(self, case: Case) -> Outcome:
        if case.link.bulkhead.breaker.open:
            raise self._down(case.link)
        if not case.deleting and FINALIZER not in case.machine.metadata.finalizers:
            await self._world.add_finalizer(case.key)
        try:
            follow(case)
        except IdTaken:
            await self._steps.give_up(case)
            raise
        self._sync_now(case)
        if case.spec.imports is not None and not case.deleting:
            await self._may_import(case)
        outdated = await userdata.compare(self._world, case)
        situation = sight.situation(self._world, case)
        plan = machine_plan.plan(situation)
        found = proof.locate(situation)
        mine = found if isinstance(found, Machine) else None
        if mine is not None:
            self._recognise(case, situation, mine, plan)
        outcome = await self._step(case, plan, mine)
        return outcome if outdated is None or not isinstance(outcome, Done) else Again(outdated)

    async def _may_import(self, case: Case) -> None:
        """Nothing is told of a machine that the Provider's restrictions do not allow to name, also of one that has moved.
        One that was taken over is ours, wherever it is.
        """
        memo, imports, intent = case.memo, case.spec.imports, case.memo.intent(case.machine)
        recorded = memo.id or (intent.id if intent else None)
        if recorded is not None and not case.spec.observed:
            return
        known = recorded or (imports.id if imports else None)
        seen = case.link.machines.inventory.get(known) if known else None
        if known is None or seen is None:
            return
        asked = memo.unreadable_at is not None and self._world.clock() - memo.unreadable_at < sight.UNREADABLE
        if not seen.detailed and not asked and outside(seen, case.provider):
            await self._look(case, known)
        try:
            allow(case, known)
        except Refused:
            memo.id = memo.created_at = None
            case.link.unbind(case.key)
            raise

    @staticmethod
    def _down(link: Link) -> CloudError:
        breaker = link.bulkhead.breaker
        since = f" (since {format_time(breaker.down_since)})" if breaker.down_since else ""
        return Unreachable(f"{breaker.error.message if breaker.error else 'no answer'}{since}")

    def _sync_now(self, case: Case) -> None:
        wanted = case.machine.metadata.annotations.get(SYNC_NOW)
        if wanted != case.memo.sync_now:
            case.memo.sync_now = wanted
            case.memo.look_again()
            if wanted is not None and case.memo.id:
                case.link.expect(case.key, refresh=case.memo.id)

    def _recognise(self, case: Case, situation: Situation, mine: Machine, plan: Plan) -> None:
        """Puts in memory what seeing our machine proves."""
        memo = case.memo
        memo.id = mine.id
        memo.absent = None
        initializing = isinstance(plan.step, Do) and plan.step.verb is Verb.INITIALIZE
        known = mine.detailed and not initializing and not (situation.traits.initialize and mine.lock)
        if memo.created_at is None and known and not case.deleting and memo.task is None:
            memo.created_at = self._world.clock()
        if memo.given is None and memo.created_at is not None and not case.deleting:
            memo.given = described(case.spec.cloud_init)  # Found by its marker: what it was given nobody knows.
        if mine.power is not Power.RUNNING:
            memo.running_since = None
        elif memo.running_since is None:
            memo.running_since = self._world.clock()

    async def _step(self, case: Case, plan: Plan, mine: Machine | None) -> Outcome:
        memo, link = case.memo, case.link
        match plan.step:
            case Do() as step:
                return await self._do(case, plan, step, mine)
            case Bind(machine_id):
                memo.id = machine_id
                return Again(0.0)
            case Look(machine_id):
                await self._look(case, machine_id)
                return Again(0.0)
            case Search():
                await self._search(case)
                return Again(0.0)
            case Wait() if not link.machines.inventory.settled:
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
                await self._world.drop_finalizer(case.key)
                return Again(0.0)
            case Rest():
                return await self._reporter.report(case, plan, mine, settled=True, after=None)

    async def _look(self, case: Case, machine_id: str) -> None:
        machine = await case.link.bulkhead.call(case.link.driver.machines.get, machine_id)
        if machine is None:
            case.memo.deny(machine_id, self._world.clock())
            case.link.machines.inventory.forget(machine_id)
        else:
            case.memo.absent = None
            case.memo.unreadable_at = None if machine.detailed else self._world.clock()
            case.link.machines.inventory.see(machine)

    async def _search(self, case: Case) -> None:
        link, began = case.link, self._world.clock()
        intent = case.memo.intent(case.machine)
        for machine in await link.bulkhead.call(link.driver.machines.find, case.marker, intent):
            link.machines.inventory.see(machine)
        case.memo.searched_at = began

    async def _do(self, case: Case, plan: Plan, step: Do, mine: Machine | None) -> Outcome:
        memo, now = case.memo, self._world.clock()
        wait = memo.attempts.hold_back(step, now)
        if wait > 0:
            return await self._hold_back(case, plan, step, mine, now + wait)
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
        reason, words = machine_status.progress(step)
        self._world.tell(case.key, reason.value, words)
        return await self._reporter.report(case, plan, mine, settled=False, after=0.0)

    async def _hold_back(self, case: Case, plan: Plan, step: Do, mine: Machine | None, until: float) -> Outcome:
        """What was done before and did not last is done again at growing distances, and that is told."""
        wait, times = until - self._world.clock(), case.memo.attempts.times(step)
        failure = case.memo.attempts.failure(step)
        if failure is not None:
            told = f"{failure.message}; again at {format_time(until)}"
            plan = replace(plan, step=Wait(failure.reason, told))
        elif times >= CONTESTED:
            _, words = machine_status.progress(step)
            told = f"{words}: done {times} times, and changed back each time; again at {format_time(until)}"
            plan = replace(plan, step=Wait(Reason.CONTESTED, told))
        else:
            case.link.expect(case.key)
        return await self._reporter.report(case, plan, mine, settled=False, after=wait)

    async def _tell(self, key: Key, memo: Memo, error: CloudError, case: Case | None = None) -> Outcome:
        """Reports an error; how soon it is tried again depends on what it says."""
        await self._reporter.report_error(key, memo, error, case)
        if error.disposition is Disposition.STOP:
            link = self._world.link(self._world.group(key))
            if link is not None:
                link.settle(key)
            return Failed(error.reason.value, after=memo.attempts.recheck())
        if error.disposition is Disposition.WAIT:
            if case is not None:
                case.link.expect(key)
            return Failed(error.reason.value, after=min(PATIENCE, memo.attempts.patience()))
        return Failed(error.reason.value, after=error.retry_after)


def _check_tags(tags: Mapping[str, str]) -> None:
    """Raises Refused where the schema would not have admitted tags, as an older one may have."""
    if any(name.startswith(PREFIX) for name in tags):
        raise Refused(Reason.INVALID_SPEC, f"spec.tags may not begin with {PREFIX}")
    if odd := next((name for name, text in tags.items() if not f"{name}{text}".isprintable()), None):
        raise Refused(Reason.INVALID_SPEC, f"spec.tags[{odd}] has characters that cannot be printed")
