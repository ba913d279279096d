"""The plan for a machine: a pure function of what is wanted, what is on record and what is seen."""

from __future__ import annotations

from dataclasses import dataclass

from hybridge.core.identity import Marker
from hybridge.core.machine import Intent, Machine, MachineSpec, Power, PowerOff, Task, TaskState, Traits
from hybridge.core.machine_diff import differences
from hybridge.core.plan import Action, Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Step, Verb, Wait
from hybridge.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Record:
    """What the object's status tells of earlier steps.

    ``created``: the machine was seen whole once, so its absence is a loss. ``protected``: deletion is forbidden.
    """

    id: str | None = None
    intent: Intent | None = None
    created: bool = False
    deleting: bool = False
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of the cloud.

    ``settled``: a whole sweep has ended since the Provider was connected. ``recorded``: what has the id on record.
    ``absent``: the cloud itself said that nothing has this id. ``carriers``: machines whose marker names this object.
    ``predecessors``: machines of an earlier object of the same cluster, kind, namespace and name. ``task``: the task
    on record. ``searched_at``: when the last Search ended. ``token_spent``: the token was refused as used otherwise.
    """

    settled: bool
    recorded: Machine | None = None
    absent: bool = False
    carriers: tuple[Machine, ...] = ()
    predecessors: tuple[Machine, ...] = ()
    task: Task | None = None
    searched_at: float | None = None
    token_spent: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the plan looks at. ``identity`` is the Provider's, now; ``now`` in Unix seconds."""

    spec: MachineSpec
    record: Record
    sight: Sight
    traits: Traits
    marker: Marker
    identity: str
    now: float

    @property
    def id(self) -> str | None:
        """The id on record: confirmed, or chosen by the intent."""
        if self.record.id:
            return self.record.id
        intent = self.record.intent
        return intent.id if intent and not intent.rejected else None

    @property
    def intent(self) -> Intent | None:
        """The attempt that may have taken effect."""
        intent = self.record.intent
        return None if intent is None or intent.rejected else intent


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing of ours has the id on record: the cloud said so, or what has it provably is another machine."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """There is no id on record, and nothing in sight is ours."""


def plan(situation: Situation) -> Plan:
    """The next step and all that is left to do. Never raises; the same arguments give the same plan."""
    intent = situation.record.intent
    if intent and intent.provider_identity != situation.identity:
        return Plan(
            Refuse(
                Reason.PROVIDER_IDENTITY_MISMATCH,
                f"made in {intent.provider_identity}, but the Provider now leads to {situation.identity}",
            )
        )
    found = locate(situation)
    if isinstance(found, Machine | Absent | Nowhere):
        return _plan_deletion(situation, found) if situation.record.deleting else _plan_life(situation, found)
    return Plan(found, found.actions if isinstance(found, Do) else ())


def locate(situation: Situation) -> Machine | Absent | Nowhere | Step:
    """Our machine with its identity proven, or the proof that there is none, or the step that leads to a proof."""
    if situation.id is None:
        return _locate_carrier(situation)
    machine = situation.sight.recorded
    if machine is None:
        if _running(situation.sight.task):
            return Wait(_doing(situation), _progress(situation.sight.task))
        if not situation.sight.settled:
            return Wait(Reason.PENDING, "the first sweep of the cloud has not ended")
        return Absent() if situation.sight.absent else Look(situation.id)
    if machine.power is Power.GONE:
        return Absent()
    if not machine.detailed:
        return machine if _is_fresh(situation, machine) else _unread(machine)
    return _prove(situation, machine)


def _is_fresh(situation: Situation, machine: Machine) -> bool:
    """Whether its initialization is next. The driver proves the marker itself before that, so one read is saved."""
    intent, record = situation.intent, situation.record
    made = situation.traits.initialize and intent is not None and intent.attempt > 0
    return made and not record.created and not record.deleting and machine.power is Power.STOPPED and not machine.lock


def _unread(machine: Machine) -> Step:
    if machine.lock:
        return Wait(Reason.LOCKED, f"{machine.id} is locked by a task ({machine.lock})")
    return Look(machine.id)


def _prove(situation: Situation, machine: Machine) -> Machine | Absent | Step:
    intent, traits = situation.intent, situation.traits
    ours = machine.marker is not None and machine.marker.owner == situation.marker.owner
    given = intent.uuid if intent and traits.chooses_uuid and intent.uuid else None
    if ours and given and situation.record.created and machine.uuid != given:
        return Refuse(
            Reason.IDENTITY_MISMATCH,
            f"{machine.id} carries this object's marker but the UUID {machine.uuid} instead of {given}: it is a copy",
        )
    if ours:
        return machine
    if machine.lock:
        return Wait(Reason.LOCKED, f"{machine.id} has no marker yet and is locked by a task ({machine.lock})")
    if _adopting(situation, machine):
        return Do((_adoption(machine),))
    if situation.record.deleting and situation.spec.detach:
        return Absent()
    another = bool(given) and machine.uuid != given
    if another:
        return Absent()
    owner = f"the marker of {machine.marker.owner}" if machine.marker else "no marker"
    return Refuse(
        Reason.IDENTITY_MISMATCH,
        f"{machine.id} ({machine.name}) carries {owner} where {situation.marker.owner} was expected; put the marker "
        "back, or set onDelete to Detach and delete this object",
    )


def _adopting(situation: Situation, machine: Machine) -> bool:
    """Whether an adoption is on record that has not taken effect."""
    intent, marker = situation.intent, machine.marker
    on_record = intent is not None and intent.attempt == 0 and intent.id == machine.id
    return on_record and marker is not None and marker.names_same_object(situation.marker)


def _adoption(machine: Machine) -> Action:
    return Action(Verb.ADOPT, "machine", machine.marker.owner if machine.marker else "", machine.id)


def _locate_carrier(situation: Situation) -> Nowhere | Step:
    carriers = [machine for machine in situation.sight.carriers if machine.power is not Power.GONE]
    if len(carriers) > 1:
        ids = ", ".join(sorted(machine.id for machine in carriers)[:8])
        return Refuse(Reason.IDENTITY_AMBIGUOUS, f"{len(carriers)} machines carry this object's marker: {ids}")
    if not carriers:
        return Nowhere()
    if not situation.sight.settled:
        return Wait(Reason.SEARCHING, "the first sweep of the cloud has not ended")
    if carriers[0].lock:
        return Wait(Reason.LOCKED, f"{carriers[0].id} is locked by a task ({carriers[0].lock})")
    return Bind(carriers[0].id)


def _plan_deletion(situation: Situation, found: Machine | Absent | Nowhere) -> Plan:
    if situation.record.protected:
        return Plan(Refuse(Reason.DELETION_PROTECTED, "spec.lifecycle.deletionProtection is true"))
    if isinstance(found, Absent):
        return Plan(_search_denied(situation) or Release())
    if isinstance(found, Nowhere):
        return Plan(_release_nowhere(situation))
    action = Action(Verb.DETACH if situation.spec.detach else Verb.DELETE, "machine", found.id, "")
    # Nobody waits for a guest to shut down that is deleted anyway.
    busy = _busy(found, None if _shutdown(situation) else situation.sight.task)
    if busy:
        return Plan(busy, (action,))
    stops = not situation.spec.detach and situation.traits.delete_needs_stop and found.power is not Power.STOPPED
    if stops:
        stop = Action(Verb.SET_POWER, "powerState", found.power, Power.STOPPED, disruptive=True, reason="deletion")
        return Plan(Do((stop,), hard=True), (stop, action))
    return Plan(Do((action,)), (action,))


def _release_nowhere(situation: Situation) -> Step:
    intent, sight = situation.intent, situation.sight
    if not sight.settled:
        return Wait(Reason.SEARCHING, "the first sweep of the cloud has not ended")
    if intent is None:
        return Release()
    if _running(sight.task):
        return Wait(Reason.CREATING, "its creation is still running in the cloud")
    return _search_until_visible(situation, intent) or Release()


def _search_denied(situation: Situation) -> Step | None:
    """The step until the cloud's word that there is no such machine is to be believed; None when it is."""
    record, intent, traits = situation.record, situation.intent, situation.traits
    if intent is None or situation.sight.recorded is not None:
        return None
    if record.created or record.id:
        return _search_until_visible(situation, intent, traits.lag) if traits.lag else None
    return _search_until_visible(situation, intent)


