"""Tasks of ImportImage: whose they are, and how far. Source: EC2 API Reference, DescribeImportImageTasks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.task import Task, TaskState
from hybridge.drivers.aws import ami
from hybridge.drivers.aws.client import Client

_PAGE = 100
#: States of an import that has ended without an image.
_ENDED = frozenset({"deleting", "deleted"})


def tasks(client: Client) -> list[dict[str, Any]]:
    """All that EC2 still knows of, also those that have ended."""
    pages = client.pages("DescribeImportImageTasks", "ImportImageTasks", size=_PAGE)
    return [one for page in pages for one in page]


def of(client: Client, token: str) -> dict[str, Any] | None:
    """The one that was begun with this token, which is its description."""
    return next((one for one in tasks(client) if one.get("Description") == token), None)


def read(found: Mapping[str, Any]) -> Task:
    """One of DescribeImportImageTasks, or an answer of ImportImage."""
    begun = Task(f"{ami.IMPORT}:{found['ImportTaskId']}", ami.IMPORT, time.time())
    return judged(begun, found)


def judged(task: Task, found: Mapping[str, Any] | None) -> Task:
    """The task as it is found. It tells no result: what was made carries no marker before somebody has put it there."""
    if found is None:
        return task
    state, words = found.get("Status", ""), found.get("StatusMessage", "")
    if state in _ENDED:
        return replace(task, state=TaskState.FAILED, error=words or "EC2 could not import it, and does not say why")
    if state == "completed" and found.get("ImageId"):
        return replace(task, state=TaskState.SUCCEEDED)
    return replace(task, progress=ami.percent(found.get("Progress", "")))
