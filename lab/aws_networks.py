"""VPCs, subnets, gateways and route tables of the lab's EC2, in what moto leaves out.

What is in use is not deleted, a subnet takes its association along, a route to a gateway that is attached nowhere leads
nowhere, a VPC has one gateway, lists have pages, and what is new may not be shown yet. Requests are served one at a time.
Source: EC2 API Reference; Amazon VPC User Guide, "Delete a subnet", "Delete your VPC", "Route table concepts".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult
from moto.ec2.models.internet_gateways import InternetGateway, InternetGatewayBackend
from moto.ec2.models.route_tables import Route, RouteBackend
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.internet_gateways import InternetGateways
from moto.ec2.responses.route_tables import RouteTables
from moto.ec2.responses.subnets import Subnets
from moto.ec2.responses.vpcs import VPCs

from lab.aws_rules import Birth, Refusal, Tuning
from lab.aws_wrap import around, install, wrap

_PAGE = 1000
_LISTS: tuple[tuple[type, str, str, str], ...] = (
    (VPCs, "describe_vpcs", "Vpcs", "VpcIds"),
    (Subnets, "describe_subnets", "Subnets", "SubnetIds"),
    (RouteTables, "describe_route_tables", "RouteTables", "RouteTableIds"),
    (InternetGateways, "describe_internet_gateways", "InternetGateways", "InternetGatewayIds"),
)
#: What EC2 says of what is not there, by the start of its id.
_CODES = {
    "vpc": "InvalidVpcID.NotFound",
    "subnet": "InvalidSubnetID.NotFound",
    "rtb": "InvalidRouteTableID.NotFound",
    "igw": "InvalidInternetGatewayID.NotFound",
}


class Networks:
    """The wrapped methods. ``sees_all`` says whether the request being served sees what is hidden from others."""

    def __init__(self, tuning: Tuning, sees_all: Callable[[], bool]) -> None:
        self._tuning = tuning
        self._sees_all = sees_all
        self._requests = 0
        self._born: dict[str, Birth] = {}

    def install(self) -> None:
        """Wrap moto's methods."""
        install(self)
        for owner, method, key, ids in _LISTS:
            wrap(owner, method, self._paged(key, ids))
        for backend, method in (
            (VPCBackend, "create_vpc"),
            (SubnetBackend, "create_subnet"),
            (RouteBackend, "create_route_table"),
            (InternetGatewayBackend, "create_internet_gateway"),
        ):
            wrap(backend, method, self._made)
        mock.patch.object(Route, "state", property(_state)).start()

    def settle(self) -> None:
        """Called before each request."""
        self._requests += 1

    def hidden(self, one: str) -> bool:
        """Whether the request being served does not know it yet."""
        birth = self._born.get(one)
        now = time.monotonic()
        return birth is not None and not self._sees_all() and birth.hidden(now, self._tuning, self._requests)

    def denied(self, one: str) -> str | None:
        """What EC2 says of it while it is hidden."""
        return _CODES.get(one.partition("-")[0]) if self.hidden(one) else None

    def _made(self, original: Callable[..., Any], backend: Any, *given: Any, **wanted: Any) -> Any:
        made = original(backend, *given, **wanted)
        self._born[made.id] = Birth(len(self._born), time.monotonic())
        return made

    def _paged(self, key: str, ids: str) -> Callable[..., ActionResult]:
        def wrapped(original: Callable[..., ActionResult], response: Any) -> ActionResult:
            wanted = response.params.get(ids, [])
            for one in wanted:
                if code := self.denied(one):
                    raise Refusal(code, f"The ID '{one}' does not exist")
            answer: Any = original(response).result
            found = [one for one in answer[key] if not self.hidden(one.id)]
            if wanted:
                return ActionResult({key: found})
            start = int(response.params.get("NextToken") or 0)
            end = start + min(int(response.params.get("MaxResults") or _PAGE), _PAGE)
            page: dict[str, Any] = {key: found[start:end]}
            if end < len(found):
                page["NextToken"] = str(end)
            return ActionResult(page)

        return wrapped

    # ---------------------------------------------------------------- deletion

    @staticmethod
    @around(SubnetBackend, "delete_subnet")
    def _delete_subnet(original: Callable[..., Any], backend: Any, subnet_id: str) -> Any:
        if any(nic.subnet.id == subnet_id for nic in backend.enis.values()):
            raise _in_use("subnet", subnet_id)
        gone = original(backend, subnet_id)
        for table in backend.route_tables.values():
            associations = attrgetter("_associations")(table)
            for one in [key for key, target in associations.items() if target == subnet_id]:
                del associations[one]
        return gone

    @staticmethod
    @around(VPCBackend, "delete_vpc")
    def _delete_vpc(original: Callable[..., Any], backend: Any, vpc_id: str) -> Any:
        attached = [one for one in backend.internet_gateways.values() if one.vpc and one.vpc.id == vpc_id]
        groups = [one for one in backend.groups.get(vpc_id, {}).values() if one.name != "default"]
        if attached or groups:
            raise _in_use("vpc", vpc_id)
        return original(backend, vpc_id)

    # ---------------------------------------------------------------- gateways

    @staticmethod
    @around(InternetGatewayBackend, "attach_internet_gateway")
    def _attach(original: Callable[..., Any], backend: Any, internet_gateway_id: str, vpc_id: str) -> Any:
        if any(one.vpc and one.vpc.id == vpc_id for one in backend.internet_gateways.values()):
            raise Refusal("InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached")
        return original(backend, internet_gateway_id, vpc_id)

    # ------------------------------------------------------------------ routes

    @staticmethod
    @around(RouteBackend, "associate_route_table")
    def _associate(
        original: Callable[..., Any],
        backend: Any,
        route_table_id: str,
        gateway_id: str | None = None,
        subnet_id: str | None = None,
    ) -> Any:
        for table in backend.route_tables.values():
            for one, target in attrgetter("_associations")(table).items():
                if target == subnet_id and table.id != route_table_id:
                    raise Refusal(
                        "Resource.AlreadyAssociated",
                        f"the specified association for route table {route_table_id} conflicts with an existing"
                        f" association {one}",
                    )
        return original(backend, route_table_id, gateway_id, subnet_id)


def _state(route: Route) -> str:
    gateway: Any = route.gateway
    if not isinstance(gateway, InternetGateway):
        return "active"
    return "active" if route.route_table.vpc_id in {at["VpcId"] for at in gateway.attachments} else "blackhole"


def _in_use(kind: str, name: str) -> Refusal:
    return Refusal("DependencyViolation", f"The {kind} '{name}' has dependencies and cannot be deleted.")
