"""How far an attachment is, by what instances show."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.core.errors import Unclear
from hybridge.core.machine import Disk
from hybridge.core.task import Task, TaskState
from hybridge.drivers.aws import attachments, mapping
from hybridge.drivers.aws.mapping import Seen

START = 1_800_000_000.0
RUNNING, SUCCEEDED, FAILED, UNKNOWN = TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.UNKNOWN


def seen(*states: str, power: str = "running") -> Seen:
    disks: list[dict[str, Any]] = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-root", "Status": "attached", "DeleteOnTermination": True}}
    ]
    disks += [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeId": "vol-1", "Status": state}} for state in states]
    return mapping.seen(
        {
            "InstanceId": "i-1",
            "State": {"Name": power},
            "RootDeviceName": "/dev/xvda",
            "BlockDeviceMappings": [] if power == "terminated" else disks,
        }
    )


@pytest.mark.parametrize(
    ("operation", "sight", "age", "state"),
    [
        ("AttachVolume", seen("attaching"), 5, RUNNING),
        ("AttachVolume", seen("attaching"), 500, RUNNING),
        ("AttachVolume", seen("attached"), 5, SUCCEEDED),
        ("AttachVolume", seen(), 5, RUNNING),
        ("AttachVolume", seen(), 100, FAILED),
        ("AttachVolume", seen("detaching"), 100, FAILED),
        ("AttachVolume", seen(power="terminated"), 5, FAILED),
        ("AttachVolume", None, 5, RUNNING),
        ("AttachVolume", None, 500, UNKNOWN),
        ("DetachVolume", seen("attached"), 5, RUNNING),
        ("DetachVolume", seen("attached"), 100, FAILED),
        ("DetachVolume", seen("detaching"), 5, RUNNING),
        ("DetachVolume", seen("detaching"), 500, RUNNING),
        ("DetachVolume", seen(), 5, SUCCEEDED),
        ("DetachVolume", seen(power="terminated"), 5, SUCCEEDED),
        ("DetachVolume", None, 5, RUNNING),
        ("DetachVolume", None, 500, UNKNOWN),
    ],
)
def test_states_of_tasks(operation: str, sight: Seen | None, age: float, state: TaskState) -> None:
    task = Task(f"{operation}:i-1:vol-1", operation, START)
    assert attachments.is_mine(task)
    now = attachments.judged(task, {"i-1": sight} if sight else {}, START + age)
    assert now.state is state
    assert bool(now.error) is (state is FAILED)


def test_a_guest_that_does_not_let_go_is_told() -> None:
    task = Task("DetachVolume:i-1:vol-1", "DetachVolume", START)
    sight = {"i-1": seen("detaching")}
    assert attachments.judged(task, sight, START + 5).operation == "DetachVolume"
    assert attachments.judged(task, sight, START + 100).operation == "DetachVolume, until the guest lets go of it"


def test_a_task_that_nobody_can_read_is_unknown_in_the_end() -> None:
    task = Task("DetachVolume:", "DetachVolume", START)
    assert attachments.judged(task, {"i-1": seen()}, START + 500).state is UNKNOWN
    assert not attachments.is_mine(Task("ModifyVolume:vol-1", "ModifyVolume", START))


@pytest.mark.parametrize("state", ["attaching", "attached", "detaching"])
def test_volumes_of_a_machine_are_all_but_its_root(state: str) -> None:
    assert seen(state).machine.disks == (Disk("vol-1", "/dev/sdf"),)


def test_what_has_gone_is_not_shown() -> None:
    assert seen("detached").machine.disks == ()
    assert seen(power="terminated").machine.disks == ()


def test_volumes_of_a_new_instance_are_unknown_until_they_are_shown() -> None:
    pending = {"InstanceId": "i-1", "State": {"Name": "pending"}, "RootDeviceName": "/dev/xvda"}
    assert mapping.seen(pending).machine.disks is None
    assert seen(power="pending").machine.disks == ()


def test_where_an_instance_has_what_was_lent() -> None:
    both = [{"InstanceId": "i-2", "Device": "/dev/sdk"}, {"InstanceId": "i-1", "Device": "/dev/sdg"}]
    volumes = [{"Attachments": both}, {"Attachments": [{"InstanceId": "i-1", "Device": "/dev/sdf"}]}]

    assert attachments.places(volumes, "i-1") == ["/dev/sdf", "/dev/sdg"]
    with pytest.raises(Unclear, match="i-1"):
        attachments.places([{"Attachments": [{"InstanceId": "i-1"}]}], "i-1")
