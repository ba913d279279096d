"""What a VirtualMachine's status says, written when it is worth a write."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from hybridge.api import desired
from hybridge.api.provider import Provider
from hybridge.api.shared import DriftEntry, Management, PlanEntry, clip
from hybridge.api.virtualmachine import AddressStatus, Phase, RestartStatus, VirtualMachine, VirtualMachineStatus
from hybridge.core import machine_status
from hybridge.core.attempt import Intent
from hybridge.core.cloudinit import described
from hybridge.core.conditions import Type
from hybridge.core.errors import CloudError
from hybridge.core.lifecycle import digest
from hybridge.core.machine import CloudInit, Machine, MachineSpec, Restart
from hybridge.core.machine_status import Story
from hybridge.core.place import Placed
from hybridge.core.plan import Action, Do, Plan, Refuse, Rest, Verb
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes, format_time, parse_duration, parse_time
from hybridge.engine import conditions
from hybridge.engine.keys import Key
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.memo import Memo
from hybridge.engine.meter import MachineMeter
from hybridge.engine.outcome import Again, Done, Outcome
from hybridge.engine.restrictions import outside
from hybridge.engine.world import World

log = logging.getLogger(__name__)

#: Seconds for which a state that will pass is not worth a write of its own; twice as long after each such write.
FLEETING = 2.0
#: Seconds for which a running machine is given time to report an address before it is Ready without one.
ADDRESS_PATIENCE = 300.0
#: Seconds after which an address is asked for that sweeps have not shown.
ADDRESS_DELAY = 1.0
_MOST = 32
#: How many fields ``status.drifted`` holds, and how long the name of a field is in a status.
_MOST_DRIFTED, _MOST_FIELD = 64, 128
#: Characters of what a cloud or a guest tells, in a status.
_MOST_ADDRESS, _MOST_TYPE, _MOST_PLACE = 253, 64, 255


def creating(
    machine: VirtualMachine, intent: Intent, given: CloudInit, placed: Placed | None, now: float
) -> VirtualMachineStatus:
    """The status that goes with a new intent: written before the cloud is asked."""
    plan = Plan(Do((Action(Verb.CREATE, "machine", "", intent.name),)))
    story = Story(MachineSpec(intent.name), plan, None)
    generation = machine.metadata.generation
    return VirtualMachineStatus(
        observed_generation=generation,
        conditions=conditions.write(
            machine.status.conditions, machine_status.conditions(story), generation=generation, now=now
        ),
        intent=desired.intent_status(intent),
        phase=Phase.CREATING,
        placement=desired.placed_status(placed) if placed else None,
        restart=desired.restart_status(Restart(machine.spec.restart_token or "")),
        cloud_init=desired.given_status(described(given)),
    )


class MachineReporter:
    """Writes statuses. What passes within moments is not told, what must not be lost is told at once."""

    def __init__(self, world: World, meter: MachineMeter) -> None:
        self._world = world
        self._meter = meter

    async def report(
        self, case: Case, plan: Plan, mine: Machine | None, *, settled: bool, after: float | None
    ) -> Outcome:
        """Tells how it stands; when to come back. ``settled``: nothing will happen by itself soon."""
        memo, now = case.memo, self._world.clock()
        machine = self._world.decode(case.key, VirtualMachine)
        if machine is None:
            return Done()
        if machine.metadata.generation != memo.generation:
            return Again(0.0)  # Nothing is known yet of the spec that has come meanwhile.
        # What the cloud shows now is told, not what the step just taken will bring; and only of what is provably ours.
        ours = mine is not None or isinstance(plan.step, Do)
        shown = case.link.machines.inventory.get(memo.id) if ours and memo.id else None
        story = self._story(case, machine, plan, shown or mine)
        if isinstance(plan.step, Rest):
            memo.synced = memo.generation
        self._count_drift(case, story)
        if settled and machine_status.waits_for_address(story):
            settled, after = False, self._await_address(case)
        if settled:
            case.link.settle(case.key)
        else:
            left = self._fleeting(memo, now)
            if left > 0:
                return Again(left if after is None else min(after, left))
        await self._write(case.key, memo, machine, story)
        memo.unsettled_since = None if settled else now
        memo.unsettled_told = 0 if settled else memo.unsettled_told + 1
        if after is None:
            return Done()
        return Again(after)

    async def report_error(self, key: Key, memo: Memo, error: CloudError, case: Case | None) -> None:
        """Tells what is in the way, and how the machine is all the same, as far as it is seen."""
        machine = self._world.decode(key, VirtualMachine)
        if machine is None or machine.metadata.generation != memo.generation:
            return
        told = any(
            condition.type == Type.SYNCED.value and condition.reason == error.reason.value
            for condition in machine.status.conditions
        )
        if not told and error.reason not in _PROGRESS:
            self.warn(key, error)
        spec = case.spec if case else desired.machine_spec(machine, "")
        shown = case.link.machines.inventory.get(memo.id) if case and memo.id else self._seen(key, memo, machine, error)
        story = Story(
            spec,
            None,
            shown,
            error=error,
            unseen=shown is None and self._is_unseen(memo, machine),
            deleting=machine.metadata.deletion_timestamp is not None,
            created=memo.created_at is not None,
            was_ready=conditions.is_true(machine.status.conditions, Type.READY),
        )
        await self._write(key, memo, machine, story)

    def _seen(self, key: Key, memo: Memo, machine: VirtualMachine, error: CloudError) -> Machine | None:
        """The machine of an object that may not be worked on, where it is in sight and ours; its changes call the object.

        One that is only observed is not ours, and is shown as long as nothing forbids it.
        """
        name = machine.spec.provider_ref.name
        link, provider = self._world.link(name), self._world.decode(Key("Provider", "", name), Provider)
        if link is None or provider is None or memo.id is None:
            return None
        observed = machine.spec.lifecycle.management is Management.OBSERVED
        if observed and error.reason is Reason.NOT_PERMITTED:
            return None
        link.machines.bind(memo.id, key, parse_duration(machine.spec.sync_interval), observed=observed)
        found = link.machines.inventory.get(memo.id)
        if found is None or not found.detailed or (observed and outside(found, provider.spec)):
            return None
        owner = f"{self._world.cluster_id}/{machine.metadata.uid}"
        return found if observed or (found.marker is not None and found.marker.owner == owner) else None

    def _is_unseen(self, memo: Memo, machine: VirtualMachine) -> bool:
        """Whether the cloud is looked at and does not show a machine that was there."""
        link = self._world.link(machine.spec.provider_ref.name)
        if link is None or memo.id is None or memo.created_at is None or link.bulkhead.breaker.open:
            return False
        lag = link.driver.machines.traits.lag
        known = link.machines.inventory.get(memo.id) is not None
        return link.machines.inventory.settled and not known and self._world.clock() - memo.created_at >= lag

    def warn(self, key: Key, error: CloudError) -> None:
        """Tells of an error in the log and in an Event."""
        log.warning(
            "%s: %s", error.reason, error.message, extra={"object": str(key), "provider": self._world.group(key)}
        )
        self._world.tell(key, error.reason.value, error.message, warning=True)

    def _story(self, case: Case, machine: VirtualMachine, plan: Plan, mine: Machine | None) -> Story:
        memo, now = case.memo, self._world.clock()
        waited = now - memo.running_since if memo.running_since is not None else 0.0
        return Story(
            case.spec,
            plan,
            mine,
            deleting=case.deleting,
            created=memo.created_at is not None,
            was_ready=conditions.is_true(machine.status.conditions, Type.READY),
            address_timed_out=waited > ADDRESS_PATIENCE,
        )

    def _count_drift(self, case: Case, story: Story) -> None:
        """Also of drift that is corrected before it is worth a write."""
        memo, key, now, items = case.memo, case.key, self._world.clock(), machine_status.drift(story)
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

    def _await_address(self, case: Case) -> float:
        waited = self._world.clock() - (case.memo.running_since or self._world.clock())
        # Sweeps find the address of a machine that has just come up; a later one has to be asked for.
        case.link.expect(case.key, refresh=case.memo.id if waited >= ADDRESS_DELAY else None)
        return min(10.0, max(ADDRESS_DELAY, waited / 2))

    @staticmethod
    def _fleeting(memo: Memo, now: float) -> float:
        """Seconds for which the present state is not worth telling yet."""
        if memo.unsettled_since is None:
            memo.unsettled_since = now
        return memo.unsettled_since + FLEETING * 2.0 ** min(memo.unsettled_told, 5) - now

    async def _write(self, key: Key, memo: Memo, machine: VirtualMachine, story: Story) -> None:
        now, old = self._world.clock(), machine.status
        generation = machine.metadata.generation
        new = machine_status.conditions(story)
        plan, drift, restart = _plan(story), _drift(story, old.drift, now), _restart_required(story)
        drifted = _drifted(story, old.drifted)
        if story.error is not None:
            # Nothing was compared: what was told of differences stays.
            plan, drift, drifted, restart = old.plan, old.drift, old.drifted, old.restart_required
            before = conditions.read(old.conditions)
            new = (
                *(one for one in new if one.type is not Type.DRIFTED),
                *(o for o in before if o.type is Type.DRIFTED),
            )
        told = conditions.write(old.conditions, new, generation=generation, now=now)
        task = memo.task
        phase = Phase(machine_status.phase(story).value)
        if story.error is not None and phase is Phase.UNKNOWN:
            # What cannot be looked at now is told as it was last seen.
            phase = old.phase or phase
        status = msgspec.structs.replace(
            old,
            observed_generation=generation,
            met_generation=memo.synced,
            id=memo.id,
            intent=old.intent or (desired.intent_status(memo.recorded) if memo.recorded else None),
            conditions=told,
            task=desired.task_status(task) if task else None,
            plan=plan,
            drift=drift,
            drifted=drifted,
            phase=phase,
            created_at=format_time(memo.created_at) if memo.created_at is not None else None,
            restart=_restart(story, old.restart),
            restart_required=restart,
            cloud_init=desired.given_status(memo.given) if memo.given is not None else None,
        )
        if story.machine is not None:
            status = _with_machine(status, story.machine)
        await self._world.write_status(key, status)
        ready = conditions.is_true(told, Type.READY)
        provider = self._world.group(key)
        self._meter.state(
            key.kind, key.namespace, key.name, provider, ready=ready, synced=conditions.is_true(told, Type.SYNCED)
        )
        if ready and not memo.was_ready and machine.metadata.creation_timestamp:
            memo.was_ready = True
            self._meter.became_ready(key.kind, provider, now - parse_time(machine.metadata.creation_timestamp))


def _with_machine(status: VirtualMachineStatus, machine: Machine) -> VirtualMachineStatus:
    return msgspec.structs.replace(
        status,
        power_state=machine.power,
        addresses=tuple(
            AddressStatus(type=found.type, address=clip(found.address, _MOST_ADDRESS))
            for found in machine.addresses[:64]
        ),
        cpus=machine.cpus,
        memory=None if machine.memory is None else format_bytes(machine.memory),
        instance_type=_clipped(machine.instance_type, _MOST_TYPE),
        host=_clipped(machine.host, _MOST_PLACE),
        zone=_clipped(machine.zone, _MOST_PLACE),
        guest_agent=machine.agent,
    )


def _clipped(text: str | None, most: int) -> str | None:
    return None if text is None else clip(text, most)


def _plan(story: Story) -> tuple[PlanEntry, ...]:
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


def _drift(story: Story, before: tuple[DriftEntry, ...], now: float) -> tuple[DriftEntry, ...]:
    since = {entry.field: entry.since for entry in before}
    return tuple(
        DriftEntry(
            field=clip(action.field, _MOST_FIELD),
            want=clip(action.after),
            found=clip(action.before),
            since=since.get(clip(action.field, _MOST_FIELD)) or format_time(now),
        )
        for action in machine_status.drift(story)[:_MOST]
    )


def _drifted(story: Story, before: Mapping[str, str]) -> Mapping[str, str]:
    found = story.plan.drifted if story.plan else None
    if found is None:
        return before  # Nothing was compared.
    return {clip(action.field, _MOST_FIELD): digest(action.after) for action in found[:_MOST_DRIFTED]}


def _restart(story: Story, record: RestartStatus | None) -> RestartStatus | None:
    """The record of the last restart: once nothing more is asked for, it is done."""
    step = story.plan.step if story.plan else None
    reached = isinstance(step, Rest) or (isinstance(step, Refuse) and step.reason in _AFTER_RESTART)
    if not reached or story.spec.observed:
        return record
    token = story.spec.restart_token
    if token is None and record is not None:
        token = record.token
    return desired.restart_status(Restart(token or ""))


#: What is told as an error and is none: something is under way that was asked for, or somebody else is at work.
_PROGRESS = frozenset({Reason.UPDATING, Reason.STARTING, Reason.STOPPING, Reason.LOCKED, Reason.PAUSED})
#: Refusals that only come when nothing is left to do but what they name.
_AFTER_RESTART = frozenset({Reason.RESTART_REQUIRED, Reason.REPLACEMENT_REQUIRED})


def _restart_required(story: Story) -> bool:
    step = story.plan.step if story.plan else None
    return isinstance(step, Refuse) and step.reason is Reason.RESTART_REQUIRED
