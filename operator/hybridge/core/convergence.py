"""The plan for what has no power to be cycled: everything but machines."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from hybridge.core.busy import is_none_of_ours, locked, progress, running
from hybridge.core.cloudobject import Wanted
from hybridge.core.deletion import await_dependants, plan_deletion
from hybridge.core.difference import in_words, judge
from hybridge.core.existence import ours
from hybridge.core.managed import ManagedObject, State
from hybridge.core.plan import Action, Plan, Refuse, Rest, Step, Verb, Wait, together
from hybridge.core.proof import doing
from hybridge.core.reasons import Reason
from hybridge.core.situation import AnySituation, Situation

W = TypeVar("W", bound=Wanted)
M = TypeVar("M", bound=ManagedObject)

#: How many are named to people.
_NAMED = 8


def busy(situation: AnySituation, found: ManagedObject) -> Step | None:
    """What has to end first; None when it can be changed, or deleted. What has failed, or is only half made, can go."""
    deleting, task = situation.record.deleting, situation.sight.task
    if running(task):
        return Wait(doing(situation), progress(task))
    if found.lock:
        return locked(found)
    match found.state:
        case State.DELETING:
            return Wait(Reason.DELETING, f"{found.id} is being deleted in the cloud")
        case State.UNKNOWN:
            return Wait(Reason.HOST_DOWN, f"the cloud cannot tell how {found.id} is", patient=True)
        case State.PENDING if not deleting:
            percent = f" ({found.progress} %)" if found.progress is not None else ""
            return Wait(Reason.CREATING, f"{found.id} is being made{percent}")
        case State.FAILED if not deleting:
            words = f": {found.ended}" if found.ended else ""
            return Refuse(Reason.TASK_FAILED, f"{found.id} has failed in the cloud{words}")
    return None


def unless_used(situation: AnySituation, found: ManagedObject, ids: Collection[str]) -> Step | None:
    """What a disruptive change has to wait for: that nothing in the cloud, by id, uses it any more."""
    if not ids:
        return None
    names = ", ".join(sorted(situation.sight.owners.get(one, one) for one in ids)[:_NAMED])
    return Wait(Reason.HAS_DEPENDANTS, f"{found.id} cannot be changed so while it is used by {names}", patient=True)


def planned(
    situation: Situation[W, M],
    changes: Callable[[M], tuple[Action, ...]],
    before_deletion: Callable[[M], Step | None],
    in_use: Callable[[M], Step | None] = lambda _: None,
    anew: Callable[[tuple[Action, ...]], Collection[str]] = lambda _: (),
) -> Plan:
    """The plan of a kind: its creation, import, loss and release as for all, then how what is ours comes to its spec.

    ``changes``: how it differs from that. ``before_deletion``: what has to end, or is done, before it goes. ``in_use`` and
    ``anew``: see ``converge``.
    """
    found = ours(situation)
    if isinstance(found, Plan):
        return found
    if situation.record.deleting:
        return plan_deletion(situation, found, before_deletion(found))
    differing = changes(found)
    if situation.spec.observed:
        return Plan(Rest(), drift=differing)
    return converge(situation, found, differing, in_use(found), anew=anew(differing))


def unused(situation: AnySituation, found: ManagedObject, ids: Collection[str]) -> Step | None:
    """What has to end before it goes: that something in the cloud, by id, uses it, or that something is at work on it."""
    return await_dependants(situation, found, ids) or busy(situation, found)


def converge(
    situation: AnySituation,
    found: ManagedObject,
    changes: tuple[Action, ...],
    in_use: Step | None = None,
    *,
    anew: Collection[str] = (),
) -> Plan:
    """The plan to bring what is provably ours to its spec, from which it differs by ``changes``.

    ``anew``: see ``difference.judge``. ``in_use``: what a disruptive change has to wait for; None where nothing uses it.
    Verb REPLACE stands for what cannot be brought about.
    """
    judged = judge(situation, changes, anew=anew)
    impossible = tuple(action for action in judged.left if action.verb is Verb.REPLACE)
    possible = tuple(action for action in judged.left if action.verb is not Verb.REPLACE)
    waiting = tuple(action for action in possible if action.disruptive) if in_use else ()
    now = tuple(action for action in possible if action not in waiting)
    actions = (*now, *waiting, *impossible)
    wait = busy(situation, found)
    if wait and not actions and is_none_of_ours(situation, found):
        wait = None
    if wait:
        step = wait
    elif now:
        step = together(now)
    elif waiting and in_use:
        step = in_use
    elif impossible:
        words = f"another {situation.noun} is needed for {in_words(impossible)}"
        step = Refuse(Reason.REPLACEMENT_REQUIRED, words)
    else:
        step = Rest()
    return Plan(step, actions, judged.told, judged.drifted)
