"""Where an instance goes: its zone, and a subnet of that zone for each network.

EC2 shows no hosts, so machines that are to be kept apart are spread over the zones, as evenly as can be. What nobody has
asked for is left to EC2, which knows best where there is room.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from hybridge.core.errors import Refused
from hybridge.core.machine import MachineSpec
from hybridge.core.names import not_found
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.mapping import Subnet
from hybridge.drivers.aws.zones import Zones

#: Seconds for which a zone that had no room for a type is passed over where another can be chosen.
FULL_AGE = 300.0

#: States of a zone in which machines can be started there (EC2's ``AvailabilityZoneState``).
_UP = frozenset({"available", "information", "constrained"})


@dataclass(frozen=True, slots=True)
class Place:
    """A subnet for each network of the spec; or one that was chosen; or none, then EC2 chooses."""

    subnets: tuple[Subnet, ...]
    placed: Placed


class Placement:
    """Chooses places. Safe from several threads."""

    def __init__(self, zones: Zones, defaults: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._zones = zones
        self._defaults = defaults
        self._clock = clock
        self._lock = threading.Lock()
        self._full: dict[tuple[str, str], float] = {}

    def place(self, spec: MachineSpec, kind: str, apart: Collection[Placed]) -> Place:
        """The place of a new machine of the type ``kind``; the others of its group are at ``apart``.

        Refused: NOT_FOUND, INVALID_SPEC, CAPACITY (a zone that was asked for is down, or none is up).
        """
        zone = spec.placement.get("zone")
        if zone:
            self._admit(zone)
        names = [nic.network or self._defaults.get("network", "") for nic in spec.networks]
        choices: Mapping[str, tuple[Subnet, ...]] = {}
        if names:
            choices = self._common(names)
            if zone and zone not in choices:
                found = ", ".join(f"{subnet.id} in zone {where}" for where, (subnet, *_) in choices.items())
                raise Refused(Reason.INVALID_SPEC, f"spec.placement.zone is {zone}, but spec.networks lead to {found}")
            choices = {zone: choices[zone]} if zone else _within(choices, spec, "spec.networks lead to")
            return self._choose(spec, kind, choices, apart)
        network = self._defaults.get("network")
        if network:
            choices = self._common([network])
        if zone:
            return Place(choices.get(zone) or (self._zones.default_subnet(zone),), Placed(zone=zone))
        if network:
            choices = _within(choices, spec, f"{network}, the Provider's default network, leads to")
            return self._choose(spec, kind, choices, apart, f"the zone of {network}, the Provider's default network")
        if given := self._defaults.get("zone"):
            subnet = self._zones.default_subnet(given)
            return Place((subnet,), Placed(zone=given, why=f"{given}: the Provider's default zone"))
        if spec.group is None and spec.within.zones is None:
            return Place((), Placed(why="EC2 chooses the zone"))
        choices = _within(self._zones.default_subnets(), spec, "default subnets are in")
        return self._choose(spec, kind, choices, apart)

    def subnets(self, spec: MachineSpec, zone: str | None) -> tuple[Subnet, ...]:
        """The subnets of the networks of a machine that is in ``zone``. Refused: NOT_FOUND, INVALID_SPEC."""
        names = [nic.network or self._defaults.get("network", "") for nic in spec.networks]
        found = [self._zones.subnets(name) for name in names]
        return tuple(next((subnet for subnet in subnets if subnet.zone == zone), subnets[0]) for subnets in found)

    def zone(self, wanted: str | None) -> Placed:
        """The zone of what needs one and no network: as machines get theirs, and the first that is up where nothing says.

        Refused: NOT_FOUND, INVALID_SPEC, CAPACITY.
        """
        if wanted:
            self._admit(wanted)
            return Placed(zone=wanted)
        if network := self._defaults.get("network"):
            zone = min(subnet.zone for subnet in self._zones.subnets(network))
            return Placed(zone=zone, why=f"{zone}: the zone of {network}, the Provider's default network")
        if given := self._defaults.get("zone"):
            return Placed(zone=given, why=f"{given}: the Provider's default zone")
        up = [zone for zone, state in self._zones.states().items() if state in _UP]
        if not up:
            raise Refused(Reason.CAPACITY, "no zone of the region is up")
        return Placed(zone=min(up), why=f"{min(up)}: the first zone of the region")

    def area(self, wanted: str | None, field: str) -> Placed:
        """The zone of what EC2 itself puts somewhere where nobody says. Refused: NOT_FOUND, CAPACITY."""
        if wanted:
            self._admit(wanted, field)
            return Placed(zone=wanted)
        if given := self._defaults.get("zone"):
            return Placed(zone=given, why=f"{given}: the Provider's default zone")
        return Placed(why="EC2 chooses the zone")

    def full(self, kind: str, zone: str) -> None:
        """EC2 has just said that it has no room for this type there."""
        with self._lock:
            self._full[kind, zone] = self._clock()

    # ------------------------------------------------------------------- parts

    def _admit(self, zone: str, field: str = "spec.placement.zone") -> None:
        states = self._zones.states()
        if zone not in states:
            raise Refused(Reason.NOT_FOUND, f"{field}: {not_found('zone', zone, states)}")
        if states[zone] not in _UP:
            raise Refused(Reason.CAPACITY, f"{field} asks for {zone}, which is {states[zone]} in EC2")

    def _common(self, names: Sequence[str]) -> dict[str, tuple[Subnet, ...]]:
        """The zones in which all these networks have a subnet, and their subnets there."""
        found = [{subnet.zone: subnet for subnet in self._zones.subnets(name)} for name in names]
        zones = sorted(set.intersection(*(set(by_zone) for by_zone in found)))
        if not zones:
            told = "; ".join(
                f"{name} is in {', '.join(sorted(by_zone))}" for name, by_zone in zip(names, found, strict=True)
            )
            raise Refused(Reason.INVALID_SPEC, f"spec.networks: a machine is in one zone, but {told}")
        return {zone: tuple(by_zone[zone] for by_zone in found) for zone in zones}

    def _choose(
        self,
        spec: MachineSpec,
        kind: str,
        choices: Mapping[str, tuple[Subnet, ...]],
        apart: Collection[Placed],
        why: str = "",
    ) -> Place:
        """The zone with fewest machines of the group; of equals the one with most free addresses."""
        if len(choices) == 1:
            ((zone, subnets),) = choices.items()
            return Place(subnets, Placed(zone=zone, why=f"{zone}: {why}" if why else ""))
        passed = self._passed(kind, choices)
        fitting = [zone for zone in choices if zone not in passed]
        told = [f"{zone} {passed[zone]}" for zone in sorted(passed)]
        if not fitting:
            raise Refused(Reason.CAPACITY, f"no zone can take it: {'; '.join(told)}")
        there = Counter(place.zone for place in apart)
        free = {zone: min(subnet.free for subnet in choices[zone]) for zone in fitting}
        best = min(fitting, key=lambda zone: (there[zone], -free[zone], zone))
        if spec.group is not None:
            members = ", ".join(f"{zone}: {there[zone]}" for zone in sorted(fitting))
            words = f"fewest machines of the group {spec.group} in {len(fitting)} zones that fit ({members})"
        else:
            words = f"most free addresses of {len(fitting)} zones that fit ({free[best]})"
        return Place(choices[best], Placed(zone=best, why="; ".join([f"{best}: {words}", *told])))

    def _passed(self, kind: str, choices: Mapping[str, tuple[Subnet, ...]]) -> dict[str, str]:
        """The zones to which the machine cannot go, and why. One without room for the type goes before none at all."""
        states, offered, now = self._zones.states(), self._zones.offered_in(kind), self._clock()
        passed: dict[str, str] = {}
        for zone, subnets in choices.items():
            state = states.get(zone, "unknown")
            if state not in _UP:
                passed[zone] = f"is {state} in EC2"
            elif zone not in offered:
                passed[zone] = f"does not offer {kind}"
            elif empty := next((subnet for subnet in subnets if not subnet.free), None):
                passed[zone] = f"has no free address in {empty.id}"
        with self._lock:
            full = {zone for zone in choices if now - self._full.get((kind, zone), float("-inf")) < FULL_AGE}
        if full | passed.keys() < choices.keys():
            passed |= dict.fromkeys(full - passed.keys(), f"has no room for {kind} now")
        return passed


def _within(
    choices: Mapping[str, tuple[Subnet, ...]], spec: MachineSpec, what: str
) -> Mapping[str, tuple[Subnet, ...]]:
    """The zones that are allowed, with their subnets. Raises Refused (NOT_PERMITTED) where none is."""
    allowed = spec.within.zones
    found = {zone: subnets for zone, subnets in choices.items() if allowed is None or zone in allowed}
    if not found:
        zones = ", ".join(f"zone {zone}" for zone in sorted(choices))
        raise Refused(
            Reason.NOT_PERMITTED, f"{what} {zones}, and spec.restrict.zones of the Provider allows none of these"
        )
    return found
