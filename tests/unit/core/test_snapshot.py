"""Snapshots: when their time is over, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.plan import Bind, Do, Refuse, Release, Rest, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import Sight
from hybridge.core.snapshot import Snapshot, SnapshotSpec, SnapshotTraits
from hybridge.core.snapshot_plan import Record, Situation, expires_at, plan
from tests.unit.core.kinds import SNAPSHOT
from tests.unit.core.situations import IDENTITY, NOW

FOUND = Snapshot("snap-1", "before", marker=SNAPSHOT.marker())
DAY = 86400.0
INTENT = Intent(1, "token", "before", "", IDENTITY, NOW - 2 * DAY)
RECORD = Record("snap-1", INTENT, created=True, taken_at=NOW - DAY)


def situation(spec: SnapshotSpec, record: Record = RECORD, found: Snapshot | None = FOUND) -> Situation:
    sight = Sight(settled=True, recorded=found, absent=found is None, searched_at=NOW)
    return Situation(spec, record, sight, SnapshotTraits(), SNAPSHOT.marker(), IDENTITY, NOW)


def verb(step: Step) -> Verb | None:
    return step.verb if isinstance(step, Do) else None


@pytest.mark.parametrize(
    ("after", "expected"), [(None, None), (DAY + 1, None), (DAY, Verb.DELETE), (60.0, Verb.DELETE)]
)
def test_a_snapshot_goes_when_its_time_is_over(after: float | None, expected: Verb | None) -> None:
    decided = plan(situation(SnapshotSpec("before", expires_after=after)))
    assert verb(decided.step) is expected
    if expected is None:
        assert decided.step == Rest()


def test_when_it_goes_is_known_beforehand() -> None:
    kept = SnapshotSpec("before", expires_after=2 * DAY)
    assert expires_at(situation(kept)) == NOW + DAY
    assert expires_at(situation(SnapshotSpec("before"))) is None
    assert expires_at(situation(kept, replace(RECORD, taken_at=None))) is None


EXPIRING = SnapshotSpec("before", expires_after=60.0)


def test_an_expired_snapshot_leaves_its_object_and_is_never_taken_again() -> None:
    gone = situation(replace(EXPIRING, recreate_lost=True), replace(RECORD, expired=True), None)
    step = plan(gone).step
    assert isinstance(step, Refuse)
    assert step.reason is Reason.EXPIRED
    longer = replace(gone, spec=SnapshotSpec("before", expires_after=10 * DAY, recreate_lost=True))
    assert plan(longer).step == step


def test_an_expired_snapshot_is_deleted_also_where_its_object_would_leave_it() -> None:
    assert verb(plan(situation(replace(EXPIRING, detach=True))).step) is Verb.DELETE
    deleting = replace(RECORD, deleting=True)
    assert verb(plan(situation(replace(EXPIRING, detach=True), deleting)).step) is Verb.DETACH


def test_protection_keeps_a_snapshot_from_its_expiry() -> None:
    assert plan(situation(EXPIRING, replace(RECORD, protected=True))).step == Rest()


def test_what_is_only_observed_never_expires() -> None:
    assert plan(situation(replace(EXPIRING, observed=True))).step == Rest()


def test_an_expired_snapshot_waits_for_what_is_made_from_it() -> None:
    made = situation(EXPIRING)
    used = replace(made, sight=replace(made.sight, users=("Volume shop/copy",)))
    assert plan(used).step == Wait(Reason.HAS_DEPENDANTS, "used by Volume shop/copy", patient=True)


def test_somebody_elses_snapshot_is_not_deleted_because_ours_has_expired() -> None:
    theirs = replace(FOUND, marker=replace(SNAPSHOT.marker(), uid="uid-9"))
    assert isinstance(plan(situation(EXPIRING, found=theirs)).step, Refuse)


LEFT = Snapshot("snap-2", "before", marker=SNAPSHOT.marker(), remains=True)
GOING = replace(RECORD, deleting=True)


def remaining(spec: SnapshotSpec, record: Record, recorded: Snapshot | None = None) -> Situation:
    """What had the id is gone, and something is left of it."""
    made = situation(spec, record, recorded)
    return replace(made, sight=replace(made.sight, carriers=(LEFT,)))


def test_what_is_left_of_one_that_is_gone_goes_before_its_object() -> None:
    spec = SnapshotSpec("before")
    assert plan(remaining(spec, GOING)).step == Bind("snap-2")
    bound = remaining(spec, replace(GOING, id="snap-2"), LEFT)
    assert verb(plan(bound).step) is Verb.DELETE
    assert plan(remaining(replace(spec, detach=True), GOING)).step == Release()


def test_what_is_left_is_looked_for_before_that_and_not_believed_at_once() -> None:
    unsearched = remaining(SnapshotSpec("before"), GOING)
    late = replace(unsearched, traits=SnapshotTraits(lag=60.0), sight=replace(unsearched.sight, denied_since=NOW - 1))
    assert isinstance(plan(late).step, Wait)


def test_what_is_left_is_nothing_that_was_made() -> None:
    """Neither of another attempt, nor of one whose id nobody knows."""
    unknown = replace(RECORD, id=None, created=False, taken_at=None)
    step = plan(remaining(SnapshotSpec("before"), unknown)).step
    assert verb(step) is Verb.CREATE
    assert plan(remaining(SnapshotSpec("before"), replace(unknown, deleting=True))).step == Bind("snap-2")
    lost = plan(remaining(SnapshotSpec("before"), RECORD)).step
    assert isinstance(lost, Refuse)
    assert lost.reason is Reason.LOST
