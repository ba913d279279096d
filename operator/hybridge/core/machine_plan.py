"""The plan for a machine: a pure function of what is wanted, what is on record and what is seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hybridge.core.busy import is_none_of_ours
from hybridge.core.cloudinit import USER_DATA
from hybridge.core.deletion import plan_deletion
from hybridge.core.difference import counts_name, in_words, judge
from hybridge.core.existence import ours
from hybridge.core.machine import Machine, Power, PowerOff, RestartPhase, RevertPhase
from hybridge.core.machine_busy import await_shutdown, busy, shutdown
from hybridge.core.machine_diff import differences
from hybridge.core.machine_revert import resumed, revert
from hybridge.core.machine_situation import Situation
from hybridge.core.machine_volumes import kept_back, staying, volume_field
from hybridge.core.plan import Action, Do, Plan, Refuse, Rest, Step, Verb, Wait, together
from hybridge.core.reasons import Reason

_POWER = "powerState"


def plan(situation: Situation) -> Plan:
    """The next step and all that is left to do. Never raises; the same arguments give the same plan."""
    found = ours(situation)
    if isinstance(found, Plan):
        return found
    if situation.spec.observed:
        # What differs is told, and nothing else is ever done.
        return Plan(Rest(), drift=_Open.of(situation, found).everything)
    return _plan_deletion(situation, found) if situation.record.deleting else _plan_machine(situation, found)


def _plan_deletion(situation: Situation, machine: Machine) -> Plan:
    """Volumes survive their machine, and in some clouds a machine takes with it what it has: they are detached, and seen
    detached, before it goes. A guest that has any is asked to stop first, so that it writes what it holds back.
    """
    spec, asked = situation.spec, shutdown(situation)
    stays = () if spec.detach else staying(situation, machine)
    if isinstance(stays, Wait | Refuse):
        return plan_deletion(situation, machine, stays)
    if asked and stays and not machine.lock:
        wait = await_shutdown(_in_time(situation), machine, asked, wanted=True) or busy(machine, None)
    else:
        # Nobody waits for a guest to shut down that is deleted anyway.
        wait = busy(machine, None if asked else situation.sight.task)
    before: Do | None = None
    if machine.power is not Power.STOPPED and not spec.detach and (situation.traits.delete_needs_stop or stays):
        soft = bool(stays) and machine.power is Power.RUNNING and spec.power_off is not PowerOff.HARD
        stop = Action(Verb.SET_POWER, _POWER, machine.power, Power.STOPPED, disruptive=True, reason="deletion")
        before = Do((stop,), hard=not soft)
    elif stays:
        before = together(stays)
    return plan_deletion(situation, machine, wait or before)


def _in_time(situation: Situation) -> Situation:
    """Whoever deletes a machine does not wait without end for its guest."""
    spec = situation.spec
    return (
        replace(situation, spec=replace(spec, power_off=PowerOff.TRY_SOFT))
        if spec.power_off is PowerOff.SOFT
        else situation
    )


@dataclass(frozen=True, slots=True)
class _Open:
    """What is open on a machine that is ours.

    ``now`` can be done at once, ``waiting`` only while it is stopped, ``impossible`` only with another machine. For what
    the cloud has ``refused`` although it was stopped it is not kept off. ``held`` waits for other objects.
    ``drifted`` is what of all that came about in the cloud, ``drift`` what is told of that.
    """

    now: tuple[Action, ...]
    waiting: tuple[Action, ...]
    refused: tuple[Action, ...]
    held: tuple[Action, ...]
    impossible: tuple[Action, ...]
    power: tuple[Action, ...]
    drifted: tuple[Action, ...]
    drift: tuple[Action, ...]

    @classmethod
    def of(cls, situation: Situation, machine: Machine) -> _Open:
        spec = situation.spec
        named, given = counts_name(situation), situation.record.given
        volumes = situation.detachable
        changes = differences(spec, machine, situation.traits, named=named, given=given, volumes=volumes)
        power = _power_actions(situation, machine)
        together_with = _neighbour(situation, machine)
        # Of user data it is the Secret that came to differ, not the cloud.
        judged = judge(situation, (*changes, *power), never={USER_DATA}, besides=together_with)
        changes = tuple(action for action in judged.left if action.field != _POWER)
        possible = [action for action in changes if action.verb is not Verb.REPLACE]
        stopped, runs = machine.power is Power.STOPPED, spec.power is not Power.STOPPED
        refused = [one for one in possible if runs and one.disruptive and one.field in situation.sight.refused]
        held = [one for one in possible if _hold(situation, one)]
        possible = [action for action in possible if action not in (*refused, *held)]
        return cls(
            now=tuple(action for action in possible if stopped or not action.disruptive),
            waiting=tuple(action for action in possible if action.disruptive and not stopped),
            refused=tuple(refused),
            held=tuple(held),
            impossible=tuple(action for action in changes if action.verb is Verb.REPLACE),
            power=tuple(action for action in judged.left if action.field == _POWER),
            drifted=judged.drifted,
            drift=judged.told,
        )

    @property
    def everything(self) -> tuple[Action, ...]:
        """All that is to be done, in order."""
        return (*self.now, *self.waiting, *self.refused, *self.held, *self.impossible, *self.power)

    @property
    def urgent(self) -> bool:
        """Whether something waits that is worth a power cycle."""
        return any(not action.patient for action in self.waiting)


def _hold(situation: Situation, action: Action) -> Wait | Refuse | None:
    """What keeps a volume from being attached, or interfaces from being changed, now: that is done to all at once."""
    if action.verb is Verb.CONNECT:
        return next(iter(situation.unconnected.values()), None)
    if action.verb is not Verb.ATTACH_VOLUME:
        return None
    uses = {volume_field(use): use for use in situation.spec.volumes}
    return kept_back(uses[action.field], situation.held)


def _neighbour(situation: Situation, machine: Machine) -> tuple[Action, ...]:
    """That the machine has come onto the host of another of its group. It is told; where both should go people decide."""
    other = situation.neighbours.get(machine.host) if machine.host else None
    if other is None or not situation.record.created:
        return ()
    before = f"{machine.host}, as {other}"
    return (Action(Verb.MIGRATE, "placement.antiAffinityGroup", before, f"apart from {other}"),)


def _plan_machine(situation: Situation, machine: Machine) -> Plan:
    spec, record, traits, sight = situation.spec, situation.record, situation.traits, situation.sight
    if traits.initialize and not record.created and _is_uninitialized(situation, machine):
        first = Action(Verb.INITIALIZE, "machine", "", machine.id)
        return Plan(busy(machine, sight.task) or Do((first,)), (first,))
    open_ = _Open.of(situation, machine)
    restart, back = _restart(situation, machine), revert(situation, machine)
    actions = (*(back.actions if isinstance(back, Do) else ()), *restart, *open_.everything)
    asked = shutdown(situation)
    if asked and not machine.lock:
        stops = (
            (spec.power is Power.STOPPED and bool(open_.power))
            or isinstance(back, Do)
            or bool(restart)
            or (open_.urgent and spec.disruption)
        )
        wait = await_shutdown(situation, machine, asked, wanted=stops) or busy(machine, None)
    else:
        wait = busy(machine, sight.task)
    if wait and not actions and is_none_of_ours(situation, machine):
        wait = None
    step = wait or _first(situation, back) or _next(situation, machine, open_, restart)
    if isinstance(step, Rest | Refuse) and back is not None:
        step = back
    if isinstance(step, Do):
        actions = (*(action for action in step.actions if action not in actions), *actions)
    return Plan(step, actions, open_.drift, open_.drifted)


def _first(situation: Situation, back: Step | None) -> Step | None:
    """What all else has to wait for, until the machine has gone back: what has begun is not left halfway."""
    record = situation.record.revert
    begun = record is not None and record.phase in {RevertPhase.STOPPING, RevertPhase.REVERTING}
    return back if isinstance(back, Do) or (isinstance(back, Wait) and begun) else None


def _next(situation: Situation, machine: Machine, open_: _Open, restart: tuple[Action, ...]) -> Step:
    """The step on a machine that is free."""
    spec, now = situation.spec, open_.now
    if open_.power and spec.power is Power.STOPPED:
        return Do(open_.power)
    # A guest that does not find a volume with its start may make do without, and write elsewhere: it is neither started
    # nor taken down while one is held, or an interface.
    held = _hold(situation, open_.held[0]) if open_.held else None
    if restart and machine.power is not Power.STOPPED and not held:
        return Do(restart)
    if now:
        return together(now)
    if held:
        return held
    if open_.urgent and spec.disruption:
        if spec.power is None:
            # Nothing else would tell that it has to be started again.
            return Do((_cycle(situation, "a change needs it"),))
        reason = "a change needs it"
        return Do((Action(Verb.SET_POWER, _POWER, machine.power, Power.STOPPED, disruptive=True, reason=reason),))
    return Do(open_.power) if open_.power else _refusal(situation, open_) or Rest()


def _refusal(situation: Situation, open_: _Open) -> Wait | Refuse | None:
    """Why nothing is done about what is left."""
    if open_.refused:
        return situation.sight.refused[open_.refused[0].field]
    if open_.waiting:
        return Refuse(Reason.RESTART_REQUIRED, f"a power cycle is needed for {in_words(open_.waiting)}")
    astray = _astray(situation)
    if open_.impossible and not astray:
        return Refuse(Reason.REPLACEMENT_REQUIRED, f"another machine is needed for {in_words(open_.impossible)}")
    return astray


def _astray(situation: Situation) -> Wait | Refuse | None:
    """What is to be told of interfaces that are left as they are, because where they belong is not known."""
    unknown = (nic.name for nic in situation.spec.networks if not nic.network)
    return next((situation.unconnected[name] for name in unknown if name in situation.unconnected), None)


def _is_uninitialized(situation: Situation, machine: Machine) -> bool:
    intent = situation.intent
    return intent is not None and intent.attempt > 0 and (not machine.detailed or machine.uuid != intent.uuid)


def _restart(situation: Situation, machine: Machine) -> tuple[Action, ...]:
    """The stop that a new token, or a restart on record, still asks for."""
    record, token = situation.record.restart, situation.spec.restart_token
    if record is None or machine.power is Power.STOPPED:
        return ()
    if token is not None and token != record.token:
        return (_cycle(situation, f"restartToken {token}"),)
    if record.phase is RestartPhase.STOPPING:
        return (_cycle(situation, "it was asked for"),)
    return ()


def _cycle(situation: Situation, reason: str) -> Action:
    record, token = situation.record.restart, situation.spec.restart_token
    before = record.token if record else ""
    return Action(Verb.RESTART, "restartToken", before, token or before, disruptive=True, reason=reason)


def _power_actions(situation: Situation, machine: Machine) -> tuple[Action, ...]:
    wanted, record = situation.spec.power, situation.record.restart
    restarted = record is not None and record.phase is not RestartPhase.DONE
    if wanted is None and (restarted or resumed(situation)):
        wanted = Power.RUNNING if machine.power is Power.STOPPED else None
    if wanted is None or machine.power is wanted:
        return ()
    return (Action(Verb.SET_POWER, _POWER, machine.power, wanted, disruptive=wanted is Power.STOPPED),)
