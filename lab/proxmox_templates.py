"""Templates of Proxmox VE in the lab: files that are downloaded, disks that are imported from them, and linked clones.

Source: ``PVE/API2/Storage/Status.pm`` (download_url), ``PVE/Tools.pm`` (download_file_from_url), ``PVE/API2/Qemu.pm``.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web
from fakepve import FakeVm, PveError, TaskError  # type: ignore[import-untyped]  # fakepve has neither annotations nor stubs
from fakepve.lxc import format_size  # type: ignore[import-untyped]  # as above
from fakepve.qemu import DRIVE_KEY, drives_of, join_drive, split_drive  # type: ignore[import-untyped]  # as above
from fakepve.server import USER, ok, params  # type: ignore[import-untyped]  # as above

from lab.proxmox_guests import Guests

_IMPORTED = re.compile(r"[a-zA-Z0-9.+=_-]+\.(?:ova|qcow2|raw|vmdk)")


class Templates(Guests):
    """The web of the lab has the files that ``publish`` puts into it, and no others."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        #: Size and checksums of files, by URL.
        self.web: dict[str, tuple[int, dict[str, str]]] = {}

    def publish(self, url: str, size: int, **checksums: str) -> None:
        """Has a file at this URL from now on; checksums by algorithm."""
        self.web[url] = size, checksums

    # --------------------------------------------------------------- download

    async def _download_url(self, request: web.Request) -> web.Response:
        """Download a file, unless it is there already with the same checksum."""
        name, store = self._file_storage(request, "download")
        user, node = request[USER], request.match_info["node"]
        self.require(user, f"/storage/{name}", "Datastore.AllocateTemplate")
        if not all(self.allowed(user, "/", right) for right in ("Sys.Audit", "Sys.Modify")):
            self.require(user, f"/nodes/{node}", "Sys.AccessNetwork")
        values = self._verify(request, await params(request))
        self._need_file_storage(store, "can't upload to storage type '{0}', not a file based storage!")
        content, file, url = values["content"], values["filename"], values["url"]
        if content not in str(store["content"]).split(","):
            raise PveError(500, f"storage '{name}' is not configured for content-type '{content}'")
        if content == "import" and not _IMPORTED.fullmatch(file):
            words = {"filename": "invalid filename or wrong extension"}
            raise PveError(400, "Parameter verification failed.", words)
        algorithm, wanted = values.get("checksum-algorithm"), values.get("checksum")

        async def body() -> None:
            if url not in self.web:
                raise TaskError("download failed: command '/usr/bin/wget' failed: exit code 8")
            size, checksums = self.web[url]
            if wanted is not None and checksums.get(algorithm) != wanted:
                raise TaskError(f"checksum mismatch: got '{checksums.get(algorithm)}' != expect '{wanted}'")
            if f"{content}/{file}" not in self._volumes(name):
                self.store_file(name, file, size, content)

        log = [f"downloading {url} to /mnt/{file}", "     0K ........ ........  37% 12.3M 1s"]
        return ok(await self.task(node, "download", file, user, body, log=log))  # type: ignore[no-any-return]  # as above

    # ----------------------------------------------------------------- import

    def _stored_value(self, vm: FakeVm, user: str, key: str, value: Any, allocated: list[str]) -> Any:
        """What PVE writes for a given value: a disk that is imported is as large as its file says."""
        if not DRIVE_KEY.match(key) or "import-from=" not in str(value):
            return super()._stored_value(vm, user, key, value, allocated)
        target, options = split_drive(value)
        source = options.pop("import-from")
        storage, _, size = target.partition(":")
        if size != "0":
            words = "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>"
            raise PveError(400, "Parameter verification failed.", {key: words})
        if not self.allowed(user, f"/storage/{source.partition(':')[0]}", "Datastore.AllocateSpace|Datastore.Audit"):
            raise PveError(403, f"Permission check failed (/storage/{source.partition(':')[0]}, Datastore.Audit)")
        self._qm_image_store(storage, user)
        stored = self._qm_volume(source)
        if stored is None:
            raise PveError(500, f"cannot import from '{source}' - volume '{source}' does not exist")
        volume, _ = self._qm_alloc(storage, vm.vmid, options.pop("format", None), int(stored["size"]))
        allocated.append(volume)
        return join_drive(volume, {**options, "size": format_size(int(stored["size"]))})

    # ---------------------------------------------------------- linked clones

    def _qm_alloc(self, sid: str, vmid: int, fmt: Any, size: int, linked_from: str | None = None) -> tuple[str, str]:
        """Allocate a volume; that of a linked clone names the base on which it builds."""
        volume, made = super()._qm_alloc(sid, vmid, fmt, size, linked_from=linked_from)
        if not linked_from or "path" in self.storages[sid]:
            return volume, made
        name = volume.partition(":")[2]
        volumes = self._volumes(sid)
        linked = f"{linked_from.partition('/')[2]}/{name}"
        volumes[linked] = volumes.pop(name)
        return f"{sid}:{linked}", made

    async def _qm_destroy(self, values: dict[str, Any], user: str) -> str:
        """Destroy a guest; a template only when no disk builds on one of its own."""
        vm = self.find(values["node"], values["vmid"])
        bases = [volume for _, volume, _ in drives_of(vm.config) if vm.template and "base-" in volume]
        used = next((base for base in bases if self._has_clone(base)), None)
        if used is None:
            upid: str = await super()._qm_destroy(values, user)
            return upid
        self._qm_check_protection(vm, f"can't remove VM {vm.vmid}")

        async def body() -> None:
            raise TaskError(f"base volume '{used}' is still in use by linked cloned")

        failing: str = await self.task(vm.node, "qmdestroy", vm.vmid, user, body, vm=vm)
        return failing

    def _has_clone(self, base: str) -> bool:
        sid, _, name = base.partition(":")
        inside = f"{name.rpartition('/')[2]}/"
        return any(inside in one and one != name for one in self._volumes(sid))
