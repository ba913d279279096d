"""Backoff grows with every failure in a row, up to a bound, and starts anew after a success."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge.engine.backoff import Backoff


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_pauses_double_up_to_the_longest(seed: int, failures: int) -> None:
    backoff = Backoff(first=0.5, longest=300.0, seed=seed)
    for failure in range(failures):
        expected = min(300.0, 0.5 * 2.0 ** min(failure, 64))
        assert 0.8 * expected <= backoff.next("a") <= 1.2 * expected
    assert backoff.failures("a") == failures


def test_a_success_starts_anew_and_keys_do_not_touch_each_other() -> None:
    backoff = Backoff(seed=1)
    for _ in range(5):
        backoff.next("a")
    backoff.reset("a")
    backoff.reset("unknown")
    assert backoff.failures("a") == 0
    assert backoff.next("a") <= 0.6
    assert backoff.next("b") <= 0.6


def test_what_failed_together_does_not_come_again_together() -> None:
    backoff = Backoff(seed=1)
    assert len({backoff.next(number) for number in range(50)}) > 40
