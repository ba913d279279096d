"""What a plan is made of. Each kind has a pure function of its own that makes one; see ``machine_plan``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hybridge.core.reasons import Reason


class Verb(StrEnum):
    """The small named actions. The words are public: they stand in ``status.plan``."""

    CREATE = "Create"
    INITIALIZE = "Initialize"
    COMPLETE = "Complete"
    ADOPT = "Adopt"
    RESIZE = "Resize"
    GROW_DISK = "GrowDisk"
    RETAG = "Retag"
    RENAME = "Rename"
    CONNECT = "Connect"
    ATTACH_VOLUME = "AttachVolume"
    DETACH_VOLUME = "DetachVolume"
    ADD_RULE = "AddRule"
    REMOVE_RULE = "RemoveRule"
    ADD_MEMBER = "AddMember"
    REMOVE_MEMBER = "RemoveMember"
    RECONFIGURE = "Reconfigure"
    MIGRATE = "Migrate"
    REPLACE = "Replace"
    RESTART = "Restart"
    REVERT = "Revert"
    SET_POWER = "SetPower"
    DELETE = "Delete"
    DETACH = "Detach"


#: What a call of its own brings about, each.
_SINGLE = frozenset({Verb.ATTACH_VOLUME, Verb.DETACH_VOLUME})
#: What one call of a driver can bring about together.
CONFIGURING = frozenset({Verb.RENAME, Verb.RESIZE, Verb.GROW_DISK, Verb.RETAG, Verb.CONNECT, Verb.RECONFIGURE})


@dataclass(frozen=True, slots=True)
class Action:
    """One change that is not done yet: which field, from what to what, and whether it disrupts.

    ``patient``: it waits for a power cycle that something else brings about, because it may be no change at all.
    """

    verb: Verb
    field: str = ""
    before: str = ""
    after: str = ""
    disruptive: bool = False
    reason: str = ""
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Do:
    """Change the cloud: these actions, in one step. ``hard``: a power-off that does not ask the guest.

    ``anew``: a create is a new attempt, not the repetition of the one on record.
    """

    actions: tuple[Action, ...]
    hard: bool = False
    anew: bool = False

    @property
    def verb(self) -> Verb:
        """What kind of step it is; all its actions can be done by the same call."""
        return self.actions[0].verb


def together(actions: Sequence[Action]) -> Do:
    """The first of ``actions``, with those that the same call can bring about."""
    first = actions[0].verb
    if first in _SINGLE:
        return Do((actions[0],))
    verbs = CONFIGURING if first in CONFIGURING else {first}
    return Do(tuple(action for action in actions if action.verb in verbs))


@dataclass(frozen=True, slots=True)
class Bind:
    """Put this id on record: the one cloud object that provably is ours."""

    id: str


@dataclass(frozen=True, slots=True)
class Look:
    """Ask the cloud about this id, past every cache."""

    id: str


@dataclass(frozen=True, slots=True)
class Search:
    """Ask the cloud, past every cache, for whatever carries our marker or came from our intent."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until something changes, or ``after`` seconds have gone by. ``patient``: no change is expected soon."""

    reason: Reason
    message: str
    after: float | None = None
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing will be done until a person acts."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Release:
    """Nothing of ours is left in the cloud: take the finalizer away."""


@dataclass(frozen=True, slots=True)
class Rest:
    """There is nothing to do: the cloud is as the spec wants it, or drift is left as it is."""


Step = Do | Bind | Look | Search | Wait | Refuse | Release | Rest


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is not done yet, in order, and the one step to take now.

    ``drift``: what differs because the cloud changed after the spec was met; ``actions`` holds what of it is corrected.
    ``drifted``: the same, also where the spec wants nothing to be told of it; None where nothing was compared.
    """

    step: Step
    actions: tuple[Action, ...] = ()
    drift: tuple[Action, ...] = ()
    drifted: tuple[Action, ...] | None = None
