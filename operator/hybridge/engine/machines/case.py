"""One reconcile of one machine: everything that its steps and its report need."""

from __future__ import annotations

from dataclasses import dataclass

from hybridge.api.provider import ProviderSpec
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.identity import Marker
from hybridge.core.machine import MachineSpec
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.machines.memo import Memo


@dataclass(slots=True)
class Case:
    """One reconcile of one machine."""

    key: Key
    machine: VirtualMachine
    memo: Memo
    provider: ProviderSpec
    link: Link
    spec: MachineSpec
    marker: Marker

    @property
    def deleting(self) -> bool:
        """Whether the object is on its way out."""
        return self.machine.metadata.deletion_timestamp is not None
