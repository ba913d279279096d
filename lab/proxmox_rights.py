"""Proxmox VE's checks of privileges where fakepve has none or others (source: ``PVE/API2/Qemu.pm``, ``Cluster.pm``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web
from fakepve import FakeVm  # type: ignore[import-untyped]  # fakepve ships neither annotations nor stubs
from fakepve.qemu import DRIVE_KEY, split_drive  # type: ignore[import-untyped]  # as above
from fakepve.server import USER  # type: ignore[import-untyped]  # as above

from lab.permissions import Grant
from lab.proxmox_tasks import TimedTasks

#: The zone that all bridges are in that belong to no zone of their own.
ZONE = "/sdn/zones/localnetwork"
_NIC = re.compile(r"net\d+")
_BRIDGE = re.compile(r"bridge=([^,]+)")
_CLOUD_INIT = re.compile(r"ci[a-z]+|ipconfig\d+|nameserver|searchdomain|sshkeys")
_HARDWARE = {"acpi", "hotplug", "kvm", "machine", "scsihw", "smbios1", "tablet", "vga", "watchdog", "audio0", "rng0"}
_GENERAL = {
    *("agent", "autostart", "bios", "description", "keyboard", "localtime", "migrate_downtime", "migrate_speed"),
    *("name", "onboot", "ostype", "protection", "reboot", "startdate", "startup", "tdf", "template", "tags"),
}


class Rights(TimedTasks):
    """What each account may, and privileges that are one of several (``A|B``)."""

    def allot(self, account: str, grants: Iterable[Grant]) -> None:
        """Gives an account these rights and no others."""
        self.grant(account, "/")
        self.acl[account].clear()
        for grant in grants:
            self.grant(account, grant.place, grant.right)

    def allowed(self, user: str, path: str, priv: str) -> bool:
        """Whether an account holds a privilege, or one of several."""
        return any(super(Rights, self).allowed(user, path, one) for one in priv.split("|"))

    def _config_priv(self, key: str) -> str:
        if key in _HARDWARE:
            return "VM.Config.HWType"
        if key in _GENERAL:
            return "VM.Config.Options"
        if _CLOUD_INIT.fullmatch(key):
            return "VM.Config.Cloudinit|VM.Config.Network"
        found: str = super()._config_priv(key)
        return found

    def check_config(self, user: str, vm: FakeVm, values: Mapping[str, Any]) -> None:
        """What is asked of who gives a guest a network interface, or changes a cloud-init drive. PveError 403."""
        for key, value in values.items():
            if _NIC.fullmatch(key):
                self.check_bridge(user, str(value))
            drives = [split_drive(str(drive))[0] for drive in (vm.config.get(key, ""), value) if DRIVE_KEY.match(key)]
            if any("cloudinit" in drive for drive in drives):
                self.require(user, f"/vms/{vm.vmid}", "VM.Config.Cloudinit")
                self.require(user, f"/vms/{vm.vmid}", "VM.Config.CDROM")

    async def _cluster_status(self, request: web.Request) -> web.Response:
        self.require(request[USER], "/", "Sys.Audit")
        return await super()._cluster_status(request)  # type: ignore[no-any-return]  # fakepve is untyped

    def check_bridge(self, user: str, interface: str) -> None:
        """SDN.Use on the bridge of a network interface. PveError 403."""
        found = _BRIDGE.search(interface)
        if found:
            self.require(user, self.bridge_path(found[1]), "SDN.Use")

    def bridge_path(self, name: str) -> str:
        """Where the rights on a bridge or vnet are."""
        return f"{ZONE}/{name}"

    def sees_storage(self, user: str, name: str) -> bool:
        """Whether the list of resources shows a storage."""
        return self.allowed(user, f"/storage/{name}", "Datastore.Audit")

    def sees_bridge(self, user: str, name: str) -> bool:
        """Whether a node's list of networks shows a bridge."""
        return self.allowed(user, self.bridge_path(name), "SDN.Audit|SDN.Use")
