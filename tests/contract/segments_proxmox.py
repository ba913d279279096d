"""Vnets of the lab's Proxmox VE, in the hands of a person."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import cast

from hybridge.core.network import Network, NetworkSpec
from hybridge.drivers.proxmox import aliases
from lab.proxmox import ProxmoxCloud
from tests.contract.segments import Segments, ShownNetwork

_NUMBERS = itertools.count(100)


class ProxmoxSegments(Segments):
    """Zone ``plain`` has vnets without tags, zone ``shop`` those with one. A bridge is nothing that is made."""

    create_call = "POST /cluster/sdn/vnets"
    part_calls = ("PUT /cluster/sdn",)
    tags = False
    missing = "nothing"
    impossible = (
        {"vlan": 7},
        {"options": {"vnet": "front", "sdnZone": "shop"}},
        {"options": {"vnet": "front", "sdnZone": "nowhere"}},
        {"options": {"vnet": "front-end", "sdnZone": "plain"}},
        {"options": {"switch": "dvs"}},
        {"options": {}},
    )
    #: All vnets at once, and the bridges of one node.
    sweep_cost = 2
    life_cost = 24

    @property
    def _sdn(self) -> ProxmoxCloud:
        return cast("ProxmoxCloud", self.bed.cloud)

    def words(self) -> Mapping[str, object]:
        return {"options": {"vnet": _name(), "sdnZone": "plain"}}

    def rich(self, **overrides: object) -> NetworkSpec:
        number = next(_NUMBERS)
        return self.spec(**{"vlan": number, "options": {"vnet": f"t{number}", "sdnZone": "shop"}, **overrides})

    def shown(self) -> dict[str, ShownNetwork]:
        found = {}
        for vnet, row in self._sdn.sdn.vnets().items():
            name, marker = aliases.read(str({**row, **row.get("pending", {})}.get("alias", "")))
            found[vnet] = ShownNetwork(vnet, name, marker.owner if marker else None)
        return found

    def leftovers(self) -> set[str]:
        return {vnet for vnet, row in self._sdn.sdn.vnets().items() if row.get("state")}

    def stranger(self, name: str) -> str:
        return self._make(name)

    def destroy(self, network_id: str) -> None:
        if self._sdn.sdn.vnets()[network_id].get("state") != "deleted":
            self._sdn.sdn.remove(network_id)
        self._sdn.sdn.apply()

    def copy(self, network_id: str) -> str | None:
        return self._make(str(self._sdn.sdn.vnets()[network_id]["alias"]))

    def rename(self, network_id: str, name: str) -> None:
        _, marker = aliases.read(str(self._sdn.sdn.vnets()[network_id]["alias"]))
        self._sdn.sdn.change(network_id, alias=aliases.write(name, marker))
        self._sdn.sdn.apply()

    def damage(self, network: Network) -> str:
        self._sdn.sdn.change(network.id, tag=4000 + int(next(iter(network.settings["vlan"]))) % 90)
        self._sdn.sdn.apply()
        return "vlan"

    def _make(self, alias: str) -> str:
        vnet = _name()
        self._sdn.sdn.make(vnet, "plain", alias=alias)
        self._sdn.sdn.apply()
        return vnet


def _name() -> str:
    return f"v{next(_NUMBERS)}"
