"""The zones of a region and the subnets in them, looked up and remembered for a while."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from hybridge.core.errors import Refused
from hybridge.core.machine import Known
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import mapping
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.mapping import Subnet
from hybridge.drivers.aws.remembered import Remembered

#: Seconds for which an answer is believed. A zone fails rarely, and then at once.
SUBNET_AGE = 300.0
ZONE_AGE = 60.0
OFFER_AGE = 6 * 3600.0

#: Seconds after which a list that lacks a name is read again: it may have been made since.
_FRESH = 5.0

#: Seconds after which all subnets are read again for the sake of one that is not among them.
_FRESH_WORDS = 60.0

#: With what ids of subnets begin.
_SUBNET = "subnet-"


class Zones:
    """Zones and subnets of one region. Safe from several threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._subnets: Remembered[tuple[Subnet, ...]] = Remembered()
        self._networks: tuple[tuple[Subnet, ...], Mapping[str, Known]] = ((), {})
        self._states: Remembered[Mapping[str, str]] = Remembered()
        self._offers: Remembered[Collection[str]] = Remembered()

    def subnets(self, wanted: str) -> Sequence[Subnet]:
        """The subnet of this id; or those of this name, which are in one network, each in a zone of its own.

        Refused: NOT_FOUND with near names, INVALID_SPEC when the name says too little.
        """
        found = self._find_subnets(lambda subnet: wanted in {subnet.id, subnet.name})
        if not found and wanted.startswith(_SUBNET):
            # It may have been made since, by ourselves for a Network.
            found = self._read_subnet(wanted)
        if not found:
            known = [subnet.name or subnet.id for subnet in self._all_subnets(SUBNET_AGE)]
            raise Refused(Reason.NOT_FOUND, not_found("subnet", wanted, known))
        if len({subnet.vpc for subnet in found}) > 1 or len({subnet.zone for subnet in found}) < len(found):
            ids = ", ".join(subnet.id for subnet in found)
            raise Refused(Reason.INVALID_SPEC, f"several subnets are named {wanted!r}; give the id of one: {ids}")
        return found

    def default_subnet(self, zone: str) -> Subnet:
        """The subnet that EC2 itself would take in this zone. Refused (NOT_FOUND) when it has none."""
        found = self._find_subnets(lambda subnet: subnet.zone == zone and subnet.default)
        if not found:
            raise Refused(Reason.NOT_FOUND, f"zone {zone} has no default subnet; name a subnet in spec.networks")
        return found[0]

    def default_subnets(self) -> Mapping[str, tuple[Subnet, ...]]:
        """The subnets that EC2 itself would take, by zone. Refused (NOT_FOUND) when there are none."""
        found = self._find_subnets(lambda subnet: subnet.default)
        if not found:
            raise Refused(Reason.NOT_FOUND, "no zone has a default subnet; name a subnet in spec.networks")
        return {subnet.zone: (subnet,) for subnet in found}

    def states(self) -> Mapping[str, str]:
        """The states of the zones of the region, by name."""
        return self._states.get("all", ZONE_AGE, self._read_states)

    def _read_states(self) -> Mapping[str, str]:
        found = self._client.call("DescribeAvailabilityZones").get("AvailabilityZones", [])
        return {zone["ZoneName"]: zone.get("State", "") for zone in found}

    def offered_in(self, kind: str) -> Collection[str]:
        """The zones that offer this instance type."""
        return self._offers.get(kind, OFFER_AGE, lambda: self._read_offers(kind))

    def _read_offers(self, kind: str) -> Collection[str]:
        pages = self._client.pages(
            "DescribeInstanceTypeOfferings",
            "InstanceTypeOfferings",
            size=1000,
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": [kind]}],
        )
        return frozenset(offer["Location"] for page in pages for offer in page)

    def networks(self, ids: Collection[str] = (), age: float = math.inf) -> Mapping[str, Known]:
        """Id and name of all subnets, by id, at most ``age`` seconds old. Read again when one of ``ids`` is not among
        them, but not too often: it may be another account's.
        """
        if not ids and age == math.inf:
            return self.known_networks
        known = self._words(age)
        return known if known.keys() >= set(ids) else self._words(min(age, _FRESH_WORDS))

    @property
    def known_networks(self) -> Mapping[str, Known]:
        """The subnets that were read so far, as ``networks`` tells them."""
        return self._networks[1]

    def read(self, found: Iterable[Mapping[str, Any]]) -> None:
        """All subnets, as somebody else has just read them."""
        self._subnets.put("all", tuple(map(mapping.subnet, found)))

    def zone_of(self, subnet_id: str | None) -> str | None:
        """The zone of a subnet, as far as it was read so far."""
        found = self._subnets.last("all") or ()
        return next((subnet.zone for subnet in found if subnet.id == subnet_id), None)

    def _words(self, age: float) -> Mapping[str, Known]:
        subnets = self._all_subnets(age)
        if self._networks[0] is not subnets:
            self._networks = (
                subnets,
                {subnet.id: (subnet.id, subnet.name) if subnet.name else (subnet.id,) for subnet in subnets},
            )
        return self._networks[1]

    def _find_subnets(self, matches: Callable[[Subnet], bool]) -> list[Subnet]:
        found = [subnet for subnet in self._all_subnets(SUBNET_AGE) if matches(subnet)]
        return found or [subnet for subnet in self._all_subnets(_FRESH) if matches(subnet)]

    def _all_subnets(self, age: float) -> tuple[Subnet, ...]:
        return self._subnets.get("all", age, self._read_subnets)

    def _read_subnet(self, subnet_id: str) -> list[Subnet]:
        try:
            answer = self._client.call("DescribeSubnets", SubnetIds=[subnet_id])
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return []
            raise
        return [mapping.subnet(subnet) for subnet in answer.get("Subnets", [])]

    def _read_subnets(self) -> tuple[Subnet, ...]:
        pages = self._client.pages("DescribeSubnets", "Subnets", size=1000)
        return tuple(mapping.subnet(subnet) for page in pages for subnet in page)
