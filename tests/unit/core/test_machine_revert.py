"""A machine goes back to a snapshot: once for each token, and never when nobody can know what would be lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.machine import Machine, MachineSpec, Power, Restart, Revert, RevertPhase, RevertWish, Traits
from hybridge.core.machine_plan import plan
from hybridge.core.machine_situation import Record, Situation
from hybridge.core.plan import Do, Refuse, Rest, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import Sight
from tests.unit.core.situations import IDENTITY, MINE, NOW

WISH = RevertWish("before", "2", "snap-1")
INTENT = Intent(1, "token", "web", "", IDENTITY, NOW - 9999)
RECORD = Record("i-1", INTENT, created=True, restart=Restart(""))
MACHINE = Machine("i-1", "web", Power.RUNNING, MINE, cpus=2)
OFF = replace(MACHINE, power=Power.STOPPED)
NOT_READY = Wait(Reason.DEPENDENCY_NOT_READY, "Snapshot shop/before is not ready", patient=True)


def step(found: Machine = MACHINE, revert: Revert | None = None, **words: Any) -> Step:
    """What is done to a machine that is to go back."""
    spec = MachineSpec("web", cpus=2, revert=WISH)
    record = replace(RECORD, revert=revert)
    words = {"spec": spec, "record": record, **words}
    sight = Sight(settled=True, recorded=found)
    traits = Traits(chooses_uuid=False, reverts=True)
    made = Situation(words.pop("spec"), words.pop("record"), sight, traits, MINE, IDENTITY, NOW)
    return plan(replace(made, **words)).step


def done(taken: Step) -> tuple[str, bool] | type[Step]:
    """What is done, and whether at once; or that nothing is."""
    return (taken.verb.value, taken.hard) if isinstance(taken, Do) else type(taken)


BACK, STOPPED = (Verb.REVERT.value, False), (Verb.REVERT.value, True)
STARTED = (Verb.SET_POWER.value, False)


def recorded(phase: RevertPhase, token: str = "2", **words: Any) -> Revert:
    return Revert(token, "before", phase, **words)


@pytest.mark.parametrize(
    ("found", "revert", "expected"),
    [
        (MACHINE, None, STOPPED),
        (OFF, None, BACK),
        (MACHINE, recorded(RevertPhase.DONE, "1"), STOPPED),
        (MACHINE, recorded(RevertPhase.DONE), Rest),
        (OFF, recorded(RevertPhase.STOPPING), BACK),
        (MACHINE, recorded(RevertPhase.STOPPING), STOPPED),
        (OFF, recorded(RevertPhase.REVERTING), BACK),
        (MACHINE, recorded(RevertPhase.REVERTING), Refuse),
        (MACHINE, recorded(RevertPhase.REVERTING, "1"), STOPPED),
        (OFF, recorded(RevertPhase.STARTING), STARTED),
        (MACHINE, recorded(RevertPhase.STARTING), Rest),
        (OFF, recorded(RevertPhase.REFUSED, message="no"), STARTED),
        (MACHINE, recorded(RevertPhase.REFUSED, message="no"), Refuse),
    ],
)
def test_each_token_has_it_go_back_once(found: Machine, revert: Revert | None, expected: Any) -> None:
    assert done(step(found, revert)) == expected


def test_a_machine_that_a_snapshot_has_resumed_has_gone_back() -> None:
    assert step(MACHINE, recorded(RevertPhase.REVERTING), resumes=True) == Rest()


def test_a_status_that_somebody_took_away_has_nothing_go_back() -> None:
    """The token may have been used long ago."""
    assert step(record=replace(RECORD, restart=None)) == Rest()


def test_nobody_asks() -> None:
    assert step(spec=MachineSpec("web", cpus=2)) == Rest()
    given_up = MachineSpec("web", cpus=2, power=None)
    assert done(step(OFF, recorded(RevertPhase.STOPPING, ran=True), spec=given_up)) == STARTED


@pytest.mark.parametrize(("ran", "expected"), [(True, STARTED), (False, Rest)])
def test_a_machine_whose_power_is_nobodys_business_runs_again_if_it_ran(ran: bool, expected: Any) -> None:
    spec = MachineSpec("web", cpus=2, power=None, revert=WISH)
    assert done(step(OFF, recorded(RevertPhase.STARTING, ran=ran), spec=spec)) == expected
    stopped = replace(spec, power=Power.STOPPED)
    assert step(OFF, recorded(RevertPhase.STARTING, ran=ran), spec=stopped) == Rest()


def test_while_the_snapshot_is_not_there_all_else_is_done() -> None:
    assert step(irreversible=NOT_READY) == NOT_READY
    assert done(step(OFF, irreversible=NOT_READY)) == STARTED
    tagged = MachineSpec("web", cpus=2, revert=WISH, tags={"a": "1"})
    assert done(step(irreversible=NOT_READY, spec=tagged)) == (Verb.RETAG.value, False)
    larger = MachineSpec("web", cpus=4, revert=WISH)
    assert step(irreversible=NOT_READY, spec=larger) == NOT_READY


def test_what_has_begun_is_not_left_halfway() -> None:
    for phase in (RevertPhase.STOPPING, RevertPhase.REVERTING):
        assert step(OFF, recorded(phase), irreversible=NOT_READY) == NOT_READY


def test_it_goes_back_before_anything_else() -> None:
    spec = MachineSpec("web", cpus=4, revert=WISH, tags={"a": "1"}, restart_token="9", disruption=True)
    assert done(step(spec=spec)) == STOPPED


def test_what_is_only_observed_never_goes_back() -> None:
    assert step(spec=MachineSpec("web", revert=WISH, observed=True)) == Rest()
