"""Names, reasons and errors: the words that reach people, and what they make the engine do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.errors import (
    Busy,
    CloudError,
    Disposition,
    IdTaken,
    NotProven,
    Refused,
    Throttled,
    TokenMismatch,
    Unreachable,
)
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason

# Field, disposition, whether it may have taken effect.
ERRORS: dict[CloudError, tuple[Reason, Disposition, bool]] = {
    Unreachable("x"): (Reason.PROVIDER_DOWN, Disposition.RETRY, False),
    Unreachable("x", took_effect_possible=True): (Reason.PROVIDER_DOWN, Disposition.RETRY, True),
    Throttled("x", retry_after=3.0): (Reason.THROTTLED, Disposition.RETRY, False),
    Refused(Reason.QUOTA, "x"): (Reason.QUOTA, Disposition.STOP, False),
    Busy("x"): (Reason.LOCKED, Disposition.WAIT, False),
    IdTaken("x"): (Reason.NAME_TAKEN, Disposition.RETRY, False),
    TokenMismatch("x"): (Reason.SEARCHING, Disposition.RETRY, True),
    NotProven("x"): (Reason.IDENTITY_MISMATCH, Disposition.WAIT, False),
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_says_what_to_do_next(error: CloudError) -> None:
    assert (error.reason, error.disposition, error.took_effect_possible) == ERRORS[error]
    assert error.message == str(error) == "x"


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_a_word_that_the_api_accepts(reason: Reason) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", reason.value)
    assert Reason(reason.value) is reason
    assert f"{reason}" == reason.value
    assert not reason.hint or reason.hint[-1] == "."


def test_who_has_to_act_is_told_how() -> None:
    helpless = {reason.name for reason in list(Reason)[list(Reason).index(Reason.PAUSED) :] if not reason.hint}
    assert not helpless


def test_a_mistyped_name_is_answered_with_the_nearest() -> None:
    sentence = not_found("image", "debain-12", ["debian-12", "debian-11", "windows", "ubuntu"])
    assert sentence == "image 'debain-12' was not found; the nearest of 4: debian-12, debian-11"


@given(st.text(), st.lists(st.text(min_size=1), max_size=20))
def test_at_most_five_known_names_are_told(wanted: str, known: list[str]) -> None:
    sentence = not_found("image", wanted, known)
    assert repr(wanted) in sentence
    if known:
        told = sentence.split(f"of {len(set(known))}: ", 1)[1]
        assert any(name in told for name in known)
    else:
        assert "sees none" in sentence
