"""Steps that somebody undoes, that fail, or that others have to finish: when they have their turn again."""

from __future__ import annotations

import gc
import weakref

from hybridge.core.errors import CloudError, Refused, Unclear
from hybridge.core.machine import Power
from hybridge.core.plan import Action, Do, Refuse, Verb
from hybridge.core.reasons import Reason
from hybridge.engine.machines.memo import Memo
from hybridge.engine.objects.attempts import RECHECK_MOST, REPEAT_MOST, Attempts

START = Do((Action(Verb.SET_POWER, "powerState", "Stopped", Power.RUNNING),))
STOP = Do((Action(Verb.SET_POWER, "powerState", "Running", Power.STOPPED),))
CALM = 900.0


def test_a_step_that_lasts_is_never_held_back() -> None:
    attempts = Attempts()
    assert attempts.hold_back(START, 100.0, calm=CALM) == 0.0
    attempts.did(START, 100.0)
    assert attempts.hold_back(STOP, 100.5, calm=CALM) == 0.0


def test_a_step_that_somebody_undoes_is_held_back_longer_each_time() -> None:
    attempts, at, pauses = Attempts(), 100.0, []
    for _ in range(8):
        attempts.did(START, at)
        pauses.append(attempts.hold_back(START, at, calm=1e9))
        at += pauses[-1]
    assert pauses[:4] == [1.0, 4.0, 16.0, 64.0]
    assert pauses[-1] == REPEAT_MOST


def test_after_a_calm_time_a_repetition_is_nothing_unusual() -> None:
    attempts = Attempts()
    for at in (100.0, 101.0, 105.0):
        attempts.did(START, at)
    assert attempts.hold_back(START, 105.0, calm=CALM) > 1.0
    assert attempts.hold_back(START, 105.0 + CALM + 1.0, calm=CALM) == 0.0


def test_what_takes_the_machine_away_is_not_held_back() -> None:
    for verb in (Verb.DELETE, Verb.DETACH, Verb.ADOPT):
        attempts, step = Attempts(), Do((Action(verb, "machine"),))
        attempts.did(step, 100.0)
        assert attempts.hold_back(step, 100.0, calm=CALM) == 0.0


def test_a_harder_stop_is_another_step() -> None:
    attempts = Attempts()
    attempts.did(STOP, 100.0)
    assert attempts.hold_back(Do(STOP.actions, hard=True), 100.0, calm=CALM) == 0.0


def test_what_a_person_has_to_mend_is_looked_at_ever_more_rarely() -> None:
    attempts = Attempts()
    assert [attempts.recheck(Reason.IMAGE_NOT_FOUND) for _ in range(6)] == [60.0, 120.0, 240.0, 480.0, 960.0, 960.0]


def test_a_secret_that_is_applied_a_moment_later_is_soon_seen() -> None:
    attempts = Attempts()
    assert [attempts.recheck(Reason.SECRET_NOT_FOUND) for _ in range(4)] == [2.0, 4.0, 8.0, 16.0]
    assert [attempts.recheck(Reason.SECRET_NOT_FOUND) for _ in range(9)][-1] == RECHECK_MOST


def test_patience_grows_while_others_do_not_finish_and_starts_anew_with_a_step() -> None:
    attempts = Attempts()
    assert [attempts.patience() for _ in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert max(attempts.patience() for _ in range(50)) == 512.0
    attempts.did(START, 100.0)
    assert attempts.patience() == 0.5


def test_power_cycles_that_do_not_help_are_held_back() -> None:
    attempts, at, waits = Attempts(), 0.0, []
    cycle = [
        Do((Action(Verb.SET_POWER, "powerState", "", Power.STOPPED),)),
        Do((Action(Verb.RESIZE, "attemptsry", "", "5Gi"),)),
        Do((Action(Verb.SET_POWER, "powerState", "", Power.RUNNING),)),
    ]
    for _ in range(5):
        for step in cycle:
            waits.append(attempts.hold_back(step, at))
            attempts.did(step, at)
            at += 1.0

    assert not any(waits[:3])
    assert all(waits[-3:])


def test_what_dies_at_once_is_made_anew_less_and_less_often() -> None:
    attempts, create = Attempts(), Do((Action(Verb.CREATE, "machine", "", "web"),), anew=True)
    waits = []
    for second in range(3):
        waits.append(attempts.hold_back(create, float(second)))
        attempts.did(create, float(second))

    assert waits[0] == 0.0
    assert waits[2] > 1.0


def test_another_spec_is_no_repetition() -> None:
    memo = Memo("u1")
    memo.began(1)
    memo.attempts.did(STOP, 100.0)

    memo.began(2)

    assert memo.attempts.hold_back(STOP, 100.0) == 0.0


def test_a_change_is_not_given_up_for_answers_that_nobody_understands() -> None:
    attempts, step = Attempts(), Do((Action(Verb.RESIZE, "cpus", "2", "4", disruptive=True),))
    changed = [attempts.failed(step, Unclear("TaskStatus: the answer was not understood")) for _ in range(5)]
    assert (changed, attempts.refused) == ([False] * 5, {})

    changed = [attempts.failed(step, CloudError(Reason.CLOUD_ERROR, "no")) for _ in range(1)]
    assert (changed, list(attempts.refused)) == ([True], ["cpus"])


def test_of_an_error_only_the_words_are_kept() -> None:
    """An error holds all that was on the stack when it was raised: pictures of whole clouds, and answers."""
    attempts, step = Attempts(), START
    error = Refused(Reason.QUOTA, "VcpuLimitExceeded")
    gone = weakref.ref(error)

    attempts.failed(step, error)
    del error
    gc.collect()

    assert gone() is None
    assert attempts.failure(step) == Refuse(Reason.QUOTA, "VcpuLimitExceeded")
