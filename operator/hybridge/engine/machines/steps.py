"""The steps that change machines, where they differ from those of other kinds: power, cloud-init, groups."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import msgspec

from hybridge.api import desired, records
from hybridge.api.virtualmachine import Phase, VirtualMachine, VirtualMachineStatus
from hybridge.core.attempt import Intent
from hybridge.core.cloudinit import described
from hybridge.core.difference import driver_field
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.machine import Machine, MachineSpec, Power, Restart, RestartPhase, Revert, RevertPhase, RevertWish
from hybridge.core.machine_status import Story
from hybridge.core.plan import Action, Do, Plan, Verb
from hybridge.core.story import conditions
from hybridge.drivers.base import Prepared, Started
from hybridge.engine import conditions as told_conditions
from hybridge.engine.cluster import Conflict
from hybridge.engine.machines import references, userdata, volumes
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.group import apart
from hybridge.engine.objects.steps import ObjectSteps, Wish
from hybridge.engine.restrictions import outside


class MachineSteps(ObjectSteps[Case]):
    """See the base."""

    async def prepare(self, case: Case, wish: Wish, taken: Collection[str]) -> Prepared:
        """See the base."""
        return await case.link.bulkhead.call(case.driver.prepare, wish.spec, taken, apart(self._world, case))

    def creating(self, told: VirtualMachine, intent: Intent, wish: Wish) -> VirtualMachineStatus:
        """See the base."""
        story = Story(MachineSpec(intent.name), Plan(Do((Action(Verb.CREATE, "machine", "", intent.name),))), None)
        generation = told.metadata.generation
        return VirtualMachineStatus(
            observed_generation=generation,
            conditions=told_conditions.write(
                told.status.conditions, conditions(story), generation=generation, now=self._world.clock()
            ),
            intent=records.intent_status(intent),
            phase=Phase.CREATING,
            placement=desired.placed_status(wish.placed) if wish.placed else None,
            restart=desired.restart_status(Restart(told.spec.restart_token or "")),
            revert=desired.reverted_status(told.spec.revert_to) if told.spec.revert_to else None,
            cloud_init=desired.given_status(described(wish.spec.cloud_init)),
        )

    def outside(self, case: Case, found: Machine) -> str | None:
        """See the base."""
        return outside(found, case.provider)

    async def wish(self, case: Case) -> Wish:
        """See the base."""
        named = await self._named(case)
        named.require_image()
        named.require_networks()
        if case.memo.intent(case.object) is None:
            volumes.await_all(self._world, case)
        return Wish(*await userdata.read(self._world, case))

    async def adopting(self, case: Case) -> None:
        """See the base."""
        await userdata.look(self._world, case)

    def recorded(self, case: Case, wish: Wish) -> None:
        """See the base."""
        given = wish.spec.cloud_init
        case.memo.given = described(given)
        case.memo.given_hash = None if given.user_data is None else hash(given.user_data)

    def after(self, case: Case, step: Do, mine: Machine | None, started: Started[Machine]) -> Machine | None:
        """See the base."""
        soon = _SOON.get(started.found.power) if started.found else None
        if mine is not None and step.verb is Verb.SET_POWER:
            soon = Power(step.actions[0].after)
        elif mine is not None and step.verb is Verb.RESTART:
            soon = Power.STOPPED
        current = case.shelf.inventory.get(case.memo.id) if case.memo.id else None
        return None if soon is None or current is None else replace(current, power=soon)

    async def change(self, case: Case, step: Do, mine: Machine) -> Started[Machine]:
        """See the base."""
        call = case.link.bulkhead.call
        if step.verb is Verb.RESTART:
            await self._note_restart(case, Restart(step.actions[0].after, RestartPhase.STOPPING))
            return await call(case.driver.set_power, mine, case.spec, Power.STOPPED)
        if step.verb is Verb.REVERT and case.spec.revert is not None:
            return await self._revert(case, mine, case.spec.revert)
        if step.verb is Verb.SET_POWER:
            power = Power(step.actions[0].after)
            if power is Power.RUNNING:
                await self._end_stop(case)
                await self._end_revert(case)
                await self._note_given(case)
            return await call(case.driver.set_power, mine, case.spec, power, hard=step.hard)
        if step.verb is Verb.ATTACH_VOLUME:
            return await call(case.driver.attach, mine, step.actions[0].after)
        if step.verb is Verb.DETACH_VOLUME:
            return await call(case.driver.detach, mine, step.actions[0].before)
        if any(action.verb in {Verb.INITIALIZE, Verb.CONNECT} for action in step.actions):
            (await self._named(case)).require_networks()
        if step.verb is Verb.INITIALIZE:
            return await self._configure(case, mine, {"initialize"})
        return await self._configure(case, mine, {driver_field(action.field) for action in step.actions})

    async def _named(self, case: Case) -> references.Named:
        """What it refers to, with the labels that grant it read anew: they are not watched. Raises Conflict where the spec
        was made of something else.
        """
        named = await references.resolve(self._world, case.object, age=0.0)
        if (named.image, named.networks) != (case.named.image, case.named.networks):
            raise Conflict
        return named

    async def _configure(self, case: Case, mine: Machine, fields: Collection[str]) -> Started[Machine]:
        spec, intent = case.spec, case.memo.intent(case.object)
        if userdata.RENDERED.intersection(fields):
            spec, _ = await userdata.read(self._world, case)
        started = await case.link.bulkhead.call(case.driver.configure, mine, spec, fields, intent, case.marker)
        userdata.rendered(case, spec, fields, started)
        return started

    async def _note_given(self, case: Case) -> None:
        """Puts on record what cloud-init was given, before a start has it read: else it would be given once more."""
        status, given = case.object.status, case.memo.given
        wanted = desired.given_status(given) if given is not None else None
        if wanted is not None and status.cloud_init != wanted:
            await self.write(case, msgspec.structs.replace(status, cloud_init=wanted))

    async def _end_stop(self, case: Case) -> None:
        """A restart that has stopped the machine is past that, before it is started again."""
        token, record = case.spec.restart_token, case.object.status.restart
        if record is None:
            return
        asked = token is not None and token != record.token
        if asked or record.phase is RestartPhase.STOPPING:
            await self._note_restart(case, Restart(token or record.token, RestartPhase.STARTING))

    async def _revert(self, case: Case, mine: Machine, wish: RevertWish) -> Started[Machine]:
        """Stops a machine that is to go back, or has it go back. Its guest is not asked: what it would write is given up."""
        call, record = case.link.bulkhead.call, case.object.status.revert
        known = desired.revert(record) if record else None
        begun = known is not None and known.token == wish.token and known.phase is not RevertPhase.DONE
        ran = known.ran if known is not None and begun else mine.power is Power.RUNNING
        if mine.power is not Power.STOPPED:
            await self._note_revert(case, Revert(wish.token, wish.snapshot, RevertPhase.STOPPING, ran))
            return await call(case.driver.set_power, mine, case.spec, Power.STOPPED, hard=True)
        await self._note_revert(case, Revert(wish.token, wish.snapshot, RevertPhase.REVERTING, ran))
        case.memo.reverted = None
        try:
            started = await call(case.driver.revert, mine, wish.snapshot_id or "")
        except CloudError as error:
            if error.took_effect_possible:
                # Whether it runs now tells whether it has gone back: the next plan asks the cloud.
                case.shelf.inventory.forget(mine.id)
            elif error.disposition is Disposition.STOP:
                refused = Revert(wish.token, wish.snapshot, RevertPhase.REFUSED, ran, error.message)
                await self._note_revert(case, refused)
            raise
        if started.task is not None:
            case.memo.reverting = wish.token
        elif not started.again:
            case.memo.reverted = wish.token
        return started

    async def _end_revert(self, case: Case) -> None:
        """A machine that has gone back is past that, before it is started again."""
        record = case.object.status.revert
        if record is None or record.phase in {RevertPhase.STARTING, RevertPhase.DONE}:
            return
        refused = record.phase is RevertPhase.REFUSED
        phase = RevertPhase.REFUSED if refused else RevertPhase.STARTING
        await self._note_revert(case, replace(desired.revert(record), phase=phase, ran=record.ran and not refused))

    async def _note_revert(self, case: Case, revert: Revert) -> None:
        """Puts a revert on record before anything happens. Raises Conflict when we are stale."""
        status, told = case.object.status, desired.revert_status(revert)
        if status.revert != told:
            await self.write(case, msgspec.structs.replace(status, revert=told))

    async def _note_restart(self, case: Case, restart: Restart) -> None:
        """Puts a restart on record before anything happens. Raises Conflict when we are stale."""
        status = msgspec.structs.replace(case.object.status, restart=desired.restart_status(restart))
        await self.write(case, status)


#: Where a transition of power leads when its task succeeds.
_SOON = {Power.STARTING: Power.RUNNING, Power.STOPPING: Power.STOPPED}
