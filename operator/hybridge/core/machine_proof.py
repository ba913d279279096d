"""Which machine is ours: found by id or marker, and proven, or proven to be none."""

from __future__ import annotations

from dataclasses import dataclass

from hybridge.core.machine import Intent, Machine, Power
from hybridge.core.machine_busy import locked, progress, running
from hybridge.core.machine_situation import Situation
from hybridge.core.plan import Action, Bind, Do, Look, Refuse, Search, Step, Verb, Wait
from hybridge.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing of ours has the id on record: the cloud said so, or what has it provably is another machine."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """There is no id on record, and nothing in sight is ours."""


def locate(situation: Situation) -> Machine | Absent | Nowhere | Step:
    """Our machine with its identity proven, or the proof that there is none, or the step that leads to a proof.

    For a machine that is only observed the id is all the proof there is.
    """
    if situation.spec.observed:
        return _locate_observed(situation)
    if situation.id is None:
        return _locate_carrier(situation)
    machine = situation.sight.recorded
    if machine is None:
        if running(situation.sight.task):
            return Wait(doing(situation), progress(situation.sight.task))
        return _locate_missing(situation, situation.id)
    if machine.power is Power.GONE:
        return Absent()
    if not machine.detailed:
        return machine if _is_fresh(situation, machine) else _unread(situation, machine)
    return _prove(situation, machine)


def doing(situation: Situation) -> Reason:
    """What a task on record is for."""
    if situation.record.deleting:
        return Reason.DELETING
    return Reason.UPDATING if situation.record.created else Reason.CREATING


def adoption(machine: Machine) -> Action:
    """To put our marker on a machine that is there already."""
    return Action(Verb.ADOPT, "machine", machine.marker.owner if machine.marker else "", machine.id)


def take(situation: Situation, machine: Machine) -> Step:
    """The step that makes a machine ours that the spec says to import."""
    if machine.template:
        return Refuse(Reason.INVALID_SPEC, f"{machine.id} ({machine.name}) is a template, not a machine")
    if machine.lock:
        return locked(machine)
    if not machine.detailed:
        return Look(machine.id)
    marker = machine.marker
    if marker is not None and marker.owner == situation.marker.owner:
        return Bind(machine.id)
    if marker is None or marker.names_same_object(situation.marker):
        return Do((adoption(machine),))
    return Refuse(
        Reason.ALREADY_OWNED,
        f"{machine.id} ({machine.name}) belongs to {marker.kind} {marker.namespace}/{marker.name} ({marker.owner})",
    )


def _locate_observed(situation: Situation) -> Machine | Absent | Nowhere | Step:
    machine, imports = situation.sight.recorded, situation.spec.imports
    known = situation.id or (imports.id if imports else None)
    if known is None:
        return Nowhere()
    if machine is None:
        return _locate_missing(situation, known)
    if machine.power is Power.GONE:
        return Absent()
    if not machine.detailed:
        return _unread(situation, machine)
    return machine if situation.record.id == machine.id else Bind(machine.id)


def _locate_missing(situation: Situation, machine_id: str) -> Absent | Step:
    if not situation.sight.settled:
        return Wait(Reason.PENDING, "the first sweep of the cloud has not ended")
    return _elsewhere(situation, machine_id) or Absent() if situation.sight.absent else Look(machine_id)


def _elsewhere(situation: Situation, machine_id: str) -> Step | None:
    """The step to our machine under another id: one that was taken off its cloud's list and put back has a new one.

    Its UUID, which we chose, tells it from a copy.
    """
    intent = situation.intent
    if intent is None or not (situation.traits.chooses_uuid and intent.uuid):
        return None
    found = [
        machine
        for machine in situation.sight.carriers
        if machine.id != machine_id and machine.uuid == intent.uuid and machine.power is not Power.GONE
    ]
    if len(found) > 1:
        ids = ", ".join(sorted(machine.id for machine in found)[:8])
        return Refuse(
            Reason.IDENTITY_AMBIGUOUS,
            f"{machine_id} is gone, and {len(found)} machines have its marker and UUID: {ids}",
        )
    return None if not found else locked(found[0]) if found[0].lock else Bind(found[0].id)


def _is_fresh(situation: Situation, machine: Machine) -> bool:
    """Whether its initialization is next. The driver proves the marker itself before that, so one read is saved."""
    intent, record = situation.intent, situation.record
    made = situation.traits.initialize and intent is not None and intent.attempt > 0
    return made and not record.created and not record.deleting and machine.power is Power.STOPPED and not machine.lock


def _unread(situation: Situation, machine: Machine) -> Step:
    if machine.lock:
        return locked(machine)
    if situation.sight.unreadable:
        return Wait(Reason.HOST_DOWN, f"the cloud does not show the details of {machine.id}", patient=True)
    return Look(machine.id)


def _prove(situation: Situation, machine: Machine) -> Machine | Absent | Step:
    intent, traits, record = situation.intent, situation.traits, situation.record
    ours = machine.marker is not None and machine.marker.owner == situation.marker.owner
    given = intent.uuid if intent and traits.chooses_uuid and intent.uuid else None
    if ours and given and record.created and machine.uuid != given:
        return Refuse(
            Reason.IDENTITY_MISMATCH,
            f"{machine.id} carries this object's marker but the UUID {machine.uuid} instead of {given}: it is a copy",
        )
    if ours:
        return machine
    if situation.spec.imports is not None and (intent is None or _is_untaken(situation, intent, machine)):
        # It was only observed until now, or was about to be taken over: the marker may have been sent already.
        if not record.deleting:
            return take(situation, machine)
        return (search_until_visible(situation, intent) if intent else None) or Absent()
    if machine.lock:
        return Wait(Reason.LOCKED, f"{machine.id} has no marker yet and is locked by a task ({machine.lock})")
    if _is_adopting(intent, situation, machine):
        return Do((adoption(machine),))
    if record.deleting and situation.spec.detach:
        return Absent()
    if given and machine.uuid != given:
        return Absent()
    owner = f"the marker of {machine.marker.owner}" if machine.marker else "no marker"
    return Refuse(
        Reason.IDENTITY_MISMATCH,
        f"{machine.id} ({machine.name}) carries {owner} where {situation.marker.owner} was expected; put the marker "
        "back, or set onDelete to Detach and delete this object",
    )


def _is_untaken(situation: Situation, intent: Intent, machine: Machine) -> bool:
    """Whether a machine is to be imported, which is on record, and does not carry any marker yet."""
    return intent.attempt == 0 and intent.id == machine.id and not situation.record.created and machine.marker is None


def _is_adopting(intent: Intent | None, situation: Situation, machine: Machine) -> bool:
    """Whether an adoption is on record that has not taken effect."""
    on_record = intent is not None and intent.attempt == 0 and intent.id == machine.id
    return on_record and machine.marker is not None and machine.marker.names_same_object(situation.marker)


def _locate_carrier(situation: Situation) -> Nowhere | Step:
    carriers = [machine for machine in situation.sight.carriers if machine.power is not Power.GONE]
    if len(carriers) > 1:
        ids = ", ".join(sorted(machine.id for machine in carriers)[:8])
        return Refuse(Reason.IDENTITY_AMBIGUOUS, f"{len(carriers)} machines carry this object's marker: {ids}")
    if not carriers:
        return Nowhere()
    if not situation.sight.settled:
        return Wait(Reason.SEARCHING, "the first sweep of the cloud has not ended")
    return locked(carriers[0]) if carriers[0].lock else Bind(carriers[0].id)


def search_denied(situation: Situation) -> Step | None:
    """The step until the cloud's word that there is no such machine is to be believed; None when it is."""
    record, intent, traits = situation.record, situation.intent, situation.traits
    if intent is None or situation.sight.recorded is not None:
        return None
    if record.created or record.id:
        return search_until_visible(situation, intent, traits.lag) if traits.lag else None
    return search_until_visible(situation, intent)


def search_until_visible(situation: Situation, intent: Intent, window: float | None = None) -> Step | None:
    """The step until a search ended late enough to have seen the effect of ``intent``; None when one has.

    ``window``: seconds after its newest request, by default the visibility of what had no answer.
    """
    visible = intent.asked_at + (situation.traits.visibility if window is None else window)
    if situation.now < visible:
        return Wait(
            Reason.SEARCHING,
            "a machine was asked for that may not be visible yet",
            after=visible - situation.now,
        )
    if situation.sight.searched_at is None or situation.sight.searched_at < visible:
        return Search()
    return None
