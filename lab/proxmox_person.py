"""What a person does with networks, firewalls and snapshots of the lab's Proxmox VE, by its API as root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.process import LabError

#: Sends a request: method, path, and its words.
Call = Callable[..., Any]


def node_of(vmid: int, nodes: Mapping[int, str]) -> str:
    """Where a guest is. LabError for one that is not there, or not any more."""
    if vmid not in nodes:
        raise LabError(f"there is no guest {vmid}")
    return nodes[vmid]


class Sdn:
    """Software-defined networks. What is written is in effect after ``apply``."""

    def __init__(self, call: Call, task: Call) -> None:
        self._call = call
        self._task = task

    def vnets(self) -> dict[str, dict[str, Any]]:
        """All vnets that are written or run, with what waits."""
        return {row["vnet"]: row for row in self._call("GET", "/cluster/sdn/vnets", pending=1)}

    def make(self, vnet: str, zone: str, **words: str | int) -> None:
        """Write a vnet."""
        self._call("POST", "/cluster/sdn/vnets", vnet=vnet, zone=zone, **words)

    def change(self, vnet: str, **words: str | int) -> None:
        """Write another value of a vnet; ``delete`` names those that go."""
        self._call("PUT", f"/cluster/sdn/vnets/{vnet}", **words)

    def remove(self, vnet: str) -> None:
        """Take a vnet from what is written."""
        self._call("DELETE", f"/cluster/sdn/vnets/{vnet}")

    def make_zone(self, zone: str) -> None:
        """Write a simple zone."""
        self._call("POST", "/cluster/sdn/zones", zone=zone, type="simple")

    def remove_zone(self, zone: str) -> None:
        """Take a zone from what is written."""
        self._call("DELETE", f"/cluster/sdn/zones/{zone}")

    def make_subnet(self, vnet: str, cidr: str) -> None:
        """Write a subnet of a vnet."""
        self._call("POST", f"/cluster/sdn/vnets/{vnet}/subnets", subnet=cidr, type="subnet")

    def apply(self) -> None:
        """Put all that is written into effect."""
        self._task("PUT", "/cluster/sdn")

    def lock(self) -> str:
        """Lock the configuration for all others; the token that unlocks it."""
        return str(self._call("POST", "/cluster/sdn/lock", **{"allow-pending": 1}))

    def unlock(self) -> None:
        """Unlock it, whoever has locked it."""
        self._call("DELETE", "/cluster/sdn/lock", force=1)


class MachineSnapshots:
    """Snapshots of guests. ``call`` and ``task`` send requests; ``node`` tells where a guest is."""

    def __init__(self, call: Call, task: Call, nodes: Callable[[], dict[int, str]]) -> None:
        self._call = call
        self._task = task
        self._nodes = nodes

    def all(self) -> dict[int, dict[str, str]]:
        """The descriptions of all snapshots, by VMID and name."""
        found = {}
        for vmid, node in self._nodes().items():
            rows = self._call("GET", f"/nodes/{node}/qemu/{vmid}/snapshot")
            found[vmid] = {row["name"]: row["description"] for row in rows if row["name"] != "current"}
        return {vmid: snapshots for vmid, snapshots in found.items() if snapshots}

    def take(self, vmid: int, name: str, description: str = "") -> None:
        """Take a snapshot."""
        words = {"snapname": name, "description": description}
        self._task("POST", f"/nodes/{node_of(vmid, self._nodes())}/qemu/{vmid}/snapshot", **words)

    def remove(self, vmid: int, name: str) -> None:
        """Delete a snapshot."""
        self._task("DELETE", f"/nodes/{node_of(vmid, self._nodes())}/qemu/{vmid}/snapshot/{name}")


class Firewalls:
    """Security groups, and the rules of guests that name them. ``nodes`` tells where each guest is."""

    def __init__(self, call: Call, nodes: Callable[[], dict[int, str]]) -> None:
        self._call = call
        self._nodes = nodes

    def groups(self) -> dict[str, str]:
        """The comments of all groups, by name."""
        return {row["group"]: row.get("comment", "") for row in self._call("GET", "/cluster/firewall/groups")}

    def machines(self) -> dict[str, list[int]]:
        """The guests with an enabled rule for a group and a firewall that is on, by the group's name."""
        found: dict[str, list[int]] = {}
        for vmid, node in sorted(self._nodes().items()):
            path = f"/nodes/{node}/qemu/{vmid}/firewall"
            if self._call("GET", f"{path}/options").get("enable"):
                for rule in self._call("GET", f"{path}/rules"):
                    if rule["type"] == "group" and rule.get("enable"):
                        found.setdefault(rule["action"], []).append(vmid)
        return found

    def make(self, group: str, comment: str = "") -> None:
        """Make a group."""
        self._call("POST", "/cluster/firewall/groups", group=group, comment=comment)

    def rules(self, group: str) -> list[dict[str, Any]]:
        """The rules of a group, in order."""
        return list(self._call("GET", f"/cluster/firewall/groups/{group}"))

    def add(self, group: str, **words: str | int) -> None:
        """Put a rule at the top of a group."""
        self._call("POST", f"/cluster/firewall/groups/{group}", **words)

    def remove(self, group: str, position: int) -> None:
        """Take a rule from a group."""
        self._call("DELETE", f"/cluster/firewall/groups/{group}/{position}")

    def destroy(self, group: str) -> None:
        """Delete a group with all its rules."""
        for rule in reversed(self.rules(group)):
            self.remove(group, rule["pos"])
        self._call("DELETE", f"/cluster/firewall/groups/{group}")

    def protecting(self, vmid: int) -> list[str]:
        """The groups of enabled rules of a guest whose firewall is on and refuses what no rule allows, either way."""
        path = f"/nodes/{node_of(vmid, self._nodes())}/qemu/{vmid}/firewall"
        options = self._call("GET", f"{path}/options")
        policies = {options.get("policy_in", "DROP"), options.get("policy_out", "ACCEPT")}
        if not int(options.get("enable", 0)) or policies - {"DROP", "REJECT"}:
            return []
        found = self._call("GET", f"{path}/rules")
        return [rule["action"] for rule in found if rule["type"] == "group" and int(rule.get("enable", 0))]

    def comment(self, group: str, comment: str) -> None:
        """Give a group another comment."""
        self._call("POST", "/cluster/firewall/groups", group=group, rename=group, comment=comment)

    def part(self, group: str, vmid: int) -> None:
        """Take the rules that name a group from a guest."""
        path = f"/nodes/{node_of(vmid, self._nodes())}/qemu/{vmid}/firewall/rules"
        for rule in reversed(self._call("GET", path)):
            if rule["type"] == "group" and rule["action"] == group:
                self._call("DELETE", f"{path}/{rule['pos']}")
