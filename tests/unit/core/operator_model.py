"""An operator that does nothing but what the plan says, on the small cloud of ``cloud_model``.

It is a process that forgets everything but the object's status whenever it crashes. What it keeps and when it keeps it is
as in the engine; there is no queue, no thread and no Kubernetes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from hybridge.core import machine_plan, proof
from hybridge.core.attempt import Intent
from hybridge.core.identity import machine_uuid, token
from hybridge.core.imports import matches
from hybridge.core.machine import Machine, MachineSpec, Power, Restart, RestartPhase
from hybridge.core.machine_situation import Record, Situation
from hybridge.core.plan import Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Verb, Wait
from hybridge.core.situation import Sight
from hybridge.core.task import Task, TaskState
from tests.unit.core.cloud_model import MINE, Cloud, Crash, NoEffect, TokenSpent, Unanswered, Violation

IDENTITY = "account-1"


@dataclass
class Status:
    """What survives a crash."""

    intent: Intent | None = None
    id: str | None = None
    created: bool = False
    task: Task | None = None
    released: bool = False
    restart: Restart | None = None


@dataclass
class Memory:
    """What does not."""

    id: str | None = None
    created: bool = False
    task: Task | None = None
    absent: str | None = None
    denied_since: float | None = None
    denied_at: float | None = None
    searched_at: float | None = None
    token_spent: bool = False
    settled: bool = False
    sweeps: int = 0
    picture: dict[str, Machine] = field(default_factory=dict)


@dataclass
class Operator:
    """One object and the process that looks after it, one step at a time."""

    cloud: Cloud
    spec: MachineSpec
    deleting: bool = False
    protected: bool = False
    identity: str = IDENTITY
    status: Status = field(default_factory=Status)
    memory: Memory = field(default_factory=Memory)
    steps: list[Plan] = field(default_factory=list)

    def crash(self) -> None:
        """The process ends and another begins with what the status tells."""
        status = self.status
        self.memory = Memory(id=status.id, created=status.created, task=status.task)

    def reconcile(self) -> Plan:
        """One step, and the time that it takes."""
        if self.status.released:
            raise Violation("the object is gone, and something still works on it")
        situation = self.situation()
        plan = machine_plan.plan(situation)
        found = proof.locate(situation)
        self.steps.append(plan)
        mine = found if isinstance(found, Machine) else None
        if mine is not None:
            self._recognise(situation, mine, plan)
        try:
            self._take(situation, plan, mine)
        except Crash:
            self.crash()
        except (NoEffect, Unanswered):
            # What was seen may not be what is there.
            step = plan.step
            adopted = step.actions[0].after if isinstance(step, Do) and step.verb is Verb.ADOPT else ""
            self.memory.picture.pop(mine.id if mine else adopted, None)
        else:
            self._save()
        self.cloud.advance(1.0)
        return plan

    def sweep(self) -> None:
        """A bulk look. Everything is known after the second one."""
        memory, plain = self.memory, self.cloud.nature.bulk_is_plain
        listed = self.cloud.listed()
        fresh = {
            machine_id: machine if not plain or machine_id in memory.picture else _plainly(machine)
            for machine_id, machine in listed.items()
        }
        memory.picture = fresh
        memory.sweeps += 1
        memory.settled = memory.settled or memory.sweeps > (1 if plain else 0)
        if memory.task is not None:
            memory.task = self.cloud.task(memory.task.id)
            if memory.task.state is not TaskState.RUNNING:
                memory.task = None

    def situation(self) -> Situation:
        """What the plan is shown."""
        memory, intent = self.memory, self.status.intent
        known = memory.id or (intent.id if intent and not intent.rejected else None)
        imports = self.spec.imports
        meant = known or (imports.id if imports else None)
        carriers = tuple(machine for machine in memory.picture.values() if _owner(machine) == MINE.owner)
        earlier = tuple(
            machine
            for machine in memory.picture.values()
            if machine.marker and machine.marker != MINE and machine.marker.names_same_object(MINE)
        )
        sight = Sight(
            settled=memory.settled,
            recorded=memory.picture.get(known) if known else None,
            absent=meant is not None and memory.absent == meant,
            denied_since=memory.denied_since,
            denied_at=memory.denied_at,
            carriers=carriers,
            predecessors=() if known or carriers or intent else earlier,
            matches=matches(imports, memory.picture.values()) if imports and not (known or carriers) else (),
            task=memory.task,
            searched_at=memory.searched_at,
            token_spent=memory.token_spent,
        )
        record = Record(memory.id, intent, memory.created, self.deleting, self.protected, restart=self.status.restart)
        return Situation(self.spec, record, sight, self.cloud.nature.traits, MINE, self.identity, self.cloud.now)

    def _recognise(self, situation: Situation, mine: Machine, plan: Plan) -> None:
        memory = self.memory
        memory.id, memory.absent = mine.id, None
        initializing = isinstance(plan.step, Do) and plan.step.verb is Verb.INITIALIZE
        known = mine.detailed and not initializing and not (situation.traits.initialize and mine.lock)
        if known and not self.deleting and memory.task is None:
            memory.created = True

    def _save(self) -> None:
        memory, status = self.memory, self.status
        status.id, status.created, status.task = memory.id, memory.created, memory.task

    def _take(self, situation: Situation, plan: Plan, mine: Machine | None) -> None:
        memory, cloud = self.memory, self.cloud
        match plan.step:
            case Do() as step:
                self._do(step, mine)
            case Bind(machine_id):
                memory.id = machine_id
            case Look(machine_id):
                self._look(machine_id)
            case Search():
                memory.picture |= {machine.id: machine for machine in cloud.find(MINE, situation.record.intent)}
                memory.searched_at = cloud.now
            case Release():
                self.status.released = True
            case Wait(_, _, after):
                cloud.advance(after or 0.0)
                self.sweep()
            case Rest() | Refuse():
                record = self.status.restart
                if isinstance(plan.step, Rest) and record is not None:
                    self.status.restart = Restart(self.spec.restart_token or record.token)
                self.sweep()

    def _look(self, machine_id: str) -> None:
        memory, machine = self.memory, self.cloud.get(machine_id)
        if machine is None:
            if memory.absent != machine_id:
                memory.absent, memory.denied_since = machine_id, self.cloud.now
            memory.denied_at = self.cloud.now
            memory.picture.pop(machine_id, None)
        else:
            memory.absent = None
            memory.picture[machine_id] = machine

    def _do(self, step: Do, mine: Machine | None) -> None:
        memory, cloud = self.memory, self.cloud
        if step.verb is Verb.CREATE:
            self._create(anew=step.anew)
            return
        if step.verb is Verb.ADOPT:
            self._adopt(step.actions[0].after)
            return
        if mine is None:
            raise Violation(f"{step.verb} without a machine")
        intent = self.status.intent
        if step.verb is Verb.INITIALIZE:
            if intent is None:
                raise Violation("a machine is initialized of which nothing is on record")
            cloud.initialize(mine, self.spec, intent, MINE)
        elif step.verb is Verb.RESTART:
            self.status.restart = Restart(step.actions[0].after, RestartPhase.STOPPING)
            cloud.may_stop = True
            memory.task = cloud.set_power(mine, self.spec, Power.STOPPED, hard=False)
        elif step.verb is Verb.SET_POWER:
            self._end_stop(Power(step.actions[0].after))
            cloud.may_stop = self._may_stop()
            memory.task = cloud.set_power(mine, self.spec, Power(step.actions[0].after), hard=step.hard)
        elif step.verb is Verb.DELETE:
            cloud.may_delete = self.deleting and not self.protected and not self.spec.detach
            memory.task = cloud.delete(mine)
        elif step.verb is Verb.DETACH:
            cloud.mark(mine, None, expected=MINE)
        else:
            cloud.configure(mine, self.spec, {action.field.partition(".")[0] for action in step.actions}, MINE)
        self._see(mine.id)

    def _end_stop(self, power: Power) -> None:
        record, token = self.status.restart, self.spec.restart_token
        if power is Power.RUNNING and record is not None:
            asked = token is not None and token != record.token
            if asked or record.phase is RestartPhase.STOPPING:
                self.status.restart = Restart(token or record.token, RestartPhase.STARTING)

    def _may_stop(self) -> bool:
        record = self.status.restart
        restarting = record is not None and (
            record.phase is RestartPhase.STOPPING or self.spec.restart_token not in {None, record.token}
        )
        return self.spec.power is Power.STOPPED or self.spec.disruption or self.deleting or restarting

    def _see(self, machine_id: str) -> None:
        """What an accepted call tells of the machine."""
        guest = self.cloud.living(machine_id)
        if guest is None:
            self.memory.picture.pop(machine_id, None)
        else:
            self.memory.picture[machine_id] = guest.machine

    def _create(self, *, anew: bool) -> None:
        memory, cloud, intent = self.memory, self.cloud, self.status.intent
        if anew or intent is None:
            attempt = intent.attempt + 1 if intent else 1
            intent = Intent(
                attempt,
                token(MINE.uid, attempt),
                self.spec.name,
                machine_uuid(MINE.uid, attempt),
                self.identity,
                cloud.now,
                id=self._free_id() if cloud.nature.chooses_id else None,
            )
            self.status = Status(intent, restart=Restart(self.spec.restart_token or ""))
            memory.id, memory.created, memory.absent, memory.searched_at = None, False, None, None
            memory.token_spent = False
        else:
            self.status.intent = intent = replace(intent, repeated_at=cloud.now)
        try:
            machine, memory.task = cloud.create(intent, self.spec, MINE)
        except NoEffect:
            # A refusal of a repetition tells nothing about what was sent before it.
            if anew:
                self.status.intent = replace(intent, rejected=True)
            raise
        except TokenSpent:
            memory.token_spent = True
            return
        if machine is not None:
            memory.id = machine.id
            memory.picture[machine.id] = machine

    def _free_id(self) -> str:
        cloud = self.cloud
        taken = {guest.machine.id for guest in cloud.guests if cloud.nature.remembers or not guest.dead}
        return next(str(number) for number in itertools.count(1000) if str(number) not in taken)

    def _adopt(self, machine_id: str) -> None:
        machine = self.memory.picture[machine_id]
        imported = machine.marker is None and self.spec.imports is not None
        if not imported and (machine.marker is None or not machine.marker.names_same_object(MINE)):
            raise Violation(f"{machine_id} was adopted, but it is not an earlier one of ours")
        self.status = Status(
            Intent(0, "", machine.name, machine.uuid or "", self.identity, self.cloud.now, id=machine_id),
            restart=Restart(self.spec.restart_token or ""),
        )
        self.memory.id, self.memory.created = None, False
        self.cloud.mark(machine, MINE, expected=machine.marker)
        self._see(machine_id)


def _owner(machine: Machine) -> str | None:
    return machine.marker.owner if machine.marker else None


def _plainly(machine: Machine) -> Machine:
    return replace(machine, marker=None, uuid=None, root_disk=None, tags={}, detailed=False)
