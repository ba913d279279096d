"""One Provider's cloud as it was last seen, in memory. Sweeps keep it; changes of our own are put in at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hybridge.core.machine import Machine
from hybridge.drivers.base import Sweep


@dataclass(frozen=True, slots=True)
class _Entry:
    machine: Machine
    stamp: int


class Inventory:
    """Machines by id and by owner.

    Each change has a number. A list that began before a newer look at a machine neither overwrites nor removes it, so
    a slow list can never take back what a faster answer told. What is pushed is always the newest.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._owners: defaultdict[str, set[str]] = defaultdict(set)
        self._forgotten: dict[str, int] = {}
        self._count = 0
        self.settled = False

    def begin(self) -> int:
        """The number to give to ``apply``, taken before the sweep's first request."""
        return self._count

    def apply(self, sweep: Sweep, began: int) -> set[str]:
        """Takes a sweep in; the ids whose picture changed (those now missing from a full list included)."""
        changed = {
            machine.id for machine in sweep.machines.values() if self._see(machine, began if sweep.full else None)
        }
        missing = set(sweep.gone) & self._entries.keys()
        if sweep.full:
            missing |= {
                machine_id
                for machine_id, entry in self._entries.items()
                if machine_id not in sweep.machines and entry.stamp <= began
            }
        for machine_id in missing:
            self._drop(machine_id)
        if sweep.full:
            self._forgotten = {machine_id: at for machine_id, at in self._forgotten.items() if at > began}
        self.settled = self.settled or sweep.settled
        return changed | missing

    def see(self, machine: Machine) -> None:
        """Takes in what an answer of its own told of one machine."""
        self._put(machine)

    def forget(self, machine_id: str) -> None:
        """The machine is not in sight; whether it is gone only the cloud can tell, asked by id."""
        self._count += 1
        self._forgotten[machine_id] = self._count
        self._drop(machine_id)

    def _drop(self, machine_id: str) -> None:
        entry = self._entries.pop(machine_id, None)
        if entry is not None:
            self._unlink(entry.machine)

    def unlock(self, machine_id: str) -> None:
        """The task that held the machine has ended."""
        entry = self._entries.get(machine_id)
        if entry is not None and entry.machine.lock:
            self._put(replace(entry.machine, lock=None))

    def get(self, machine_id: str) -> Machine | None:
        """The machine as last seen; None when it is not in sight, which proves nothing."""
        entry = self._entries.get(machine_id)
        return entry.machine if entry else None

    def owned_by(self, owner: str) -> tuple[Machine, ...]:
        """Machines whose marker has this owner."""
        return tuple(self._entries[machine_id].machine for machine_id in sorted(self._owners.get(owner, ())))

    def machines(self) -> Iterable[Machine]:
        """All machines in sight."""
        return [entry.machine for entry in self._entries.values()]

    def __len__(self) -> int:
        return len(self._entries)

    def _see(self, machine: Machine, began: int | None) -> bool:
        entry = self._entries.get(machine.id)
        newest = entry.stamp if entry is not None else self._forgotten.get(machine.id, 0)
        if began is not None and newest > began:
            return False
        changed = entry is None or entry.machine != machine
        if changed or began is None:
            self._put(machine)
        return changed

    def _put(self, machine: Machine) -> None:
        self._count += 1
        self._forgotten.pop(machine.id, None)
        entry = self._entries.get(machine.id)
        if entry is not None:
            self._unlink(entry.machine)
        self._entries[machine.id] = _Entry(machine, self._count)
        if machine.marker is not None:
            self._owners[machine.marker.owner].add(machine.id)

    def _unlink(self, machine: Machine) -> None:
        if machine.marker is None:
            return
        ids = self._owners.get(machine.marker.owner)
        if ids is not None:
            ids.discard(machine.id)
            if not ids:
                del self._owners[machine.marker.owner]
