"""Proxmox VE's virtual machines in the lab: what fakepve checks but does not store, and what a real PVE does besides."""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import Any

from aiohttp import web
from fakepve import (  # type: ignore[import-untyped]  # fakepve ships neither annotations nor stubs
    FakeVm,
    PveError,
    TaskError,
)
from fakepve.lxc import format_size  # type: ignore[import-untyped]  # as above
from fakepve.qemu import (  # type: ignore[import-untyped]  # as above
    DRIVE_KEY,
    NEW_DISK,
    drives_of,
    is_cdrom,
    join_drive,
    split_drive,
    with_mac,
)
from fakepve.server import USER, ok, params  # type: ignore[import-untyped]  # as above

from lab.proxmox_rights import Rights
from lab.proxmox_tasks import Route

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_NIC = re.compile(r"net\d+")
_UNUSED = re.compile(r"unused\d+")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
#: Cloud-init settings reach the configuration of a running guest at once; the guest sees them at its next start.
_CLOUD_INIT = ("cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "ipconfig", "nameserver", "searchdomain")
_DEFAULT_HOTPLUG = "network,disk,usb"
_CHANGED = "checksum missmatch (file change by other user?)"


class Guests(Rights):
    """Typed configuration values, pending changes, hot-plug, disk allocation, resize and the guest agent."""

    def _routes_lab_guests(self) -> list[Route]:
        return [("PUT", "/nodes/{node}/qemu/{vmid}/resize", self._resize)]

    def vm(self, vmid: int) -> FakeVm | None:
        """The machine with this id, or None."""
        return next((vm for vm in self.vms if vm.vmid == vmid), None)

    # ---------------------------------------------------------- configuration

    async def _config_get(self, request: web.Request) -> web.Response:
        """The configuration of the next start, or with ``current=1`` that of the running guest."""
        vm = self._vm(request, "VM.Audit")
        config = dict(vm.config)
        if str(request.query.get("current", "0")).lower() not in {"1", "true", "yes", "on"}:
            config.update(vm.pending)
            config = {key: value for key, value in config.items() if value is not None}
        if "memory" in config:
            config["memory"] = str(config["memory"])
        if "description" in config:
            config["description"] += "\n"  # PVE keeps notes as lines and ends the last one, too
        config["digest"] = digest_of(vm)
        return ok(config)  # type: ignore[no-any-return]  # fakepve is untyped

    async def _pending(self, request: web.Request) -> web.Response:
        """The configuration key by key, as it is and as it will be; PVE lists the digest among the keys."""
        vm = self._vm(request, "VM.Audit")
        items: list[dict[str, Any]] = [{"key": "digest", "value": digest_of(vm)}]
        for key in sorted({*vm.config, *vm.pending}):
            item: dict[str, Any] = {"key": key}
            if key in vm.config:
                item["value"] = str(vm.config[key]) if key == "memory" else vm.config[key]
            if key in vm.pending:
                item |= {"delete": 1} if vm.pending[key] is None else {"pending": vm.pending[key]}
            if key == "description" and "value" in item:
                item["value"] += "\n"
            items.append(item)
        return ok(items)  # type: ignore[no-any-return]  # fakepve is untyped

    async def _config_put(self, request: web.Request) -> web.Response:
        values = self._config_values(request, await params(request))
        await self._apply_config(self._vm(request), request[USER], values)
        return ok()  # type: ignore[no-any-return]  # fakepve is untyped

    async def _config_post(self, request: web.Request) -> web.Response:
        """The same as a task, whose UPID is the answer."""
        values = self._config_values(request, await params(request))
        vm, user = self._vm(request), request[USER]
        self.need_quorum()

        async def body() -> None:
            try:
                await self._apply_config(vm, user, values)
            except PveError as error:
                raise TaskError(error.message) from error

        return ok(await self.task(vm.node, "qmconfig", vm.vmid, user, body))  # type: ignore[no-any-return]  # as above

    def _config_values(self, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
        """The values as the schema types them, so that 2 is read back as 2 and not as "2"."""
        checked: dict[str, Any] = self._verify(request, given)
        return {key: value for key, value in checked.items() if key not in {"node", "vmid"}}

    async def _apply_config(self, vm: FakeVm, user: str, values: dict[str, Any]) -> None:
        self._check_lock(vm)
        if values.get("digest") not in {None, digest_of(vm)}:
            raise PveError(500, _CHANGED)
        for key in _words(values.get("revert")):
            vm.pending.pop(key, None)
        self.check_config(user, vm, values)
        deleted, before, agent = _words(values.get("delete")), {**vm.config, **vm.pending}, vm.config.get("agent")
        allocated: list[str] = []
        updates = {
            key: self._stored_value(vm, user, key, value, allocated)
            for key, value in values.items()
            if key not in {"revert", "force", "background_delay", "digest"}
        }
        try:
            await super()._apply_config(vm, user, updates)
        except PveError:
            for volume in allocated:
                self._qm_free(volume)
            raise
        for key in deleted:
            if key in vm.pending and key not in vm.config:
                del vm.pending[key]  # a pending addition that is deleted again leaves nothing to wait for
        if vm.status == "running" and vm.config.get("agent") != agent:
            _hold_back(vm, "agent", agent)
        self._hotplug(vm)
        for key in deleted:
            if key not in vm.config:
                self._detached(vm, key, before.get(key), force=bool(values.get("force")))

    def _stored_value(self, vm: FakeVm, user: str, key: str, value: Any, allocated: list[str]) -> Any:
        """What PVE writes for a given value: NICs get addresses, tags an order, and new disks are allocated."""
        if _NIC.fullmatch(key):
            return with_mac(value)
        if key == "tags":
            return ";".join(sorted({tag.lower() for tag in _words(value)}))
        if not DRIVE_KEY.match(key):
            return value
        volume = split_drive(value)[0]
        if volume.endswith(":cloudinit"):
            return self._cloud_init_drive(vm.vmid, volume.partition(":")[0])
        if NEW_DISK.match(volume):
            self._qm_check_drive(user, vm.vmid, None, key, value, None)
            drive, volumes = self._qm_new_drive(vm.vmid, key, value, None)
            allocated += volumes
            return drive
        return value

    @staticmethod
    def _hotplug(vm: FakeVm) -> None:
        """Apply at once what PVE can change in a running guest, and drop what is pending no more."""
        for key in [key for key, value in vm.pending.items() if value is not None and value == vm.config.get(key)]:
            del vm.pending[key]
        enabled = str(vm.config.get("hotplug", _DEFAULT_HOTPLUG))
        features = set(_words(_DEFAULT_HOTPLUG if enabled == "1" else enabled))
        for key, value in list(vm.pending.items()):
            if (
                (_NIC.fullmatch(key) and "network" in features)
                or (DRIVE_KEY.match(key) and not key.startswith(("ide", "sata", "efi", "tpm")) and "disk" in features)
                or _UNUSED.fullmatch(key)
                or key.startswith(_CLOUD_INIT)
                or key == "sshkeys"
            ):
                del vm.pending[key]
                if value is None:
                    vm.config.pop(key, None)
                else:
                    vm.config[key] = value

    def _detached(self, vm: FakeVm, key: str, value: str | None, *, force: bool) -> None:
        """A disk taken off a guest stays as ``unusedN``, and is only freed from there or by force."""
        if value is None or not (DRIVE_KEY.match(key) or _UNUSED.fullmatch(key)):
            return
        volume, options = split_drive(value)
        if is_cdrom(volume, options) or self._qm_volume(volume) is None:
            return
        if force or _UNUSED.fullmatch(key):
            self._qm_free(volume)
        else:
            free = next(index for index in range(256) if f"unused{index}" not in vm.config)
            vm.config[f"unused{free}"] = volume

    def _cloud_init_drive(self, vmid: int, storage: str) -> str:
        """Allocate a guest's cloud-init drive; the value of its configuration key."""
        volume = f"vm-{vmid}-cloudinit"
        if "path" in self.storages[storage]:
            volume = f"{vmid}/{volume}.qcow2"
        made = {"content": "images", "format": "raw", "size": 4 * 2**20, "vmid": vmid, "ctime": int(time.time())}
        self.storages[storage]["volumes"][volume] = made
        return f"{storage}:{volume},media=cdrom"

    # ----------------------------------------------------------- start, clone

    async def task(self, *about: Any, **rest: Any) -> str:
        """Start a task; a clone gets a cloud-init drive of its own instead of the template's."""
        vm = rest.get("vm")
        if about[1] == "qmclone" and vm is not None:
            for key, volume, _ in drives_of(vm.config):
                if "-cloudinit" in volume:
                    vm.config[key] = self._cloud_init_drive(vm.vmid, volume.partition(":")[0])
        return await super().task(*about, **rest)

    async def _qm_clone(self, values: dict[str, Any], user: str) -> str:
        """Clone a guest; whoever does needs its bridges, too."""
        source = self.vm(int(values["vmid"]))
        for key, value in source.config.items() if source is not None else ():
            if _NIC.fullmatch(key):
                self.check_bridge(user, str(value))
        upid: str = await super()._qm_clone(values, user)
        return upid

    async def _do_start(self, vm: FakeVm, user: str, values: dict[str, Any]) -> str:
        """Start a guest; one whose CD is not on its storage fails, in its task."""
        vm.start_error = None
        for _, volume, options in drives_of({**vm.config, **{k: v for k, v in vm.pending.items() if v is not None}}):
            if is_cdrom(volume, options) and ":" in volume and self._qm_volume(volume) is None:
                vm.start_error = f"volume '{volume}' does not exist"
        upid: str = await super()._do_start(vm, user, values)
        return upid

    # ----------------------------------------------------------------- resize

    async def _resize(self, values: dict[str, Any], user: str) -> str:
        """Grow a disk to a size, or by one that starts with ``+``: a task, in which also the errors are found."""
        vm = self.find(values["node"], values["vmid"])
        disk, wanted = values["disk"], re.fullmatch(r"(\+?)(\d+(?:\.\d+)?)([KMGT]?)", values["size"])
        if wanted is None:
            raise PveError(400, "Parameter verification failed.", {"size": "value does not match the regex pattern"})

        async def body() -> None:
            if values.get("digest") not in {None, digest_of(vm)}:
                raise TaskError(_CHANGED)
            if vm.lock:
                raise TaskError(f"VM is locked ({vm.lock})")
            if disk not in vm.config:
                raise TaskError(f"disk '{disk}' does not exist")
            volume, options = split_drive(vm.config[disk])
            stored = self._qm_volume(volume)
            if is_cdrom(volume, options) or stored is None:
                raise TaskError("you can't resize a cdrom")
            if not self.allowed(user, f"/storage/{volume.partition(':')[0]}", "Datastore.AllocateSpace"):
                raise TaskError(
                    f"Permission check failed (/storage/{volume.partition(':')[0]}, Datastore.AllocateSpace)"
                )
            size = int(float(wanted[2]) * _UNITS[wanted[3]]) + (stored["size"] if wanted[1] else 0)
            if size < stored["size"]:
                raise TaskError("shrinking disks is not supported")
            store = self.storages[volume.partition(":")[0]]
            if "avail" in store:
                store["avail"] -= size - stored["size"]
            stored["size"] = size
            vm.config[disk] = join_drive(volume, {**options, "size": format_size(size)})

        upid: str = await self.task(vm.node, "resize", vm.vmid, user, body, vm=vm)
        return upid

    # ------------------------------------------------------------ guest agent

    async def _agent_call(self, match: Any, values: dict[str, Any]) -> Any:
        """Answer for a running guest whose configuration enables the agent, with addresses made from its id."""
        vm = self.find(values["node"], values["vmid"])
        enabled = str(vm.config.get("agent", "0")).split(",")[0].removeprefix("enabled=") in {"1", "on", "yes", "true"}
        if not enabled:
            raise PveError(500, "No QEMU guest agent configured")
        vm.agent = {"interfaces": _interfaces(vm)} if vm.status == "running" else None
        return await super()._agent_call(match, values)


def _hold_back(vm: FakeVm, key: str, before: Any) -> None:
    """What fakepve changed at once waits for the next start: a device of the guest belongs to it."""
    vm.pending[key] = vm.config.pop(key, None)
    if before is not None:
        vm.config[key] = before


def digest_of(vm: FakeVm) -> str:
    """The digest of the configuration file, pending changes and snapshots included."""
    text = json.dumps([vm.config, vm.pending, vm.snapshots], sort_keys=True)
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _words(value: object) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", str(value or "")) if word]


def _interfaces(vm: FakeVm) -> list[dict[str, Any]]:
    loopback = {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}
    found = [{"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [loopback]}]
    for index, key in enumerate(sorted(key for key in vm.config if _NIC.fullmatch(key))):
        mac = _MAC.search(str(vm.config[key]))
        address = f"10.{index}.{vm.vmid // 250 % 250}.{vm.vmid % 250 + 1}"
        found.append(
            {
                "name": f"eth{index}",
                "hardware-address": mac[0].lower() if mac else "",
                "ip-addresses": [{"ip-address": address, "ip-address-type": "ipv4", "prefix": 16}],
            }
        )
    return found
