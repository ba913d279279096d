"""VMIDs of a Proxmox VE cluster in the lab that are held by containers and guests which no account of the lab sees."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from fakepve import FakeVm, PveError, TaskError  # type: ignore[import-untyped]  # fakepve has neither annotations nor stubs

from lab.proxmox_guests import Guests


class Hidden(Guests):
    """A clone looks for its new VMID on its own node alone: of one that is held elsewhere its task learns, too late."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        #: What the task of a clone to it says, by VMID.
        self.held: dict[int, str] = {}

    def hold(self, vmid: int, words: str = "CT {vmid} already exists on node 'pve3'") -> None:
        """Has this VMID held from now on, by a container unless ``words`` tell otherwise."""
        self.held[vmid] = f"unable to create VM {vmid}: {words.format(vmid=vmid)}"

    async def _qm_clone(self, values: dict[str, Any], user: str) -> str:
        words = self.held.get(int(values["newid"]))
        if words is None:
            made: str = await super()._qm_clone(values, user)
            return made
        template = self.find(values["node"], values["vmid"])

        async def body() -> None:
            raise TaskError(words)

        upid: str = await self.task(template.node, "qmclone", template.vmid, user, body, lock=False)
        return upid

    def _vm(self, request: web.Request, priv: str | None = None) -> FakeVm:
        """PVE looks at the rights before it looks at the guest."""
        if priv is not None and request.match_info["vmid"] in map(str, self.held):
            raise PveError(403, f"Permission check failed (/vms/{request.match_info['vmid']}, {priv})")
        return super()._vm(request, priv)
