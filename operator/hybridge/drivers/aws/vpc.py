"""VPCs, subnets and routes: what EC2 shows as the core's networks, and what a network's spec means in EC2's words. Pure.

A network is a subnet. One that has a VPC of its own has the id of that VPC, which is made first and goes last.
Source: EC2 API Reference, CreateVpc, CreateSubnet, DescribeRouteTables; Amazon VPC User Guide, "Subnet CIDR blocks".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

from hybridge.core.errors import Refused
from hybridge.core.identity import PREFIX, Marker
from hybridge.core.machine import Known
from hybridge.core.managed import State
from hybridge.core.network import Network, NetworkSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch, mapping
from hybridge.drivers.aws.mapping import NAME, RESERVED
from hybridge.drivers.marked import same_owner

SUBNET, GATEWAY, ROUTE = "subnet", "gateway", "route"
INTERNET, PUBLIC = "aws.internet", "aws.publicAddresses"
OPTIONS = frozenset({"vpcID", "vpcCIDR", "zone", "internet", "publicAddresses"})
ANYWHERE = "0.0.0.0/0"

#: The largest and the smallest network that EC2 makes, by the lengths of their prefixes.
_LARGEST, _SMALLEST = 16, 28
_STATES = {"pending": State.PENDING, "available": State.READY, "unavailable": State.READY}
_ONLY_SUBNETS = "it is a VPC, and machines are in subnets: give the id of one of these"


@dataclass(frozen=True, slots=True)
class Layout:
    """VPCs, subnets and route tables as EC2 describes them; what was not read is not there."""

    vpcs: Sequence[Mapping[str, Any]]
    subnets: Sequence[Mapping[str, Any]]
    tables: Sequence[Mapping[str, Any]]

    def networks(self, machines: Mapping[str, Collection[str]]) -> dict[str, Network]:
        """All networks by id; ``machines`` are the ids of the instances in each subnet."""
        found = {vpc["VpcId"]: self._vpc(vpc, machines) for vpc in self.vpcs}
        parts = {one["SubnetId"] for vpc in self.vpcs for one in self.of(vpc)}
        for subnet in self.subnets:
            if subnet["SubnetId"] not in parts:
                found[subnet["SubnetId"]] = self._subnet(subnet, machines)
        return found

    def of(self, vpc: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The subnets that were made with this VPC, by the marker that both carry."""
        marker = marker_of(vpc)
        inside = [one for one in self.subnets if one["VpcId"] == vpc["VpcId"]]
        return [one for one in inside if marker is not None and same_owner(marker_of(one), marker)]

    def table(self, subnet: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
        """The route table of a subnet, and the id of its association; empty where it is the VPC's main one."""
        for table in self.tables:
            for one in table.get("Associations", []):
                if one.get("SubnetId") == subnet["SubnetId"]:
                    return table, one["RouteTableAssociationId"]
        inside = (table for table in self.tables if table["VpcId"] == subnet["VpcId"])
        return next((table for table in inside if any(map(_is_main, table.get("Associations", [])))), None), ""

    def _vpc(self, vpc: Mapping[str, Any], machines: Mapping[str, Collection[str]]) -> Network:
        subnets = sorted(self.of(vpc), key=lambda one: str(one["SubnetId"]))
        marker = marker_of(vpc)
        if not subnets:
            settings: dict[str, Known] = {}
            shown = Network(id=vpc["VpcId"], name="", state=_state(vpc))
        else:
            shown = self._subnet(subnets[0], machines)
            settings = dict(shown.settings)
        everybody = {one for subnet in subnets for one in machines.get(subnet["SubnetId"], ())}
        return replace(
            shown,
            **_words(vpc),
            id=vpc["VpcId"],
            state=_state(vpc) if _state(vpc) is not State.READY else shown.state,
            unfit="" if marker else _ONLY_SUBNETS,
            settings={**settings, "aws.vpcCIDR": (vpc["CidrBlock"],)},
            parts=(*((SUBNET,) if subnets else ()), *shown.parts),
            machines=tuple(sorted(everybody)),
        )

    def _subnet(self, subnet: Mapping[str, Any], machines: Mapping[str, Collection[str]]) -> Network:
        table, _ = self.table(subnet)
        settings: dict[str, Known] = {
            "cidr": (subnet["CidrBlock"],),
            "aws.vpcID": (subnet["VpcId"],),
            "aws.zone": (subnet["AvailabilityZone"],),
        }
        if "MapPublicIpOnLaunch" in subnet:
            settings[PUBLIC] = (_truth(subnet["MapPublicIpOnLaunch"]),)
        reaches = table is not None and gateway_of(table) is not None
        if table is not None:
            settings[INTERNET] = (_truth(reaches),)
        return Network(
            **_words(subnet),
            id=subnet["SubnetId"],
            state=_state(subnet),
            attaches=subnet["SubnetId"],
            settings=settings,
            parts=(GATEWAY, ROUTE) if reaches else (),
            machines=tuple(sorted(machines.get(subnet["SubnetId"], ()))),
        )


def marker_of(found: Mapping[str, Any]) -> Marker | None:
    """The marker among the tags of anything."""
    return Marker.read(mapping.pairs(found.get("Tags", [])))


def gateway_of(table: Mapping[str, Any]) -> str | None:
    """The internet gateway to which a route table leads, if that works."""
    route = default_route(table)
    gateway = str(route.get("GatewayId") or "") if route else ""
    return gateway if route and gateway.startswith("igw-") and route.get("State") == "active" else None


def default_route(table: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The route to everywhere, wherever that leads."""
    return next((one for one in table.get("Routes", []) if one.get("DestinationCidrBlock") == ANYWHERE), None)


def leads_elsewhere(table: Mapping[str, Any]) -> bool:
    """Whether a table has routes that a new one would not have."""
    return any(
        one.get("GatewayId") != "local" and one.get("DestinationCidrBlock") != ANYWHERE
        for one in table.get("Routes", [])
    )


def check(spec: NetworkSpec) -> None:
    """Refused when the spec asks for what EC2 does not have; it names the field."""
    launch.check_known("spec.aws", spec.options, OPTIONS)
    launch.check_tags(spec)
    if spec.vlan is not None:
        raise Refused(Reason.UNSUPPORTED, "spec.vlan: EC2 has no VLANs; a subnet is a network of its own")
    subnet = _range("spec.cidr", spec.cidr)
    vpc = _range("spec.aws.vpcCIDR", spec.options.get("vpcCIDR"))
    if subnet and vpc and not subnet.subnet_of(vpc):
        raise Refused(Reason.INVALID_SPEC, f"spec.cidr: {subnet} is not within spec.aws.vpcCIDR, {vpc}")


def normal(spec: NetworkSpec) -> NetworkSpec:
    """The spec as EC2 would show it back. What is to reach the internet has parts that say so."""
    options = {key: value for key, value in spec.options.items() if value not in launch.NOTHING}
    parts = (SUBNET,) if options.get("vpcCIDR") else ()
    if options.get("internet") is True:
        del options["internet"]
        parts = (*parts, GATEWAY, ROUTE)
    elif set(spec.parts) >= {GATEWAY, ROUTE}:
        parts = (*parts, GATEWAY, ROUTE)
    return replace(spec, options=options, parts=parts)


def parameters(spec: NetworkSpec, zone: str | None) -> dict[str, Any]:
    """The words of CreateVpc, or of CreateSubnet, but for the marker, as JSON values. Refused (INVALID_SPEC)."""
    if spec.cidr is None:
        raise Refused(Reason.INVALID_SPEC, "spec.cidr is needed to make a network")
    tags = {launch.TAGS: dict(spec.tags)}
    if vpc := spec.options.get("vpcCIDR"):
        return {"CidrBlock": vpc, **tags}
    if vpc := spec.options.get("vpcID"):
        return {"VpcId": vpc, "CidrBlock": spec.cidr, **({"AvailabilityZone": zone} if zone else {}), **tags}
    raise Refused(Reason.INVALID_SPEC, "spec.aws: vpcID or vpcCIDR is needed to make a network")


def marks(kind: str, spec: NetworkSpec, marker: Marker) -> list[dict[str, Any]]:
    """The tags with which a part is made."""
    return [
        {"ResourceType": kind, "Tags": mapping.words({**spec.tags, NAME: spec.name, **marker.pairs()})},
    ]


def routes(tables: Sequence[Mapping[str, Any]], gateway: str) -> Iterator[str]:
    """The ids of the tables that lead to this gateway."""
    for table in tables:
        if any(one.get("GatewayId") == gateway for one in table.get("Routes", [])):
            yield table["RouteTableId"]


def _words(found: Mapping[str, Any]) -> dict[str, Any]:
    tags = mapping.pairs(found.get("Tags", []))
    return {
        "name": tags.get(NAME, ""),
        "marker": Marker.read(tags),
        "tags": {key: value for key, value in tags.items() if key != NAME and not key.startswith((PREFIX, RESERVED))},
    }


def _state(found: Mapping[str, Any]) -> State:
    return _STATES.get(found["State"], State.UNKNOWN)


def _is_main(association: Mapping[str, Any]) -> bool:
    return bool(association.get("Main", False))


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _range(where: str, given: object) -> IPv4Network | None:
    """A range as EC2 makes them. Refused (UNSUPPORTED, INVALID_SPEC)."""
    if given is None:
        return None
    try:
        network = IPv4Network(str(given))
    except ValueError as error:
        raise Refused(Reason.UNSUPPORTED, f"{where}: {given} is no range of IPv4 addresses") from error
    if not _LARGEST <= network.prefixlen <= _SMALLEST:
        raise Refused(
            Reason.INVALID_SPEC,
            f"{where}: {network} is refused by EC2, which makes networks from /{_LARGEST} to /{_SMALLEST}",
        )
    return network
