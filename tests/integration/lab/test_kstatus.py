"""The judge of the lab says what kstatus says, and does not guess where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.kstatus import Judge, Status, Verdict
from lab.process import LabError


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as judge:
        yield judge


def body(*conditions: tuple[str, str], observed: int = 2, **metadata: Any) -> dict[str, Any]:
    told = [
        {"type": kind, "status": status, "reason": "Because", "message": f"of {kind}"} for kind, status in conditions
    ]
    return {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "metadata": {"name": "x", "generation": 2, **metadata},
        "status": {"observedGeneration": observed, "conditions": told},
    }


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (body(("Ready", "True")), Status.CURRENT, "Ready"),
        (body(("Ready", "False")), Status.IN_PROGRESS, "of Ready"),
        (body(("Ready", "True"), ("Reconciling", "True")), Status.IN_PROGRESS, "of Reconciling"),
        (body(("Ready", "True"), ("Stalled", "True")), Status.FAILED, "of Stalled"),
        (body(("Ready", "True"), observed=1), Status.IN_PROGRESS, "generation is 2"),
        (body(("Ready", "True"), deletionTimestamp="2026-01-01T00:00:00Z"), Status.TERMINATING, "deletion"),
        (None, Status.NOT_FOUND, ""),
    ],
)
def test_an_object_is_judged(judge: Judge, found: dict[str, Any] | None, status: Status, words: str) -> None:
    verdict = judge.judge(found)

    assert verdict.status is status
    assert words in verdict.message


def test_what_is_no_object_is_an_error_and_the_next_one_is_judged_all_the_same(judge: Judge) -> None:
    with pytest.raises(LabError, match="cannot judge"):
        judge.judge({**body(), "metadata": {"generation": "two"}})

    assert judge.judge(None) == Verdict(Status.NOT_FOUND, "")


def test_a_judge_that_was_not_started_says_so() -> None:
    with pytest.raises(LabError, match="not started"):
        Judge().judge(None)