def _search_until_visible(situation: Situation, intent: Intent, window: float | None = None) -> Step | None:
    """The step until a search ended late enough to have seen the effect of ``intent``; None when one has.

    ``window``: seconds after the begin of the attempt, by default the visibility of what had no answer.
    """
    visible = intent.started_at + (situation.traits.visibility if window is None else window)
    if situation.now < visible:
        return Wait(
            Reason.SEARCHING,
            "a machine was asked for that may not be visible yet",
            after=visible - situation.now,
        )
    if situation.sight.searched_at is None or situation.sight.searched_at < visible:
        return Search()
    return None


def _plan_life(situation: Situation, found: Machine | Absent | Nowhere) -> Plan:
    if isinstance(found, Machine):
        return _plan_machine(situation, found)
    create = Action(Verb.CREATE, "machine", "", situation.spec.name)
    intent, sight = situation.intent, situation.sight
    if _running(sight.task):
        return Plan(Wait(_doing(situation), _progress(sight.task)), (create,))
    if isinstance(found, Absent) and _is_loss(situation):
        denied = _search_denied(situation)
        if denied:
            return Plan(denied)
        if situation.spec.recreate_lost:
            return Plan(Do((create,), anew=True), (create,))
        return Plan(Refuse(Reason.LOST, f"{situation.id} is gone from the cloud, and nobody here asked for that"))
    if not sight.settled:
        return Plan(Wait(Reason.PENDING, "the first sweep of the cloud has not ended"), (create,))
    if intent is None:
        return _plan_first(situation, create)
    if isinstance(found, Absent) and sight.recorded is not None:
        # The id that the intent chose is somebody else's, or its machine ended at once: not this attempt.
        return Plan(Do((create,), anew=True), (create,))
    repeatable = intent.attempt > 0 and not sight.token_spent
    if repeatable and situation.now < intent.started_at + situation.traits.token_lifetime:
        return Plan(Do((create,)), (create,))
    return Plan(_search_until_visible(situation, intent) or Do((create,), anew=True), (create,))


