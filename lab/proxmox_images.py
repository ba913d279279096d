"""ISO images and cloud-init of Proxmox VE in the lab: what was uploaded can be read, and PVE's own CD has its metadata."""

from __future__ import annotations

import hashlib
from email import message_from_bytes
from typing import Any

from aiohttp import web

from lab.proxmox_guests import Guests
from lab.proxmox_tasks import Route

#: What PVE makes the instance id of: the user data and the network configuration that it writes.
_MADE_OF = ("ciuser", "cipassword", "ipconfig", "name", "nameserver", "searchdomain", "sshkeys")


class Images(Guests):
    """Keeps the content of ISO images, which fakepve forgets."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.images: dict[str, bytes] = {}

    def _routes_lab_images(self) -> list[Route]:
        return [("GET", "/nodes/{node}/qemu/{vmid}/cloudinit/dump", self._dump)]

    async def _upload(self, request: web.Request) -> web.Response:
        """Store an ISO image; one of the same name is written over."""
        answer: web.Response = await super()._upload(request)
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        for part in message_from_bytes(head + await request.read()).walk():
            name, content = part.get_filename(), part.get_payload(decode=True)
            if name and isinstance(content, bytes):
                self.images[f"{request.match_info['storage']}:iso/{name}"] = content
        return answer

    async def _dump(self, values: dict[str, Any], user: str) -> str:
        """The documents that PVE makes for its own CD. Only the metadata is known here."""
        vm = self.find(values["node"], values["vmid"])
        self.require(user, f"/vms/{vm.vmid}", "VM.Audit")
        made = "\n".join(f"{key}={vm.config[key]}" for key in sorted(vm.config) if key.startswith(_MADE_OF))
        return f"instance-id: {hashlib.sha1(made.encode()).hexdigest()}\n"
