"""Which machine an import means, and what is told when it means none or several."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.imports import matches, near
from hybridge.core.lifecycle import Drift, Import, digest
from hybridge.core.machine import Machine, MachineSpec, Power, Restart, RestartPhase, Traits
from hybridge.core.machine_plan import plan
from hybridge.core.machine_situation import Record, Situation
from hybridge.core.plan import Bind, Do, Look, Plan, Refuse, Release, Rest, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import Sight
from tests.unit.core.situations import IDENTITY, MINE, NOW

WEB = Machine("i-1", "web", Power.RUNNING, tags={"team": "shop", "tier": "front"})
MACHINES = (
    WEB,
    replace(WEB, id="i-2", name="web-2", tags={"team": "shop"}),
    replace(WEB, id="i-3", name="web", tags={"team": "cellar"}),
    replace(WEB, id="i-4", name="golden", template=True),
    replace(WEB, id="i-5", name="old", power=Power.GONE),
)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Import(id="i-2"), ["i-2"]),
        (Import(id="i-9"), []),
        (Import(id="i-4"), ["i-4"]),
        (Import(id="i-5"), []),
        (Import(name="web"), ["i-1", "i-3"]),
        (Import(name="WEB"), []),
        (Import(name="golden"), []),
        (Import(tags={"team": "shop"}), ["i-1", "i-2"]),
        (Import(name="web", tags={"team": "shop"}), ["i-1"]),
        (Import(), []),
    ],
)
def test_what_an_import_means(wanted: Import, ids: list[str]) -> None:
    assert [machine.id for machine in matches(wanted, reversed(MACHINES))] == ids


def test_what_comes_close_is_told() -> None:
    assert near(Import(name="wen-2"), MACHINES)[0] == "i-2 (web-2)"
    assert near(Import(name="web", tags={"team": "it"}), MACHINES) == (
        "i-1 (web) has team=shop instead of it",
        "i-3 (web) has team=cellar instead of it",
    )
    assert near(Import(tags={"team": "shop", "tier": "back"}), MACHINES) == (
        "i-1 (web) has tier=front instead of back",
        "i-2 (web-2) has no tag tier",
    )
    assert near(Import(name="nothing-like-it"), MACHINES) == ()


WANTED = MachineSpec("web", imports=Import(name="web"), power=None)
ALL_SEEN: Sight[Machine] = Sight(settled=True)


def situation(*found: Machine, spec: MachineSpec = WANTED, sight: Sight[Machine] = ALL_SEEN) -> Situation:
    return Situation(spec, Record(), replace(sight, matches=found), Traits(), MINE, IDENTITY, NOW)


def refusal(decided: Plan) -> Reason:
    assert isinstance(decided.step, Refuse)
    return decided.step.reason


def test_one_match_is_taken_over() -> None:
    step = plan(situation(WEB)).step
    assert isinstance(step, Do)
    assert (step.verb, step.actions[0].after) == (Verb.ADOPT, "i-1")


def test_one_match_that_is_ours_already_is_bound() -> None:
    assert plan(situation(replace(WEB, marker=MINE))).step == Bind("i-1")


@pytest.mark.parametrize("field", ["cluster", "name", "namespace", "kind"])
def test_what_somebody_else_owns_is_refused(field: str) -> None:
    theirs = replace(MINE, uid="uid-9", **{field: "other"})
    assert refusal(plan(situation(replace(WEB, marker=theirs)))) is Reason.ALREADY_OWNED


def test_a_template_is_no_machine() -> None:
    assert refusal(plan(situation(replace(WEB, template=True)))) is Reason.INVALID_SPEC


def test_of_several_matches_none_is_taken() -> None:
    decided = plan(situation(MACHINES[0], MACHINES[2]))
    assert refusal(decided) is Reason.IMPORT_AMBIGUOUS
    assert isinstance(decided.step, Refuse)
    assert "i-1 (web), i-3 (web)" in decided.step.message


def test_without_a_match_it_waits_and_creates_nothing() -> None:
    step = plan(situation(sight=Sight(settled=True, near=("i-2 (web-2)",)))).step
    assert isinstance(step, Wait)
    assert (step.reason, step.patient) == (Reason.IMPORT_NOT_FOUND, True)
    assert step.message == "no machine has the name web; near: i-2 (web-2)"
    not_yet = plan(situation(sight=Sight(settled=False))).step
    assert isinstance(not_yet, Wait)
    assert not_yet.reason is Reason.PENDING


def test_an_id_that_no_list_shows_is_asked_for_before_it_is_missed() -> None:
    by_id = MachineSpec("web", imports=Import(id="i-9"), power=None)
    assert plan(situation(spec=by_id)).step == Look("i-9")
    step = plan(situation(spec=by_id, sight=Sight(settled=True, absent=True))).step
    assert isinstance(step, Wait)
    assert step.message == "no machine has the id i-9"


def test_an_imported_machine_that_is_gone_is_never_made_anew() -> None:
    spec = MachineSpec("web", imports=Import(id="i-1"), recreate_lost=True)
    intent = Intent(0, "", "web", "", IDENTITY, NOW - 9999, id="i-1")
    sight: Sight[Machine] = Sight(settled=True, absent=True, searched_at=NOW)
    lost = replace(situation(spec=spec, sight=sight), record=Record("i-1", intent, created=True))
    assert refusal(plan(lost)) is Reason.LOST


def observed(record: Record) -> Situation:
    spec = MachineSpec("web", imports=Import(id="i-1"), observed=True, power=Power.STOPPED, tags={"team": "it"})
    return replace(situation(spec=spec, sight=Sight(settled=True, recorded=WEB)), record=record)


def test_what_is_observed_is_bound_and_compared() -> None:
    assert plan(observed(Record())).step == Bind("i-1")
    decided = plan(observed(Record(id="i-1", created=True, reached=True)))
    assert decided.step == Rest()
    assert [item.field for item in decided.drift] == ["tags.team", "powerState"]
    assert decided.actions == ()


def test_what_is_observed_is_compared_before_it_ever_was_as_wanted() -> None:
    decided = plan(observed(Record(id="i-1", created=True)))
    assert [item.field for item in decided.drift] == ["tags.team", "powerState"]


def test_what_is_observed_is_let_go_at_once_unless_it_is_protected() -> None:
    assert plan(observed(Record(id="i-1", deleting=True))).step == Release()
    assert refusal(plan(observed(Record(id="i-1", deleting=True, protected=True)))) is Reason.DELETION_PROTECTED


@pytest.mark.parametrize("phase", RestartPhase)
def test_a_machine_whose_power_is_nobodys_business_runs_again_after_a_restart(phase: RestartPhase) -> None:
    spec = MachineSpec("web", power=None, restart_token="2")
    ours = replace(WEB, marker=MINE)
    intent = Intent(0, "", "web", "", IDENTITY, NOW - 9999, id="i-1")
    record = Record("i-1", intent, created=True, restart=Restart("2", phase))

    def step(power: Power) -> object:
        sight = Sight(settled=True, recorded=replace(ours, power=power))
        return plan(Situation(spec, record, sight, Traits(), MINE, IDENTITY, NOW)).step

    running, stopped = step(Power.RUNNING), step(Power.STOPPED)
    if phase is RestartPhase.DONE:
        assert running == stopped == Rest()
    else:
        assert isinstance(stopped, Do)
        assert stopped.actions[0].after == Power.RUNNING
        assert (isinstance(running, Do) and running.verb is Verb.RESTART) == (phase is RestartPhase.STOPPING)


def test_what_drifted_before_the_spec_changed_is_left_and_what_the_spec_changed_is_done() -> None:
    spec = MachineSpec("web", tags={"team": "it"}, power=Power.STOPPED, drift=Drift.REPORT)
    intent = Intent(1, "", "web", "", IDENTITY, NOW - 9999, id="i-1")
    record = Record("i-1", intent, created=True, drifted={"powerState": digest("Stopped")})
    sight = Sight(settled=True, recorded=replace(WEB, marker=MINE))
    decided = plan(Situation(spec, record, sight, Traits(), MINE, IDENTITY, NOW))
    assert isinstance(decided.step, Do)
    assert [action.field for action in decided.step.actions] == ["tags.team"]
    assert [item.field for item in decided.drift] == ["powerState"]
