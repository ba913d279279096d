"""Snapshots of the machines of the lab's vCenter, as a person sees and changes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lab.process import LabError
from lab.vsphere_sdk import id_of, vim
from lab.vsphere_session import VsphereSession


@dataclass(frozen=True, slots=True)
class VsphereSnapshot:
    """One snapshot as the vCenter itself holds it; ``parent`` is the one that it builds on."""

    id: str
    name: str
    machine: str
    description: str
    quiesced: bool
    memory: bool
    parent: str | None = None


class MachineSnapshots:
    """Points in time of machines, in trees."""

    def __init__(self, session: VsphereSession) -> None:
        self._session = session

    def all(self) -> list[VsphereSnapshot]:
        """All of them, of all machines."""
        with self._session.lock:
            read = self._session.properties(vim.VirtualMachine, ["snapshot"])
        return [
            found
            for moid, values in read.items()
            if "snapshot" in values
            for found in _flat(moid, values["snapshot"].rootSnapshotList, None)
        ]

    def snapshot(self, moid: str) -> VsphereSnapshot:
        """One of them; LabError when there is none."""
        for found in self.all():
            if found.id == moid:
                return found
        raise LabError(f"vSphere has no snapshot {moid}")

    def take(
        self, machine: str, name: str, *, description: str = "", memory: bool = False, quiesce: bool = False
    ) -> str:
        """Take one of a machine; its id."""
        reference = self._session.vm(machine)
        return self._session.made(lambda: reference.CreateSnapshot_Task(name, description, memory, quiesce))

    def remove(self, moid: str) -> None:
        """Merge one into what builds on it."""
        self._session.task(lambda: self._object(moid).RemoveSnapshot_Task(removeChildren=False))

    def rename(self, moid: str, name: str) -> None:
        """Give one another name."""
        with self._session.lock:
            self._object(moid).RenameSnapshot(name, None)

    def describe(self, moid: str, text: str) -> None:
        """Give one another description."""
        with self._session.lock:
            self._object(moid).RenameSnapshot(None, text)

    def revert(self, moid: str) -> None:
        """Bring its machine back to it."""
        self._session.task(lambda: self._object(moid).RevertToSnapshot_Task())

    def _object(self, moid: str) -> Any:
        return self._session.managed(vim.vm.Snapshot, moid)


def _flat(machine: str, tree: Sequence[Any], parent: str | None) -> Iterator[VsphereSnapshot]:
    for one in tree:
        moid = id_of(one.snapshot)
        yield VsphereSnapshot(
            id=moid,
            name=one.name,
            machine=machine,
            description=one.description,
            quiesced=one.quiesced,
            memory=str(one.state) == "poweredOn",
            parent=parent,
        )
        yield from _flat(machine, one.childSnapshotList or (), moid)
