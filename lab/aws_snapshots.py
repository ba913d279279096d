"""EBS snapshots of the lab's EC2, in what moto leaves out.

Taking one takes its time, lists are of one owner and have pages, and what is new may not be shown yet. Requests are served
one at a time. Source: EC2 API Reference, CreateSnapshots, DescribeSnapshots.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

from lab.aws_rules import Birth, Refusal, Tuning
from lab.aws_wrap import around, install

_PAGE = 1000
_MISSING = "InvalidSnapshot.NotFound"


class Snapshots:
    """The wrapped methods. ``sees_all`` says whether the request being served sees what is hidden from others."""

    def __init__(self, tuning: Tuning, sees_all: Callable[[], bool]) -> None:
        self._tuning = tuning
        self._sees_all = sees_all
        self._requests = 0
        self._born: dict[str, Birth] = {}
        self._taking: dict[str, float] = {}

    def install(self) -> None:
        """Wrap moto's methods."""
        install(self)
        mock.patch.object(Snapshot, "progress", property(self._progress)).start()
        # CreateSnapshots calls it otherwise than all other calls.
        mock.patch.object(Snapshot, "state", property(attrgetter("status")), create=True).start()

    def settle(self, backend: Any) -> None:
        """Ends what has had its time. Called before each request."""
        self._requests += 1
        now = time.monotonic()
        for known in [one for one, due in self._taking.items() if due <= now]:
            del self._taking[known]
            if known in backend.snapshots:
                backend.snapshots[known].status = "completed"

    def denied(self, one: str) -> str | None:
        """What EC2 says of it while it is hidden."""
        return _MISSING if self._hidden(one) else None

    def _hidden(self, one: str) -> bool:
        birth = self._born.get(one)
        now = time.monotonic()
        return birth is not None and not self._sees_all() and birth.hidden(now, self._tuning, self._requests)

    def _progress(self, one: Snapshot) -> str:
        return "45%" if one.id in self._taking else "100%"

    @around(EBSBackend, "create_snapshot")
    def _take(self, original: Callable[..., Snapshot], backend: Any, *given: Any, **wanted: Any) -> Snapshot:
        made = original(backend, *given, **wanted)
        # What it was taken of may grow.
        made.volume = copy.copy(made.volume)
        self._born[made.id] = Birth(len(self._born), time.monotonic())
        if self._tuning.transition_seconds and not made.from_ami:
            made.status = "pending"
            self._taking[made.id] = time.monotonic() + self._tuning.transition_seconds
        return made

    @around(ElasticBlockStore, "describe_snapshots")
    def _describe(self, original: Callable[..., ActionResult], response: ElasticBlockStore) -> ActionResult:
        wanted = response.params.get("SnapshotIds", [])
        for one in wanted:
            if self._hidden(one):
                raise Refusal(_MISSING, f"The snapshot '{one}' does not exist.")
        owners = {response.current_account if one == "self" else one for one in response.params.get("OwnerIds", [])}
        answer: Any = original(response).result
        found = [
            one for one in answer["Snapshots"] if not self._hidden(one.id) and (not owners or one.owner_id in owners)
        ]
        start = int(response.params.get("NextToken") or 0)
        end = start + min(int(response.params.get("MaxResults") or _PAGE), _PAGE)
        page: dict[str, Any] = {"Snapshots": found[start:end]}
        if end < len(found):
            page["NextToken"] = str(end)
        return ActionResult(page)
