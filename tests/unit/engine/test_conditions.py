"""Conditions between the core and the API."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge.api import shared
from hybridge.core.conditions import ABNORMAL, FALSE, TRUE, UNKNOWN, Condition, Type
from hybridge.core.printable import printable
from hybridge.core.reasons import Reason
from hybridge.core.units import format_time, parse_time
from hybridge.engine.conditions import is_true, read, write

told = st.lists(
    st.builds(
        Condition,
        type=st.sampled_from(Type),
        status=st.sampled_from([TRUE, FALSE, UNKNOWN]),
        reason=st.sampled_from(Reason),
        message=st.text(max_size=20),
    ),
    max_size=5,
    unique_by=lambda condition: condition.type,
)


@given(told, st.integers(0, 2**31), st.integers(1, 99))
def test_conditions_come_back_as_people_can_read_them(conditions: list[Condition], at: int, generation: int) -> None:
    back = read(write((), conditions, generation=generation, now=float(at)))
    kept = [condition for condition in conditions if condition.type not in ABNORMAL or condition.status == TRUE]
    assert [(found.type, found.status, found.reason, found.message) for found in back] == [
        (condition.type, condition.status, condition.reason, printable(condition.message)) for condition in kept
    ]
    assert all(found.since == at and found.observed_generation == generation for found in back)


@given(told, told)
def test_a_stored_transition_time_moves_only_with_the_status(first: list[Condition], second: list[Condition]) -> None:
    old = write((), first, generation=1, now=1000.0)
    status = {condition.type: condition.status for condition in old}
    for condition in write(old, second, generation=2, now=2000.0):
        same = status.get(condition.type) == condition.status
        assert parse_time(condition.last_transition_time) == (1000.0 if same else 2000.0)
        assert is_true([condition], Type(condition.type)) == (condition.status.value == TRUE)


def foreign(name: str, reason: str) -> shared.Condition:
    moment = format_time(0.0)
    return shared.Condition(
        type=name, status=shared.ConditionStatus.TRUE, reason=reason, last_transition_time=moment, message=""
    )


def test_what_others_wrote_is_left_out() -> None:
    assert read([foreign("Ready", "SomethingElse"), foreign("Approved", "Running")]) == ()
