"""pyvmomi, and what all clients of the lab's vCenter need of it."""

from __future__ import annotations

import time
from typing import Any, Final

import pyVmomi

from lab.process import LabError

# pyvmomi makes its classes at run time, so that its names have no static types.
sdk: Final[Any] = pyVmomi
vim: Final[Any] = sdk.vim
vmodl: Final[Any] = sdk.vmodl

_TASK_TIMEOUT = 120.0


def id_of(reference: Any) -> str:
    """The id in a managed object's text form, ``'vim.VirtualMachine:vm-42'``."""
    return str(reference).strip("'").rpartition(":")[2]


def finished(instance: Any, task: Any) -> Any:
    """Wait for a task's end and return its result, or raise its fault; LabError when it takes minutes.

    Not pyvmomi's ``WaitForTask``: that one reads the task's machine and takes the task for deleted when it is gone.
    """
    query = vmodl.query.PropertyCollector
    collector = instance.content.propertyCollector.CreatePropertyCollector()
    try:
        collector.CreateFilter(
            query.FilterSpec(
                objectSet=[query.ObjectSpec(obj=task)],
                propSet=[query.PropertySpec(type=vim.Task, pathSet=["info.state", "info.result", "info.error"])],
            ),
            partialUpdates=False,
        )
        known: dict[str, Any] = {}
        version = ""
        deadline = time.monotonic() + _TASK_TIMEOUT
        while time.monotonic() < deadline:
            answer = collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=10))
            if answer is None:
                continue
            version = answer.version
            for update in (item for part in answer.filterSet for item in part.objectSet):
                known |= {change.name: change.val for change in update.changeSet}
            if known["info.state"] == "error":
                raise known["info.error"]
            if known["info.state"] == "success":
                return known.get("info.result")
    finally:
        collector.DestroyPropertyCollector()
    raise LabError(f"{task} did not end within {_TASK_TIMEOUT:.0f} s")
