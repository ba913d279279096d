"""Proxmox VE's guests on the move in the lab: to another node while they run, and their disks to another storage."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from fakepve import (  # type: ignore[import-untyped]  # fakepve ships neither annotations nor stubs
    FakeVm,
    PveError,
    TaskError,
)
from fakepve.qemu import drives_of, is_cdrom, join_drive, split_drive  # type: ignore[import-untyped]  # as above
from fakepve.routing import param_error, split_list  # type: ignore[import-untyped]  # as above

from lab.proxmox_guests import Guests, digest_of
from lab.proxmox_tasks import Route


class Moves(Guests):
    """Migration between nodes, and the move of a disk. Source: PVE/API2/Qemu.pm and PVE/QemuMigrate.pm."""

    def _routes_lab_moves(self) -> list[Route]:
        guest = "/nodes/{node}/qemu/{vmid}"
        return [("POST", f"{guest}/migrate", self._migrate), ("POST", f"{guest}/move_disk", self._move_disk)]

    # ---------------------------------------------------------------- migrate

    async def _migrate(self, values: dict[str, Any], user: str) -> str:
        """The guest is locked, and on its old node, until all is there; one of the HA manager is moved by that, later."""
        vm, target = self.find(values["node"], values["vmid"]), values["target"]
        self._may_migrate(vm, target, online=bool(values.get("online")))
        if vm.ha_managed:
            return await self._ha_migrate(vm, target, user)

        async def body() -> None:
            if not self.nodes[target].get("online", True):
                raise TaskError("command '/usr/bin/ssh' failed: exit code 255")
            held = list(self._held_here(vm, with_disks=bool(values.get("with-local-disks"))))
            if held:
                self.tasklog[-1]["log"] += held
                raise TaskError("migration aborted")
            vm.node = target

        vm.lock = vm.config["lock"] = "migrate"

        async def locked() -> None:
            try:
                await body()
            finally:
                vm.lock = None
                vm.config.pop("lock", None)

        upid: str = await self.task(vm.node, "qmigrate", vm.vmid, user, locked, vm=vm, lock=False)
        return upid

    def _may_migrate(self, vm: FakeVm, target: str, *, online: bool) -> None:
        if target == vm.node:
            raise param_error(target="target is local node.")
        self.need_quorum()
        if target not in self.nodes:
            raise PveError(500, f"no such cluster node '{target}'")
        self._check_lock(vm)
        if vm.status == "running" and not online:
            raise PveError(500, "can't migrate running VM without --online")
        for _, volume, _ in drives_of(vm.config):
            if volume.partition(":")[0] in self.storages:
                self._check_enabled(volume.partition(":")[0], target)

    def _held_here(self, vm: FakeVm, *, with_disks: bool) -> Iterator[str]:
        """Why a guest cannot leave its node, volume by volume."""
        for _, volume, options in drives_of(vm.config):
            store = self.storages.get(volume.partition(":")[0], {})
            if store.get("shared") or ":" not in volume or "-cloudinit" in volume:
                continue
            owner = (self._qm_volume(volume) or {}).get("vmid", vm.vmid)
            if owner != vm.vmid and not is_cdrom(volume, options):
                yield f"can't migrate local disk '{volume}': owned by other VM (owner = VM {owner})"
            elif is_cdrom(volume, options):
                yield f"can't migrate local disk '{volume}': local cdrom image"
            elif vm.status == "running" and not with_disks:
                words = "can't live migrate attached local disks without with-local-disks option"
                yield f"can't migrate local disk '{volume}': {words}"

    async def _ha_migrate(self, vm: FakeVm, target: str, user: str) -> str:
        """The task only tells the HA manager, which moves the guest afterwards."""

        async def move() -> None:
            await asyncio.sleep(self.task_seconds)
            vm.node, vm.ha_state = target, "started"

        async def body() -> None:
            vm.ha_state = "migrate"
            self._moving = asyncio.create_task(move())

        upid: str = await self.task(vm.node, "hamigrate", vm.vmid, user, body, vm=vm, lock=False)
        return upid

    # -------------------------------------------------------------- move disk

    async def _move_disk(self, values: dict[str, Any], user: str) -> str:
        """The new volume takes the place of the old one, which stays as ``unusedN`` unless it is to be deleted."""
        vm = self.find(values["node"], values["vmid"])
        disk, target, delete = values["disk"], values["storage"], bool(values.get("delete"))
        self.require(user, f"/storage/{target}", "Datastore.AllocateSpace")
        self._may_move(vm, disk, target, values, delete=delete)

        async def body() -> None:
            try:
                self._may_move(vm, disk, target, values, delete=delete)
                volume, options = split_drive(vm.config[disk])
                size = self._qm_volume(volume)["size"]
                moved, _ = self._qm_alloc(target, vm.vmid, values.get("format"), size)
            except PveError as error:
                raise TaskError(f"storage migration failed: {error.message}") from error
            vm.config[disk] = join_drive(moved, options)
            if delete:
                self._qm_free(volume)
            else:
                free = next(index for index in range(256) if f"unused{index}" not in vm.config)
                vm.config[f"unused{free}"] = volume

        upid: str = await self.task(vm.node, "qmmove", vm.vmid, user, body, vm=vm)
        return upid

    def _may_move(self, vm: FakeVm, disk: str, target: str, values: dict[str, Any], *, delete: bool) -> None:
        self._check_lock(vm)
        if values.get("digest") not in {None, digest_of(vm)}:
            raise PveError(500, "detected modified configuration - file changed by other user? Try again.")
        if disk not in vm.config:
            raise PveError(500, f"disk '{disk}' does not exist")
        volume, options = split_drive(vm.config[disk])
        if is_cdrom(volume, options):
            raise PveError(500, "you can't move a cdrom")
        if self._qm_volume(volume) is None:
            raise PveError(500, f"disk '{disk}' has no associated volume")
        if volume.partition(":")[0] == target:
            raise PveError(500, "you can't move to the same storage with same format")
        self._check_enabled(target, vm.node)
        if "images" not in split_list(self.storages[target].get("content")):
            raise param_error(storage=f"storage '{target}' does not support vm images")
        if delete and any(split_drive(snap.get(disk, ""))[0] == volume for snap in vm.snapshots.values()):
            raise PveError(500, "you can't move a disk with snapshots and delete the source")
