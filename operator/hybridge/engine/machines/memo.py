"""What the engine remembers of a machine between two reconciles, besides what it remembers of every object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

import msgspec

from hybridge.api import desired
from hybridge.api.virtualmachine import VirtualMachine, VirtualMachineStatus
from hybridge.core.machine import Machine, Revert, RevertPhase
from hybridge.core.machine_situation import Record
from hybridge.core.task import Task, TaskState
from hybridge.engine.objects import memo


@dataclass(slots=True)
class Memo(memo.Memo[VirtualMachine, Machine]):
    """``given``: what cloud-init was given last, None where that is not known; ``after_given``: what it is when the task is
    done. ``source``: the version of the Secret with its user data, as read at ``source_at``; ``given_hash``: of the text
    that was given, which is nowhere else; ``certain``: the text is known to be another one. ``reverted``: the token of a
    revert that has taken effect; ``reverting``: of the one whose task runs.
    """

    running_since: float | None = None
    given: Mapping[str, str] | None = None
    after_given: Mapping[str, str] | None = None
    source: str | None = None
    source_at: float | None = None
    given_hash: int | None = None
    certain: bool = True
    reverted: str | None = None
    reverting: str | None = None

    @classmethod
    def resume(cls, told: VirtualMachine) -> Self:
        """See the base."""
        resumed = super(Memo, cls).resume(told)
        status = told.status
        resumed.given = desired.given(status.cloud_init) if status.cloud_init else None
        return resumed

    def record(self, told: VirtualMachine) -> Record:
        """See the base."""
        known = super(Memo, self).record(told)
        restart, revert = told.status.restart, told.status.revert
        return Record(
            **{one.name: getattr(known, one.name) for one in fields(known)},
            restart=desired.restart(restart) if restart else None,
            revert=self._so_far(desired.revert(revert)) if revert else None,
            given=self.given,
        )

    def _so_far(self, revert: Revert) -> Revert:
        """What is on record, and whether it is known to have taken effect."""
        took_effect = revert.phase is RevertPhase.REVERTING and revert.token == self.reverted
        return replace(revert, phase=RevertPhase.STARTING) if took_effect else revert

    def tell(self, status: VirtualMachineStatus) -> VirtualMachineStatus:
        """See the base."""
        given = self.given
        return msgspec.structs.replace(status, cloud_init=desired.given_status(given) if given is not None else None)

    def ended(self, task: Task) -> None:
        """See the base."""
        given, self.after_given = self.after_given, None
        if task.state is TaskState.SUCCEEDED:
            self.given = given or self.given
            self.reverted = self.reverting or self.reverted
        self.reverting = None

    def expected(self, seen: Machine, after: Machine) -> Machine | None:
        """See the base."""
        return None if seen.power is after.power else replace(seen, power=after.power)

    def look_again(self) -> None:
        """See the base."""
        super(Memo, self).look_again()
        self.source_at = None
