"""What is told of a cloud object: its conditions, from the same plan that decides what is done. The same for every kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeAlias

from hybridge.core.conditions import FALSE, TRUE, Condition, Type, advised
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.plan import Action, Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import C_co, W_co

#: Errors that tell nothing about the cloud object: it is as it was when it was last seen.
_BLIND = frozenset(
    {
        Reason.PROVIDER_DOWN,
        Reason.PROVIDER_NOT_READY,
        Reason.PAUSED,
        Reason.THROTTLED,
        Reason.DEPENDENCY_NOT_READY,
        Reason.SECRET_NOT_FOUND,
        Reason.AUTHENTICATION_FAILED,
        Reason.TLS_NOT_VERIFIED,
        Reason.INVALID_SPEC,
        Reason.NOT_IMPLEMENTED_YET,
        Reason.UNSUPPORTED,
    }
)
#: Refusals because what is seen under our id is not, or may not be, ours.
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


@dataclass(frozen=True, slots=True)
class Standing:
    """How a cloud object is by itself. ``usable``: it is as people can rely on. ``reason``: what that state is called, None
    where it has no name. ``words``: it, in words. ``awaited``: what it still has to do by itself, although nothing is left
    to be done to it.
    """

    usable: bool
    reason: Reason | None
    words: str
    awaited: Reason | None = None


@dataclass(frozen=True, slots=True)
class Story(Generic[W_co, C_co]):
    """What a reconcile knows when it reports. ``was_ready``: Ready was True before; ``unseen``: the cloud is looked at, and
    does not show what was there.
    """

    #: Fields of which a difference that is left as it is asks for a person.
    vital: ClassVar[frozenset[str]] = frozenset()

    spec: W_co
    plan: Plan | None
    found: C_co | None
    error: CloudError | None = None
    deleting: bool = False
    created: bool = False
    was_ready: bool = False
    unseen: bool = False

    def standing(self) -> Standing | None:
        """How it is; None when it is not in sight, or may not be ours."""
        return None if self.proven is None else Standing(True, Reason.IN_SYNC, f"{self.proven.id} is there")

    @property
    def proven(self) -> C_co | None:
        """What is in sight, unless the plan refuses because it may not be ours."""
        refused = self.refusal
        return None if refused and refused.reason in _UNPROVEN else self.found

    @property
    def refusal(self) -> Refuse | None:
        """Why nothing is done."""
        step = self.plan.step if self.plan else None
        return step if isinstance(step, Refuse) else None


#: Of whatever kind.
AnyStory: TypeAlias = Story[Any, Any]


def early_phase(story: AnyStory) -> str | None:
    """The phase, in the words that all kinds have, of what goes, is not made yet, or is not in sight; None: how
    it is decides.
    """
    if story.deleting:
        return "Deleting"
    if not story.created:
        failed = (story.error and story.error.disposition is Disposition.STOP) or story.refusal
        begun = (story.plan is not None or story.proven is not None) and story.spec.imports is None
        return "Failed" if failed else "Creating" if begun else "Pending"
    if story.proven is None:
        return "Failed" if story.refusal else "Unknown"
    return None


def conditions(story: AnyStory) -> tuple[Condition, ...]:
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


def _ready(story: AnyStory, synced: Condition) -> Condition:
    standing = story.standing()
    if story.deleting:
        return Condition(Type.READY, FALSE, Reason.DELETING, synced.message)
    if _is_blind(story) and story.was_ready:
        state = standing.reason if standing else None
        return Condition(Type.READY, TRUE, state or synced.reason, f"last known state: {synced.message}")
    if standing is None or not story.created or not standing.usable:
        return Condition(Type.READY, FALSE, synced.reason, synced.message)
    if not story.was_ready and story.plan and not isinstance(story.plan.step, Rest | Refuse):
        # It becomes Ready once all that was asked for has arrived; it stays so while it is changed.
        return Condition(Type.READY, FALSE, synced.reason, synced.message)
    if standing.awaited is not None:
        return Condition(Type.READY, FALSE, standing.awaited, standing.awaited.hint)
    waiting = f"; {synced.message}" if synced.status != TRUE and synced.message else ""
    return Condition(Type.READY, TRUE, standing.reason or synced.reason, f"{standing.words}{waiting}")


def _is_blind(story: AnyStory) -> bool:
    """Whether nothing new is known of it: an error keeps us from looking, or from knowing what to look for."""
    if story.error is None or story.error.reason not in _BLIND:
        return False
    return (story.found is None and not story.unseen) or story.error.reason is Reason.PROVIDER_DOWN


def _synced(story: AnyStory) -> Condition:
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
        case Bind(known_id):
            return Reason.SEARCHING, f"{known_id} carries this object's marker"
        case Look() | Search():
            return Reason.SEARCHING, "the cloud is asked past every cache"
        case Release():
            return Reason.DELETING, "nothing is left in the cloud"
        case Rest():
            return Reason.IN_SYNC, ""


_VERBS = {
    Verb.CREATE: Reason.CREATING,
    Verb.INITIALIZE: Reason.CREATING,
    Verb.COMPLETE: Reason.CREATING,
    Verb.ADOPT: Reason.UPDATING,
    Verb.RESIZE: Reason.UPDATING,
    Verb.GROW_DISK: Reason.UPDATING,
    Verb.RETAG: Reason.UPDATING,
    Verb.RENAME: Reason.UPDATING,
    Verb.CONNECT: Reason.UPDATING,
    Verb.ATTACH_VOLUME: Reason.UPDATING,
    Verb.DETACH_VOLUME: Reason.UPDATING,
    Verb.ADD_RULE: Reason.UPDATING,
    Verb.REMOVE_RULE: Reason.UPDATING,
    Verb.ADD_MEMBER: Reason.UPDATING,
    Verb.REMOVE_MEMBER: Reason.UPDATING,
    Verb.RECONFIGURE: Reason.UPDATING,
    Verb.MIGRATE: Reason.UPDATING,
    Verb.REPLACE: Reason.UPDATING,
    Verb.RESTART: Reason.UPDATING,
    Verb.REVERT: Reason.UPDATING,
    Verb.SET_POWER: Reason.UPDATING,
    Verb.DELETE: Reason.DELETING,
    Verb.DETACH: Reason.DETACHING,
}


#: What an action does, for people, where that is not a field that changes.
_SENTENCES = {
    Verb.CREATE: "creating {after}",
    Verb.INITIALIZE: "{after} is configured for its first start",
    Verb.COMPLETE: "making {after}",
    Verb.ADOPT: "taking over {after}",
    Verb.RESTART: "restart: {reason}",
    Verb.REVERT: "going back to Snapshot {after}: {reason}",
    Verb.ATTACH_VOLUME: "attaching {after}",
    Verb.DETACH_VOLUME: "detaching {before}",
    Verb.ADD_RULE: "allowing {after}",
    Verb.REMOVE_RULE: "no longer allowing {before}",
    Verb.ADD_MEMBER: "applying to {after}",
    Verb.REMOVE_MEMBER: "no longer applying to {before}",
    Verb.DELETE: "deleting {before}",
    Verb.DETACH: "letting go of {before}",
}


def _words(action: Action) -> str:
    sentence = _SENTENCES.get(action.verb)
    if sentence is None:
        return f"{action.field} from {action.before or 'nothing'} to {action.after}"
    return sentence.format(before=action.before, after=action.after, reason=action.reason)


def _drifted(story: AnyStory) -> Condition:
    items = drift(story)
    if not items:
        return Condition(Type.DRIFTED, FALSE, Reason.NO_DRIFT)
    return Condition(Type.DRIFTED, TRUE, Reason.DRIFTED, ", ".join(action.field for action in items))


def drift(story: AnyStory) -> tuple[Action, ...]:
    """Where what once was as wanted differs now."""
    if story.plan is None or story.deleting:
        return ()
    return story.plan.drift


def _stalled(story: AnyStory, synced: Condition) -> Condition | None:
    """That a person has to act: what is wrong, then what helps. GitOps tools show this message and no other."""
    if story.error is not None:
        return _asking(synced) if story.error.disposition is Disposition.STOP else None
    if story.refusal:
        return _asking(synced)
    left = story.plan.drift if story.plan and isinstance(story.plan.step, Rest) else ()
    if any(action.field in story.vital for action in left):
        # It is not as it should be, and nobody but a person will change that.
        return _asking(synced)
    return None


def _asking(synced: Condition) -> Condition:
    return Condition(Type.STALLED, TRUE, synced.reason, advised(synced.message, synced.reason))
