"""When a machine cannot be changed now: a task, a lock, a transition, a host that is down, a guest that shuts down."""

from __future__ import annotations

from hybridge.core.busy import locked, progress, running
from hybridge.core.machine import Machine, Power, PowerOff
from hybridge.core.machine_situation import Situation
from hybridge.core.plan import Action, Do, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.task import Task


def busy(machine: Machine, task: Task | None) -> Step | None:
    """What has to end first; None when the machine is free."""
    if running(task):
        return Wait(Reason.UPDATING, progress(task))
    if machine.lock:
        return locked(machine)
    if machine.power is Power.STARTING:
        return Wait(Reason.STARTING, f"{machine.id} is starting")
    if machine.power is Power.STOPPING:
        return Wait(Reason.STOPPING, f"{machine.id} is stopping")
    if machine.power is Power.UNKNOWN:
        return Wait(Reason.HOST_DOWN, f"{machine.host or 'the host'} of {machine.id} does not answer", patient=True)
    return None


def shutdown(situation: Situation) -> Task | None:
    """The task that waits for a guest to shut down; it may never end."""
    task = situation.sight.task
    return task if task and task.operation == "Shutdown" and running(task) else None


def await_shutdown(situation: Situation, machine: Machine, task: Task, *, wanted: bool) -> Step | None:
    """A soft stop that took too long becomes a hard one where the user allows it. One that is no longer ``wanted`` is
    given its time, and is nothing to wait for after that.
    """
    spec = situation.spec
    if machine.power is Power.STOPPED:
        return Wait(Reason.UPDATING, progress(task))
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
