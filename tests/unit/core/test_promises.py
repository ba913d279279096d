"""What holds of every plan, whatever the situation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import assume, given, settings

from hybridge.core.lifecycle import Drift, Import
from hybridge.core.machine import Disk, Machine, MachineSpec, Port, Power, RestartPhase, Traits
from hybridge.core.machine_diff import differences
from hybridge.core.machine_plan import plan
from hybridge.core.machine_situation import Situation
from hybridge.core.plan import CONFIGURING, Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Verb, Wait
from hybridge.core.proof import Absent, locate
from hybridge.core.reasons import Reason
from hybridge.core.task import TaskState
from tests.unit.core.situations import IDENTITY, MINE, UUID, machines, proven, situations, specs, traits

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
    if adopted is sight.recorded and not (situation.spec.imports is not None and situation.intent is None):
        # What was only observed is bound without an attempt on record, also what an earlier object has marked.
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


def no_machine_goes_with_a_volume_of_ours(situation: Situation) -> None:
    step, recorded = plan(situation).step, situation.sight.recorded
    if not isinstance(step, Do) or step.verb is not Verb.DELETE:
        return
    assert recorded is not None
    wanted = {use.volume_id for use in situation.spec.volumes if use.volume_id}
    assert recorded.disks is not None or not wanted
    assert not {disk.id for disk in recorded.disks or ()} & {
        *wanted,
        *situation.volumes,
        *situation.others,
        *situation.unread,
    }


def no_volume_but_ours_is_detached_and_none_that_may_be_wanted(situation: Situation) -> None:
    step = plan(situation).step
    if not isinstance(step, Do) or step.verb is not Verb.DETACH_VOLUME:
        return
    (action,) = step.actions
    wanted = {use.volume_id for use in situation.spec.volumes}
    if situation.record.deleting:
        assert action.before in {*situation.volumes, *wanted}
    else:
        assert action.before in situation.detachable
        assert not {action.before, None} & wanted


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
    no_machine_goes_with_a_volume_of_ours,
    no_volume_but_ours_is_detached_and_none_that_may_be_wanted,
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


@often
@given(specs, machines, traits)
def test_a_machine_that_is_as_wanted_is_left_alone(spec: MachineSpec, machine: Machine, traits: Traits) -> None:
    wanted = replace(spec, options={}, observed=False)
    wanted = replace(wanted, volumes=tuple(replace(use, volume_id=use.volume) for use in spec.volumes))
    same = replace(
        machine,
        cpus=spec.cpus or machine.cpus,
        memory=spec.memory or machine.memory,
        root_disk=spec.root_disk or machine.root_disk,
        tags={**machine.tags, **spec.tags},
        ports=tuple(Port((nic.network,)) for nic in spec.networks),
        disks=(*(Disk(use.volume) for use in spec.volumes), Disk("foreign")),
        settings={f"placement.{key}": (value,) for key, value in spec.placement.items()},
        pending={},
        power=spec.power or Power.RUNNING,
    )
    assert plan(proven(wanted, same, traits)) == Plan(Rest(), drifted=())


@often
@given(specs, machines, traits)
def test_what_is_done_lessens_what_is_left(spec: MachineSpec, machine: Machine, traits: Traits) -> None:
    assume(machine.power in {Power.RUNNING, Power.STOPPED, Power.SUSPENDED} and not spec.observed)
    step = plan(proven(spec, machine, traits)).step
    left = differences(spec, replace(machine, detailed=True), traits, named=True)
    if isinstance(step, Wait):
        # Only a volume that is not there yet is waited for.
        assert step.reason is Reason.DEPENDENCY_NOT_READY
        assert any(action.verb is Verb.ATTACH_VOLUME for action in left)
    elif isinstance(step, Rest):
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
