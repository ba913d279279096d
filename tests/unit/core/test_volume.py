"""Volumes: where they differ from their specs, and how they go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.lifecycle import Drift
from hybridge.core.machine import Change
from hybridge.core.managed import State
from hybridge.core.plan import Action, Do, Plan, Refuse, Rest, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.volume import Attachment, Volume, VolumeSpec, VolumeTraits
from hybridge.core.volume_plan import differences, plan
from tests.unit.core.kinds import VOLUME, Whatever, seen

GIB = 1 << 30
TRAITS = VolumeTraits(
    block="aws", changes={"size": Change.ONLINE, "class": Change.ONLINE, "iops": Change.ONLINE, "x": Change.STOPPED}
)
FOUND = Volume(
    "vol-1",
    "data",
    size=20 * GIB,
    iops=3000,
    encrypted=False,
    settings={"class": ("gp3",), "placement.zone": ("a",), "aws.kmsKeyID": ("key-1", "alias/one")},
)
ANOTHER = "it takes another volume"

CASES: dict[str, tuple[VolumeSpec, list[Action]]] = {
    "nothing is set": (VolumeSpec("data"), []),
    "all is as wanted": (
        VolumeSpec("data", size=20 * GIB, class_="gp3", iops=3000, encrypted=False, options={"kmsKeyID": "alias/one"}),
        [],
    ),
    "it is to grow": (VolumeSpec("data", size=30 * GIB), [Action(Verb.RESIZE, "size", "20Gi", "30Gi")]),
    "it is larger than wanted": (VolumeSpec("data", size=10 * GIB), []),
    "another class, with its figures": (
        VolumeSpec("data", class_="io2", iops=9000),
        [Action(Verb.RECONFIGURE, "class", "gp3", "io2"), Action(Verb.RECONFIGURE, "iops", "3000", "9000")],
    ),
    "what the cloud does not show is not compared": (VolumeSpec("data", throughput=1, placement={"node": "n"}), []),
    "what takes another volume": (
        VolumeSpec("data", encrypted=True, placement={"zone": "b"}),
        [
            Action(Verb.REPLACE, "encrypted", "false", "true", disruptive=True, reason=ANOTHER),
            Action(Verb.REPLACE, "placement.zone", "a", "b", disruptive=True, reason=ANOTHER),
        ],
    ),
    "a tag": (VolumeSpec("data", tags={"team": "shop"}), [Action(Verb.RETAG, "tags.team", "", "shop")]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_difference_is_told_as_what_it_is(name: str) -> None:
    spec, expected = CASES[name]
    assert list(differences(spec, FOUND, TRAITS)) == expected


def situation(spec: VolumeSpec, found: Volume = FOUND, *, deleting: bool = False, **sight: Whatever) -> Whatever:
    return seen(VOLUME, spec, found, TRAITS, deleting=deleting, **sight)


def test_all_that_one_call_can_bring_about_comes_together() -> None:
    step = plan(situation(VolumeSpec("data", size=30 * GIB, class_="io2", tags={"a": "b"}))).step
    assert isinstance(step, Do)
    assert [action.field for action in step.actions] == ["size", "tags.a", "class"]


def test_what_cannot_be_changed_is_refused_with_what_it_would_take() -> None:
    step = plan(situation(VolumeSpec("data", encrypted=True))).step
    assert step == Refuse(Reason.REPLACEMENT_REQUIRED, "another volume is needed for encrypted false to true")


def test_what_takes_a_volume_that_no_machine_has_waits_for_that() -> None:
    traits = replace(TRAITS, changes={"class": Change.STOPPED})
    attached = replace(FOUND, attachments=(Attachment("m-1"),))
    made = replace(
        situation(VolumeSpec("data", class_="io2"), attached, owners={"m-1": "VirtualMachine shop/db"}), traits=traits
    )
    step = plan(made).step
    assert isinstance(step, Wait)
    assert (step.reason, step.patient) == (Reason.HAS_DEPENDANTS, True)
    assert "VirtualMachine shop/db" in step.message
    free = replace(made, sight=replace(made.sight, recorded=replace(made.sight.recorded, attachments=())))
    assert isinstance(plan(free).step, Do)


def test_a_volume_that_objects_use_is_kept_and_they_are_named() -> None:
    for spec in (VolumeSpec("data"), VolumeSpec("data", detach=True)):
        step = plan(situation(spec, deleting=True, users=("VirtualMachine shop/db", "VirtualMachine shop/app"))).step
        assert step == Wait(
            Reason.HAS_DEPENDANTS, "used by VirtualMachine shop/app, VirtualMachine shop/db", patient=True
        )


def test_a_volume_that_the_cloud_still_shows_at_a_machine_of_ours_waits_for_it() -> None:
    attached = replace(FOUND, attachments=(Attachment("m-1", "/dev/sdf"),))
    owners = {"m-1": "VirtualMachine shop/db"}
    step = plan(situation(VolumeSpec("data"), attached, deleting=True, owners=owners)).step
    assert step == Wait(Reason.HAS_DEPENDANTS, "vol-1 is used by VirtualMachine shop/db (m-1)")
    let_go = plan(situation(VolumeSpec("data", detach=True), attached, deleting=True, owners=owners)).step
    assert isinstance(let_go, Do)
    assert let_go.verb is Verb.DETACH


def test_a_volume_that_somebody_elses_machine_has_is_not_taken_from_it() -> None:
    attached = replace(FOUND, attachments=(Attachment("m-1"), Attachment("m-9")))
    owners = {"m-1": "VirtualMachine shop/db"}
    step = plan(situation(VolumeSpec("data"), attached, deleting=True, owners=owners)).step
    assert isinstance(step, Refuse)
    assert step.reason is Reason.HAS_DEPENDANTS
    assert "m-9" in step.message


def test_a_volume_that_nothing_uses_goes() -> None:
    delete = Action(Verb.DELETE, "volume", "vol-1", "")
    assert plan(situation(VolumeSpec("data"), deleting=True)) == Plan(Do((delete,)), (delete,))


@pytest.mark.parametrize(
    ("state", "deleting", "step"),
    [
        (State.PENDING, False, Wait(Reason.CREATING, "vol-1 is being made")),
        (State.FAILED, False, Refuse(Reason.TASK_FAILED, "vol-1 has failed in the cloud: no key")),
        (State.DELETING, False, Wait(Reason.DELETING, "vol-1 is being deleted in the cloud")),
        (State.UNKNOWN, False, Wait(Reason.HOST_DOWN, "the cloud cannot tell how vol-1 is", patient=True)),
        (State.DELETING, True, Wait(Reason.DELETING, "vol-1 is being deleted in the cloud")),
    ],
)
def test_what_is_not_ready_is_waited_for_or_told(state: State, deleting: bool, step: Wait | Refuse) -> None:
    found = replace(FOUND, state=state, ended="no key")
    assert plan(situation(VolumeSpec("data", size=30 * GIB), found, deleting=deleting)).step == step


@pytest.mark.parametrize("state", [State.PENDING, State.FAILED])
def test_what_is_half_made_or_has_failed_can_be_deleted(state: State) -> None:
    assert isinstance(plan(situation(VolumeSpec("data"), replace(FOUND, state=state), deleting=True)).step, Do)


def test_a_class_that_a_person_changed_is_corrected_told_or_left() -> None:
    made = situation(VolumeSpec("data", class_="io2"))
    made = replace(made, record=replace(made.record, reached=True))
    corrected = plan(made)
    assert isinstance(corrected.step, Do)
    assert [action.field for action in corrected.drift] == ["class"]
    told = plan(replace(made, spec=replace(made.spec, drift=Drift.REPORT)))
    assert (told.step, [action.field for action in told.drift]) == (Rest(), ["class"])
    left = plan(replace(made, spec=replace(made.spec, drift=Drift.IGNORE)))
    assert (left.step, left.drift) == (Rest(), ())


def test_somebody_elses_task_is_no_news_while_there_is_nothing_to_do() -> None:
    locked = situation(VolumeSpec("data"), replace(FOUND, lock="backup"))
    assert plan(locked).step == Rest()
    wanting = plan(replace(locked, spec=VolumeSpec("data", size=30 * GIB))).step
    assert isinstance(wanting, Wait)
    assert wanting.reason is Reason.LOCKED
