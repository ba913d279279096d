"""What is told of a machine: phase and conditions, as people and kstatus read them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.core.conditions import Condition, Type, merge
from hybridge.core.errors import Busy, CloudError, IdTaken, NotProven, Refused, Throttled, TokenMismatch, Unreachable
from hybridge.core.machine import Address, Machine, MachineSpec, Power
from hybridge.core.machine_plan import plan
from hybridge.core.machine_situation import Situation
from hybridge.core.machine_status import Phase, Story, phase, waits_for_address
from hybridge.core.plan import Action, Bind, Do, Look, Plan, Refuse, Release, Rest, Search, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.story import conditions, drift
from tests.unit.core.situations import machines, situations

SPEC = MachineSpec("web")
RUNNING = Machine("i-1", "web", Power.RUNNING, addresses=(Address("InternalIP", "10.0.0.1"),))
STOPPED = replace(RUNNING, power=Power.STOPPED)
RESIZE = Action(Verb.RESIZE, "cpus", "2", "4", disruptive=True)
RESTART = Plan(Refuse(Reason.RESTART_REQUIRED, "a power cycle is needed for cpus 2 to 4"), (RESIZE,))
CREATE = Action(Verb.CREATE, "machine", "", "web")
DOWN = Unreachable("connection refused")
WELL = Story(SPEC, Plan(Rest()), RUNNING, created=True)


def told(story: Story) -> dict[str, Condition]:
    """The conditions as they are stored."""
    return {condition.type: condition for condition in merge((), conditions(story), generation=1, now=0.0)}


def kstatus(story: Story) -> str:
    """How kstatus reads them (sigs.k8s.io/cli-utils ``pkg/kstatus``): Reconciling and Stalled first, then Ready."""
    found = told(story)
    if story.deleting:
        return "Terminating"
    if Type.RECONCILING in found:
        return "InProgress"
    if Type.STALLED in found:
        return "Failed"
    return "Current" if found[Type.READY].status == "True" else "InProgress"


def test_what_people_should_do_in_the_cloud_is_told_beside_what_it_is() -> None:
    found = replace(RUNNING, notice="its disks need consolidation")

    ready = told(replace(WELL, found=found))[Type.READY]

    assert (ready.status, ready.message) == ("True", f"{RUNNING.id} is running; its disks need consolidation")


STORIES: dict[str, tuple[Story, Phase, str, str]] = {
    "nothing decided yet": (Story(SPEC, None, None), Phase.PENDING, "False Pending", "InProgress"),
    "about to be created": (
        Story(SPEC, Plan(Do((CREATE,), anew=True), (CREATE,)), None),
        Phase.CREATING,
        "False Creating",
        "InProgress",
    ),
    "the clone runs": (
        Story(SPEC, Plan(Wait(Reason.CREATING, "Clone is running")), None),
        Phase.CREATING,
        "False Creating",
        "InProgress",
    ),
    "searched for": (Story(SPEC, Plan(Search()), None), Phase.CREATING, "False Searching", "InProgress"),
    "runs as wanted": (WELL, Phase.RUNNING, "True Running", "Current"),
    "stopped as wanted": (
        replace(WELL, spec=replace(SPEC, power=Power.STOPPED), found=STOPPED),
        Phase.STOPPED,
        "True Stopped",
        "Current",
    ),
    "stopped against the spec": (
        replace(WELL, plan=Plan(Do((Action(Verb.SET_POWER, "powerState", "Stopped", "Running"),))), found=STOPPED),
        Phase.UPDATING,
        "False Updating",
        "InProgress",
    ),
    "starting": (
        replace(
            WELL, plan=Plan(Wait(Reason.STARTING, "i-1 is starting")), found=replace(RUNNING, power=Power.STARTING)
        ),
        Phase.UPDATING,
        "False Starting",
        "InProgress",
    ),
    "suspended": (
        replace(WELL, plan=Plan(Wait(Reason.UPDATING, "")), found=replace(RUNNING, power=Power.SUSPENDED)),
        Phase.UNKNOWN,
        "False Updating",
        "InProgress",
    ),
    "no address yet": (
        replace(WELL, found=replace(RUNNING, addresses=())),
        Phase.RUNNING,
        "False WaitingForAddress",
        "InProgress",
    ),
    "never any address": (
        replace(WELL, found=replace(RUNNING, addresses=()), address_timed_out=True),
        Phase.RUNNING,
        "True Running",
        "Current",
    ),
    "waits for a restart": (replace(WELL, plan=RESTART), Phase.RUNNING, "True Running", "Failed"),
    "lost": (
        Story(SPEC, Plan(Refuse(Reason.LOST, "i-1 is gone")), None, created=True, was_ready=True),
        Phase.FAILED,
        "False Lost",
        "Failed",
    ),
    "several carriers": (
        Story(SPEC, Plan(Refuse(Reason.IDENTITY_AMBIGUOUS, "i-1, i-2")), None),
        Phase.FAILED,
        "False IdentityAmbiguous",
        "Failed",
    ),
    "a stranger has the id": (
        replace(WELL, plan=Plan(Refuse(Reason.IDENTITY_MISMATCH, "101 carries no marker")), was_ready=True),
        Phase.FAILED,
        "False IdentityMismatch",
        "Failed",
    ),
    "another account": (
        replace(WELL, plan=Plan(Refuse(Reason.PROVIDER_IDENTITY_MISMATCH, "made in a, but b")), was_ready=True),
        Phase.FAILED,
        "False ProviderIdentityMismatch",
        "Failed",
    ),
    "refused by the cloud": (
        Story(SPEC, None, None, error=Refused(Reason.QUOTA, "VcpuLimitExceeded")),
        Phase.FAILED,
        "False Quota",
        "Failed",
    ),
    "refused later": (
        replace(WELL, plan=None, error=Refused(Reason.NOT_PERMITTED, "UnauthorizedOperation")),
        Phase.RUNNING,
        "True Running",
        "Failed",
    ),
    "throttled at birth": (
        Story(SPEC, None, None, error=Throttled("slow")),
        Phase.PENDING,
        "False Throttled",
        "InProgress",
    ),
    "down while ready": (
        replace(WELL, plan=None, error=DOWN, was_ready=True),
        Phase.RUNNING,
        "True Running",
        "InProgress",
    ),
    "down after a restart of the operator": (
        replace(WELL, plan=None, error=DOWN, was_ready=True, found=None),
        Phase.UNKNOWN,
        "True ProviderDown",
        "InProgress",
    ),
    "down while suspended": (
        replace(WELL, plan=None, error=DOWN, was_ready=True, found=replace(RUNNING, power=Power.SUSPENDED)),
        Phase.UNKNOWN,
        "True ProviderDown",
        "InProgress",
    ),
    "down before it was ready": (
        Story(SPEC, None, None, error=DOWN),
        Phase.PENDING,
        "False ProviderDown",
        "InProgress",
    ),
    "paused": (
        replace(WELL, plan=None, found=None, was_ready=True, error=Busy("it is paused", reason=Reason.PAUSED)),
        Phase.UNKNOWN,
        "True Paused",
        "InProgress",
    ),
    "locked out while ready": (
        replace(
            WELL, plan=None, found=None, was_ready=True, error=Refused(Reason.AUTHENTICATION_FAILED, "wrong password")
        ),
        Phase.UNKNOWN,
        "True AuthenticationFailed",
        "Failed",
    ),
    "out of sight and not to be asked for": (
        replace(WELL, plan=None, found=None, was_ready=True, error=Refused(Reason.NOT_PERMITTED, "403")),
        Phase.UNKNOWN,
        "False NotPermitted",
        "Failed",
    ),
    "on its way out": (
        replace(WELL, plan=Plan(Do((Action(Verb.DELETE, "machine", "i-1"),))), deleting=True, was_ready=True),
        Phase.DELETING,
        "False Deleting",
        "Terminating",
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_phase_and_conditions_tell_the_truth(name: str) -> None:
    story, expected_phase, ready, status = STORIES[name]
    found = told(story)[Type.READY]
    assert phase(story) is expected_phase
    assert f"{found.status} {found.reason}" == ready
    assert kstatus(story) == status


def test_a_permitted_restart_is_waited_for_while_the_machine_stays_ready() -> None:
    found = told(replace(WELL, plan=RESTART))
    assert found[Type.READY].status == "True"
    assert (found[Type.SYNCED].status, found[Type.SYNCED].reason) == ("False", Reason.RESTART_REQUIRED)
    assert found[Type.STALLED].message == f"{found[Type.SYNCED].message}. {Reason.RESTART_REQUIRED.hint}"
    assert "cpus 2 to 4" in found[Type.SYNCED].message
    assert Type.RECONCILING not in found


def test_while_an_address_is_awaited_that_is_what_is_being_reconciled() -> None:
    found = told(replace(WELL, found=replace(RUNNING, addresses=())))
    assert found[Type.SYNCED].status == "True"
    assert found[Type.RECONCILING].reason is Reason.WAITING_FOR_ADDRESS


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("no route to 10.1.1.1"),
        Throttled("RequestLimitExceeded"),
        Refused(Reason.NOT_PERMITTED, "ec2:RunInstances is not allowed"),
        Busy("VM is locked (backup)"),
        IdTaken("VM 101 already exists"),
        TokenMismatch("IdempotentParameterMismatch"),
        NotProven("the notes name another"),
        CloudError(Reason.TASK_FAILED, "clone failed: no space left"),
    ],
)
def test_the_clouds_own_words_are_passed_on(error: CloudError) -> None:
    found = told(replace(WELL, plan=None, error=error))
    assert found[Type.SYNCED].status == "False"
    assert found[Type.SYNCED].reason is error.reason
    assert error.message in found[Type.SYNCED].message


def test_what_differs_after_it_was_right_is_drift() -> None:
    retag = Action(Verb.RETAG, "tags.team", "it", "shop")
    story = replace(WELL, plan=Plan(Do((retag,)), (retag, RESIZE)))
    assert drift(story) == ()
    assert told(story)[Type.DRIFTED].status == "False"
    story = replace(WELL, plan=Plan(Do((retag,)), (retag, RESIZE), drift=(retag, RESIZE)))
    assert drift(story) == (retag, RESIZE)
    assert told(story)[Type.DRIFTED].message == "tags.team, cpus"
    assert drift(replace(story, deleting=True)) == ()


def test_drift_that_is_only_reported_leaves_the_machine_ready_and_nobody_waits() -> None:
    found = told(replace(WELL, plan=Plan(Rest(), drift=(RESIZE,))))
    assert found[Type.READY].status == "True"
    assert (found[Type.SYNCED].status, found[Type.SYNCED].reason) == ("False", Reason.DRIFTED)
    assert "cpus from 2 to 4" in found[Type.SYNCED].message
    assert found[Type.DRIFTED].status == "True"
    assert not {Type.RECONCILING, Type.STALLED} & set(found)


def test_a_machine_whose_power_is_wrong_and_left_so_waits_for_a_person() -> None:
    power = Action(Verb.SET_POWER, "powerState", Power.STOPPED, Power.RUNNING)
    stopped = replace(RUNNING, power=Power.STOPPED)
    found = told(replace(WELL, found=stopped, plan=Plan(Rest(), drift=(power,)), was_ready=True))
    assert (found[Type.READY].status, found[Type.READY].reason) == ("False", Reason.DRIFTED)
    assert found[Type.STALLED].reason is Reason.DRIFTED


def test_a_machine_whose_power_is_nobodys_business_is_ready_in_either_state() -> None:
    for power in (Power.RUNNING, Power.STOPPED):
        story = replace(WELL, found=replace(RUNNING, power=power), plan=Plan(Rest()))
        assert told(story)[Type.READY].status == "True", power


errors = st.one_of(
    st.none(),
    st.builds(Refused, st.sampled_from(Reason), st.just("words")),
    st.builds(CloudError, st.sampled_from(Reason), st.just("words")),
    st.just(DOWN),
)


@settings(max_examples=5 * settings().max_examples)
@given(situations(), st.one_of(st.none(), machines), errors, st.tuples(*[st.booleans()] * 4))
def test_whatever_happens_can_be_told(
    situation: Situation, machine: Machine | None, error: CloudError | None, flags: tuple[bool, ...]
) -> None:
    deleting, created, was_ready, timed_out = flags
    story = Story(
        situation.spec,
        None if error else plan(situation),
        machine,
        error=error,
        deleting=deleting,
        created=created,
        was_ready=was_ready,
        address_timed_out=timed_out,
    )
    found = told(story)
    assert set(Type) - set(found) <= {Type.RECONCILING, Type.STALLED}
    assert not {Type.RECONCILING, Type.STALLED} <= set(found)
    if found[Type.READY].status == "True":
        assert not deleting
        assert was_ready or (created and machine is not None and machine.power in {Power.RUNNING, Power.STOPPED})
    if Type.RECONCILING not in found and Type.STALLED not in found:
        assert found[Type.READY].status == "True"
        assert found[Type.SYNCED].status == "True" or found[Type.DRIFTED].status == "True"
    if found[Type.SYNCED].status == "True":
        assert story.plan == Plan(Rest())
    assert isinstance(phase(story), Phase)


def test_every_kind_of_step_has_its_words() -> None:
    steps: list[Step] = [Bind("i-1"), Look("i-1"), Search(), Release(), *(Do((Action(verb, "x"),)) for verb in Verb)]
    for step in steps:
        found = told(Story(SPEC, Plan(step), None))
        assert found[Type.SYNCED].status == "False"
        assert found[Type.SYNCED].message


def test_an_address_is_awaited_only_from_a_machine_that_reports_any() -> None:
    silent = replace(RUNNING, addresses=())
    assert waits_for_address(replace(WELL, found=silent))
    assert not waits_for_address(replace(WELL, found=replace(silent, reports_addresses=False)))
    assert not waits_for_address(replace(WELL, found=silent, was_ready=True))
    assert not waits_for_address(replace(WELL, found=replace(silent, power=Power.STOPPED)))
