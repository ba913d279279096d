"""What is told of a machine: phase and conditions, from the same plan that decides what is done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hybridge.core.conditions import FALSE, TRUE, Condition, Type, advised
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.plan import Action, Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Step, Verb, Wait
from hybridge.core.reasons import Reason

#: Errors that tell nothing about the machine: it is as it was when it was last seen.
_BLIND = frozenset(
    {
        Reason.PROVIDER_DOWN,
        Reason.PROVIDER_NOT_READY,
        Reason.PAUSED,
        Reason.THROTTLED,
        Reason.DEPENDENCY_NOT_READY,
        Reason.SECRET_NOT_FOUND,
        Reason.INVALID_SPEC,
        Reason.NOT_IMPLEMENTED_YET,
        Reason.UNSUPPORTED,
    }
)
#: Refusals because what is seen under our id is not, or may not be, our machine.
_UNPROVEN = frozenset(
    {
        Reason.IDENTITY_MISMATCH,
        Reason.IDENTITY_AMBIGUOUS,
        Reason.PROVIDER_IDENTITY_MISMATCH,
        Reason.LOST,
        Reason.ALREADY_OWNED,
        Reason.IMPORT_AMBIGUOUS,
    }
)


class Phase(StrEnum):
    """One word for people; conditions are what programs read."""

    PENDING = "Pending"
    CREATING = "Creating"
    RUNNING = "Running"
    STOPPED = "Stopped"
    UPDATING = "Updating"
    DELETING = "Deleting"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Story:
    """What a reconcile knows when it reports. ``was_ready``: Ready was True before; ``address_timed_out``: an address
    was waited for long enough; ``unseen``: the cloud is looked at, and does not show the machine.
    """

    spec: MachineSpec
    plan: Plan | None
    machine: Machine | None
    error: CloudError | None = None
    deleting: bool = False
    created: bool = False
    was_ready: bool = False
    address_timed_out: bool = False
    unseen: bool = False


def phase(story: Story) -> Phase:
    """The phase, from the first line that fits."""
    if story.deleting:
        return Phase.DELETING
    machine, error = _proven(story), story.error
    if not story.created:
        failed = (error and error.disposition is Disposition.STOP) or _refusal(story)
        begun = story.plan is not None and story.spec.imports is None
        return Phase.FAILED if failed else Phase.CREATING if begun else Phase.PENDING
    if machine is None:
        return Phase.FAILED if _refusal(story) else Phase.UNKNOWN
    if machine.power in {Power.RUNNING, Power.STOPPED}:
        step = story.plan.step if story.plan else None
        return Phase.UPDATING if isinstance(step, Do) else Phase(machine.power.value)
    return Phase.UPDATING if machine.power in {Power.STARTING, Power.STOPPING} else Phase.UNKNOWN


def conditions(story: Story) -> tuple[Condition, ...]:
    """Ready, Synced and Drifted always; Reconciling and Stalled when they are True."""
    synced = _synced(story)
    ready = _ready(story, synced)
    stalled = _stalled(story, synced)
    resting = story.error is None and story.plan is not None and isinstance(story.plan.step, Rest)
    busy = stalled is None and (ready.status != TRUE or (synced.status != TRUE and not resting))
    pending = synced if synced.status != TRUE else ready
    return (
        ready,
        synced,
        _drifted(story),
        Condition(Type.RECONCILING, TRUE if busy else FALSE, pending.reason, pending.message),
        stalled or Condition(Type.STALLED, FALSE, synced.reason),
    )


def _proven(story: Story) -> Machine | None:
    """The machine, unless the plan refuses because it may not be ours."""
    refusal = _refusal(story)
    return None if refusal and refusal.reason in _UNPROVEN else story.machine


def _ready(story: Story, synced: Condition) -> Condition:
    machine = _proven(story)
    if story.deleting:
        return Condition(Type.READY, FALSE, Reason.DELETING, synced.message)
    if _is_blind(story) and story.was_ready:
        state = _STATES.get(machine.power) if machine else None
        return Condition(Type.READY, TRUE, state or synced.reason, f"last known state: {synced.message}")
    if machine is None or not story.created or not _has_wanted_power(story, machine):
        return Condition(Type.READY, FALSE, synced.reason, synced.message)
    if not story.was_ready and story.plan and not isinstance(story.plan.step, Rest | Refuse):
        # A machine becomes Ready once all that was asked for has arrived; it stays so while it is changed.
        return Condition(Type.READY, FALSE, synced.reason, synced.message)
    if waits_for_address(story):
        return Condition(Type.READY, FALSE, Reason.WAITING_FOR_ADDRESS, Reason.WAITING_FOR_ADDRESS.hint)
    waiting = f"; {synced.message}" if synced.status != TRUE and synced.message else ""
    words = f"{machine.id} is {machine.power.value.lower()}{waiting}"
    return Condition(Type.READY, TRUE, _STATES[machine.power], words)


def _has_wanted_power(story: Story, machine: Machine) -> bool:
    """Whether it runs or is stopped as it should be; where that is left open, or left as it is, either is right."""
    if machine.power not in {Power.RUNNING, Power.STOPPED}:
        return False
    plan = story.plan
    if plan is None or not (plan.actions or isinstance(plan.step, Rest)):
        return story.spec.power in {None, machine.power}
    return all(action.field != "powerState" for action in (*plan.actions, *plan.drift))


def _is_blind(story: Story) -> bool:
    """Whether nothing new is known of the machine: an error keeps us from looking, or from knowing what to look for."""
    if story.error is None or story.error.reason not in _BLIND:
        return False
    return (story.machine is None and not story.unseen) or story.error.reason is Reason.PROVIDER_DOWN


_STATES = {
    Power.RUNNING: Reason.RUNNING,
    Power.STOPPED: Reason.STOPPED,
    Power.STARTING: Reason.STARTING,
    Power.STOPPING: Reason.STOPPING,
}


def waits_for_address(story: Story) -> bool:
    """Whether a machine that has just begun to run is expected to report an address, and has not yet."""
    machine = story.machine
    return (
        machine is not None
        and machine.power is Power.RUNNING
        and machine.reports_addresses
        and not machine.addresses
        and not story.was_ready
        and not story.address_timed_out
    )


def _synced(story: Story) -> Condition:
    if story.error is not None:
        return Condition(Type.SYNCED, FALSE, story.error.reason, story.error.message)
    if story.plan is None:
        return Condition(Type.SYNCED, FALSE, Reason.PENDING)
    reason, message = progress(story.plan.step)
    if isinstance(story.plan.step, Rest):
        if story.plan.drift:
            left = "only observed" if story.spec.observed else "left as it is"
            words = ", ".join(_words(action) for action in story.plan.drift)
            return Condition(Type.SYNCED, FALSE, Reason.DRIFTED, f"{left}: {words} is wanted")
        return Condition(Type.SYNCED, TRUE, Reason.IN_SYNC)
    return Condition(Type.SYNCED, FALSE, reason, message)


def progress(step: Step) -> tuple[Reason, str]:
    """What a step does, or why none is taken, in words."""
    match step:
        case Wait(reason, message) | Refuse(reason, message):
            return reason, message
        case Do() as step:
            return _VERBS[step.verb], ", ".join(_words(action) for action in step.actions)
        case Bind(machine_id):
            return Reason.SEARCHING, f"{machine_id} carries this object's marker"
        case Look() | Search():
            return Reason.SEARCHING, "the cloud is asked past every cache"
        case Release():
            return Reason.DELETING, "nothing is left in the cloud"
        case Rest():
            return Reason.IN_SYNC, ""


_VERBS = {
    Verb.CREATE: Reason.CREATING,
    Verb.INITIALIZE: Reason.CREATING,
    Verb.ADOPT: Reason.UPDATING,
    Verb.RESIZE: Reason.UPDATING,
    Verb.GROW_DISK: Reason.UPDATING,
    Verb.RETAG: Reason.UPDATING,
    Verb.RENAME: Reason.UPDATING,
    Verb.CONNECT: Reason.UPDATING,
    Verb.RECONFIGURE: Reason.UPDATING,
    Verb.MIGRATE: Reason.UPDATING,
    Verb.REPLACE: Reason.UPDATING,
    Verb.RESTART: Reason.UPDATING,
    Verb.SET_POWER: Reason.UPDATING,
    Verb.DELETE: Reason.DELETING,
    Verb.DETACH: Reason.DETACHING,
}


def _words(action: Action) -> str:
    match action.verb:
        case Verb.CREATE:
            return f"creating {action.after}"
        case Verb.INITIALIZE:
            return f"{action.after} is configured for its first start"
        case Verb.ADOPT:
            return f"taking over {action.after}"
        case Verb.RESTART:
            return f"restart: {action.reason}"
        case Verb.DELETE | Verb.DETACH:
            return f"{'deleting' if action.verb is Verb.DELETE else 'letting go of'} {action.before}"
        case _:
            return f"{action.field} from {action.before or 'nothing'} to {action.after}"


def _drifted(story: Story) -> Condition:
    items = drift(story)
    if not items:
        return Condition(Type.DRIFTED, FALSE, Reason.NO_DRIFT)
    return Condition(Type.DRIFTED, TRUE, Reason.DRIFTED, ", ".join(action.field for action in items))


def drift(story: Story) -> tuple[Action, ...]:
    """Where a machine that once was as wanted differs now."""
    if story.plan is None or story.deleting:
        return ()
    return story.plan.drift


def _refusal(story: Story) -> Refuse | None:
    step = story.plan.step if story.plan else None
    return step if isinstance(step, Refuse) else None


def _stalled(story: Story, synced: Condition) -> Condition | None:
    """That a person has to act: what is wrong, then what helps. GitOps tools show this message and no other."""
    if story.error is not None:
        return _asking(synced) if story.error.disposition is Disposition.STOP else None
    if _refusal(story):
        return _asking(synced)
    left = story.plan.drift if story.plan and isinstance(story.plan.step, Rest) else ()
    if any(action.field == "powerState" for action in left):
        # It is not as it should be, and nobody but a person will change that.
        return _asking(synced)
    return None


def _asking(synced: Condition) -> Condition:
    return Condition(Type.STALLED, TRUE, synced.reason, advised(synced.message, synced.reason))
