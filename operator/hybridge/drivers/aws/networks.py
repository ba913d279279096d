"""Subnets as networks, each with a VPC of its own where the spec asks for one.

CreateVpc, CreateInternetGateway and CreateRouteTable have no token and take anything twice. So each is marked by the call
that makes it, each is looked for by its marker before it is made, and a deletion takes all that carry it. Between a call
whose answer was lost and the moment from which EC2 shows what it made a second gateway or table may come to be: it has no
use, costs nothing, and goes with the network. A second VPC does not: the engine looks for the first one through
``visibility`` before it asks again. CreateSubnet cannot be repeated, because EC2 refuses a range that is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, Refused, Unclear
from hybridge.core.identity import OWNER, Marker
from hybridge.core.machine import Change
from hybridge.core.managed import State
from hybridge.core.names import not_found
from hybridge.core.network import Network, NetworkSpec, NetworkTraits
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch, tags, vpc
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.internet import Internet
from hybridge.drivers.aws.placement import Placement
from hybridge.drivers.aws.vpc import Layout
from hybridge.drivers.aws.zones import Zones
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for, same_owner

PAGE = 1000

_CHANGES = {vpc.INTERNET: Change.STOPPED, vpc.PUBLIC: Change.ONLINE}
_PARTS = {f"parts.{part}" for part in (vpc.SUBNET, vpc.GATEWAY, vpc.ROUTE)}


@dataclass(frozen=True, slots=True)
class Site:
    """A network as it was just read: itself, and all that EC2 shows of the VPC in which it is."""

    network: Network
    vpc: str
    layout: Layout

    @property
    def subnets(self) -> list[Mapping[str, Any]]:
        """The subnet, or all that were made with the VPC."""
        if self.network.id == self.vpc:
            return [one for whole in self.layout.vpcs for one in self.layout.of(whole)]
        return [one for one in self.layout.subnets if one["SubnetId"] == self.network.id]


class Networks:
    """The NetworkDriver of EC2. Ids are never used again there, so acting by id is acting on what was proven."""

    traits = NetworkTraits(visibility=300.0, lag=300.0, block="aws", changes=_CHANGES)

    def __init__(self, client: Client, placement: Placement, zones: Zones) -> None:
        self._client = client
        self._placement = placement
        self._zones = zones
        self._internet = Internet(client)

    def normalize(self, spec: NetworkSpec) -> NetworkSpec:
        """Says of which parts it consists; what EC2 does not have is refused."""
        vpc.check(spec)
        return vpc.normal(spec)

    def prepare(self, spec: NetworkSpec, taken: Collection[str]) -> Prepared:
        """Looks whether there is such a VPC and such a zone. ``taken`` says nothing here: EC2 chooses the ids."""
        del taken
        vpc.check(spec)
        placed = self._placement.area(_zone(spec), "spec.aws.zone")
        words = vpc.parameters(spec, placed.zone)
        if wanted := words.get("VpcId"):
            there = {one["VpcId"] for one in self._all("DescribeVpcs", "Vpcs")}
            if wanted not in there:
                raise Refused(Reason.NOT_FOUND, f"spec.aws.vpcID: {not_found('VPC', wanted, there)}")
        return Prepared(words, placed=placed)

    def create(self, intent: Intent, spec: NetworkSpec, marker: Marker) -> Started[Network]:
        """CreateVpc where it has one of its own, else CreateSubnet; what there is with this marker is taken."""
        words = dict(intent.parameters)
        given = words.pop(launch.TAGS, {})
        assert isinstance(given, Mapping)
        spec = replace(spec, name=intent.name, tags={str(key): str(value) for key, value in given.items()})
        if "VpcId" not in words:
            known = self._all("DescribeVpcs", "Vpcs", _owned(marker))
            made = next(iter(known), None) or self._client.call(
                "CreateVpc", **words, TagSpecifications=vpc.marks("vpc", spec, marker)
            ).get("Vpc")
            assert made is not None
            return _started(Layout([made], [], []), intent, marker)
        return _started(Layout([], [self._make_subnet(words, spec, marker)], []), intent, marker)

    def find(self, marker: Marker, intent: Intent | None) -> list[Network]:
        """By the marker's tag, which comes with the create: VPCs of their own, and subnets that are in none of these."""
        del intent
        vpcs = self._all("DescribeVpcs", "Vpcs", _owned(marker))
        subnets = self._all("DescribeSubnets", "Subnets", _owned(marker))
        within = {one["VpcId"] for one in (*vpcs, *subnets)}
        return [*Layout(vpcs, subnets, self._tables(within)).networks(self._machines(subnets)).values()]

    def get(self, network_id: str) -> Network | None:
        """DescribeSubnets or DescribeVpcs by id, and what belongs to it."""
        site = self._site(network_id)
        return site.network if site else None

    def configure(
        self, network: Network, spec: NetworkSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Network]:
        """What is missing of it is made, in order; then its route and its attributes; name and tags of all its parts."""
        del intent
        asked = {field.partition(".")[0] if field.startswith("tags.") else field for field in fields}
        if final := sorted(asked - _PARTS - _CHANGES.keys() - {"name", "tags"}):
            raise Refused(Reason.UNSUPPORTED, f"{', '.join(final)}: EC2 never changes that of a network")
        site = self._look(network.id)
        prove(network, site.network.marker)
        try:
            self._complete(site, spec, asked, marker)
        except Refused as refused:
            if refused.reason is not Reason.NOT_FOUND:
                raise
            # What was made just now may not be shown yet; what somebody has deleted is missing in the next look.
            raise Busy(refused.message, reason=Reason.UPDATING) from refused
        return Started(network.id, self._look(network.id).network)

    def mark(self, network: Network, marker: Marker | None) -> Started[Network]:
        """Tags of the network, and of all its parts that carry the same marker as it does now."""
        site = self._look(network.id)
        prove_for(network, site.network.marker, marker)
        tags.mark(self._client, [network.id, *self._parts(site, network.marker)], network.marker, marker)
        return Started(network.id, replace(network, marker=marker))

    def delete(self, network: Network) -> Started[Network]:
        """What was made last goes first. All that could be in the way is looked for before anything is touched.

        Raises Busy (HAS_DEPENDANTS) while something is in it, or somebody else's routes lead through its gateway.
        """
        site = self._site(network.id)
        if site is None or site.network.gone:
            return Started(network.id)
        prove(network, site.network.marker)
        assert network.marker is not None
        own = network.id == site.vpc
        subnets = [one["SubnetId"] for one in site.subnets]
        self._is_empty(network, site, subnets)
        tables, gateways = self._internet.of(site.layout, site.vpc, network.marker)
        self._internet.are_free(network, site.layout, tables, gateways, subnets)
        try:
            self._internet.delete(site.vpc, tables, gateways)
            for one in subnets:
                self._delete("DeleteSubnet", SubnetId=one)
            if own:
                self._delete("DeleteVpc", VpcId=network.id)
        except Refused as refused:
            if refused.reason is not Reason.HAS_DEPENDANTS:
                raise
            raise Busy(refused.message, reason=Reason.HAS_DEPENDANTS) from refused
        return Started(network.id, replace(site.network, state=State.DELETING))

    # ------------------------------------------------------------------ sweeps

    def all(self) -> Layout:
        """All VPCs, subnets and route tables: a request for each 1000 of them. Names of subnets are as new then."""
        subnets = self._all("DescribeSubnets", "Subnets")
        self._zones.read(subnets)
        return Layout(
            self._all("DescribeVpcs", "Vpcs"), subnets, self._all("DescribeRouteTables", "RouteTables", size=100)
        )

    # ------------------------------------------------------------------- parts

    def _complete(self, site: Site, spec: NetworkSpec, asked: Collection[str], marker: Marker) -> None:
        subnets = site.subnets
        if f"parts.{vpc.SUBNET}" in asked and not subnets:
            subnets = [self._fill(site, spec, marker)]
        reaches = {f"parts.{vpc.GATEWAY}", f"parts.{vpc.ROUTE}"} & set(asked)
        gateway = self._internet.gateway(site.vpc, spec, marker) if reaches else None
        for subnet in subnets:
            crowded = bool(site.network.machines)
            if gateway:
                self._internet.lead(site.layout, subnet, gateway, spec, marker, crowded=crowded)
            elif vpc.INTERNET in asked and spec.options.get("internet") is False:
                self._internet.part(site.layout, subnet, spec, marker, crowded=crowded)
            public = spec.options.get("publicAddresses")
            if public is not None and public != subnet.get("MapPublicIpOnLaunch"):
                words = {"MapPublicIpOnLaunch": {"Value": public}}
                self._client.call("ModifySubnetAttribute", SubnetId=subnet["SubnetId"], **words)
        if set(asked) & {"name", "tags"}:
            tags.retag(self._client, site.network, spec, asked, self._parts(site, site.network.marker))

    def _fill(self, site: Site, spec: NetworkSpec, marker: Marker) -> Mapping[str, Any]:
        """The subnet of a VPC of its own."""
        if spec.cidr is None:
            raise Refused(Reason.INVALID_SPEC, "spec.cidr is needed to make a network")
        zone = self._placement.area(_zone(spec), "spec.aws.zone").zone
        words = {"VpcId": site.vpc, "CidrBlock": spec.cidr, **({"AvailabilityZone": zone} if zone else {})}
        return self._make_subnet(words, spec, marker)

    def _make_subnet(self, words: Mapping[str, object], spec: NetworkSpec, marker: Marker) -> Mapping[str, Any]:
        try:
            answer = self._client.call("CreateSubnet", **words, TagSpecifications=vpc.marks("subnet", spec, marker))
        except Refused:
            # An earlier call may have made it: EC2 then refuses its range, or it is not worth the question.
            inside = [*_owned(marker), {"Name": "vpc-id", "Values": [words["VpcId"]]}]
            known = self._all("DescribeSubnets", "Subnets", inside)
            made = next((one for one in known if one["CidrBlock"] == words["CidrBlock"]), None)
            if made is None:
                raise
            return made
        made_now: Mapping[str, Any] = answer["Subnet"]
        return made_now

    def _is_empty(self, network: Network, site: Site, subnets: Sequence[str]) -> None:
        """Raises Busy (HAS_DEPENDANTS) when there is something in it that does not go with it."""
        inside = [one["SubnetId"] for one in site.layout.subnets if one["VpcId"] == network.id]
        used = [one for one in inside if one not in subnets]
        if subnets:
            used += [_user(one) for one in self._interfaces(subnets)]
        if used:
            raise Busy(f"{network.id} is used by {', '.join(sorted(used)[:8])}", reason=Reason.HAS_DEPENDANTS)

    def _parts(self, site: Site, marker: Marker | None) -> list[str]:
        """The ids of all that was made for it besides, by the marker that it carries itself."""
        if marker is None:
            return []
        tables, gateways = self._internet.of(site.layout, site.vpc, marker)
        subnets = [one["SubnetId"] for one in site.subnets if same_owner(vpc.marker_of(one), marker)]
        found = [*subnets, *(one["RouteTableId"] for one in tables), *(one["InternetGatewayId"] for one in gateways)]
        return [one for one in found if one != site.network.id]

    def _delete(self, operation: str, **words: str) -> None:
        try:
            self._client.call(operation, **words)
        except Refused as refused:
            if refused.reason is not Reason.NOT_FOUND:
                raise

    # ----------------------------------------------------------------- reading

    def _look(self, network_id: str) -> Site:
        site = self._site(network_id)
        if site is None:
            raise Refused(Reason.NOT_FOUND, f"{network_id} does not exist")
        return site

    def _site(self, network_id: str) -> Site | None:
        whole = network_id.startswith("vpc-")
        operation, key, name = (
            ("DescribeVpcs", "Vpcs", "VpcId") if whole else ("DescribeSubnets", "Subnets", "SubnetId")
        )
        try:
            answer = self._client.call(operation, **{f"{name}s": [network_id]})
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return None
            raise
        found = next((one for one in answer[key] if one[name] == network_id), None)
        if found is None:
            # Of what does not exist EC2 says just that: an answer without it proves nothing.
            raise Unclear(f"{operation}: the answer does not tell of {network_id}")
        within = found["VpcId"]
        inside = [{"Name": "vpc-id", "Values": [within]}]
        subnets = self._all("DescribeSubnets", "Subnets", inside) if whole else [found]
        layout = Layout([found] if whole else [], subnets, self._tables([within]))
        network = layout.networks(self._machines(subnets)).get(network_id)
        assert network is not None
        return Site(network, within, layout)

    def _tables(self, vpcs: Iterable[str]) -> list[dict[str, Any]]:
        return self._client.among("DescribeRouteTables", "RouteTables", "vpc-id", sorted(vpcs), size=100)

    def _machines(self, subnets: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
        """The ids of the instances in these subnets."""
        found: dict[str, set[str]] = {}
        for nic in self._interfaces([one["SubnetId"] for one in subnets]):
            if instance := nic.get("Attachment", {}).get("InstanceId"):
                found.setdefault(nic.get("SubnetId", ""), set()).add(instance)
        return found

    def _interfaces(self, subnets: Sequence[str]) -> list[dict[str, Any]]:
        """All network interfaces in these subnets, of whatever has them."""
        return self._client.among("DescribeNetworkInterfaces", "NetworkInterfaces", "subnet-id", subnets, size=PAGE)

    def _all(
        self, operation: str, key: str, filters: Sequence[Mapping[str, Any]] = (), *, size: int = PAGE
    ) -> list[dict[str, Any]]:
        words = {"Filters": [*filters]} if filters else {}
        return [one for page in self._client.pages(operation, key, size=size, **words) for one in page]


def _owned(marker: Marker) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{OWNER}", "Values": [marker.owner]}]


def _zone(spec: NetworkSpec) -> str | None:
    zone = spec.options.get("zone")
    return str(zone) if zone else None


def _user(nic: Mapping[str, Any]) -> str:
    """What has an interface, in as few words as EC2 tells."""
    instance = nic.get("Attachment", {}).get("InstanceId")
    return str(instance or f"{nic['NetworkInterfaceId']} ({nic.get('Description') or 'no description'})")


def _started(layout: Layout, intent: Intent, marker: Marker) -> Started[Network]:
    (made,) = layout.networks({}).values()
    return Started(made.id, replace(made, marker=marker, name=intent.name, unfit=""))
