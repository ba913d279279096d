"""Firewalls: security groups of the cluster, found and proven by their comments, that rules of guests' own firewalls
name.

A group's name is made of the object's uid, so that repeating a creation fails and finds the same one. The rules of a
group are a list without ids: each is taken away by its position, with the digest of the list that was read.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Collection
from dataclasses import replace
from hashlib import sha256

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, IdTaken, NotProven, Refused, Throttled, Unreachable
from hybridge.core.firewall import Entry, Firewall, FirewallSpec, FirewallTraits, missing, surplus
from hybridge.core.identity import Marker
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for, same_owner
from hybridge.drivers.proxmox import aliases
from hybridge.drivers.proxmox.answers_firewall import Group
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.groups import GROUPS, Groups, read
from hybridge.drivers.proxmox.guards import Guards
from hybridge.drivers.proxmox.rules import entries, plain_peer, words

#: Characters of the name of a group.
_LONGEST, _START = 18, "hb"
#: Rules that one call writes, and guests that it changes: the rest follows.
_RULES, _GUESTS = 40, 8
_OFF = (
    "the firewall of the datacenter is off in Proxmox VE, so that nothing would be protected: turn it on there, under"
)


class Firewalls:
    """See ``hybridge.drivers.base.FirewallDriver``."""

    def __init__(self, estate: Estate, groups: Groups, guards: Guards) -> None:
        self.traits = FirewallTraits(visibility=30.0, token_lifetime=86400.0)
        self._estate = estate
        self._client = estate.client
        self._groups = groups
        self._guards = guards

    def normalize(self, spec: FirewallSpec) -> FirewallSpec:
        """See the port. A group has no tags, and is of the whole cluster: it applies wherever a machine is plugged in."""
        rules = tuple(
            replace(rule, peers=tuple(sorted({plain_peer(peer) for peer in rule.peers}))) for rule in spec.rules
        )
        return replace(spec, name=aliases.plain_name(spec.name), tags={}, network=None, rules=rules)

    def prepare(self, spec: FirewallSpec, taken: Collection[str]) -> Prepared:
        """See the port. ``taken`` says nothing here: the name of a group is made of the marker."""
        del spec, taken
        self._check_on()
        return Prepared({})

    def create(self, intent: Intent, spec: FirewallSpec, marker: Marker) -> Started[Firewall]:
        """See the port."""
        del intent
        name = group_name(marker)
        try:
            self._client.post("CreateGroup", *GROUPS, group=name, comment=aliases.write(spec.name, marker))
        except IdTaken:
            found = self._groups.fresh(name)
            if found is None or not same_owner(found.marker, marker):
                raise
            return Started(name, found)
        return Started(name, Firewall(name, spec.name, marker=replace(marker, kind="Firewall")))

    def find(self, marker: Marker, intent: Intent | None) -> list[Firewall]:
        """See the port."""
        del intent
        carriers = [row.group for row in self._groups.rows() if same_owner(read(row)[1], marker)]
        return [found for name in carriers if (found := self._groups.fresh(name)) is not None]

    def get(self, known_id: str) -> Firewall | None:
        """See the port. None takes the list of all groups, which every account sees, from a cluster that has quorum."""
        return self._groups.fresh(known_id)

    def configure(
        self, found: Firewall, spec: FirewallSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Firewall]:
        """See the port. What is more than a call should do is left for the next one."""
        del intent
        row = self._read(found)
        prove(replace(found, marker=marker), read(row)[1])
        left = self._change_rules(found.id, spec, fields)
        if "name" in fields and read(row)[0] != spec.name:
            self._comment(row, aliases.write(spec.name, marker))
        members = sorted(field[8:-1] for field in fields if field.startswith("members["))
        if any(vmid in spec.members for vmid in members):
            self._check_on()
        failed = [error for vmid in members[:_GUESTS] if (error := self._protect(vmid, found.id, spec, marker))]
        if failed:
            raise failed[0]
        left = left or len(members) > _GUESTS
        self._groups.rules(found.id)
        return Started(found.id, self._groups.shown(self._read(found)), again=left)

    def mark(self, found: Firewall, marker: Marker | None) -> Started[Firewall]:
        """See the port. The comment is written anew."""
        row = self._read(found)
        name, carried = read(row)
        prove_for(found, carried, marker)
        comment = aliases.write(name, marker)
        if comment != row.comment:
            self._comment(row, comment)
        return Started(found.id, replace(found, marker=marker and replace(marker, kind="Firewall")))

    def delete(self, found: Firewall) -> Started[Firewall]:
        """See the port. PVE itself does not look whether guests' rules name a group; its own rules have to go first."""
        row = next((row for row in self._groups.rows() if row.group == found.id), None)
        if row is None:
            return Started(found.id)
        if found.marker is None:
            raise NotProven(f"{found.id} carries no marker")
        prove(found, read(row)[1])
        self._groups.await_readings()
        naming = self._groups.naming(found.id)
        if naming:
            raise Refused(Reason.HAS_DEPENDANTS, f"guest {', '.join(sorted(naming))} has a rule for {found.id}")
        while rules := self._groups.rules(found.id):
            last = rules[-1]
            self._client.delete("DeleteRule", *GROUPS, found.id, last.pos, digest=last.digest or None)
        self._client.delete("DeleteGroup", *GROUPS, found.id)
        return Started(found.id)

    # ------------------------------------------------------------------ parts

    def _protect(self, vmid: str, group: str, spec: FirewallSpec, marker: Marker) -> CloudError | None:
        """Has a guest come under a group, or leave it; what is in the way of that is not in the way of others."""
        joins = vmid in spec.members
        try:
            join, leave = self._guards.join, self._guards.leave
            guard = join(vmid, group, marker.cluster) if joins else leave(vmid, group)
        except (Unreachable, Throttled):
            raise
        except Missing as missing:
            return Refused(Reason.NOT_FOUND, missing.message) if joins else None
        except CloudError as error:
            return error
        self._groups.learn(vmid, guard)
        return None

    def _change_rules(self, name: str, spec: FirewallSpec, fields: Collection[str]) -> bool:
        """Adds and takes away what ``fields`` say, as far as one call goes; whether something is left."""
        if not any(field.startswith("rules") for field in fields):
            return False
        now = self._now(name)
        lacking = [entry for field, some in missing(spec, now).items() if field in fields for entry in some]
        for entry in lacking[:_RULES]:
            self._client.post("AddRule", *GROUPS, name, **words(entry))
        gone = [entry for field, some in surplus(spec, now).items() if field in fields for entry in some]
        for entry in gone[:_RULES]:
            self._take(name, entry)
        return len(lacking) > _RULES or len(gone) > _RULES

    def _now(self, name: str) -> Firewall:
        rules = self._groups.rules(name)
        return Firewall(name, name, entries=tuple({entry: None for rule in rules for entry in entries(rule)}))

    def _take(self, name: str, entry: Entry) -> None:
        """Takes away all rules that say so; what else one of them allows is allowed by rules of its own before."""
        while True:
            rules = self._groups.rules(name)
            rule = next((rule for rule in reversed(rules) if entry in entries(rule)), None)
            if rule is None:
                return
            others = {one for other in rules if other is not rule for one in entries(other)}
            kept = [one for one in entries(rule) if one != entry and one not in others]
            for one in kept:
                self._client.post("AddRule", *GROUPS, name, **words(one))
            if not kept:
                self._client.delete("DeleteRule", *GROUPS, name, rule.pos, digest=rule.digest or None)

    def _comment(self, row: Group, comment: str) -> None:
        self._client.post(
            "ChangeGroup", *GROUPS, group=row.group, rename=row.group, comment=comment, digest=row.digest or None
        )

    def _read(self, found: Firewall) -> Group:
        row = next((row for row in self._groups.rows() if row.group == found.id), None)
        if row is None:
            raise NotProven(f"security group {found.id} is gone")
        return row

    def _check_on(self) -> None:
        if not self._guards.is_on():
            raise Refused(Reason.REJECTED, f"{_OFF} Datacenter, Firewall, Options")


def group_name(marker: Marker) -> str:
    """The name of the group of an object: the same for each attempt."""
    digest = b32encode(sha256(marker.owner.encode()).digest()).decode().lower()
    return f"{_START}{digest}"[:_LONGEST]