def _is_loss(situation: Situation) -> bool:
    """Whether what is absent is known to have existed: seen whole, adopted, or given its id by the cloud."""
    record, intent = situation.record, situation.intent
    if record.created or intent is None or intent.attempt == 0:
        return True
    return record.id is not None and record.id != intent.id


def _plan_first(situation: Situation, create: Action) -> Plan:
    earlier = [
        machine
        for machine in situation.sight.predecessors
        if machine.power is not Power.GONE and machine.marker and machine.marker.names_same_object(situation.marker)
    ]
    if len(earlier) > 1:
        ids = ", ".join(sorted(machine.id for machine in earlier)[:8])
        return Plan(Refuse(Reason.IDENTITY_AMBIGUOUS, f"{len(earlier)} machines of an earlier object: {ids}"))
    if earlier:
        adopt = _adoption(earlier[0])
        return Plan(Do((adopt,)), (adopt,))
    return Plan(Do((create,), anew=True), (create,))


def _plan_machine(situation: Situation, machine: Machine) -> Plan:
    spec, record, traits, sight = situation.spec, situation.record, situation.traits, situation.sight
    if traits.initialize and not record.created and _uninitialized(situation, machine):
        first = Action(Verb.INITIALIZE, "machine", "", machine.id)
        return Plan(_busy(machine, sight.task) or Do((first,)), (first,))
    changes = differences(spec, machine, traits)
    running = machine.power is not Power.STOPPED
    power = _power_actions(spec, machine)
    waiting = tuple(action for action in changes if action.disruptive and running)
    now = tuple(action for action in changes if action not in waiting)
    actions = (*now, *waiting, *power)
    shutdown = _shutdown(situation)
    if shutdown and not machine.lock:
        wanted = spec.power is Power.STOPPED or (bool(waiting) and spec.disruption)
        busy = _await_shutdown(situation, machine, shutdown, wanted=wanted) or _busy(machine, None)
    else:
        busy = _busy(machine, sight.task)
    if busy:
        return Plan(busy, actions)
    if power and spec.power is Power.STOPPED:
        return Plan(Do(power), actions)
    if now:
        return Plan(Do(tuple(action for action in now if action.verb is now[0].verb)), actions)
    if waiting and spec.disruption:
        stop = Action(
            Verb.SET_POWER, "powerState", machine.power, Power.STOPPED, disruptive=True, reason="a change needs it"
        )
        return Plan(Do((stop,)), (stop, *actions))
    if power:
        return Plan(Do(power), actions)
    if waiting:
        fields = ", ".join(f"{action.field} {action.before} to {action.after}" for action in waiting)
        return Plan(Refuse(Reason.RESTART_REQUIRED, f"a power cycle is needed for {fields}"), actions)
    return Plan(Rest())


