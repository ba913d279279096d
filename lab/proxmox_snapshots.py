"""Snapshots of Proxmox VE's guests in the lab: one that holds the running guest has it run again.

Source: ``PVE/AbstractConfig.pm`` (snapshot_rollback), ``PVE/QemuConfig.pm`` (__snapshot_rollback_vm_start).
"""

from __future__ import annotations

from typing import Any

from lab.proxmox_guests import Guests


class Snapshots(Guests):
    """Going back keeps the notes, and starts the guest where its memory was kept."""

    async def _qm_rollback(self, values: dict[str, Any], user: str) -> str:
        vm = self.find(values["node"], values["vmid"])
        kept = vm.snapshots.get(values["snapname"], {}).get("vmstate")
        upid: str = await super()._qm_rollback({**values, "start": 1} if kept else values, user)
        return upid
