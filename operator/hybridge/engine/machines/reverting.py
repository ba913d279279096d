"""The Snapshot to which a machine is to go back: its id, and what keeps the machine from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.machine import MachineSpec, RevertPhase
from hybridge.core.plan import Refuse, Wait
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, Snapshot, SourceKind
from hybridge.engine.snapshots import usable
from hybridge.engine.world import World

_PATH = "revertTo.snapshot"


@dataclass(frozen=True, slots=True)
class Reversion:
    """``snapshot``: what to go back to, or why not; None: the spec names none."""

    snapshot: Snapshot | Wait | Refuse | None = None

    def named(self, spec: MachineSpec) -> MachineSpec:
        """The spec with its id."""
        if spec.revert is None or not isinstance(self.snapshot, Snapshot):
            return spec
        return replace(spec, revert=replace(spec.revert, snapshot_id=self.snapshot.id))

    def hold(self, machine_id: str | None, *, possible: bool) -> Wait | Refuse | None:
        """What keeps the machine of this id from it. ``possible``: its cloud does such things."""
        if self.snapshot is None:
            return None
        if not possible:
            words = "machines of this cloud cannot go back to a snapshot: make a Volume, or another machine, from it"
            return Refuse(Reason.UNSUPPORTED, f"spec.{_PATH}: {words}")
        if isinstance(self.snapshot, Snapshot):
            if self.snapshot.source_id == machine_id:
                return None
            return Refuse(Reason.INVALID_SPEC, f"spec.{_PATH}: {self.snapshot.id} is not a snapshot of this machine")
        return self.snapshot

    @property
    def resumes(self) -> bool:
        """Whether the machine runs after that, because the snapshot holds the running guest."""
        return isinstance(self.snapshot, Snapshot) and self.snapshot.consistency is Consistency.MEMORY


async def reversion(world: World, told: VirtualMachine) -> Reversion:
    """What ``spec.revertTo`` names. Once it was done the Snapshot may go."""
    wish, record = told.spec.revert_to, told.status.revert
    if wish is None or told.metadata.deletion_timestamp is not None:
        return Reversion()
    if record is not None and record.token == wish.token and record.phase is RevertPhase.DONE:
        return Reversion()
    begun = record is not None and record.token == wish.token
    return Reversion(await usable(world, told, wish.snapshot, _PATH, SourceKind.MACHINE, begun=begun))
