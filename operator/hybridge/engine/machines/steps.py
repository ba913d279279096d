"""The steps that change a cloud, each with its record written first where it has to be."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

import msgspec

from hybridge.api import desired
from hybridge.api.virtualmachine import VirtualMachine, VirtualMachineStatus
from hybridge.core.attempt import Intent, SecretVersion
from hybridge.core.cloudinit import described
from hybridge.core.errors import CloudError, NotProven, Refused, TokenMismatch
from hybridge.core.identity import machine_uuid, token
from hybridge.core.machine import CloudInit, Machine, MachineSpec, Power, Restart, RestartPhase
from hybridge.core.machine_diff import driver_field
from hybridge.core.place import Placed
from hybridge.core.plan import Do, Verb
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Started
from hybridge.engine.cluster import Conflict
from hybridge.engine.machines import userdata
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.claim import claim
from hybridge.engine.machines.group import apart
from hybridge.engine.machines.report import creating
from hybridge.engine.restrictions import misplaced
from hybridge.engine.world import World


class MachineSteps:
    """Takes one step of a plan. Intent before effect: what is about to be made is on record before it is made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._choosing: dict[tuple[str, str, str], asyncio.Lock] = {}

    async def take(self, case: Case, step: Do, mine: Machine | None) -> None:
        """Changes the cloud and keeps what is known of the result. Raises CloudError, Conflict, NotLeading."""
        try:
            started = await self._call(case, step, mine)
        except CloudError as error:
            target = mine.id if mine is not None else step.actions[0].after if step.verb is Verb.ADOPT else None
            if target is not None and (isinstance(error, NotProven) or error.reason is Reason.NOT_FOUND):
                # What was seen is not what is there: forget the picture, so that the next plan asks the cloud.
                case.link.machines.inventory.forget(target)
            raise
        self._keep(case, step, mine, started)

    async def _call(self, case: Case, step: Do, mine: Machine | None) -> Started:
        machines = case.link.driver.machines
        call = case.link.bulkhead.call
        if step.verb is Verb.CREATE:
            return await self._create(case, anew=step.anew)
        if step.verb is Verb.ADOPT:
            return await self._adopt(case, step.actions[0].after)
        if mine is None:
            raise CloudError(Reason.IDENTITY_MISMATCH, "there is no machine to change")
        if step.verb is Verb.RESTART:
            await self._note_restart(case, Restart(step.actions[0].after, RestartPhase.STOPPING))
            return await call(machines.set_power, mine, case.spec, Power.STOPPED)
        if step.verb is Verb.SET_POWER:
            power = Power(step.actions[0].after)
            if power is Power.RUNNING:
                await self._end_stop(case)
                await self._note_given(case)
            return await call(machines.set_power, mine, case.spec, power, hard=step.hard)
        if step.verb in {Verb.DELETE, Verb.DETACH}:
            if step.verb is Verb.DELETE:
                return await call(machines.delete, mine)
            return await call(machines.mark, mine, None)
        if step.verb is Verb.INITIALIZE:
            return await self._configure(case, mine, {"initialize"})
        fields = {driver_field(action.field) for action in step.actions}
        return await self._configure(case, mine, fields)

    async def _configure(self, case: Case, mine: Machine, fields: Collection[str]) -> Started:
        spec, intent = case.spec, case.memo.intent(case.machine)
        if userdata.RENDERED.intersection(fields):
            spec, _ = await userdata.read(self._world, case)
        started = await case.link.bulkhead.call(
            case.link.driver.machines.configure, mine, spec, fields, intent, case.marker
        )
        userdata.rendered(case, spec, fields, started)
        return started

    async def _note_given(self, case: Case) -> None:
        """Puts on record what cloud-init was given, before a start has it read: else it would be given once more."""
        status, given = case.machine.status, case.memo.given
        wanted = desired.given_status(given) if given is not None else None
        if wanted is not None and status.cloud_init != wanted:
            await self._write(case, msgspec.structs.replace(status, cloud_init=wanted))

    async def _end_stop(self, case: Case) -> None:
        """A restart that has stopped the machine is past that, before it is started again."""
        token, record = case.spec.restart_token, case.machine.status.restart
        if record is None:
            return
        asked = token is not None and token != record.token
        if asked or record.phase is RestartPhase.STOPPING:
            await self._note_restart(case, Restart(token or record.token, RestartPhase.STARTING))

    async def _note_restart(self, case: Case, restart: Restart) -> None:
        """Puts a restart on record before anything happens. Raises Conflict when we are stale."""
        status = msgspec.structs.replace(case.machine.status, restart=desired.restart_status(restart))
        await self._write(case, status)

    async def _write(self, case: Case, status: VirtualMachineStatus) -> None:
        await self._world.write_status(case.key, status, read=case.machine.metadata.resource_version)
        written = self._world.decode(case.key, VirtualMachine)
        if written is None or written.metadata.uid != case.machine.metadata.uid:
            raise Conflict
        case.machine = written

    async def _create(self, case: Case, *, anew: bool) -> Started:
        machine = case.machine
        spec, secrets = await userdata.read(self._world, case)
        intent = case.memo.intent(machine)
        first = anew or intent is None
        if anew or intent is None:
            intent = await self._intend(case, spec, secrets, attempt=intent.attempt + 1 if intent else 1)
        else:
            intent = await self._note_repetition(case, intent)
        case.memo.asked_once = False
        try:
            started = await case.link.bulkhead.call(case.link.driver.machines.create, intent, spec, case.marker)
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

    async def _note_repetition(self, case: Case, intent: Intent) -> Intent:
        """Puts on record that a request is sent once more: how long what it makes may be out of sight counts from then.

        Raises Conflict when we are stale.
        """
        again = replace(intent, repeated_at=self._world.clock())
        await self._write(case, msgspec.structs.replace(case.machine.status, intent=desired.intent_status(again)))
        return again

    async def give_up(self, case: Case) -> None:
        """Ends the attempt whose request the cloud took, only to find in its task that something else has the id.

        A repeated request may have met the machine of the first: then the cloud is searched before another attempt.
        """
        memo, intent = case.memo, case.memo.intent(case.machine)
        if intent is None or intent.id is None:
            return
        case.link.machines.inventory.forget(intent.id)
        memo.attempts.start_over()
        if not memo.asked_once:
            memo.token_spent = True
            return
        await self._reject(case, intent)
        memo.id = None
        case.link.unbind(case.key)

    async def _intend(
        self, case: Case, spec: MachineSpec, secrets: tuple[SecretVersion, ...], *, attempt: int
    ) -> Intent:
        """Reads what the call needs, and writes down what is about to happen. Raises Conflict when we are stale."""
        world, link = self._world, case.link
        taken = {machine_id for machine_id, owner in link.machines.owners.items() if owner != case.key}
        async with self._alone(case):
            prepared = await link.bulkhead.call(link.driver.machines.prepare, spec, taken, apart(world, case))
            named = misplaced(prepared.placed, case.provider)
            if named:
                raise Refused(
                    Reason.NOT_PERMITTED, f"Provider {link.name} does not allow {named}: see its spec.restrict"
                )
            intent = self._intent(case, spec, prepared, secrets, attempt)
            await self._record(case, intent, spec.cloud_init, prepared.placed)
        memo = case.memo
        memo.id = memo.created_at = memo.absent = memo.searched_at = None
        memo.token_spent = False
        return intent

    def _alone(self, case: Case) -> AbstractAsyncContextManager[object]:
        """Machines of one group choose their places one after the other, so that each sees where the others go."""
        if case.spec.group is None:
            return nullcontext()
        return self._choosing.setdefault((case.link.name, case.key.namespace, case.spec.group), asyncio.Lock())

    def _intent(
        self, case: Case, spec: MachineSpec, prepared: Prepared, secrets: tuple[SecretVersion, ...], attempt: int
    ) -> Intent:
        uid = case.machine.metadata.uid
        return Intent(
            attempt=attempt,
            token=token(uid, attempt),
            name=spec.name,
            uuid=machine_uuid(uid, attempt),
            provider_identity=case.link.connection.identity,
            started_at=self._world.clock(),
            parameters=prepared.parameters,
            id=prepared.id,
            secrets=secrets,
        )

    async def _record(self, case: Case, intent: Intent, given: CloudInit, placed: Placed | None = None) -> None:
        current = self._world.decode(case.key, VirtualMachine)
        if current is None or current.metadata.uid != case.machine.metadata.uid:
            raise Conflict
        if current.metadata.deletion_timestamp is not None:
            raise Conflict
        await self._world.write_status(case.key, creating(current, intent, given, placed, self._world.clock()))
        case.memo.given = described(given)
        case.memo.given_hash = None if given.user_data is None else hash(given.user_data)
        written = self._world.decode(case.key, VirtualMachine)
        if written is None:
            raise Conflict
        case.machine = written

    async def _reject(self, case: Case, intent: Intent) -> None:
        """The cloud proved that the attempt was without effect: the next one may choose anew."""
        current = self._world.decode(case.key, VirtualMachine)
        if current is None:
            return
        rejected = desired.intent_status(replace(intent, rejected=True))
        status = msgspec.structs.replace(current.status, intent=rejected, id=None, task=None)
        await self._world.write_status(case.key, status)

    async def _adopt(self, case: Case, machine_id: str) -> Started:
        """Takes over the machine of an earlier object in our place, after an uncached look that it is gone; or one that
        is nobody's and is to be imported, unless another object of ours is faster.
        """
        claim(self._world, case, machine_id)
        machine = await self._look_again(case, machine_id)
        body = await self._world.cluster.get(case.key)
        if body is None or body["metadata"]["uid"] != case.machine.metadata.uid:
            raise Conflict
        known = case.memo.intent(case.machine)
        adopting = known is not None and known.attempt == 0 and known.id == machine_id
        intent = Intent(
            attempt=0,
            token="",
            name=machine.name,
            uuid=machine.uuid or "",
            provider_identity=case.link.connection.identity,
            started_at=self._world.clock(),
            id=machine_id,
        )
        if not adopting:
            await userdata.look(self._world, case)
            # What it was given is not known: what is asked for now counts as that.
            await self._record(case, intent, case.spec.cloud_init)
            case.memo.id = case.memo.created_at = None
        return await case.link.bulkhead.call(case.link.driver.machines.mark, machine, case.marker)

    @staticmethod
    async def _look_again(case: Case, machine_id: str) -> Machine:
        """The machine past every cache, still with the marker that it was chosen with: nowhere but on Proxmox VE would
        the cloud itself refuse to overwrite another one. Raises Conflict.
        """
        inventory, before = case.link.machines.inventory, case.link.machines.inventory.get(machine_id)
        machine = await case.link.bulkhead.call(case.link.driver.machines.get, machine_id)
        if machine is None:
            inventory.forget(machine_id)
        else:
            inventory.see(machine)
        if machine is None or before is None or machine.marker != before.marker:
            case.link.unbind(case.key)
            raise Conflict
        return machine

    @staticmethod
    def _keep(case: Case, step: Do, mine: Machine | None, started: Started) -> None:
        memo, inventory = case.memo, case.link.machines.inventory
        if started.id:
            memo.id = started.id
        memo.task = started.task
        memo.after_task = None
        if started.machine is not None and (mine is None or inventory.get(mine.id) is not None):
            # A push that told its end while it was being changed is newer than this answer.
            inventory.see(started.machine)
        if started.task is not None:
            memo.step = step
            case.link.watch_task(started.task, case.key)
            soon = _SOON.get(started.machine.power) if started.machine else None
            if mine is not None and step.verb is Verb.SET_POWER:
                soon = Power(step.actions[0].after)
            elif mine is not None and step.verb is Verb.RESTART:
                soon = Power.STOPPED
            current = inventory.get(memo.id) if memo.id else None
            if soon is not None and current is not None:
                memo.after_task = replace(current, power=soon)
            if mine is not None and step.verb is Verb.DELETE:
                memo.after_task = replace(mine, power=Power.GONE)
        elif mine is not None and step.verb is Verb.DELETE and started.machine is None:
            inventory.forget(mine.id)


def _rules_out(error: CloudError) -> bool:
    """Whether an attempt is over: nothing was changed, and what was asked for cannot be had in this way."""
    return not error.took_effect_possible and error.reason not in _PASSING


#: Reasons for which the very same request may succeed in a moment.
_PASSING = frozenset({Reason.THROTTLED, Reason.PROVIDER_DOWN, Reason.LOCKED})
#: Where a transition of power leads when its task succeeds.
_SOON = {Power.STARTING: Power.RUNNING, Power.STOPPING: Power.STOPPED}
