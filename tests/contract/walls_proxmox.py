"""Security groups of the lab's Proxmox VE, in the hands of a person."""

from __future__ import annotations

import itertools
from typing import cast

from hybridge.core.firewall import Direction, Protocol, Rule
from hybridge.drivers.proxmox import aliases
from lab.proxmox import ProxmoxCloud
from tests.contract.walls import ShownFirewall, Walls

_NUMBERS = itertools.count(1)


class ProxmoxWalls(Walls):
    """Groups of the cluster, named by rules of guests."""

    create_call = "POST /cluster/firewall/groups"
    allow_call = "POST /cluster/firewall/groups/{group}"
    tags = False
    missing = "nothing"
    impossible = ({"rules": (Rule("r", Direction.INGRESS, Protocol.TCP, ("somebody",)),)},)
    #: The list of groups, and whether the datacenter's firewall is on.
    sweep_cost = 2
    life_cost = 80

    @property
    def _firewalls(self) -> ProxmoxCloud:
        return cast("ProxmoxCloud", self.bed.cloud)

    def shown(self) -> dict[str, ShownFirewall]:
        under = self._firewalls.firewalls.machines()
        found = {}
        for group, comment in self._firewalls.firewalls.groups().items():
            name, marker = aliases.read(comment, "Firewall")
            machines = tuple(sorted(map(str, under.get(group, ()))))
            found[group] = ShownFirewall(group, name or group, marker.owner if marker else None, machines)
        return found

    def stranger(self, name: str) -> str:
        return self._make(name)

    def destroy(self, firewall_id: str) -> None:
        self._firewalls.firewalls.destroy(firewall_id)

    def allow(self, firewall_id: str) -> None:
        words: dict[str, str | int] = {"source": "10.0.0.0/8", "proto": "tcp", "dport": 22}
        self._firewalls.firewalls.add(firewall_id, type="in", action="ACCEPT", enable=1, **words)

    def forbid(self, firewall_id: str) -> None:
        for rule in reversed(self._firewalls.firewalls.rules(firewall_id)):
            if str(rule.get("dport")) == "443":
                self._firewalls.firewalls.remove(firewall_id, rule["pos"])

    def oddity(self, firewall_id: str) -> None:
        self._firewalls.firewalls.add(firewall_id, type="in", action="ACCEPT", enable=1, macro="SSH")
        self._firewalls.firewalls.add(firewall_id, type="in", action="DROP", enable=1)

    def part(self, firewall_id: str, machine_id: str) -> None:
        self._firewalls.firewalls.part(firewall_id, int(machine_id))

    def copy(self, firewall_id: str) -> str | None:
        return self._make(self._firewalls.firewalls.groups()[firewall_id])

    def _make(self, comment: str) -> str:
        group = f"by-hand-{next(_NUMBERS)}"
        self._firewalls.firewalls.make(group, comment)
        return group
