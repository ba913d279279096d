"""Conditions as metav1.Condition has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.conditions import ABNORMAL, FALSE, MESSAGE_LIMIT, TRUE, UNKNOWN, Condition, Type, merge
from hybridge.core.reasons import Reason

conditions = st.lists(
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


@given(conditions, conditions, st.floats(1, 2e9), st.floats(1, 2e9), st.integers(1, 9))
def test_a_transition_time_moves_only_with_the_status(
    first: list[Condition], second: list[Condition], earlier: float, later: float, generation: int
) -> None:
    old = {condition.type: condition for condition in merge((), first, generation=1, now=earlier)}
    new = merge(tuple(old.values()), second, generation=generation, now=later)
    for condition in new:
        before = old.get(condition.type)
        same = before is not None and before.status == condition.status
        assert condition.since == int(earlier if same else later)
        assert condition.observed_generation == generation


@given(conditions)
def test_abnormal_conditions_exist_only_while_they_are_true(told: list[Condition]) -> None:
    merged = merge((), told, generation=1, now=0.0)
    assert all(condition.status == TRUE for condition in merged if condition.type in ABNORMAL)
    assert {condition.type for condition in told} - {condition.type for condition in merged} <= ABNORMAL


@given(conditions)
def test_telling_the_same_again_changes_nothing(told: list[Condition]) -> None:
    once = merge((), told, generation=1, now=100.0)
    assert merge(once, told, generation=1, now=200.0) == once


def test_a_long_message_is_cut() -> None:
    (condition,) = merge((), [Condition(Type.READY, TRUE, Reason.RUNNING, "x" * 40_000)], generation=1, now=0.0)
    assert len(condition.message) == MESSAGE_LIMIT
