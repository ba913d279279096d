"""A machine goes back to a snapshot, once for each token.

It is stopped first, and on record as stopped before the cloud is asked: what takes effect without an answer can then be
repeated, because nothing has been written meanwhile that would be lost. One that was started since by somebody else is left
alone, unless the snapshot itself holds the running guest: then it runs because it was reverted.

The token is the consent: whoever gives another one wants what was written since to be gone, and asks for no more than that
with ``lifecycle.disruption``.
"""

from __future__ import annotations

from hybridge.core.machine import Machine, Power, RevertPhase, RevertWish
from hybridge.core.machine_situation import Situation
from hybridge.core.plan import Action, Do, Refuse, Verb, Wait
from hybridge.core.reasons import Reason


def revert(situation: Situation, machine: Machine) -> Do | Wait | Refuse | None:
    """The next step back, or what is in its way; None where none is asked for, or all is done but to start it again."""
    wish, phase = situation.spec.revert, _phase(situation)
    if wish is None or phase is None:
        return None
    if phase is RevertPhase.REFUSED and situation.record.revert is not None:
        return Refuse(Reason.REJECTED, situation.record.revert.message)
    if phase is RevertPhase.REVERTING and machine.power is not Power.STOPPED:
        return None if situation.resumes else _unknown(wish, machine)
    if situation.irreversible is not None:
        return situation.irreversible
    # The one stops it, the other brings it back: as steps they are not the same.
    return Do((_action(wish),), hard=machine.power is not Power.STOPPED)


def resumed(situation: Situation) -> bool:
    """Whether a machine that a revert has stopped is to run again, although its spec leaves that open."""
    record = situation.record.revert
    return record is not None and record.ran and record.phase is not RevertPhase.DONE


def _phase(situation: Situation) -> RevertPhase | None:
    """How far the revert is that is asked for; None where none is, or what was asked for is done.

    A machine of which nothing is on record, because somebody has taken the status away, is not reverted: its token may have
    been used. Whoever takes ``spec.revertTo`` away gives it up.
    """
    wish, record = situation.spec.revert, situation.record.revert
    if wish is None or (record is None and situation.record.restart is None):
        return None
    if record is None or record.token != wish.token:
        return RevertPhase.STOPPING
    return None if record.phase in {RevertPhase.STARTING, RevertPhase.DONE} else record.phase


def _action(wish: RevertWish) -> Action:
    return Action(Verb.REVERT, "revertTo", "", wish.snapshot, disruptive=True, reason=f"token {wish.token}")


def _unknown(wish: RevertWish, machine: Machine) -> Refuse:
    words = f"nobody knows whether {machine.id} went back to Snapshot {wish.snapshot}, because it was started meanwhile"
    return Refuse(Reason.TASK_FAILED, f"{words}: spec.revertTo with another token has it go back for certain")