def _uninitialized(situation: Situation, machine: Machine) -> bool:
    intent = situation.intent
    return intent is not None and intent.attempt > 0 and (not machine.detailed or machine.uuid != intent.uuid)


def _power_actions(spec: MachineSpec, machine: Machine) -> tuple[Action, ...]:
    if spec.power is None or machine.power is spec.power:
        return ()
    disruptive = spec.power is Power.STOPPED
    return (Action(Verb.SET_POWER, "powerState", machine.power, spec.power, disruptive=disruptive),)


def _busy(machine: Machine, task: Task | None) -> Step | None:
    if _running(task):
        return Wait(Reason.UPDATING, _progress(task))
    if machine.lock:
        return Wait(Reason.LOCKED, f"{machine.id} is locked by a task ({machine.lock})")
    if machine.power is Power.STARTING:
        return Wait(Reason.STARTING, f"{machine.id} is starting")
    if machine.power is Power.STOPPING:
        return Wait(Reason.STOPPING, f"{machine.id} is stopping")
    return None


def _shutdown(situation: Situation) -> Task | None:
    """The task that waits for a guest to shut down; it may never end."""
    task = situation.sight.task
    return task if task and task.operation == "Shutdown" and _running(task) else None


def _await_shutdown(situation: Situation, machine: Machine, task: Task, *, wanted: bool) -> Step | None:
    """A soft stop that took too long becomes a hard one where the user allows it. One that is no longer ``wanted`` is
    given its time, and is nothing to wait for after that.
    """
    spec = situation.spec
    if machine.power is Power.STOPPED:
        return Wait(Reason.UPDATING, _progress(task))
    left = task.started_at + spec.power_off_timeout - situation.now
    hard = wanted and (spec.power_off is PowerOff.HARD or (spec.power_off is PowerOff.TRY_SOFT and left <= 0))
    if left > 0 and not hard:
        return Wait(Reason.STOPPING, f"the guest of {machine.id} was asked to shut down", after=left)
    if not hard:
        return Wait(Reason.STOPPING, f"the guest of {machine.id} does not shut down") if wanted else None
    stop = Action(
        Verb.SET_POWER,
        "powerState",
        machine.power,
        Power.STOPPED,
        disruptive=True,
        reason=f"the guest did not shut down within {max(0.0, situation.now - task.started_at):.0f} s",
    )
    return Do((stop,), hard=True)


def _running(task: Task | None) -> bool:
    return task is not None and task.state is TaskState.RUNNING


def _doing(situation: Situation) -> Reason:
    if situation.record.deleting:
        return Reason.DELETING
    return Reason.UPDATING if situation.record.created else Reason.CREATING


def _progress(task: Task | None) -> str:
    if task is None:
        return ""
    percent = f" ({task.progress} %)" if task.progress is not None else ""
    return f"{task.operation} is running in the cloud{percent}"
