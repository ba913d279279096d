"""What holds of every plan, whatever the situation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hybridge.core.lifecycle import Drift, Import
from hybridge.core.machine import (
    Intent,
    Machine,
    MachineSpec,
    Nic,
    Port,
    Power,
    PowerOff,
    RestartPhase,
    Task,
    TaskState,
    Traits,
)
from hybridge.core.machine_diff import differences
from hybridge.core.machine_plan import plan
from hybridge.core.machine_proof import Absent, locate
from hybridge.core.machine_situation import Record, Sight, Situation
from hybridge.core.plan import CONFIGURING, Action, Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Verb, Wait
from hybridge.core.reasons import Reason
from tests.unit.core.situations import IDENTITY, MINE, NOW, UUID, machines, situations, specs, traits

often = settings(max_examples=10 * settings().max_examples)
UNTIED = {Verb.CREATE, Verb.ADOPT}


def carries_our_marker(machine: Machine) -> bool:
    return machine.marker is not None and machine.marker.owner == MINE.owner


def chosen_id(situation: Situation) -> str | None:
    """The id that the operator chose itself."""
    return situation.intent.id if situation.intent else None


def is_elsewhere(situation: Situation) -> bool:
    intent = situation.record.intent
    return intent is not None and intent.provider_identity != IDENTITY


def a_plan_is_total_and_deterministic(situation: Situation) -> None:
    decided = plan(situation)
    assert decided == plan(situation)
    assert isinstance(decided.step, Do | Bind | Look | Search | Wait | Refuse | Release | Rest)


def what_is_done_now_is_part_of_what_is_left_to_do(situation: Situation) -> None:
    step, actions = plan(situation).step, plan(situation).actions
    if isinstance(step, Do):
        assert step.actions
        verbs = {action.verb for action in step.actions}
        assert verbs == {step.verb} or verbs <= CONFIGURING
        assert set(step.actions) <= set(actions)
    if isinstance(step, Rest | Release):
        assert not actions


def only_a_proven_machine_is_touched(situation: Situation) -> None:
    step, recorded = plan(situation).step, situation.sight.recorded
    if not isinstance(step, Do) or step.verb in UNTIED:
        return
    assert recorded is not None
    assert recorded.id == situation.id
    if step.verb is Verb.INITIALIZE and not recorded.detailed:
        # Only the driver sees the marker, right before it: the id has to be the one that our own intent led to.
        assert situation.intent is not None
        assert situation.intent.attempt > 0
        assert recorded.power is Power.STOPPED
    else:
        assert recorded.detailed
        assert carries_our_marker(recorded)
    assert not recorded.lock
    given_uuid = situation.intent.uuid if situation.intent and situation.traits.chooses_uuid else ""
    assert not (situation.record.created and given_uuid) or recorded.uuid == given_uuid


def only_an_earlier_machine_of_ours_is_adopted(situation: Situation) -> None:
    step, sight = plan(situation).step, situation.sight
    if not isinstance(step, Do) or step.verb is not Verb.ADOPT:
        return
    candidates = [machine for machine in (*sight.predecessors, sight.recorded) if machine]
    candidates += sight.matches
    adopted = next(machine for machine in candidates if machine.id == step.actions[0].after)
    imported = adopted.marker is None and situation.spec.imports is not None
    assert imported or (adopted.marker is not None and adopted.marker.names_same_object(MINE))
    assert adopted.power is not Power.GONE
    assert not (imported and (adopted.template or situation.record.deleting or not adopted.detailed))
    if adopted is sight.recorded and not (imported and situation.intent is None):
        assert situation.intent is not None
        assert (situation.intent.attempt, situation.intent.id) == (0, adopted.id)


def nothing_is_done_before_the_cloud_was_seen_whole_unless_an_id_is_on_record(situation: Situation) -> None:
    step = plan(situation).step
    if not situation.sight.settled and situation.id is None and not situation.spec.observed:
        assert isinstance(step, Wait | Refuse)


def of_several_carriers_none_is_chosen(situation: Situation) -> None:
    alive = [machine for machine in situation.sight.carriers if machine.power is not Power.GONE]
    step = plan(situation).step
    if situation.id is not None or len(alive) < 2 or is_elsewhere(situation) or situation.spec.observed:
        return
    assert isinstance(step, Refuse)
    assert step.reason is Reason.IDENTITY_AMBIGUOUS
    assert all(machine.id in step.message for machine in alive)


def another_account_stops_everything(situation: Situation) -> None:
    step = plan(situation).step
    refused = isinstance(step, Refuse) and step.reason is Reason.PROVIDER_IDENTITY_MISMATCH
    assert refused == is_elsewhere(situation)


def the_object_is_released_only_when_nothing_of_it_can_be_left(situation: Situation) -> None:
    step, record, sight = plan(situation).step, situation.record, situation.sight
    if not isinstance(step, Release):
        return
    assert record.deleting
    if situation.spec.observed:
        return
    assert not record.protected
    if situation.id is None:
        assert sight.settled
        assert all(machine.power is Power.GONE for machine in sight.carriers)
    elif sight.recorded is None:
        assert sight.absent
    else:
        recorded = sight.recorded
        another = situation.intent is not None and recorded.detailed and recorded.uuid != situation.intent.uuid
        let_go = situation.spec.detach and recorded.detailed and not carries_our_marker(recorded)
        never_taken = situation.spec.imports is not None and recorded.detailed and not carries_our_marker(recorded)
        let_go = let_go or never_taken
        assert recorded.power is Power.GONE or let_go or (another and situation.traits.chooses_uuid)


def the_object_is_not_released_while_a_create_may_still_show_its_effect(situation: Situation) -> None:
    record, sight, intent = situation.record, situation.sight, situation.intent
    resolved = sight.recorded is not None or record.id or record.created or situation.spec.observed
    if intent is None or resolved or not record.deleting:
        return
    visible = intent.started_at + situation.traits.visibility
    searched = sight.searched_at is not None and sight.searched_at >= visible
    if situation.now < visible or not searched:
        assert not isinstance(plan(situation).step, Release)


def what_the_cloud_denies_too_early_is_not_believed(situation: Situation) -> None:
    record, sight, intent = situation.record, situation.sight, situation.intent
    if not record.created or intent is None or sight.recorded is not None or situation.spec.observed:
        return
    if situation.now < intent.started_at + situation.traits.lag:
        step = plan(situation).step
        assert isinstance(step, Look | Wait | Refuse)
        assert not isinstance(step, Refuse) or step.reason is not Reason.LOST


def nothing_is_deleted_unless_that_was_asked_for(situation: Situation) -> None:
    record = situation.record
    verbs = {action.verb for action in plan(situation).actions}
    if not record.deleting or record.protected:
        assert not verbs & {Verb.DELETE, Verb.DETACH}
    elif situation.spec.detach:
        assert Verb.DELETE not in verbs
    else:
        assert Verb.DETACH not in verbs
    if record.deleting:
        assert not verbs & {Verb.CREATE, Verb.RESIZE, Verb.RETAG, Verb.GROW_DISK, Verb.INITIALIZE}


def no_machine_is_created_beside_another(situation: Situation) -> None:
    step, record, sight = plan(situation).step, situation.record, situation.sight
    if not isinstance(step, Do) or step.verb is not Verb.CREATE:
        return
    assert not record.deleting
    # Only what was begun as a create can be repeated as one, and only while it may not have led to a machine.
    assert step.anew or (situation.intent and situation.intent.attempt > 0 and not record.created)
    assert step.anew or not record.id or record.id == chosen_id(situation)
    assert isinstance(locate(situation), Absent) or all(machine.power is Power.GONE for machine in sight.carriers)
    assert sight.task is None or sight.task.state is not TaskState.RUNNING
    if step.anew and situation.intent and not record.created and not record.id and sight.recorded is None:
        visible = situation.intent.started_at + situation.traits.visibility
        assert sight.searched_at is not None
        assert visible <= sight.searched_at


def a_running_machine_is_disrupted_only_when_that_is_allowed(situation: Situation) -> None:
    step, recorded, spec = plan(situation).step, situation.sight.recorded, situation.spec
    if not isinstance(step, Do) or recorded is None or recorded.power is Power.STOPPED:
        return
    if any(action.disruptive for action in step.actions):
        asked = situation.record.restart is not None and (
            situation.record.restart.phase is RestartPhase.STOPPING
            or spec.restart_token not in {None, situation.record.restart.token}
        )
        assert spec.disruption or spec.power is Power.STOPPED or situation.record.deleting or asked
        assert step.verb in {Verb.SET_POWER, Verb.RESTART}


def what_is_only_observed_is_never_written(situation: Situation) -> None:
    near = replace(situation, spec=replace(situation.spec, observed=True, imports=Import(id="101")))
    assert not isinstance(plan(near).step, Do)
    assert not plan(near).actions


def for_an_import_nothing_is_ever_made(situation: Situation) -> None:
    near = replace(situation, spec=replace(situation.spec, imports=Import(name="web")))
    near = replace(near, record=replace(near.record, intent=None))
    step = plan(near).step
    assert not (isinstance(step, Do) and step.verb is Verb.CREATE)


def drift_is_corrected_only_where_that_is_asked_for(situation: Situation) -> None:
    for mode in (Drift.REPORT, Drift.IGNORE):
        near = replace(situation, spec=replace(situation.spec, drift=mode, restart_token=None))
        near = replace(near, record=replace(near.record, reached=True, created=True, deleting=False, restart=None))
        decided = plan(near)
        verbs = {action.verb for action in decided.actions}
        assert verbs <= {Verb.CREATE, Verb.ADOPT}, mode
        assert not (mode is Drift.IGNORE and decided.drift and not near.spec.observed)


def what_takes_another_machine_is_never_tried(situation: Situation) -> None:
    step = plan(situation).step
    assert not isinstance(step, Do) or all(action.verb is not Verb.REPLACE for action in step.actions)


PROMISES = (
    a_plan_is_total_and_deterministic,
    what_is_done_now_is_part_of_what_is_left_to_do,
    only_a_proven_machine_is_touched,
    only_an_earlier_machine_of_ours_is_adopted,
    nothing_is_done_before_the_cloud_was_seen_whole_unless_an_id_is_on_record,
    of_several_carriers_none_is_chosen,
    another_account_stops_everything,
    the_object_is_released_only_when_nothing_of_it_can_be_left,
    the_object_is_not_released_while_a_create_may_still_show_its_effect,
    what_the_cloud_denies_too_early_is_not_believed,
    nothing_is_deleted_unless_that_was_asked_for,
    no_machine_is_created_beside_another,
    a_running_machine_is_disrupted_only_when_that_is_allowed,
    what_is_only_observed_is_never_written,
    for_an_import_nothing_is_ever_made,
    drift_is_corrected_only_where_that_is_asked_for,
    what_takes_another_machine_is_never_tried,
)


def around(situation: Situation) -> Iterator[Situation]:
    """The situation and those that differ from it in one or two respects: where decisions change."""
    record, sight = situation.record, situation.sight
    for deleting, settled, absent in itertools.product([False, True], repeat=3):
        near = replace(
            situation,
            record=replace(record, deleting=deleting),
            sight=replace(sight, settled=settled, absent=absent),
        )
        yield near
        yield replace(near, now=situation.now + 250.0)
        if sight.recorded:
            proven = replace(sight.recorded, marker=MINE, uuid=UUID, detailed=True, lock=None)
            yield replace(near, sight=replace(near.sight, recorded=proven, task=None))
            fresh = replace(sight.recorded, detailed=False, power=Power.STOPPED, lock=None)
            yield replace(
                near, record=replace(near.record, created=False), sight=replace(near.sight, recorded=fresh, task=None)
            )


@often
@given(situations())
def test_every_plan_keeps_every_promise(situation: Situation) -> None:
    for near in around(situation):
        for promise in PROMISES:
            promise(near)


def proven(spec: MachineSpec, machine: Machine, traits: Traits, *, created: bool = True) -> Situation:
    machine = replace(machine, marker=MINE, uuid=UUID, lock=None, detailed=True)
    intent = Intent(1, "token", spec.name, UUID, IDENTITY, NOW - 9999)
    record = Record(machine.id, intent, created=created)
    return Situation(spec, record, Sight(settled=True, recorded=machine), traits, MINE, IDENTITY, NOW)


@often
@given(specs, machines, traits)
def test_a_machine_that_is_as_wanted_is_left_alone(spec: MachineSpec, machine: Machine, traits: Traits) -> None:
    wanted = replace(spec, options={}, observed=False)
    same = replace(
        machine,
        cpus=spec.cpus or machine.cpus,
        memory=spec.memory or machine.memory,
        root_disk=spec.root_disk or machine.root_disk,
        tags={**machine.tags, **spec.tags},
        ports=tuple(Port((nic.network,)) for nic in spec.networks),
        settings={f"placement.{key}": (value,) for key, value in spec.placement.items()},
        pending={},
        power=spec.power or Power.RUNNING,
    )
    assert plan(proven(wanted, same, traits)) == Plan(Rest())


@often
@given(specs, machines, traits)
def test_what_is_done_lessens_what_is_left(spec: MachineSpec, machine: Machine, traits: Traits) -> None:
    assume(machine.power in {Power.RUNNING, Power.STOPPED, Power.SUSPENDED} and not spec.observed)
    step = plan(proven(spec, machine, traits)).step
    left = differences(spec, replace(machine, detailed=True), traits, named=True)
    if isinstance(step, Rest):
        assert not left
        assert spec.power in {None, machine.power}
    elif isinstance(step, Refuse):
        impossible = all(action.verb is Verb.REPLACE for action in left)
        assert step.reason is (Reason.REPLACEMENT_REQUIRED if impossible else Reason.RESTART_REQUIRED)
        assert impossible or not spec.disruption
        wanted = [action for action in left if action.disruptive and (impossible or action.verb is not Verb.REPLACE)]
        assert all(action.field in step.message for action in wanted)
    else:
        assert isinstance(step, Do)
        assert step.verb in {Verb.SET_POWER, Verb.RESTART} or set(step.actions) <= set(left)


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
    assert plan(proven(MachineSpec("web", power=Power.STOPPED), STOPPED, Traits())) == Plan(Rest())


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
    assert plan(during_shutdown(replace(spec, power_off_timeout=30.0))) == Plan(Rest())


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
    assert plan(situation) == Plan(Rest())
    waiting = plan(replace(situation, spec=MachineSpec("web", tags={"a": "b"}))).step
    assert isinstance(waiting, Wait)
    assert waiting.reason is Reason.LOCKED


def test_a_machine_that_came_onto_the_host_of_another_of_its_group_is_told_and_not_moved() -> None:
    machine = replace(RUNNING, host="pve1")
    situation = proven(MachineSpec("web", group="web"), machine, Traits())
    decided = plan(replace(situation, sight=replace(situation.sight, neighbours={"pve1": "web-2"})))
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
