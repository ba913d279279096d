"""The firewalls of guests: whether a security group protects one, and how it comes to do so and ends.

It takes all of: the firewall of the datacenter, that of the guest, ``firewall=1`` on each interface, policies that
refuse, and an enabled rule that names the group (pve-firewall, ``compile_iptables_filter``). Whoever lacks one of these
is not protected, and not shown as a member. A rule of ours says in its comment how the guest's own options were before
the first of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hybridge.core.errors import Busy, NotProven, Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.answers_firewall import FirewallOptions, FirewallRule
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration, Values, net, unguarded
from hybridge.drivers.proxmox.mapping import held
from hybridge.drivers.proxmox.proof import marker_of

_GROUP = "group"
_REFUSES = frozenset({"DROP", "REJECT"})
#: What a guest's firewall does about which nothing is said.
_POLICY_IN = "DROP"
_BEFORE = "hybridge.io/before: "
_RECORD = re.compile(rf"{re.escape(_BEFORE)}enable=(?P<enable>[01]) in=(?P<inward>[A-Z]*) out=(?P<outward>[A-Z]*)")
#: Interfaces that are protected.
_GUARDED = "firewall"


@dataclass(frozen=True, slots=True)
class Guard:
    """The firewall of one guest, as it was read."""

    rules: tuple[FirewallRule, ...]
    options: FirewallOptions

    @property
    def refuses(self) -> bool:
        """Whether what no rule allows is not allowed, either way."""
        inward = (self.options.policy_in or _POLICY_IN) in _REFUSES
        return self.options.enable > 0 and inward and self.options.policy_out in _REFUSES

    def applies(self, group: str) -> bool:
        """Whether a rule for all interfaces names the group."""
        return any(rule.enable and not rule.iface for rule in self.naming(group))

    def naming(self, group: str) -> list[FirewallRule]:
        """The rules that name a group."""
        return [rule for rule in self.rules if rule.type == _GROUP and rule.action == group]

    @property
    def record(self) -> str:
        """How the options were before the first rule of ours, for the comment of another one."""
        kept = next((found[0] for rule in self.rules if (found := _RECORD.search(rule.comment))), None)
        options = self.options
        return kept or f"{_BEFORE}enable={int(options.enable > 0)} in={options.policy_in} out={options.policy_out}"


class Guards:
    """Reads and changes the firewalls of guests of one cluster. Safe for threads."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._client = estate.client

    def read(self, node: str, vmid: str) -> Guard:
        """Two requests. Raises CloudError."""
        path = _path(node, vmid)
        rules = self._client.get("GuestRules", list[FirewallRule], *path, "rules")
        return Guard(tuple(rules), self._client.get("GuestFirewall", FirewallOptions, *path, "options"))

    def is_on(self) -> bool:
        """Whether the firewall of the datacenter is on, without which nothing is protected. Raises CloudError."""
        options = self._client.get("ClusterFirewall", FirewallOptions, "cluster", "firewall", "options")
        return options.enable > 0

    def join(self, vmid: str, group: str, cluster: str) -> Guard:
        """Has a group protect a guest of this cluster; it is protected when this returns. Raises CloudError.

        First the rule, which does nothing yet, then the interfaces, and last what refuses all else.
        """
        node, configuration = self._prove(vmid, cluster)
        guard, path = self.read(node, vmid), _path(node, vmid)
        if not guard.applies(group):
            words = {"type": _GROUP, "action": group, "enable": 1, "comment": guard.record}
            self._client.post("AddGuestRule", *path, "rules", **words)
        lacking = unguarded(configuration.upcoming)
        if lacking:
            values: Values = {key: _guarded(configuration.upcoming[key]) for key in lacking}
            path_ = ("nodes", node, "qemu", vmid, "config")
            self._client.put("Configure", *path_, **values, digest=configuration.digest)
        if lacking or unguarded(configuration.current):
            configuration = self._estate.read_at(node, vmid)
            if unguarded(configuration.current):
                words_ = (
                    f"guest {vmid} is not protected before its next start: its interfaces do not take the change now"
                )
                raise Refused(Reason.RESTART_REQUIRED, words_)
        if not guard.refuses:
            wanted = {"enable": 1, "policy_in": _refusing(guard.options.policy_in or _POLICY_IN)}
            wanted["policy_out"] = _refusing(guard.options.policy_out)
            self._client.put("SetGuestFirewall", *path, "options", **wanted, digest=guard.options.digest or None)
        return self.read(node, vmid)

    def leave(self, vmid: str, group: str) -> Guard:
        """Ends it: where no other rule of ours is left the guest's own options are as they were before. Raises
        CloudError.

        They come first: whoever is let go is not cut off in between.
        """
        node, _ = self._estate.read(vmid)
        guard, path = self.read(node, vmid), _path(node, vmid)
        naming = guard.naming(group)
        others = [rule for rule in guard.rules if rule not in naming and _RECORD.search(rule.comment)]
        record = next((found for rule in naming if (found := _RECORD.search(rule.comment))), None)
        if record is not None and not others and guard.options.enable:
            wanted: dict[str, object] = {"enable": int(record["enable"])}
            kept = {"policy_in": record["inward"], "policy_out": record["outward"]}
            wanted |= {key: text for key, text in kept.items() if text}
            gone = [key for key, text in kept.items() if not text]
            if gone:
                wanted["delete"] = ",".join(gone)
            self._client.put("SetGuestFirewall", *path, "options", **wanted, digest=guard.options.digest or None)
        while naming:
            last = naming[-1]
            self._client.delete("DeleteGuestRule", *path, "rules", last.pos, digest=last.digest or None)
            guard = self.read(node, vmid)
            naming = guard.naming(group)
        return guard

    def _prove(self, vmid: str, cluster: str) -> tuple[str, Configuration]:
        node, configuration = self._estate.read(vmid)
        marker = marker_of(configuration)
        if marker is None or marker.cluster != cluster:
            raise NotProven(f"guest {vmid} does not carry a marker of this cluster")
        if held(configuration.lock):
            raise Busy(f"guest {vmid} is locked by a task ({configuration.lock})")
        return node, configuration


def _path(node: str, vmid: str) -> tuple[str, ...]:
    return ("nodes", node, "qemu", vmid, "firewall")


def _guarded(value: str) -> str:
    interface = net(value)
    return str(replace(interface, rest={**interface.rest, _GUARDED: "1"}))


def _refusing(policy: str) -> str:
    return policy if policy in _REFUSES else _POLICY_IN
