"""Which cloud object is ours: found by id or marker, and proven, or proven to be none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from hybridge.core.attempt import Intent
from hybridge.core.busy import locked, progress, running
from hybridge.core.cloudobject import CloudObject, Wanted
from hybridge.core.plan import Action, Bind, Do, Look, Refuse, Search, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import AnySituation, Situation

W = TypeVar("W", bound=Wanted)
C = TypeVar("C", bound=CloudObject)


#: Seconds for which a cloud of late sight has to deny what it has shown before, at most: what answers from an old copy does
#: so for a while.
DENIAL = 60.0


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing of ours has the id on record: the cloud said so, or what has it provably is something else."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """There is no id on record, and nothing in sight is ours."""


def locate(situation: Situation[W, C]) -> C | Absent | Nowhere | Step:
    """What is ours with its identity proven, or the proof that there is none, or the step that leads to a proof.

    For what is only observed the id is all the proof there is.
    """
    if situation.spec.observed:
        return _locate_observed(situation)
    if situation.id is None:
        return _locate_carrier(situation)
    recorded = situation.sight.recorded
    if recorded is None:
        if running(situation.sight.task):
            return Wait(doing(situation), progress(situation.sight.task))
        return _locate_missing(situation, situation.id)
    if recorded.gone:
        return Absent()
    if not recorded.detailed:
        return recorded if situation.is_fresh else _unread(situation, recorded)
    return _prove(situation, recorded)


def doing(situation: AnySituation) -> Reason:
    """What a task on record is for."""
    if situation.record.deleting:
        return Reason.DELETING
    return Reason.UPDATING if situation.record.created else Reason.CREATING


def adoption(situation: AnySituation, found: CloudObject) -> Action:
    """To put our marker on what is there already."""
    return Action(Verb.ADOPT, situation.noun, found.marker.owner if found.marker else "", found.id)


def take(situation: AnySituation, found: CloudObject) -> Step:
    """The step that makes ours what the spec says to import."""
    if found.unfit:
        return Refuse(Reason.INVALID_SPEC, f"{found.id} ({found.name}) is {found.unfit}")
    if found.lock:
        return locked(found)
    if not found.detailed:
        return Look(found.id)
    marker = found.marker
    if marker is not None and marker.owner == situation.marker.owner:
        return Bind(found.id)
    if marker is None or marker.names_same_object(situation.marker):
        return Do((adoption(situation, found),))
    return Refuse(
        Reason.ALREADY_OWNED,
        f"{found.id} ({found.name}) belongs to {marker.kind} {marker.namespace}/{marker.name} ({marker.owner})",
    )


def _locate_observed(situation: Situation[W, C]) -> C | Absent | Nowhere | Step:
    recorded, imports = situation.sight.recorded, situation.spec.imports
    known = situation.id or (imports.id if imports else None)
    if known is None:
        return Nowhere()
    if recorded is None:
        return _locate_missing(situation, known)
    if recorded.gone:
        return Absent()
    if not recorded.detailed:
        return _unread(situation, recorded)
    return recorded if situation.record.id == recorded.id else Bind(recorded.id)


def _locate_missing(situation: AnySituation, known_id: str) -> Absent | Step:
    if not situation.sight.settled:
        return Wait(Reason.PENDING, "the first sweep of the cloud has not ended")
    return _elsewhere(situation, known_id) or Absent() if situation.sight.absent else Look(known_id)


def _elsewhere(situation: AnySituation, known_id: str) -> Step | None:
    """The step to what is ours under another id: a machine that was taken off its cloud's list and put back has a new one.

    Its UUID, which we chose, tells it from a copy.
    """
    intent = situation.intent
    if intent is None or not (situation.traits.chooses_uuid and intent.uuid):
        return None
    found = [one for one in situation.sight.carriers if one.id != known_id and one.uuid == intent.uuid and not one.gone]
    if len(found) > 1:
        ids = ", ".join(sorted(one.id for one in found)[:8])
        return Refuse(
            Reason.IDENTITY_AMBIGUOUS,
            f"{known_id} is gone, and {len(found)} {situation.noun}s have its marker and UUID: {ids}",
        )
    return None if not found else locked(found[0]) if found[0].lock else Bind(found[0].id)


def _unread(situation: AnySituation, found: CloudObject) -> Step:
    if found.lock:
        return locked(found)
    if situation.sight.unreadable:
        return Wait(Reason.HOST_DOWN, f"the cloud does not show the details of {found.id}", patient=True)
    return Look(found.id)


def _prove(situation: Situation[W, C], found: C) -> C | Absent | Step:
    intent, traits, record = situation.intent, situation.traits, situation.record
    ours = found.marker is not None and found.marker.owner == situation.marker.owner
    given = intent.uuid if intent and traits.chooses_uuid and intent.uuid else None
    if ours and given and record.created and found.uuid != given:
        return Refuse(
            Reason.IDENTITY_MISMATCH,
            f"{found.id} carries this object's marker but the UUID {found.uuid} instead of {given}: it is a copy",
        )
    if ours:
        return found
    if situation.spec.imports is not None and (intent is None or _is_untaken(situation, intent, found)):
        # It was only observed until now, or was about to be taken over: the marker may have been sent already.
        if not record.deleting:
            return take(situation, found)
        return (search_until_visible(situation, intent) if intent else None) or Absent()
    if found.lock:
        return Wait(Reason.LOCKED, f"{found.id} has no marker yet and is locked by a task ({found.lock})")
    if _is_adopting(intent, situation, found):
        return Do((adoption(situation, found),))
    if record.deleting and situation.spec.detach:
        return Absent()
    if given and found.uuid != given:
        return Absent()
    owner = f"the marker of {found.marker.owner}" if found.marker else "no marker"
    return Refuse(
        Reason.IDENTITY_MISMATCH,
        f"{found.id} ({found.name}) carries {owner} where {situation.marker.owner} was expected; put the marker "
        "back, or set onDelete to Detach and delete this object",
    )


def _is_untaken(situation: AnySituation, intent: Intent, found: CloudObject) -> bool:
    """Whether it is to be imported, which is on record, and does not carry any marker yet."""
    return intent.attempt == 0 and intent.id == found.id and not situation.record.created and found.marker is None


def _is_adopting(intent: Intent | None, situation: AnySituation, found: CloudObject) -> bool:
    """Whether an adoption is on record that has not taken effect."""
    on_record = intent is not None and intent.attempt == 0 and intent.id == found.id
    return on_record and found.marker is not None and found.marker.names_same_object(situation.marker)


def _locate_carrier(situation: AnySituation) -> Nowhere | Step:
    carriers = [one for one in situation.sight.carriers if not (one.gone or one.remains)]
    if len(carriers) > 1:
        ids = ", ".join(sorted(one.id for one in carriers)[:8])
        return Refuse(Reason.IDENTITY_AMBIGUOUS, f"{len(carriers)} {situation.noun}s carry this object's marker: {ids}")
    if not carriers:
        return Nowhere()
    if not situation.sight.settled:
        return Wait(Reason.SEARCHING, "the first sweep of the cloud has not ended")
    return locked(carriers[0]) if carriers[0].lock else Bind(carriers[0].id)


def left_over(situation: AnySituation) -> Step | None:
    """The step to what is left of one that is gone; None where there is nothing, or it is to be left as it is."""
    if situation.spec.detach:
        return None
    known = min((one.id for one in situation.sight.carriers if one.remains and not one.gone), default=None)
    return None if known is None else Bind(known)


def search_denied(situation: AnySituation) -> Step | None:
    """The step until the cloud's word that it has no such thing is to be believed; None when it is."""
    record, intent, traits = situation.record, situation.intent, situation.traits
    if intent is None or situation.sight.recorded is not None:
        return None
    if situation.sight.ending:
        # Whatever the cloud sees late: what it has taken on to delete does not come back.
        return None
    if record.created or record.id:
        return _search_old_copies(situation, intent, traits.lag) if traits.lag else None
    return search_until_visible(situation, intent)


def _search_old_copies(situation: AnySituation, intent: Intent, lag: float) -> Step | None:
    """The step until a cloud of late sight has denied it by its id and by its marker, and for long enough."""
    sight = situation.sight
    believed = (sight.denied_since or 0.0) + min(lag, DENIAL)
    if situation.now < believed:
        words = f"the cloud denies that there is {situation.id}; it is asked again"
        return Wait(Reason.SEARCHING, words, after=believed - situation.now)
    if situation.id and sight.denied_at is not None and sight.denied_at < believed:
        return Look(situation.id)
    return search_until_visible(situation, intent, max(lag, believed - intent.asked_at))


def search_until_visible(situation: AnySituation, intent: Intent, window: float | None = None) -> Step | None:
    """The step until a search ended late enough to have seen the effect of ``intent``; None when one has.

    ``window``: seconds after its newest request, by default the visibility of what had no answer.
    """
    visible = intent.asked_at + (situation.traits.visibility if window is None else window)
    if situation.now < visible:
        return Wait(
            Reason.SEARCHING,
            f"a {situation.noun} was asked for that may not be visible yet",
            after=visible - situation.now,
        )
    if situation.sight.searched_at is None or situation.sight.searched_at < visible:
        return Search()
    return None
