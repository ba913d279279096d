"""Security groups with what they allow and whom they protect, read in bulk as far as PVE lets: it has no list of all
rules.

A sweep asks for the list of groups and for the datacenter's options; of the rules of a group, and of the firewall of a
guest, it reads what was never read, what is asked for, and some whose time has come. Guests are only read whose
interfaces go through the firewall, and that carry a marker: nobody else is made a member.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from hybridge.core.errors import CloudError
from hybridge.core.firewall import Entry, Firewall
from hybridge.core.identity import Marker
from hybridge.drivers.base import Portion, SweepRequest
from hybridge.drivers.proxmox import aliases
from hybridge.drivers.proxmox.answers import Member
from hybridge.drivers.proxmox.answers_firewall import FirewallRule, Group
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guards import Guard, Guards
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.proof import unclear
from hybridge.drivers.proxmox.rules import entries

_log = logging.getLogger(__name__)
T = TypeVar("T")
#: Calls a function for each name, some at a time.
Spread = Callable[[Callable[[str], T], Iterable[str]], Iterable[T]]
KIND = "Firewall"
GROUPS = ("cluster", "firewall", "groups")
#: Groups and guests that a sweep reads because they are unknown, and because of their age.
_UNKNOWN, _AGED = 100, 20


@dataclass(frozen=True, slots=True)
class _Group:
    entries: tuple[Entry, ...]
    read_at: float


@dataclass(frozen=True, slots=True)
class _Guest:
    guard: Guard
    read_at: float


class Groups:
    """Reads the security groups of one cluster. Safe for threads."""

    def __init__(self, estate: Estate, guards: Guards) -> None:
        self._estate = estate
        self._client = estate.client
        self._guards = guards
        self._groups: dict[str, _Group] = {}
        self._guests: dict[str, _Guest] = {}
        self._on = False
        self._settled = False

    # ------------------------------------------------------------------ sweep

    def sweep(self, picture: Picture, request: SweepRequest, spread: Spread[int]) -> tuple[Portion[Firewall], int]:
        """All groups, and what reading rules and guests cost."""
        try:
            rows, self._on = self.rows(), self._guards.is_on()
        except CloudError as error:
            _log.warning("security groups are left for the next sweep: %s", error.message)
            return Portion({}, full=False, settled=False), 0
        named = {vmid for vmid, known in self._guests.items() if known.guard.rules}
        guests = {vmid for vmid in (*self._estate.book.guarded(), *named) if vmid in picture.guests}
        for gone in self._groups.keys() - {row.group for row in rows}:
            del self._groups[gone]
        for gone in self._guests.keys() - guests:
            del self._guests[gone]
        spent = sum(spread(self._try_group, self._due_groups(rows, request)))
        spent += sum(spread(self._try_guest, self._due_guests(picture, guests, request)))
        objects = {row.group: self.shown(row) for row in rows}
        settled = all(vmid in self._guests for vmid in guests if picture.online(picture.guests[vmid].node))
        settled = settled and not self._estate.book.unread(picture)
        settled = settled and all(one.detailed for one in objects.values() if one.marker is not None)
        self._settled = settled
        return Portion(objects, full=True, settled=settled), spent

    def _due_groups(self, rows: Iterable[Group], request: SweepRequest) -> list[str]:
        asked = {*request.max_age, *request.refresh}
        names = {row.group for row in rows if row.group in asked or aliases.read(row.comment)[1]}
        ages = {name: known.read_at for name, known in self._groups.items()}
        return _due(names, ages, request.refresh, request)

    def _due_guests(self, picture: Picture, guests: Iterable[str], request: SweepRequest) -> list[str]:
        online = {vmid for vmid in guests if picture.online(picture.guests[vmid].node)}
        asked = {
            vmid
            for vmid in online & self._guests.keys()
            if vmid in request.refresh or any(self._guests[vmid].guard.naming(group) for group in request.refresh)
        }
        ages = {vmid: known.read_at for vmid, known in self._guests.items()}
        return _due(online, ages, asked, replace(request, max_age={**request.max_age, **self._bounds(request)}))

    def _bounds(self, request: SweepRequest) -> Mapping[str, float]:
        """How old the reading of a guest may be: not older than a firewall that protects it wants its own details."""
        bounds: dict[str, float] = {}
        for vmid, known in self._guests.items():
            named = {rule.action for rule in known.guard.rules} & request.max_age.keys()
            if named:
                own = request.max_age.get(vmid, request.default_max_age)
                bounds[vmid] = min(own, *(request.max_age[group] for group in named))
        return bounds

    def _try_group(self, name: str) -> int:
        before = self._client.sent
        try:
            self.rules(name)
        except CloudError as error:
            _log.info("security group %s was not read: %s", name, error.message)
        return self._client.sent - before

    def _try_guest(self, vmid: str) -> int:
        before = self._client.sent
        row = self._estate.row(vmid)
        try:
            if row is not None:
                self.learn(vmid, self._guards.read(row.node, vmid))
        except CloudError as error:
            _log.info("the firewall of guest %s was not read: %s", vmid, error.message)
        return self._client.sent - before

    def shown(self, row: Group) -> Firewall:
        """A group as the core's firewall, as it and its members were last read."""
        known = self._groups.get(row.group)
        name, marker = read(row)
        return Firewall(
            row.group,
            name,
            marker=marker,
            detailed=known is not None,
            entries=known.entries if known else (),
            members=self.members(row.group),
        )

    # ------------------------------------------------------------- one by one

    def rows(self) -> list[Group]:
        """All groups: whoever may log in sees them. Raises CloudError."""
        return self._client.get("Groups", list[Group], *GROUPS)

    def rules(self, name: str) -> list[FirewallRule]:
        """A fresh reading of the rules of a group. Raises Missing and CloudError."""
        rules = self._client.get("GroupRules", list[FirewallRule], *GROUPS, name)
        allowed = tuple(dict.fromkeys(entry for rule in rules for entry in entries(rule)))
        self._groups[name] = _Group(allowed, time.monotonic())
        return rules

    def members(self, name: str) -> tuple[str, ...]:
        """The guests that a group protects, as they were last read."""
        if not self._on:
            return ()
        guarded = set(self._estate.book.guarded())
        found = [
            vmid for vmid, known in list(self._guests.items()) if known.guard.refuses and known.guard.applies(name)
        ]
        return tuple(sorted(vmid for vmid in found if vmid in guarded))

    def await_readings(self) -> None:
        """Nothing, once a sweep has read every guest that could be a member of something. Raises CloudError."""
        if not self._settled:
            raise unclear(
                "not all guests were read yet, so that it is not known whether one of them is protected by it"
            )

    def naming(self, name: str) -> list[str]:
        """The guests with a rule that names a group, whether or not it protects them, by fresh readings of those that
        had.

        Raises CloudError.
        """
        found = []
        for vmid in [vmid for vmid, known in list(self._guests.items()) if known.guard.naming(name)]:
            try:
                node, _ = self._estate.read(vmid)
                self.learn(vmid, self._guards.read(node, vmid))
            except Missing:
                continue
            if self._guests[vmid].guard.naming(name):
                found.append(vmid)
        return found

    def learn(self, vmid: str, guard: Guard) -> None:
        """Keeps what a reading told of a guest's firewall."""
        self._guests[vmid] = _Guest(guard, time.monotonic())

    def fresh(self, name: str) -> Firewall | None:
        """A fresh reading of one with all members that it had; None when there is none. Raises CloudError."""
        row = next((row for row in self.rows() if row.group == name), None)
        if row is None:
            members = self._client.get("ClusterStatus", list[Member], "cluster", "status")
            if any(member.type == "cluster" and not member.quorate for member in members):
                raise unclear(f"the cluster has no quorum, so it cannot tell whether there is a security group {name}")
            return None
        self.rules(name)
        self._on = self._guards.is_on()
        self.naming(name)
        return self.shown(row)


def read(row: Group) -> tuple[str, Marker | None]:
    """The name for people and the marker of a group, in its comment; without any its own name."""
    name, marker = aliases.read(row.comment, KIND)
    return name or row.group, marker


def _due(names: Collection[str], ages: Mapping[str, float], asked: Collection[str], request: SweepRequest) -> list[str]:
    now = time.monotonic()
    wanted = [name for name in sorted(names) if name in asked]
    unknown = [name for name in sorted(names) if name not in ages and name not in wanted]
    old = [
        name
        for name in names
        if name in ages and name not in wanted and now - ages[name] > request.max_age.get(name, request.default_max_age)
    ]
    return [*wanted, *islice(unknown, _UNKNOWN), *islice(sorted(old, key=ages.__getitem__), _AGED)]
