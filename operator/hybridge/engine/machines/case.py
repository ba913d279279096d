"""One reconcile of one machine."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.machine import Machine, MachineSpec
from hybridge.drivers.base import MachineDriver
from hybridge.engine.machines.memo import Memo
from hybridge.engine.machines.references import Named
from hybridge.engine.machines.reverting import Reversion
from hybridge.engine.objects import case


@dataclass(slots=True)
class Case(case.Case[VirtualMachine, MachineSpec, Machine]):
    """See the base. ``named``: what its references lead to; ``back``: the snapshot to which it is to go back."""

    memo: Memo
    driver: MachineDriver
    named: Named = field(default_factory=Named)
    back: Reversion = field(default_factory=Reversion)

    @property
    def lane(self) -> Hashable:
        """Machines of one group keep apart."""
        group = self.spec.group
        return None if group is None else (self.link.name, self.key.namespace, group)
