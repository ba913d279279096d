"""Proxmox VE's disk images in the lab that belong to another VMID than the guest which has them, or to none that there is.

Source: PVE/QemuServer.pm (destroy_vm, vmconfig_register_unused_drive), PVE/Storage.pm.
"""

from __future__ import annotations

import re
from typing import Any

from fakepve import FakeVm, PveError  # type: ignore[import-untyped]  # fakepve has neither annotations nor stubs
from fakepve.qemu import DRIVE_KEY, drives_of, split_drive, volume_ref  # type: ignore[import-untyped]  # as above

from lab.proxmox_guests import Guests

_LENT = re.compile(r"[:/]vm-\d+-")


class Volumes(Guests):
    """Who owns an image decides what goes with a guest; where it is decides which node shows it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        #: The guest that is being destroyed, whose own images go.
        self._ends: int | None = None

    # ---------------------------------------------------------------- content

    async def _content_create(self, values: dict[str, Any], user: str) -> str:
        """Allocate an image: where nodes do not share the storage, it is on the one that was asked."""
        volume: str = await super()._content_create(values, user)
        if not self.storages[values["storage"]].get("shared"):
            self._qm_volume(volume)["node"] = values["node"]
        return volume

    async def _content_list(self, values: dict[str, Any], user: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = await super()._content_list(values, user)
        return [item for item in listed if self.is_on(item["volid"], values["node"])]

    async def _content_info(self, values: dict[str, Any], user: str) -> dict[str, Any]:
        found: dict[str, Any] = await super()._content_info(values, user)
        volume = values["volume"]
        volume = volume if ":" in volume else f"{values['storage']}:{volume}"
        if not self.is_on(volume, values["node"]):
            raise PveError(500, f"volume_size_info on '{volume}' failed - no format")
        return found

    def is_on(self, volume: str, node: str) -> bool:
        """Whether a node has an image; those of guests are where the guests are."""
        storage, _ = volume_ref(volume)
        stored = self._qm_volume(volume) or {}
        if (
            storage is None
            or self.storages[storage].get("shared")
            or stored.get("content") not in {"images", "rootdir"}
        ):
            return True
        owner = self.vm(stored.get("vmid", 0))
        return bool(stored.get("node", owner.node if owner else node) == node)

    # ----------------------------------------------------------------- guests

    def _is_lent(self, vm: FakeVm, volume: str) -> bool:
        """Whether an image that exists belongs to another VMID than the guest's."""
        stored = self._qm_volume(volume)
        return stored is not None and stored["content"] == "images" and stored.get("vmid") != vm.vmid

    def _stored_value(self, vm: FakeVm, user: str, key: str, value: Any, allocated: list[str]) -> Any:
        """What PVE writes for a given value; another's image takes rights on it, and is not looked for elsewhere."""
        if DRIVE_KEY.match(key) and not key.startswith(("efidisk", "tpmstate")):
            volume, options = split_drive(value)
            if _LENT.search(volume) and f"vm-{vm.vmid}-" not in volume and options.get("media") != "cdrom":
                self._qm_check_drive(user, vm.vmid, None, key, value, None)
                if self._qm_volume(volume) is None or not self.is_on(volume, vm.node):
                    raise PveError(500, f"volume '{volume}' does not exist")
                return self._qm_new_drive(vm.vmid, key, value, None)[0]
        return super()._stored_value(vm, user, key, value, allocated)

    async def _apply_config(self, vm: FakeVm, user: str, values: dict[str, Any]) -> None:
        """Change a configuration; PVE's own cloud-init CD goes when another takes its place."""
        before = {volume for _, volume, _ in drives_of(vm.config) if "-cloudinit" in volume}
        await super()._apply_config(vm, user, values)
        for volume in before - {volume for _, volume, _ in drives_of({**vm.config, **_written(vm.pending)})}:
            self._qm_free(volume)

    def _detached(self, vm: FakeVm, key: str, value: str | None, *, force: bool) -> None:
        """Another's image is taken off and neither kept as unused nor freed."""
        if value is None or not self._is_lent(vm, split_drive(value)[0]):
            super()._detached(vm, key, value, force=force)

    async def task(self, *about: Any, **rest: Any) -> str:
        """Start a task; that which destroys a guest takes only its own images along."""
        vm = rest.get("vm")
        if about[1] != "qmdestroy" or vm is None:
            return await super().task(*about, **rest)
        *before, body = about

        async def destroy() -> str | None:
            self._ends = vm.vmid
            try:
                words: str | None = await body()
            finally:
                self._ends = None
            return words

        return await super().task(*before, destroy, **rest)

    def _qm_free(self, volid: str) -> None:
        stored = self._qm_volume(volid)
        if self._ends is None or stored is None or stored.get("vmid") == self._ends:
            super()._qm_free(volid)


def _written(pending: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in pending.items() if value is not None}
