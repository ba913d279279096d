"""The lab's Proxmox VE cluster as a whole: its capacity, its resource list and how late that is, and control paths."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from fakepve import PveError  # type: ignore[import-untyped]  # fakepve ships neither annotations nor stubs
from fakepve.server import USER, ok, params  # type: ignore[import-untyped]  # as above

from lab.fleet import Wanted
from lab.permissions import Grant
from lab.proxmox_estate import BRIDGES, GIB, NODE_CPUS, NODE_DISK, NODE_MEMORY, launch
from lab.proxmox_hidden import Hidden
from lab.proxmox_images import Images
from lab.proxmox_moves import Moves
from lab.proxmox_sdn import Networks
from lab.proxmox_snapshots import Snapshots
from lab.proxmox_tasks import Route
from lab.proxmox_templates import Templates
from lab.proxmox_volumes import Volumes


class Cluster(Volumes, Networks, Templates, Snapshots, Moves, Images, Hidden):
    """The nodes' capacity, ``/cluster/resources`` with its lag, and what the lab reads and turns under ``/lab``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.client_max_size = 512 * 2**20
        self.max_requests = 100
        self.resources_lag = 0.0
        #: The bridges of nodes that have others than usual.
        self.bridges: dict[str, Sequence[str]] = {}
        self._broadcast: dict[str, dict[str, Any]] = {}
        self._broadcaster: asyncio.Task[None] | None = None

    def _build_app(self) -> web.Application:
        app: web.Application = super()._build_app()
        control = web.Application()
        control.router.add_get("/machines", self._lab_machines)
        control.router.add_get("/volumes", self._lab_volumes)
        control.router.add_get("/isos", self._lab_isos)
        control.router.add_get("/iso", self._lab_iso)
        control.router.add_get("/files", self._lab_files)
        control.router.add_get("/strays", self._lab_strays)
        control.router.add_post("/web", self._lab_web)
        control.router.add_post("/tune", self._lab_tune)
        control.router.add_post("/rights", self._lab_rights)
        control.router.add_post("/node", self._lab_node)
        control.router.add_post("/hold", self._lab_hold)
        control.router.add_post("/seed", self._lab_seed)
        app.add_subapp("/lab", control)
        return app

    def _routes_lab_cluster(self) -> list[Route]:
        return [("GET", "/nodes/{node}/status", self._node_status), ("GET", "/nodes/{node}/network", self._networks)]

    async def start(self, certfile: Path, keyfile: Path) -> None:
        """Listen, and announce the guests' states to the resource list each ``resources_lag`` seconds."""
        await super().start(certfile, keyfile)
        self._announce()

    async def stop(self) -> None:
        """Stop listening and announcing."""
        if self._broadcaster is not None:
            self._broadcaster.cancel()
            self._broadcaster = None
        await super().stop()

    def _announce(self) -> None:
        """Announce now, and from now on at the pace of ``resources_lag``."""
        if self._broadcaster is not None:
            self._broadcaster.cancel()
        self._broadcast = {vm.guest: self._status_of(vm) for vm in self.vms}
        self._broadcaster = asyncio.create_task(self._broadcasts()) if self.resources_lag else None

    # -------------------------------------------------------------- resources

    async def _broadcasts(self) -> None:
        while True:
            await asyncio.sleep(self.resources_lag)
            self._broadcast = {vm.guest: self._status_of(vm) for vm in self.vms}

    def _status_of(self, vm: Any) -> dict[str, Any]:
        status = {"name": vm.name, "status": vm.status, "template": 1 if vm.template else 0}
        return {**status, **self._vm_usage(vm)}

    async def _resources(self, request: web.Request) -> web.Response:
        """The list, in which a guest is there at once but its name, power and size are those of the last broadcast."""
        kind, user = request.query.get("type"), request[USER]
        found = []
        for vm in self.vms if kind in {None, "vm"} else []:
            if not self.allowed(user, f"/vms/{vm.vmid}", "VM.Audit"):
                continue
            item = {"id": vm.guest, "type": "qemu", "node": vm.node, "vmid": vm.vmid, "status": "unknown"}
            online = self.nodes[vm.node].get("online", True)
            item.update(self._status_of(vm) if not self.resources_lag else self._broadcast.get(vm.guest, {}))
            if not online:
                item["status"] = "unknown"
            pool = vm.pool if vm.pool and self.allowed(user, f"/pool/{vm.pool}", "Pool.Audit") else None
            item.update({"lock": vm.lock, "tags": vm.config.get("tags"), "pool": pool, "hastate": vm.ha_state})
            found.append({key: value for key, value in item.items() if value is not None})
        for name, state in sorted(self.nodes.items()) if kind in {None, "node"} else []:
            online = state.get("online", True)
            audited = self.allowed(user, f"/nodes/{name}", "Sys.Audit")
            node = {"id": f"node/{name}", "type": "node", "node": name, "level": ""}
            if "hastate" in state:
                node["hastate"] = state["hastate"]
            stats = self._node_stats(online) if audited else {}
            found.append({**node, "status": "online" if online else "offline", **stats})
        if kind in {None, "pool"}:
            pools = [name for name in sorted(self.pools) if self.allowed(user, f"/pool/{name}", "Pool.Audit")]
            found += [{"id": f"/pool/{name}", "type": "pool", "pool": name} for name in pools]
        visible = [sid for sid in self.storages if self.sees_storage(user, sid)]
        for name in sorted(self.nodes) if kind in {None, "storage"} else []:
            found += [store for sid in visible if (store := self._storage_resource(name, sid)) is not None]
        return ok(found)  # type: ignore[no-any-return]  # fakepve is untyped

    def _storage_resource(self, node: str, name: str) -> dict[str, Any] | None:
        item: dict[str, Any] | None = super()._storage_resource(node, name)
        if item is not None:
            total, used, free = self._space(self.storages[name])
            item.update(maxdisk=total, disk=max(used, total - free))
            if not self.nodes[node].get("online", True):
                item["status"] = "unknown"
        return item

    # --------------------------------------------------------------- capacity

    @staticmethod
    def _node_stats(online: object) -> dict[str, Any]:
        usage = {"cpu": 0.02, "maxcpu": NODE_CPUS, "mem": 8 * GIB, "maxmem": NODE_MEMORY, "uptime": 86400}
        return {**usage, "disk": 8 * GIB, "maxdisk": NODE_DISK} if online else {}

    async def _node_status(self, values: dict[str, Any], _user: str) -> dict[str, Any]:
        running = [vm for vm in self.vms if vm.node == values["node"] and vm.status == "running"]
        used = 8 * GIB + sum(self._vm_usage(vm)["maxmem"] for vm in running)
        return {
            "cpu": 0.02,
            "cpuinfo": {
                "cores": NODE_CPUS // 2,
                "cpus": NODE_CPUS,
                "model": "Lab CPU",
                "sockets": 2,
                "mhz": "2400.000",
            },
            "kversion": "Linux 6.14.11-1-pve #1 SMP",
            "loadavg": ["0.10", "0.10", "0.10"],
            "memory": {"total": NODE_MEMORY, "used": used, "free": NODE_MEMORY - used, "available": NODE_MEMORY - used},
            "pveversion": f"pve-manager/{self.version}/0123456789abcdef",
            "rootfs": {"total": NODE_DISK, "used": 8 * GIB, "free": NODE_DISK - 8 * GIB, "avail": NODE_DISK - 8 * GIB},
            "swap": {"total": 0, "used": 0, "free": 0},
            "uptime": 86400,
            "wait": 0,
        }

    async def _networks(self, values: dict[str, Any], user: str) -> list[dict[str, Any]]:
        bridge = {"type": "bridge", "active": 1, "autostart": 1, "method": "manual", "bridge_ports": ""}
        found = [{"iface": name, **bridge} for name in self.bridges.get(values["node"], BRIDGES)]
        if values.get("type") in {"any_bridge", "vnet", "include_sdn"}:
            found += [{"iface": name, "type": "vnet", "active": 1} for name in sorted(self.vnets_on(values["node"]))]
        return [row for row in found if self.sees_bridge(user, str(row["iface"]))]

    # ---------------------------------------------------------------- volumes

    def _volumes(self, name: str) -> dict[str, dict[str, Any]]:
        """All volumes of a storage. In the lab each was allocated, so the guests need not be searched for more."""
        volumes: dict[str, dict[str, Any]] = self.storages[name]["volumes"]
        return volumes

    def _qm_free_name(self, sid: str, vmid: int, fmt: str) -> str:
        owned = [name for name, volume in self._volumes(sid).items() if volume.get("vmid") == vmid]
        taken = {int(found[1]) for name in owned if (found := re.search(rf"-{vmid}-disk-(\d+)(?:\.\w+)?$", name))}
        free = next(index for index in range(1000) if index not in taken)
        suffix = f".{fmt}" if "path" in self.storages[sid] else ""
        return f"vm-{vmid}-disk-{free}{suffix}"

    def _qm_free(self, volid: str) -> None:
        """Free a guest's own volume; an ISO that it merely had in its drive stays."""
        volume = self._qm_volume(volid)
        if volume is not None and volume["content"] in {"images", "rootdir"}:
            super()._qm_free(volid)

    # ---------------------------------------------------------------- control

    async def _lab_machines(self, request: web.Request) -> web.Response:
        _root_only(request)
        fields = ("vmid", "node", "name", "status", "template", "lock", "config", "pending")
        return web.json_response([{field: getattr(vm, field) for field in fields} for vm in self.vms])

    async def _lab_volumes(self, request: web.Request) -> web.Response:
        _root_only(request)
        fields = ("vmid", "size", "format", "node")
        found = [
            {"volid": f"{sid}:{name}", **{field: volume.get(field) for field in fields}}
            for sid in sorted(self.storages)
            for name, volume in sorted(self._volumes(sid).items())
            if volume["content"] == "images"
        ]
        return web.json_response(found)

    async def _lab_isos(self, request: web.Request) -> web.Response:
        _root_only(request)
        found = [f"{sid}:{name}" for sid in self.storages for name in self._volumes(sid) if name.startswith("iso/")]
        return web.json_response(sorted(found))

    async def _lab_iso(self, request: web.Request) -> web.Response:
        _root_only(request)
        return web.json_response(base64.b64encode(self.images[request.query["volume"]]).decode())

    async def _lab_seed(self, request: web.Request) -> web.Response:
        _root_only(request)
        ids = launch(self, [Wanted.read(words) for words in await request.json()])
        return web.json_response(ids)

    async def _lab_files(self, request: web.Request) -> web.Response:
        _root_only(request)
        found = [f"{sid}:{name}" for sid in self.storages for name in self._volumes(sid) if name.startswith("import/")]
        return web.json_response(sorted(found))

    async def _lab_strays(self, request: web.Request) -> web.Response:
        """What refers to nothing: vnets that were never brought to their end, and rules for groups that there are not."""
        _root_only(request)
        waiting = [
            name for name in sorted({*self.sdn["vnets"], *self.sdn_running["vnets"]}) if not self.is_applied(name)
        ]
        groups = self.firewall_config("cluster")["groups"]
        rules = [
            f"guest {vm.vmid}: rule for {rule['action']}"
            for vm in self.vms
            for rule in self.firewall_config("vm", vmid=vm.vmid)["rules"]
            if rule["type"] == "group" and rule["action"] not in groups
        ]
        return web.json_response([*(f"vnet {name}" for name in waiting), *rules])

    async def _lab_web(self, request: web.Request) -> web.Response:
        _root_only(request)
        given = await params(request)
        self.publish(given.pop("url"), int(given.pop("size")), **given)
        return web.json_response({})

    async def _lab_tune(self, request: web.Request) -> web.Response:
        _root_only(request)
        wanted = await params(request)
        if "task_seconds" in wanted:
            self.pace(task_seconds=float(wanted["task_seconds"]), time_scale=0.0)
        if "resources_lag" in wanted:
            self.resources_lag = float(wanted["resources_lag"])
            self._announce()
        return web.json_response({"task_seconds": self.task_seconds, "resources_lag": self.resources_lag})

    async def _lab_rights(self, request: web.Request) -> web.Response:
        _root_only(request)
        wanted = await params(request)
        self.allot(wanted["account"], [Grant(*pair) for pair in json.loads(wanted["grants"])])
        return web.json_response({})

    async def _lab_hold(self, request: web.Request) -> web.Response:
        _root_only(request)
        self.hold(int((await params(request))["vmid"]))
        return web.json_response({})

    async def _lab_node(self, request: web.Request) -> web.Response:
        """Puts a node into maintenance as the HA manager does, or takes it off the cluster, or all of that back."""
        _root_only(request)
        wanted = await params(request)
        node = self.nodes[wanted["node"]]
        node["online"] = wanted.get("online", "1") == "1"
        node.pop("hastate", None)
        if wanted.get("maintenance", "0") == "1":
            node["hastate"] = "maintenance"
        return web.json_response(node)


def _root_only(request: web.Request) -> None:
    if not str(request[USER]).startswith("root@pam"):
        raise PveError(403, "Permission check failed (user != root@pam)")
