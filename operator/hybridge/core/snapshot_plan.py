"""The plan for a snapshot: a pure function of what is wanted, what is on record and what is seen.

A snapshot whose time is over is deleted in the cloud, and its object stays, as Expired. An object that went by itself would
be put back by whatever applied it, such as a GitOps tool, and would then be another point in time under the same name, taken
again after each expiry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from hybridge.core import situation
from hybridge.core.convergence import busy, planned
from hybridge.core.difference import counts_name, name_change, tag_changes
from hybridge.core.plan import Action, Plan, Refuse, Release
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot, SnapshotSpec, SnapshotTraits

_EXPIRED = Refuse(Reason.EXPIRED, "its time is over, and nothing of it is left in the cloud")


@dataclass(frozen=True, slots=True)
class Record(situation.Record):
    """``taken_at``: when the snapshot was taken, in Unix seconds, once that is known. ``expired``: its deletion was begun
    because its time was over; on record before anything is deleted.
    """

    taken_at: float | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Situation(situation.Situation[SnapshotSpec, Snapshot]):
    """A snapshot's."""

    noun: ClassVar[str] = "snapshot"

    record: Record
    traits: SnapshotTraits


def plan(situation: Situation) -> Plan:
    """The next step and all that is left to do. Never raises; the same arguments give the same plan."""
    if not situation.record.deleting and is_expired(situation):
        return _plan_expired(situation)
    return planned(
        situation,
        lambda found: differences(situation.spec, found, named=counts_name(situation)),
        lambda found: busy(situation, found),
    )


def differences(spec: SnapshotSpec, snapshot: Snapshot, *, named: bool = False) -> tuple[Action, ...]:
    """What has to change: what was taken is what it stays. ``named``: its name counts."""
    return (*name_change(spec, snapshot, named=named), *tag_changes(spec.tags, snapshot))


def expires_at(situation: Situation) -> float | None:
    """When its time is over, in Unix seconds; None: never, or not yet known. What is only observed never expires."""
    spec, record = situation.spec, situation.record
    if spec.observed or spec.expires_after is None or record.taken_at is None:
        return None
    return record.taken_at + spec.expires_after


def is_expired(situation: Situation) -> bool:
    """Whether its time is over, and its deletion has begun or is to begin. What is protected against deletion is kept."""
    if situation.record.expired:
        return True
    end = expires_at(situation)
    return end is not None and end <= situation.now and not situation.record.protected


def _plan_expired(situation: Situation) -> Plan:
    """It goes as in a deletion, whether its object would leave it or not; but the object stays."""
    going = replace(
        situation,
        spec=replace(situation.spec, detach=False),
        record=replace(situation.record, deleting=True, protected=False),
    )
    decided = plan(going)
    return replace(decided, step=_EXPIRED) if isinstance(decided.step, Release) else decided
