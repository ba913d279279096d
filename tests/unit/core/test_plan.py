"""Plans for single situations: shutdowns, protection, hosts and names, adoption and detachment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.attempt import Intent
from hybridge.core.lifecycle import Drift
from hybridge.core.machine import Machine, MachineSpec, Nic, Port, Power, PowerOff, Traits
from hybridge.core.machine_diff import differences
from hybridge.core.machine_plan import plan
from hybridge.core.machine_situation import Record, Situation
from hybridge.core.plan import Action, Do, Plan, Refuse, Release, Rest, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import Sight
from hybridge.core.task import Task
from tests.unit.core.situations import IDENTITY, MINE, NOW, UUID, proven

STOPPED = Machine("101", "web", Power.STOPPED)
RUNNING = replace(STOPPED, power=Power.RUNNING)
SHUTDOWN = Task("task-1", "Shutdown", NOW - 60)


def during_shutdown(spec: MachineSpec, machine: Machine = RUNNING, *, deleting: bool = False) -> Situation:
    situation = proven(spec, machine, Traits())
    sight = replace(situation.sight, task=SHUTDOWN)
    return replace(situation, sight=sight, record=replace(situation.record, deleting=deleting))


def hard_stop(decided: Plan) -> bool:
    step = decided.step
    return isinstance(step, Do) and step.hard and step.actions[0].after == Power.STOPPED


def test_a_stopped_machine_that_should_be_stopped_is_at_rest() -> None:
    assert plan(proven(MachineSpec("web", power=Power.STOPPED), STOPPED, Traits())) == Plan(Rest(), drifted=())


def test_a_guest_gets_its_time_to_shut_down_and_then_loses_its_power() -> None:
    spec = MachineSpec("web", power=Power.STOPPED, power_off_timeout=90.0)
    step = plan(during_shutdown(spec)).step
    assert isinstance(step, Wait)
    assert step.after == 30.0
    assert hard_stop(plan(during_shutdown(replace(spec, power_off_timeout=60.0))))


def test_only_a_soft_stop_is_waited_for_without_end() -> None:
    spec = MachineSpec("web", power=Power.STOPPED, power_off=PowerOff.SOFT, power_off_timeout=30.0)
    assert isinstance(plan(during_shutdown(spec)).step, Wait)
    assert hard_stop(plan(during_shutdown(replace(spec, power_off=PowerOff.HARD))))


def test_a_shutdown_that_nobody_wants_any_more_never_becomes_hard() -> None:
    spec = MachineSpec("web", power=Power.RUNNING, power_off_timeout=90.0)
    assert isinstance(plan(during_shutdown(spec)).step, Wait)
    assert plan(during_shutdown(replace(spec, power_off_timeout=30.0))) == Plan(Rest(), drifted=())


def test_a_shutdown_never_becomes_hard_where_drift_is_only_reported() -> None:
    spec = MachineSpec("web", power=Power.STOPPED, power_off_timeout=30.0, drift=Drift.REPORT)
    reached = during_shutdown(spec)
    reached = replace(reached, record=replace(reached.record, reached=True))
    assert plan(reached).step == Rest()


def test_a_shutdown_that_a_permitted_change_needs_becomes_hard() -> None:
    spec = MachineSpec("web", cpus=4, power_off_timeout=30.0, disruption=True)
    machine = replace(RUNNING, cpus=2)
    assert hard_stop(plan(during_shutdown(spec, machine)))
    assert isinstance(plan(during_shutdown(replace(spec, disruption=False), machine)).step, Refuse)


def test_a_deletion_does_not_wait_for_a_guest() -> None:
    assert hard_stop(plan(during_shutdown(MachineSpec("web"), deleting=True)))


@pytest.mark.parametrize("machine", [RUNNING, STOPPED])
def test_what_the_cloud_protects_is_not_even_stopped_for_its_deletion(machine: Machine) -> None:
    situation = proven(MachineSpec("web"), replace(machine, protection="the option is on"), Traits())
    situation = replace(situation, record=replace(situation.record, deleting=True))
    assert plan(situation).step == Refuse(Reason.DELETION_PROTECTED, "the option is on")
    detached = plan(replace(situation, spec=MachineSpec("web", detach=True)))
    assert isinstance(detached.step, Do)
    assert detached.step.verb is Verb.DETACH


def test_an_interface_that_waits_for_a_power_cycle_is_told_so() -> None:
    machine = replace(RUNNING, ports=(Port(("a",)), Port(("b",))), pending={"networks[1]": "c"})
    spec = MachineSpec("web", networks=(Nic("nic0", "a"), Nic("nic1", "c")))
    (change,) = differences(spec, machine, Traits())
    assert (change.field, change.before, change.after, change.disruptive) == ("networks.nic1", "b", "c", True)


def test_the_end_of_a_shutdown_is_no_reason_to_stop_again() -> None:
    spec = MachineSpec("web", power=Power.STOPPED, power_off_timeout=30.0)
    assert isinstance(plan(during_shutdown(spec, STOPPED)).step, Wait)


def test_a_machine_of_which_nobody_knows_whether_it_runs_is_not_resized() -> None:
    machine = replace(STOPPED, power=Power.UNKNOWN, cpus=2)
    step = plan(proven(MachineSpec("web", cpus=4), machine, Traits())).step
    assert not (isinstance(step, Do) and step.verb is Verb.RESIZE)


def test_what_is_on_a_host_that_does_not_answer_is_waited_for_with_patience() -> None:
    machine = replace(STOPPED, power=Power.UNKNOWN, host="pve2")
    for deleting in (False, True):
        situation = proven(MachineSpec("web"), machine, Traits())
        step = plan(replace(situation, record=replace(situation.record, deleting=deleting))).step
        assert isinstance(step, Wait)
        assert step.reason is Reason.HOST_DOWN
        assert step.patient
        assert "pve2" in step.message


def test_somebody_elses_task_is_no_news_while_there_is_nothing_to_do() -> None:
    locked = replace(proven(MachineSpec("web"), RUNNING, Traits()).sight.recorded or RUNNING, lock="backup")
    situation = proven(MachineSpec("web"), RUNNING, Traits())
    situation = replace(situation, sight=replace(situation.sight, recorded=locked))
    assert plan(situation) == Plan(Rest(), drifted=())
    waiting = plan(replace(situation, spec=MachineSpec("web", tags={"a": "b"}))).step
    assert isinstance(waiting, Wait)
    assert waiting.reason is Reason.LOCKED


def test_a_machine_that_came_onto_the_host_of_another_of_its_group_is_told_and_not_moved() -> None:
    machine = replace(RUNNING, host="pve1")
    situation = proven(MachineSpec("web", group="web"), machine, Traits())
    decided = plan(replace(situation, neighbours={"pve1": "web-2"}))
    assert decided.step == Rest()
    assert decided.actions == ()
    (item,) = decided.drift
    assert (item.field, item.after) == ("placement.antiAffinityGroup", "apart from web-2")


def test_a_name_that_was_taken_away_is_missed() -> None:
    (rename,) = plan(proven(MachineSpec("web"), replace(RUNNING, name=""), Traits())).actions
    assert (rename.verb, rename.after) == (Verb.RENAME, "web")


def test_an_adoption_that_did_not_take_effect_is_repeated() -> None:
    earlier = replace(STOPPED, marker=replace(MINE, uid="uid-0"), uuid=UUID)
    intent = Intent(0, "", "web", UUID, IDENTITY, NOW, id="101")
    sight = Sight(settled=True, recorded=earlier)
    situation = Situation(MachineSpec("web"), Record(intent=intent), sight, Traits(), MINE, IDENTITY, NOW)
    adoption = Action(Verb.ADOPT, "machine", "cluster-1/uid-0", "101")
    assert plan(situation) == Plan(Do((adoption,)), (adoption,))


def test_detachment_leaves_a_machine_alone_that_somebody_else_marked() -> None:
    theirs = replace(RUNNING, marker=replace(MINE, cluster="cluster-2"), uuid=UUID)
    situation = proven(MachineSpec("web", detach=True), theirs, Traits())
    sight = replace(situation.sight, recorded=theirs)
    situation = replace(situation, sight=sight, record=replace(situation.record, deleting=True))
    assert plan(situation) == Plan(Release())
    kept = replace(situation, spec=MachineSpec("web"))
    assert isinstance(plan(kept).step, Refuse)


@given(st.sampled_from(["101", "102", "103"]))
def test_a_copy_with_our_marker_is_not_taken_for_the_original(machine_id: str) -> None:
    situation = proven(MachineSpec("web"), replace(RUNNING, id=machine_id), Traits())
    copy = replace(RUNNING, id=machine_id, marker=MINE, uuid="uuid-2")
    step = plan(replace(situation, sight=replace(situation.sight, recorded=copy))).step
    assert isinstance(step, Refuse)
    assert step.reason is Reason.IDENTITY_MISMATCH
    assert machine_id in step.message
