"""Volumes of a machine: attached, detached, held back, and never lost with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from hybridge.core.identity import Marker
from hybridge.core.machine import Disk, Machine, MachineSpec, Power, PowerOff, Restart, Traits, VolumeUse
from hybridge.core.machine_plan import plan
from hybridge.core.machine_situation import Situation
from hybridge.core.machine_volumes import hold
from hybridge.core.managed import State
from hybridge.core.plan import Action, Do, Refuse, Rest, Step, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.core.volume import Attachment, Volume
from tests.unit.core.situations import NOW, proven

DATA, LOGS = VolumeUse("data", "db-data", "vol-1"), VolumeUse("logs", "db-logs", "vol-2")
UNMADE = VolumeUse("data", "db-data")
RUNNING = Machine("i-1", "web", Power.RUNNING, disks=())
STOPPED = replace(RUNNING, power=Power.STOPPED)
OURS = ("vol-1", "vol-2")
LATER = Wait(Reason.DEPENDENCY_NOT_READY, "it is still at web-2")


def wanting(*volumes: VolumeUse, **spec: Any) -> MachineSpec:
    return MachineSpec("web", volumes=volumes, **spec)


def seen(
    spec: MachineSpec,
    machine: Machine,
    held: Mapping[str, Wait | Refuse] | None = None,
    *,
    deleting: bool = False,
    traits: Traits | None = None,
) -> Situation:
    made = proven(spec, machine, traits or Traits())
    return replace(
        made,
        volumes=OURS,
        detachable=OURS,
        held=held or {},
        record=replace(made.record, deleting=deleting),
    )


def has(*ids: str, machine: Machine = RUNNING) -> Machine:
    return replace(machine, disks=tuple(Disk(one) for one in ids))


def attach(use: VolumeUse) -> Do:
    return Do((Action(Verb.ATTACH_VOLUME, f"volumes.{use.name}", "", use.volume_id or ""),))


def detach(volume_id: str) -> Do:
    return Do((Action(Verb.DETACH_VOLUME, f"volumes[{volume_id}]", volume_id, ""),))


STEPS: dict[str, tuple[MachineSpec, Machine, Step]] = {
    "it is attached": (wanting(DATA), RUNNING, attach(DATA)),
    "one after the other": (wanting(DATA, LOGS), RUNNING, attach(DATA)),
    "it is there": (wanting(DATA), has("vol-1"), Rest()),
    "it is not wanted any more": (wanting(), has("vol-1"), detach("vol-1")),
    "another takes its place": (wanting(LOGS), has("vol-1"), detach("vol-1")),
    "what is not ours stays": (wanting(), has("vol-9"), Rest()),
    "what may yet be meant stays": (
        wanting(UNMADE),
        has("vol-1"),
        Wait(Reason.DEPENDENCY_NOT_READY, "Volume db-data is not there yet", patient=True),
    ),
    "what the cloud does not show is not compared": (wanting(DATA), replace(RUNNING, disks=None), Rest()),
    "before the first start": (wanting(DATA), STOPPED, attach(DATA)),
}


@pytest.mark.parametrize("name", STEPS)
def test_volumes_come_and_go_as_the_spec_says(name: str) -> None:
    spec, machine, step = STEPS[name]
    assert plan(seen(spec, machine)).step == step


@pytest.mark.parametrize(("uses", "coming"), [((DATA,), "vol-1"), ((), "")], ids=["to be attached", "to be detached"])
def test_what_the_cloud_holds_back_until_a_restart_is_told_and_takes_one(
    uses: tuple[VolumeUse, ...], coming: str
) -> None:
    machine = replace(has("vol-1"), pending={"volumes[vol-1]": coming})

    told, allowed = plan(seen(wanting(*uses), machine)), plan(seen(wanting(*uses, disruption=True), machine))

    assert isinstance(told.step, Refuse | Wait)
    assert told.step.reason is Reason.RESTART_REQUIRED
    assert [one.reason for one in told.actions] == ["the cloud holds it back until the next power cycle"]
    assert isinstance(allowed.step, Do)
    assert allowed.step.verb in {Verb.SET_POWER, Verb.RESTART}
    stopped = plan(seen(wanting(*uses, power=Power.STOPPED), replace(machine, power=Power.STOPPED, pending={})))
    assert stopped.step == (Rest() if uses else detach("vol-1"))


def test_a_machine_is_not_started_while_a_volume_is_held() -> None:
    assert plan(seen(wanting(DATA), STOPPED, {"data": LATER})).step == LATER
    other = plan(seen(wanting(LOGS, DATA), STOPPED, {"data": LATER})).step
    assert other == attach(LOGS)


def test_a_running_machine_is_not_taken_down_while_a_volume_is_held() -> None:
    spec = wanting(DATA, cpus=4, disruption=True, restart_token="2")
    made = seen(spec, replace(RUNNING, cpus=2), {"data": LATER})
    made = replace(made, record=replace(made.record, restart=Restart("1")))
    assert plan(made).step == LATER
    free = plan(replace(made, held={})).step
    assert isinstance(free, Do)
    assert free.verb is Verb.RESTART
    stopped = plan(replace(made, spec=wanting(DATA, power=Power.STOPPED))).step
    assert isinstance(stopped, Do)
    assert stopped.actions[0].after == Power.STOPPED


@pytest.mark.parametrize("traits", [Traits(), Traits(delete_needs_stop=False)])
def test_a_machine_goes_without_its_volumes(traits: Traits) -> None:
    spec, both = wanting(DATA), has("vol-1", "vol-2", "vol-9")

    def step(machine: Machine) -> Step:
        return plan(seen(spec, machine, deleting=True, traits=traits)).step

    first = step(both)
    assert isinstance(first, Do)
    assert (first.verb, first.hard) == (Verb.SET_POWER, False)
    assert step(replace(both, power=Power.STOPPED)) == detach("vol-1")
    assert step(has("vol-2", "vol-9", machine=STOPPED)) == detach("vol-2")
    last = step(has("vol-9", machine=STOPPED))
    assert isinstance(last, Do)
    assert last.verb is Verb.DELETE


def test_a_machine_without_volumes_is_cut_off_as_ever() -> None:
    step = plan(seen(wanting(), has("vol-9"), deleting=True)).step
    assert isinstance(step, Do)
    assert (step.verb, step.hard) == (Verb.SET_POWER, True)


@pytest.mark.parametrize("mode", PowerOff)
def test_a_guest_that_does_not_stop_keeps_its_machine_no_longer_than_the_timeout(mode: PowerOff) -> None:
    made = seen(wanting(DATA, power_off=mode, power_off_timeout=90.0), has("vol-1"), deleting=True)
    waiting = replace(made, sight=replace(made.sight, task=Task("task-1", "Shutdown", NOW - 60)))
    step = plan(waiting).step
    if mode is PowerOff.HARD:
        assert isinstance(step, Do)
    else:
        assert step == Wait(Reason.STOPPING, "the guest of i-1 was asked to shut down", after=30.0)
    decided = plan(replace(waiting, now=NOW + 31))
    assert isinstance(decided.step, Do)
    assert decided.step.hard
    assert set(decided.step.actions) < set(decided.actions)


def test_a_machine_of_which_nobody_knows_what_it_has_is_not_deleted() -> None:
    step = plan(seen(wanting(DATA), replace(STOPPED, disks=None), deleting=True)).step
    assert step == Wait(Reason.HOST_DOWN, "the cloud does not show which volumes i-1 has", patient=True)
    without = plan(seen(wanting(), replace(STOPPED, disks=None), deleting=True)).step
    assert isinstance(without, Do)


def test_a_machine_that_is_let_go_keeps_its_volumes() -> None:
    step = plan(seen(wanting(DATA, detach=True), has("vol-1"), deleting=True)).step
    assert isinstance(step, Do)
    assert step.verb is Verb.DETACH


@pytest.mark.parametrize(("deleting", "step"), [(False, Rest()), (True, detach("vol-1"))])
def test_a_volume_that_the_spec_could_not_have_named_is_only_taken_from_a_machine_that_goes(
    deleting: bool, step: Step
) -> None:
    spec = wanting(power=Power.STOPPED)
    made = seen(spec, has("vol-1", machine=STOPPED), deleting=deleting)
    assert plan(replace(made, detachable=())).step == step


def test_a_machine_does_not_go_with_a_volume_that_somebody_else_has_marked() -> None:
    made = seen(wanting(), has("vol-1", "vol-9", machine=STOPPED), deleting=True)
    step = plan(replace(made, others={"vol-9": "Volume shop/data (cluster-2/uid-9)"})).step
    assert isinstance(step, Refuse)
    assert step.reason is Reason.HAS_DEPENDANTS
    assert "vol-9 of Volume shop/data (cluster-2/uid-9)" in step.message


def test_a_machine_does_not_go_before_it_is_known_whose_its_volumes_are() -> None:
    made = seen(wanting(), has("vol-9", machine=STOPPED), deleting=True)
    step = plan(replace(made, unread=("vol-9",))).step
    assert step == Wait(Reason.PENDING, "i-1 has vol-9, and it is not known yet whose that is")
    let_go = plan(replace(made, unread=("vol-9",), spec=wanting(detach=True))).step
    assert isinstance(let_go, Do)


OWNER = Marker("cluster-1", "uid-7", "Volume", "shop", "db-data")
VOLUME = Volume("vol-1", "data", marker=OWNER)
OWNERS = {"i-1": "VirtualMachine shop/web-1", "i-2": "VirtualMachine shop/web-2"}
MINE, THEIRS, FOREIGN = Attachment("i-1"), Attachment("i-2"), Attachment("i-9")

HOLDS: dict[str, tuple[Volume | None, list[str], str, bool | None]] = {
    "nothing": (VOLUME, ["web-1"], "", None),
    "it is attached": (replace(VOLUME, attachments=(MINE,)), ["web-1"], "", None),
    "it is not there": (None, ["web-1"], "Volume db-data is not there yet", True),
    "it is being made": (replace(VOLUME, state=State.PENDING), ["web-1"], "Volume db-data (vol-1) is pending", False),
    "another has it still": (
        replace(VOLUME, attachments=(THEIRS,)),
        ["web-1"],
        "Volume db-data (vol-1) is still at VirtualMachine shop/web-2",
        False,
    ),
    "somebody else has it": (
        replace(VOLUME, attachments=(FOREIGN,)),
        ["web-1"],
        "Volume db-data (vol-1) is still at i-9",
        True,
    ),
    "it is not read yet": (
        replace(VOLUME, detailed=False, marker=None),
        ["web-1"],
        "Volume db-data (vol-1) is not read yet",
        False,
    ),
    "it is not provably its own": (
        replace(VOLUME, marker=replace(OWNER, uid="uid-8")),
        ["web-1"],
        "Volume db-data (vol-1) is not provably its own",
        False,
    ),
    "whoever has it keeps it": (replace(VOLUME, attachments=(MINE,)), ["web-1", "web-2"], "", None),
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_keeps_a_volume_from_a_machine_is_told(name: str) -> None:
    volume, wanted_by, message, patient = HOLDS[name]
    held = hold(DATA, volume, "i-1", wanted_by, OWNERS, owner=OWNER.owner)
    if patient is None:
        assert held is None
    else:
        assert held == Wait(Reason.DEPENDENCY_NOT_READY, message, patient=patient)


def test_a_volume_that_two_machines_want_is_refused_with_both_names() -> None:
    held = hold(DATA, VOLUME, "i-1", ["shop/web-2", "shop/web-1"], OWNERS, owner=OWNER.owner)
    assert held == Refuse(
        Reason.INVALID_SPEC,
        "spec.volumes[data]: Volume db-data is wanted by shop/web-1 and shop/web-2; it can have one",
    )


def test_a_volume_that_is_only_observed_is_never_attached() -> None:
    held = hold(DATA, VOLUME, "i-1", ["web-1"], OWNERS, owner=OWNER.owner, observed=True)
    assert isinstance(held, Refuse)
    assert held.reason is Reason.INVALID_SPEC
