"""Of which machines that is read again which is not pushed: those on which a change of ours has ended."""

from __future__ import annotations

import pytest

from hybridge.core.task import Task
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import vim

TASK = Task("task-1", "Reconfigure", 0.0)


@pytest.fixture
def picture() -> Picture:
    picture = Picture()
    picture.ready = True
    return picture


def push(picture: Picture, task_id: str, state: str, machine_id: str = "vm-1") -> None:
    entity = ("info.entity", vim.VirtualMachine(machine_id))
    picture.change("Task", task_id, [("info.state", state), entity])


@pytest.mark.parametrize("state", ["success", "error"])
def test_the_end_of_a_change_counts_however_it_went(picture: Picture, state: str) -> None:
    picture.changing("vm-1")
    picture.changing("vm-1", TASK)
    push(picture, TASK.id, "running")
    assert picture.take_unread() == set()

    push(picture, TASK.id, state)

    assert picture.take_unread() == {"vm-1"}
    assert picture.take_unread() == set()


def test_a_change_may_end_before_its_call_returns(picture: Picture) -> None:
    picture.changing("vm-1")
    push(picture, TASK.id, "success")
    picture.changing("vm-1", TASK)

    assert picture.take_unread() == {"vm-1"}
    push(picture, "task-of-others", "success")
    assert picture.take_unread() == set()


def test_tasks_of_others_and_of_other_machines_do_not_count(picture: Picture) -> None:
    picture.changing("vm-1")
    picture.changing("vm-1", TASK)

    push(picture, "task-of-others", "success")
    push(picture, "task-2", "success", "vm-2")

    assert picture.take_unread() == set()


def test_a_change_of_an_earlier_process_counts() -> None:
    picture = Picture()
    push(picture, TASK.id, "running")
    picture.ready = True

    push(picture, TASK.id, "success")

    assert picture.take_unread() == {"vm-1"}


@pytest.mark.parametrize(
    ("operation", "store", "state", "expected"),
    [
        ("vslm.vcenter.VStorageObjectManager.createSnapshot", "datastore-1", "running", True),
        ("vslm.VStorageObjectManagerBase.createSnapshotEx", "datastore-1", "queued", True),
        ("vslm.vcenter.VStorageObjectManager.createSnapshot", "datastore-1", "success", False),
        ("vslm.vcenter.VStorageObjectManager.createSnapshot", "datastore-2", "running", False),
        ("vslm.vcenter.VStorageObjectManager.deleteSnapshot", "datastore-1", "running", False),
        ("VirtualMachine.createSnapshot", "datastore-1", "running", False),
    ],
)
def test_a_snapshot_of_a_disk_may_be_being_taken(
    picture: Picture, operation: str, store: str, state: str, *, expected: bool
) -> None:
    words = [("info.state", state), ("info.entity", vim.Datastore(store)), ("info.descriptionId", operation)]
    picture.change("Task", TASK.id, words)

    assert picture.is_snapshotting("disk-1", "datastore-1") is expected


def test_a_snapshot_that_is_known_to_be_of_another_disk_is_not_of_this_one(picture: Picture) -> None:
    operation = ("info.descriptionId", "vslm.vcenter.VStorageObjectManager.createSnapshot")
    picture.change("Task", TASK.id, [("info.state", "running"), operation])
    picture.disk_snapshots_changing("disk-2", TASK)

    assert [picture.is_snapshotting(one, "datastore-1") for one in ("disk-1", "disk-2")] == [False, True]
