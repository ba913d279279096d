"""Proxmox VE's software-defined networks in the lab: zones, vnets and subnets, and what of them is in effect.

Each change waits until the whole configuration is applied, somebody else's with it. Source: pve-network
(``PVE/API2/Network/SDN.pm``, ``SDN/Vnets.pm``; ``PVE/Network/SDN.pm``: pending_config, lock_sdn_config).
"""

from __future__ import annotations

import copy
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from fakepve import PveError  # type: ignore[import-untyped]  # fakepve has neither annotations nor stubs

from lab.proxmox_guests import Guests
from lab.proxmox_tasks import Route

#: The zones that there are at first. ``shop`` tags what it carries on a bridge, ``plain`` is a bridge of its own a vnet.
ZONES: Mapping[str, Mapping[str, Any]] = {
    "shop": {"type": "vlan", "bridge": "vmbr1"},
    "plain": {"type": "simple"},
}
#: The key by which a section of each kind is known.
_KINDS = {"zones": "zone", "vnets": "vnet", "subnets": "subnet", "controllers": "controller", "fabrics": "id"}
_SEES = "SDN.Audit|SDN.Allocate"
_MOST_VLAN = 4096

Sections = dict[str, dict[str, Any]]


class Networks(Guests):
    """The configuration as it is written and as it runs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.sdn: dict[str, Sections] = {kind: {} for kind in _KINDS}
        self.sdn["zones"] = {name: {"zone": name, **words} for name, words in ZONES.items()}
        self.sdn_running = copy.deepcopy(self.sdn)
        self.sdn_lock: str | None = None

    def _routes_lab_networks(self) -> list[Route]:
        vnets = "/cluster/sdn/vnets"
        return [
            ("GET", "/cluster/sdn/zones", self._sdn_zones),
            ("POST", "/cluster/sdn/zones", self._sdn_zone_create),
            ("DELETE", "/cluster/sdn/zones/{zone}", self._sdn_zone_delete),
            ("GET", "/cluster/sdn/controllers", self._sdn_controllers),
            ("GET", "/cluster/sdn/fabrics/fabric", self._sdn_fabrics),
            ("GET", vnets, self._sdn_vnets),
            ("POST", vnets, self._sdn_vnet_create),
            ("GET", f"{vnets}/{{vnet}}", self._sdn_vnet),
            ("PUT", f"{vnets}/{{vnet}}", self._sdn_vnet_change),
            ("DELETE", f"{vnets}/{{vnet}}", self._sdn_vnet_delete),
            ("GET", f"{vnets}/{{vnet}}/subnets", self._sdn_subnets),
            ("POST", f"{vnets}/{{vnet}}/subnets", self._sdn_subnet_create),
            ("DELETE", f"{vnets}/{{vnet}}/subnets/{{subnet}}", self._sdn_subnet_delete),
            ("GET", "/nodes/{node}/sdn/zones/{zone}/bridges", self._sdn_bridges),
            ("POST", "/cluster/sdn/lock", self._sdn_take_lock),
            ("DELETE", "/cluster/sdn/lock", self._sdn_end_lock),
            ("PUT", "/cluster/sdn", self._sdn_apply),
        ]

    def vnets_on(self, _node: str) -> Sections:
        """The vnets that a node has: those in effect."""
        return self.sdn_running["vnets"]

    def is_applied(self, vnet: str) -> bool:
        """Whether a vnet runs as it is written."""
        return self.sdn["vnets"].get(vnet) == self.sdn_running["vnets"].get(vnet)

    # ---------------------------------------------------------------- reading

    async def _sdn_zones(self, values: dict[str, Any], user: str) -> list[dict[str, Any]]:
        return [row for row in self._listed("zones", values) if self.allowed(user, f"/sdn/zones/{row['zone']}", _SEES)]

    async def _sdn_controllers(self, values: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        return self._listed("controllers", values)

    async def _sdn_fabrics(self, values: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        return self._listed("fabrics", values)

    async def _sdn_vnets(self, values: dict[str, Any], user: str) -> list[dict[str, Any]]:
        found = []
        for row in self._listed("vnets", values):
            zone = row.get("zone") or row["pending"]["zone"]
            if self.allowed(user, f"/sdn/zones/{zone}/{row['vnet']}", _SEES):
                found.append(row)
        return found

    async def _sdn_vnet(self, values: dict[str, Any], user: str) -> dict[str, Any]:
        vnet = values["vnet"]
        self._sdn_may(user, vnet, _SEES)
        return next(row for row in self._listed("vnets", values) if row["vnet"] == vnet)

    async def _sdn_subnets(self, values: dict[str, Any], user: str) -> list[dict[str, Any]]:
        self._sdn_may(user, values["vnet"], _SEES)
        rows = self._listed("subnets", values)
        return [row for row in rows if values["vnet"] in {row.get("vnet"), row.get("pending", {}).get("vnet")}]

    async def _sdn_bridges(self, values: dict[str, Any], user: str) -> list[dict[str, Any]]:
        """The bridges of a zone on a node, with the guests that are plugged in and run."""
        zone = values["zone"]
        self.require(user, f"/sdn/zones/{zone}", "SDN.Audit")
        found = []
        for name, vnet in self.sdn_running["vnets"].items():
            if vnet["zone"] == zone:
                running = [vm for vm in self.vms if vm.node == values["node"] and vm.status == "running"]
                ports = [
                    {"name": f"tap{vm.vmid}i{key[3:]}", "vmid": vm.vmid, "index": key}
                    for vm in running
                    for key, words in vm.config.items()
                    if key.startswith("net") and key[3:].isdigit() and f"bridge={name}" in str(words).split(",")
                ]
                found.append({"name": name, "vlan_filtering": "0", "ports": ports})
        return found

    def _listed(self, kind: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The sections of a kind: as they are written, as they run, or both with what is pending."""
        written, running = self.sdn[kind], self.sdn_running[kind]
        if values.get("pending") in {1, "1"}:
            return [
                _pending(_KINDS[kind], running.get(name), written.get(name)) for name in sorted({*written, *running})
            ]
        chosen = running if values.get("running") in {1, "1"} else written
        digest = _digest(chosen)
        return [{**chosen[name], "digest": digest} for name in sorted(chosen)]

    # --------------------------------------------------------------- changing

    async def _sdn_zone_create(self, values: dict[str, Any], user: str) -> None:
        self._sdn_free(values)
        self.require(user, "/sdn/zones", "SDN.Allocate")
        self.sdn["zones"][values["zone"]] = {key: values[key] for key in ("zone", "type", "bridge") if key in values}

    async def _sdn_zone_delete(self, values: dict[str, Any], user: str) -> None:
        self._sdn_free(values)
        self.require(user, f"/sdn/zones/{values['zone']}", "SDN.Allocate")
        if self.sdn["zones"].pop(values["zone"], None) is None:
            raise PveError(500, f"sdn '{values['zone']}' does not exist")

    async def _sdn_vnet_create(self, values: dict[str, Any], user: str) -> None:
        self.require(user, f"/sdn/zones/{values['zone']}", "SDN.Allocate")
        self.need_quorum()
        self._sdn_free(values, "create sdn vnet object failed")
        vnet = values["vnet"]
        if vnet in self.sdn["vnets"]:
            raise PveError(500, f"create sdn vnet object failed: sdn vnet object ID '{vnet}' already defined")
        known = ("vnet", "zone", "alias", "tag", "vlanaware", "isolate-ports")
        made = {"type": "vnet", **{key: values[key] for key in known if key in values}}
        self._sdn_check(made)
        self.sdn["vnets"][vnet] = made

    async def _sdn_vnet_change(self, values: dict[str, Any], user: str) -> None:
        vnet = values["vnet"]
        self._sdn_may(user, vnet, "SDN.Allocate")
        self._sdn_free(values, "update sdn vnet object failed")
        if values.get("digest") not in {None, _digest(self.sdn["vnets"])}:
            raise PveError(500, "detected modified configuration - file changed by other user? Try again.")
        changed = {key: text for key, text in self.sdn["vnets"][vnet].items() if key not in _split(values)}
        changed |= {key: values[key] for key in ("zone", "alias", "tag", "vlanaware", "isolate-ports") if key in values}
        self._sdn_check(changed)
        self.sdn["vnets"][vnet] = changed

    async def _sdn_vnet_delete(self, values: dict[str, Any], user: str) -> None:
        vnet = values["vnet"]
        self._sdn_may(user, vnet, "SDN.Allocate")
        self._sdn_free(values, "delete sdn vnet object failed")
        if any(subnet["vnet"] == vnet for subnet in self.sdn["subnets"].values()):
            raise _wrong("vnet", "Can't delete vnet if subnets exists")
        del self.sdn["vnets"][vnet]

    async def _sdn_subnet_create(self, values: dict[str, Any], user: str) -> None:
        self._sdn_may(user, values["vnet"], "SDN.Allocate")
        self._sdn_free(values)
        zone = self.sdn["vnets"][values["vnet"]]["zone"]
        name = f"{zone}-{values['subnet'].replace('/', '-')}"
        self.sdn["subnets"][name] = {"subnet": name, "type": "subnet", "vnet": values["vnet"], "zone": zone}

    async def _sdn_subnet_delete(self, values: dict[str, Any], user: str) -> None:
        self._sdn_may(user, values["vnet"], "SDN.Allocate")
        self._sdn_free(values)
        if self.sdn["subnets"].pop(values["subnet"], None) is None:
            raise PveError(500, f"sdn subnet '{values['subnet']}' does not exist")

    def _sdn_check(self, vnet: Mapping[str, Any]) -> None:
        """What the zone's type asks of the tag."""
        zone = self.sdn["zones"].get(vnet["zone"])
        if zone is None:
            raise PveError(500, f"sdn '{vnet['zone']}' does not exist")
        tag = vnet.get("tag")
        if zone["type"] == "simple":
            if tag is not None:
                raise _wrong("tag", "vlan tag is not allowed on simple zone")
            return
        if tag is None:
            raise _wrong("tag", "missing vlan tag")
        if int(tag) > _MOST_VLAN:
            raise _wrong("tag", "vlan tag max value is 4096")
        for other in self.sdn["vnets"].values():
            if other["vnet"] != vnet["vnet"] and other["zone"] == vnet["zone"] and other.get("tag") == tag:
                raise _wrong("tag", f"tag {tag} already exist in vnet {other['vnet']}")

    def _sdn_may(self, user: str, vnet: str, right: str) -> None:
        """A right on a vnet that is written. PveError 500 where there is none, and 403."""
        found = self.sdn["vnets"].get(vnet)
        if found is None:
            raise PveError(500, f"sdn vnet '{vnet}' does not exist")
        if not self.allowed(user, f"/sdn/zones/{found['zone']}/{vnet}", right):
            raise PveError(403, f"Permission check failed (/sdn/zones/{found['zone']}/{vnet}, {right})")

    # ------------------------------------------------------------ lock, apply

    async def _sdn_take_lock(self, values: dict[str, Any], user: str) -> str:
        self.require(user, "/sdn", "SDN.Allocate")
        self._sdn_free(values, "could not acquire lock for SDN config")
        if values.get("allow-pending") not in {1, "1"} and self.sdn != self.sdn_running:
            raise PveError(500, "could not acquire lock for SDN config: configuration has pending changes")
        self.sdn_lock = secrets.token_hex(16)
        return self.sdn_lock

    async def _sdn_end_lock(self, values: dict[str, Any], user: str) -> None:
        self.require(user, "/sdn", "SDN.Allocate")
        if values.get("force") not in {1, "1"}:
            self._sdn_free(values, "could not release lock")
        self.sdn_lock = None

    async def _sdn_apply(self, values: dict[str, Any], user: str) -> str:
        """What is written is in effect at once; the task has each node take it over."""
        self.require(user, "/sdn", "SDN.Allocate")
        self._sdn_free(values, "could not commit SDN config")
        self.sdn_running = copy.deepcopy(self.sdn)

        async def body() -> None:
            return None

        upid: str = await self.task(min(self.nodes), "reloadnetworkall", "", user, body)
        return upid

    def _sdn_free(self, values: Mapping[str, Any], failed: str = "") -> None:
        """PveError while somebody else holds the lock of the configuration."""
        if self.sdn_lock is not None and values.get("lock-token") != self.sdn_lock:
            raise PveError(500, f"{failed}{': ' if failed else ''}invalid lock token provided!")

    # ------------------------------------------------------------- privileges

    def bridge_path(self, name: str) -> str:
        """See the base: a vnet is in its zone."""
        vnet = self.sdn_running["vnets"].get(name)
        return f"/sdn/zones/{vnet['zone']}/{name}" if vnet else super().bridge_path(name)


def _pending(key: str, running: dict[str, Any] | None, written: dict[str, Any] | None) -> dict[str, Any]:
    """A section as it runs, with what it will be. ``key`` names it."""
    row: dict[str, Any] = dict(running or {})
    if written is None:
        return {**row, "state": "deleted", "pending": {}}
    if running is None:
        return {**{known: written[known] for known in ("type", key)}, "state": "new", "pending": _without(written, key)}
    changes = {key: text for key, text in written.items() if running.get(key) != text}
    changes |= dict.fromkeys((key for key in running if key not in written), "deleted")
    return {**row, "state": "changed", "pending": changes} if changes else row


def _without(written: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {known: text for known, text in written.items() if known not in {"type", key}}


def _digest(sections: Sections) -> str:
    return hashlib.sha1(json.dumps(sections, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _split(values: Mapping[str, Any]) -> list[str]:
    return str(values.get("delete", "")).replace(",", " ").split()


def _wrong(field: str, words: str) -> PveError:
    return PveError(400, "Parameter verification failed.", {field: words})
