"""Conditions as ``metav1.Condition`` has them: a transition time moves only when the status does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hybridge.core.printable import printable
from hybridge.core.reasons import Reason

#: Greatest length of a message here; the API allows 32,768.
MESSAGE_LIMIT = 1024


class Type(StrEnum):
    """The five condition types. There are no more."""

    READY = "Ready"
    SYNCED = "Synced"
    DRIFTED = "Drifted"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


#: kstatus's abnormal-true pair: absent when False.
ABNORMAL = frozenset({Type.RECONCILING, Type.STALLED})

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. ``since`` is the last transition in Unix seconds (whole: that is what the API stores)."""

    type: Type
    status: str
    reason: Reason
    message: str = ""
    observed_generation: int = 0
    since: float = 0.0


def merge(old: Sequence[Condition], new: Iterable[Condition], *, generation: int, now: float) -> tuple[Condition, ...]:
    """``new`` with transition times kept from ``old`` where the status is the same; abnormal ones only when True."""
    before = {condition.type: condition for condition in old}
    merged = []
    for condition in new:
        if condition.type in ABNORMAL and condition.status != TRUE:
            continue
        last = before.get(condition.type)
        since = last.since if last and last.status == condition.status else float(int(now))
        message = printable(condition.message[:MESSAGE_LIMIT])
        merged.append(replace(condition, message=message, observed_generation=generation, since=since))
    return tuple(merged)


def advised(message: str, reason: Reason) -> str:
    """What is wrong, then what a person can do about it."""
    if not message or not reason.hint:
        return message or reason.hint
    return f"{message.removesuffix('.')}. {reason.hint}"
