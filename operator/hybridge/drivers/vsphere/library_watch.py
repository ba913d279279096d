"""Items of libraries in sweeps, as far as they are asked for, and how far the vCenter is with their files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from hybridge.core.errors import CloudError, Refused
from hybridge.core.image import Image
from hybridge.core.task import Task, TaskState
from hybridge.drivers.vsphere import appliance_words
from hybridge.drivers.vsphere.automation import Automation, AutomationSession
from hybridge.drivers.vsphere.libraries import FETCHING, Libraries

#: Seconds between two looks at a file that is being fetched.
_PACE: Final = 1.0


class LibraryWatch:
    """Called from the thread of the sweeps only. What the Automation API does not tell is no reason to know less of all
    else: it is asked again.
    """

    def __init__(self, session: AutomationSession) -> None:
        self._api = Automation(session)
        self._libraries = Libraries(self._api)
        self._asked: dict[str, tuple[float, Task]] = {}

    @property
    def requests(self) -> int:
        """How many were sent so far."""
        return self._api.requests

    def look(self, refresh: Collection[str]) -> tuple[dict[str, Image], set[str]]:
        """The items among these ids: those that there are, and those that are gone. One request for each."""
        wanted = sorted(one for one in refresh if appliance_words.is_item_id(one))
        images: dict[str, Image] = {}
        gone: set[str] = set()
        for one in wanted:
            with contextlib.suppress(CloudError):
                item = self._libraries.get(appliance_words.item_id(one))
                if item is None:
                    gone.add(one)
                else:
                    images[one] = appliance_words.image(item)
        return images, gone

    def patience(self, tasks: Collection[Task]) -> float | None:
        """Seconds until one of the tasks has to be looked at; None: nothing has to."""
        due = [self._due(task) for task in tasks if task.id.startswith(FETCHING)]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def tasks(self, wanted: Collection[Task]) -> dict[str, Task]:
        """What is known of those that fetch files."""
        now = time.monotonic()
        mine = [task for task in wanted if task.id.startswith(FETCHING)]
        self._asked = {
            task.id: (now, self._fetched(task)) if self._due(task) <= now else self._asked[task.id] for task in mine
        }
        return {key: task for key, (_, task) in self._asked.items()}

    def _fetched(self, task: Task) -> Task:
        """How far it is; as before, where the vCenter gives no good answer."""
        try:
            return self._libraries.fetched(task)
        except Refused as error:
            return replace(task, state=TaskState.FAILED, error=error.message, reason=error.reason)
        except CloudError:
            return self._asked.get(task.id, (0.0, task))[1]

    def _due(self, task: Task) -> float:
        at, known = self._asked.get(task.id, (0.0, task))
        if known.state is not TaskState.RUNNING:
            return time.monotonic() + _PACE
        return at + _PACE
