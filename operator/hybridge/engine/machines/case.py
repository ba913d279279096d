"""One reconcile of one machine."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.machine import Machine, MachineSpec
from hybridge.drivers.base import MachineDriver
from hybridge.engine.machines.memo import Memo
from hybridge.engine.objects import case


@dataclass(slots=True)
class Case(case.Case[VirtualMachine, MachineSpec, Machine]):
    """See the base."""

    memo: Memo
    driver: MachineDriver

    @property
    def lane(self) -> Hashable:
        """Machines of one group keep apart."""
        group = self.spec.group
        return None if group is None else (self.link.name, self.key.namespace, group)
