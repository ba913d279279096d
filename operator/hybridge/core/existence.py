"""That there is exactly one, or none: creation, import, loss and release of a cloud object, the same for every kind."""

from __future__ import annotations

from hybridge.core.busy import progress, running
from hybridge.core.deletion import await_users
from hybridge.core.imports import absent_import, plan_import
from hybridge.core.plan import Action, Do, Plan, Refuse, Release, Step, Verb, Wait
from hybridge.core.proof import (
    Absent,
    C,
    Nowhere,
    W,
    adoption,
    doing,
    left_over,
    locate,
    search_denied,
    search_until_visible,
)
from hybridge.core.reasons import Reason
from hybridge.core.situation import AnySituation, Situation

#: Why nothing is deleted, as long as the spec says so.
PROTECTED = Refuse(Reason.DELETION_PROTECTED, "spec.lifecycle.deletionProtection is true")


def ours(situation: Situation[W, C]) -> C | Plan:
    """The cloud object that provably is ours, or the plan while there is none: of its creation, its import, its loss, or
    its release.

    What is only observed is ours to look at, and is let go when nothing refers to it any more. A plan for what is found
    says itself what is to be done with it, also when the object is being deleted; only a protected deletion never comes so
    far.
    """
    intent, spec, record = situation.record.intent, situation.spec, situation.record
    if intent and intent.provider_identity != situation.identity:
        return Plan(
            Refuse(
                Reason.PROVIDER_IDENTITY_MISMATCH,
                f"made in {intent.provider_identity}, but the Provider now leads to {situation.identity}",
            )
        )
    if spec.observed and record.deleting:
        return Plan(PROTECTED if record.protected else await_users(situation) or Release())
    found = locate(situation)
    if isinstance(found, Absent | Nowhere):
        return _without(situation, found)
    if isinstance(found, Step):
        return Plan(found, found.actions if isinstance(found, Do) else ())
    return Plan(PROTECTED) if record.deleting and record.protected else found


def _without(situation: AnySituation, found: Absent | Nowhere) -> Plan:
    """The plan while nothing of ours is in sight."""
    spec, record = situation.spec, situation.record
    if record.deleting:
        return Plan(PROTECTED if record.protected else _release(situation, found))
    if spec.observed or (spec.imports is not None and situation.intent is None):
        return plan_import(situation) if isinstance(found, Nowhere) else absent_import(situation)
    return _plan_creation(situation, found, Action(Verb.CREATE, situation.noun, "", spec.name))


def _release(situation: AnySituation, found: Absent | Nowhere) -> Step:
    intent, sight = situation.intent, situation.sight
    if isinstance(found, Absent):
        return search_denied(situation) or left_over(situation) or Release()
    if not sight.settled:
        return Wait(Reason.SEARCHING, "the first sweep of the cloud has not ended")
    if intent is None:
        return Release()
    if running(sight.task):
        return Wait(Reason.CREATING, "its creation is still running in the cloud")
    return search_until_visible(situation, intent) or left_over(situation) or Release()


def _plan_creation(situation: AnySituation, found: Absent | Nowhere, create: Action) -> Plan:
    intent, sight = situation.intent, situation.sight
    if running(sight.task):
        return Plan(Wait(doing(situation), progress(sight.task)), (create,))
    if isinstance(found, Absent) and _is_loss(situation):
        return _plan_loss(situation, create)
    if not sight.settled:
        return Plan(Wait(Reason.PENDING, "the first sweep of the cloud has not ended"), (create,))
    if intent is None:
        return _plan_first(situation, create)
    if isinstance(found, Absent) and sight.recorded is not None:
        # The id that the intent chose is somebody else's, or what it made ended at once: not this attempt.
        return Plan(Do((create,), anew=True), (create,))
    repeatable = intent.attempt > 0 and not sight.token_spent
    if repeatable and situation.now < intent.started_at + situation.traits.token_lifetime:
        return Plan(Do((create,)), (create,))
    return Plan(search_until_visible(situation, intent) or Do((create,), anew=True), (create,))


def _plan_loss(situation: AnySituation, create: Action) -> Plan:
    denied = search_denied(situation)
    if denied:
        return Plan(denied)
    if situation.spec.recreate_lost and situation.spec.imports is None:
        return Plan(Do((create,), anew=True), (create,))
    recorded = situation.sight.recorded
    words = f": {recorded.ended}" if recorded and recorded.ended else ""
    return Plan(Refuse(Reason.LOST, f"{situation.id} is gone from the cloud, and nobody here asked for that{words}"))


def _is_loss(situation: AnySituation) -> bool:
    """Whether what is absent is known to have existed: seen whole, adopted, or given its id by the cloud."""
    record, intent = situation.record, situation.intent
    if record.created or intent is None or intent.attempt == 0:
        return True
    return record.id is not None and record.id != intent.id


def _plan_first(situation: AnySituation, create: Action) -> Plan:
    earlier = [
        one
        for one in situation.sight.predecessors
        if not one.gone and one.marker and one.marker.names_same_object(situation.marker)
    ]
    if len(earlier) > 1:
        ids = ", ".join(sorted(one.id for one in earlier)[:8])
        return Plan(Refuse(Reason.IDENTITY_AMBIGUOUS, f"{len(earlier)} {situation.noun}s of an earlier object: {ids}"))
    if earlier:
        adopt = adoption(situation, earlier[0])
        return Plan(Do((adopt,)), (adopt,))
    return Plan(Do((create,), anew=True), (create,))
