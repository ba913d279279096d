"""How subnets reach the internet: gateways of VPCs, and the route tables that lead to them.

A subnet without a route table of its own uses the main one of its VPC, which is never changed here: other subnets use it,
too. Where that does not lead where the spec wants, the subnet gets a table that is marked as ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hybridge.core.errors import Busy, Refused
from hybridge.core.identity import OWNER, Marker
from hybridge.core.network import Network, NetworkSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import vpc
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.vpc import ANYWHERE, Layout
from hybridge.drivers.marked import same_owner

PAGE = 1000

Table = Mapping[str, Any]


class Internet:
    """Makes and deletes them. What is so already is not asked for again."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def gateway(self, vpc_id: str, spec: NetworkSpec, marker: Marker) -> str:
        """The id of the gateway of a VPC, whoever made it; where there is none, it gets one that is marked."""
        attached = self._gateways("attachment.vpc-id", vpc_id)
        if attached:
            return str(attached[0]["InternetGatewayId"])
        free = [one for one in self._gateways(f"tag:{OWNER}", marker.owner) if not one.get("Attachments")]
        known = min((str(one["InternetGatewayId"]) for one in free), default=None)
        if known is None:
            marks = vpc.marks("internet-gateway", spec, marker)
            made = self._client.call("CreateInternetGateway", TagSpecifications=marks)["InternetGateway"]
            known = str(made["InternetGatewayId"])
        self._client.call("AttachInternetGateway", InternetGatewayId=known, VpcId=vpc_id)
        return known

    def lead(
        self,
        layout: Layout,
        subnet: Mapping[str, Any],
        gateway: str,
        spec: NetworkSpec,
        marker: Marker,
        *,
        crowded: bool,
    ) -> None:
        """Leads a subnet to a gateway. ``crowded``: there are machines in it, which keep the routes that they have.

        Raises Refused (NOT_PERMITTED) where that would take somebody else's route table.
        """
        table, association = layout.table(subnet)
        if table is not None and vpc.gateway_of(table) is not None:
            return
        own = self._own(layout, subnet, spec, marker, crowded=crowded)
        route = {"RouteTableId": own["RouteTableId"], "DestinationCidrBlock": ANYWHERE, "GatewayId": gateway}
        known = vpc.default_route(own)
        if known is None:
            self._client.call("CreateRoute", **route)
        elif vpc.gateway_of(own) != gateway:
            self._client.call("ReplaceRoute", **route)
        if not association:
            self._associate(own, subnet)

    def part(
        self, layout: Layout, subnet: Mapping[str, Any], spec: NetworkSpec, marker: Marker, *, crowded: bool
    ) -> None:
        """Takes the route to the internet from a subnet. Raises as ``lead`` does."""
        table, association = layout.table(subnet)
        if table is None or vpc.gateway_of(table) is None:
            return
        own = self._own(layout, subnet, spec, marker, crowded=crowded)
        if vpc.default_route(own) is not None:
            self._client.call("DeleteRoute", RouteTableId=own["RouteTableId"], DestinationCidrBlock=ANYWHERE)
        if not association:
            self._associate(own, subnet)

    def of(self, layout: Layout, vpc_id: str, marker: Marker) -> tuple[list[Table], list[Table]]:
        """The route tables of this VPC and the gateways that carry this marker; one that is in no VPC was left over."""
        tables = [one for one in layout.tables if same_owner(vpc.marker_of(one), marker)]
        gateways = self._gateways(f"tag:{OWNER}", marker.owner)
        return tables, [one for one in gateways if {at.get("VpcId") for at in one.get("Attachments", [])} <= {vpc_id}]

    @staticmethod
    def are_free(
        network: Network, layout: Layout, tables: Sequence[Table], gateways: Sequence[Table], subnets: Collection[str]
    ) -> None:
        """Raises Busy (HAS_DEPENDANTS) when anything but these subnets uses these tables and gateways."""
        ours = {one["RouteTableId"] for one in tables}
        users = [
            f"{at['SubnetId']}, by {one['RouteTableId']}"
            for one in tables
            for at in one.get("Associations", [])
            if at.get("SubnetId") and at["SubnetId"] not in subnets
        ]
        others = [one for one in layout.tables if one["RouteTableId"] not in ours]
        for gateway in gateways:
            users += [
                f"{table}, which leads to {gateway['InternetGatewayId']}"
                for table in vpc.routes(others, gateway["InternetGatewayId"])
            ]
        if users:
            told = "; ".join(sorted(users)[:8])
            raise Busy(f"what was made for {network.id} is used by {told}", reason=Reason.HAS_DEPENDANTS)

    def delete(self, vpc_id: str, tables: Sequence[Table], gateways: Sequence[Table]) -> None:
        """Deletes them. What is gone already is no error."""
        for table in tables:
            for one in table.get("Associations", []):
                if one.get("SubnetId"):
                    self._gone("DisassociateRouteTable", AssociationId=one["RouteTableAssociationId"])
            self._gone("DeleteRouteTable", RouteTableId=table["RouteTableId"])
        for gateway in gateways:
            known = gateway["InternetGatewayId"]
            if gateway.get("Attachments"):
                self._gone("DetachInternetGateway", InternetGatewayId=known, VpcId=vpc_id)
            self._gone("DeleteInternetGateway", InternetGatewayId=known)

    # ------------------------------------------------------------------- parts

    def _own(
        self, layout: Layout, subnet: Mapping[str, Any], spec: NetworkSpec, marker: Marker, *, crowded: bool
    ) -> Table:
        """The table of this subnet that is ours to change; it is made where there is none, and used by nobody yet."""
        table, association = layout.table(subnet)
        name = table["RouteTableId"] if table else "no route table"
        if table is not None and association:
            if same_owner(vpc.marker_of(table), marker):
                return table
            raise Refused(
                Reason.NOT_PERMITTED,
                f"spec.aws.internet: {subnet['SubnetId']} uses {name}, which was not made for it; change its route to"
                f" {ANYWHERE} there, or leave spec.aws.internet out",
            )
        if crowded and table is not None and vpc.leads_elsewhere(table):
            raise Refused(
                Reason.NOT_PERMITTED,
                f"spec.aws.internet: the machines in {subnet['SubnetId']} use the routes of {name}, the main table of its"
                " VPC, which a table of its own would not have; change it there, or leave spec.aws.internet out",
            )
        made = [one for one in layout.tables if same_owner(vpc.marker_of(one), marker)]
        free = [one for one in made if not any(at.get("SubnetId") for at in one.get("Associations", []))]
        if free:
            return min(free, key=lambda one: str(one["RouteTableId"]))
        marks = vpc.marks("route-table", spec, marker)
        answer = self._client.call("CreateRouteTable", VpcId=subnet["VpcId"], TagSpecifications=marks)
        new: Table = answer["RouteTable"]
        return new

    def _associate(self, table: Table, subnet: Mapping[str, Any]) -> None:
        self._client.call("AssociateRouteTable", RouteTableId=table["RouteTableId"], SubnetId=subnet["SubnetId"])

    def _gateways(self, name: str, value: str) -> list[dict[str, Any]]:
        filters = [{"Name": name, "Values": [value]}]
        pages = self._client.pages("DescribeInternetGateways", "InternetGateways", size=PAGE, Filters=filters)
        return [one for page in pages for one in page]

    def _gone(self, operation: str, **words: str) -> None:
        try:
            self._client.call(operation, **words)
        except Refused as refused:
            if refused.reason is not Reason.NOT_FOUND:
                raise
