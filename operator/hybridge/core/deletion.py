"""How a cloud object goes that its object has no more use for: the same for every kind."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hybridge.core.cloudobject import CloudObject
from hybridge.core.plan import Action, Do, Plan, Refuse, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import AnySituation

#: How many are named to people.
_NAMED = 8


def plan_deletion(situation: AnySituation, found: CloudObject, first: Step | None = None) -> Plan:
    """The plan to delete, or to let go, what is provably ours.

    ``first``: what has to be done before, what has to end, or what keeps it from going. What objects still use is not even
    let go: they would refer to what is not there.
    """
    detach = situation.spec.detach
    action = Action(Verb.DETACH if detach else Verb.DELETE, situation.noun, found.id, "")
    if found.protection and not detach:
        return Plan(Refuse(Reason.DELETION_PROTECTED, found.protection), (action,))
    step = await_users(situation) or first or Do((action,))
    before = step.actions if isinstance(step, Do) else ()
    return Plan(step, (*(one for one in before if one != action), action))


def await_dependants(situation: AnySituation, found: CloudObject, ids: Collection[str]) -> Step | None:
    """What has to let go of it in the cloud, by id. What is of this cluster is waited for; all else people have to decide.

    None where nothing is in the way, as in a deletion that leaves the cloud object as it is.
    """
    if not ids or situation.spec.detach:
        return None
    owners = situation.sight.owners
    foreign = [one for one in ids if one not in owners]
    if foreign:
        return Refuse(
            Reason.HAS_DEPENDANTS, f"{found.id} is used by {_listed(foreign)}, which is no object's of this cluster"
        )
    return Wait(Reason.HAS_DEPENDANTS, f"{found.id} is used by {_listed(f'{owners[one]} ({one})' for one in ids)}")


def await_users(situation: AnySituation) -> Step | None:
    """What has to let go of it in Kubernetes."""
    users = situation.sight.users
    return Wait(Reason.HAS_DEPENDANTS, f"used by {_listed(users)}", patient=True) if users else None


def _listed(names: Iterable[str]) -> str:
    every = sorted(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
