"""What holds of every plan of every kind that has no power, whatever the situation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.core.lifecycle import Drift, Import
from hybridge.core.managed import State
from hybridge.core.plan import (
    CONFIGURING,
    Bind,
    Do,
    Look,
    Plan,
    Refuse,
    Release,
    Rest,
    Search,
    Verb,
    Wait,
)
from hybridge.core.reasons import Reason
from hybridge.core.situation import AnySituation
from tests.unit.core.kinds import CASES, Case, Whatever, proven, situations
from tests.unit.core.situations import IDENTITY

often = settings(max_examples=3 * settings().max_examples)
each_kind = pytest.mark.parametrize("case", CASES, ids=lambda case: case.noun)

UNTIED = {Verb.CREATE, Verb.ADOPT}


def is_elsewhere(situation: AnySituation) -> bool:
    intent = situation.record.intent
    return intent is not None and intent.provider_identity != IDENTITY


def a_plan_is_total_and_deterministic(case: Case, situation: Whatever) -> None:
    decided = case.plan(situation)
    assert decided == case.plan(situation)
    assert isinstance(decided.step, Do | Bind | Look | Search | Wait | Refuse | Release | Rest)


def what_is_done_now_is_part_of_what_is_left_to_do(case: Case, situation: Whatever) -> None:
    decided = case.plan(situation)
    if isinstance(decided.step, Do):
        verbs = {action.verb for action in decided.step.actions}
        assert verbs == {decided.step.verb} or verbs <= CONFIGURING
        assert set(decided.step.actions) <= set(decided.actions)
    if isinstance(decided.step, Rest | Release):
        assert not decided.actions


def nothing_is_touched_without_proof(case: Case, situation: Whatever) -> None:
    step, recorded = case.plan(situation).step, situation.sight.recorded
    if not isinstance(step, Do) or step.verb in UNTIED:
        return
    assert recorded is not None
    assert recorded.id == situation.id
    assert recorded.detailed
    assert recorded.marker == situation.marker
    assert not recorded.lock
    assert recorded.state not in {State.GONE, State.DELETING, State.UNKNOWN}


def what_is_half_made_or_failed_is_not_changed(case: Case, situation: Whatever) -> None:
    step, recorded = case.plan(situation).step, situation.sight.recorded
    if isinstance(step, Do) and step.verb not in UNTIED and recorded.state is not State.READY:
        assert case.going(situation)


def another_account_stops_everything(case: Case, situation: Whatever) -> None:
    step = case.plan(situation).step
    refused = isinstance(step, Refuse) and step.reason is Reason.PROVIDER_IDENTITY_MISMATCH
    assert refused == is_elsewhere(situation)


def nothing_is_deleted_unless_that_was_asked_for(case: Case, situation: Whatever) -> None:
    record = situation.record
    verbs = {action.verb for action in case.plan(situation).actions}
    if not case.going(situation) or (record.deleting and record.protected):
        assert not verbs & {Verb.DELETE, Verb.DETACH}
    elif record.deleting and situation.spec.detach:
        assert Verb.DELETE not in verbs
    else:
        assert Verb.DETACH not in verbs


def nothing_that_is_used_is_deleted_or_let_go(case: Case, situation: Whatever) -> None:
    step = case.plan(situation).step
    if situation.sight.users:
        assert not isinstance(step, Do) or step.verb not in {Verb.DELETE, Verb.DETACH}


def what_is_only_observed_is_never_written(case: Case, situation: Whatever) -> None:
    spec = replace(situation.spec, observed=True, imports=Import(id="a-1"))
    decided = case.plan(replace(situation, spec=spec))
    assert not isinstance(decided.step, Do)
    assert not decided.actions


def drift_is_corrected_only_where_that_is_asked_for(case: Case, situation: Whatever) -> None:
    for mode in (Drift.REPORT, Drift.IGNORE):
        near = replace(
            situation,
            spec=replace(situation.spec, drift=mode),
            record=replace(case.met_record(situation.record, situation.spec), deleting=False),
        )
        if case.going(near):
            continue
        decided = case.plan(near)
        assert {action.verb for action in decided.actions} <= UNTIED, mode
        assert not (mode is Drift.IGNORE and decided.drift and not near.spec.observed)


def what_takes_another_one_is_never_tried(case: Case, situation: Whatever) -> None:
    step = case.plan(situation).step
    assert not isinstance(step, Do) or all(action.verb is not Verb.REPLACE for action in step.actions)


PROMISES = (
    a_plan_is_total_and_deterministic,
    what_is_done_now_is_part_of_what_is_left_to_do,
    nothing_is_touched_without_proof,
    what_is_half_made_or_failed_is_not_changed,
    another_account_stops_everything,
    nothing_is_deleted_unless_that_was_asked_for,
    nothing_that_is_used_is_deleted_or_let_go,
    what_is_only_observed_is_never_written,
    drift_is_corrected_only_where_that_is_asked_for,
    what_takes_another_one_is_never_tried,
)


@each_kind
@often
@given(data=st.data())
def test_every_plan_keeps_every_promise(case: Case, data: st.DataObject) -> None:
    situation: Whatever = data.draw(situations(case))
    near = [situation, replace(situation, record=replace(situation.record, deleting=not situation.record.deleting))]
    recorded = situation.sight.recorded
    if recorded is not None:
        mine = replace(recorded, marker=situation.marker, detailed=True, lock=None)
        near += [replace(one, sight=replace(one.sight, recorded=mine, task=None)) for one in near]
    for one in near:
        for promise in PROMISES:
            promise(case, one)


@each_kind
@often
@given(data=st.data())
def test_what_is_as_wanted_is_left_alone(case: Case, data: st.DataObject) -> None:
    spec = replace(data.draw(case.specs), observed=False)
    found = data.draw(case.objects)
    same = replace(case.met(spec, found), name=spec.name, tags={**found.tags, **spec.tags})
    assert case.plan(proven(case, spec, same, data.draw(case.traits))) == Plan(Rest(), drifted=())


@each_kind
@often
@given(data=st.data())
def test_every_difference_is_done_waited_for_or_refused(case: Case, data: st.DataObject) -> None:
    spec = replace(data.draw(case.specs), observed=False)
    decided = case.plan(proven(case, spec, data.draw(case.objects), data.draw(case.traits), created=False))
    if isinstance(decided.step, Rest):
        assert not decided.actions
    else:
        assert decided.actions
    if isinstance(decided.step, Refuse):
        assert decided.step.reason is Reason.REPLACEMENT_REQUIRED
        assert all(action.field in decided.step.message for action in decided.actions)
