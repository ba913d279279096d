"""Conditions between the core and the API."""

from __future__ import annotations

from collections.abc import Iterable

from hybridge.api import shared
from hybridge.core.conditions import TRUE, Condition, Type, merge
from hybridge.core.reasons import Reason
from hybridge.core.units import format_time, parse_time


def read(conditions: Iterable[shared.Condition]) -> tuple[Condition, ...]:
    """The conditions that an object has, those of other types and reasons left out."""
    known = {reason.value for reason in Reason}
    return tuple(
        Condition(
            Type(condition.type),
            condition.status.value,
            Reason(condition.reason),
            condition.message,
            condition.observed_generation or 0,
            parse_time(condition.last_transition_time),
        )
        for condition in conditions
        if condition.type in set(Type) and condition.reason in known
    )


def write(
    old: Iterable[shared.Condition], new: Iterable[Condition], *, generation: int, now: float
) -> tuple[shared.Condition, ...]:
    """The conditions to store: ``new``, with the transition times of ``old`` where the status stays the same."""
    return tuple(
        shared.Condition(
            type=condition.type.value,
            status=shared.ConditionStatus(condition.status),
            reason=condition.reason.value,
            last_transition_time=format_time(condition.since),
            message=condition.message,
            observed_generation=condition.observed_generation,
        )
        for condition in merge(read(old), new, generation=generation, now=now)
    )


def is_true(conditions: Iterable[shared.Condition], kind: Type) -> bool:
    """Whether the condition of this type is True."""
    return any(condition.type == kind.value and condition.status == TRUE for condition in conditions)
