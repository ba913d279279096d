"""What EC2 shows of VPCs, subnets and routes, as networks."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.network import Network, NetworkSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import vpc
from hybridge.drivers.aws.vpc import Layout

MINE = Marker("c", "u1", "Network", "shop", "frontend")
OTHER = Marker("c", "u2", "Network", "shop", "backend")


def tags(marker: Marker | None, **others: str) -> list[dict[str, str]]:
    pairs = {**(marker.pairs() if marker else {}), **others}
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def a_vpc(marker: Marker | None = None, name: str = "vpc-1") -> dict[str, Any]:
    return {"VpcId": name, "CidrBlock": "10.0.0.0/16", "State": "available", "Tags": tags(marker, Name="shop")}


def a_subnet(marker: Marker | None = None, name: str = "subnet-1", **words: Any) -> dict[str, Any]:
    return {
        "SubnetId": name,
        "VpcId": "vpc-1",
        "CidrBlock": "10.0.1.0/24",
        "AvailabilityZone": "eu-central-1a",
        "State": "available",
        "MapPublicIpOnLaunch": False,
        "Tags": tags(marker, Name="front", team="shop"),
        **words,
    }


def a_table(subnet: str | None = None, gateway: str | None = None, state: str = "active") -> dict[str, Any]:
    at = {"RouteTableAssociationId": "rtbassoc-1", **({"SubnetId": subnet} if subnet else {"Main": True})}
    routes = [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}]
    if gateway:
        routes.append({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway, "State": state})
    return {"RouteTableId": "rtb-main", "VpcId": "vpc-1", "Associations": [at], "Routes": routes}


def only(layout: Layout) -> Network:
    (found,) = (one for one in layout.networks({"subnet-1": ["i-2", "i-1"]}).values() if not one.unfit)
    return found


def test_a_subnet_is_a_network() -> None:
    found = only(Layout([a_vpc()], [a_subnet(MINE)], [a_table()]))

    assert (found.id, found.attaches, found.name) == ("subnet-1", "subnet-1", "front")
    assert (found.marker, found.tags, found.machines) == (MINE, {"team": "shop"}, ("i-1", "i-2"))
    assert (found.parts, found.settings["aws.internet"]) == ((), ("false",))
    assert (found.settings["cidr"], found.settings["aws.vpcID"]) == (("10.0.1.0/24",), ("vpc-1",))


def test_a_vpc_of_its_own_has_the_id() -> None:
    found = only(Layout([a_vpc(MINE)], [a_subnet(MINE)], [a_table("subnet-1", "igw-1")]))

    assert (found.id, found.attaches, found.machines) == ("vpc-1", "subnet-1", ("i-1", "i-2"))
    assert found.parts == ("subnet", "gateway", "route")
    assert found.settings["aws.vpcCIDR"] == ("10.0.0.0/16",)


def test_a_vpc_of_its_own_without_its_subnet_is_half_made() -> None:
    found = only(Layout([a_vpc(MINE)], [], []))

    assert (found.id, found.attaches, found.parts, found.machines) == ("vpc-1", "", (), ())
    assert "cidr" not in found.settings


def test_what_others_have_in_a_vpc_of_its_own_is_theirs() -> None:
    found = Layout([a_vpc(MINE)], [a_subnet(OTHER), a_subnet(None, "subnet-2")], []).networks({})

    assert found.keys() == {"vpc-1", "subnet-1", "subnet-2"}
    assert found["vpc-1"].attaches == ""


@pytest.mark.parametrize(
    ("table", "reaches"),
    [
        (a_table(), False),
        (a_table(gateway="igw-1"), True),
        (a_table("subnet-1", "igw-1"), True),
        (a_table("subnet-1", "igw-1", "blackhole"), False),
        (a_table("subnet-1", "nat-1"), False),
        (a_table("subnet-2", "igw-1"), False),
    ],
)
def test_a_subnet_reaches_the_internet_by_its_own_table_or_the_main_one(table: dict[str, Any], reaches: bool) -> None:
    found = only(Layout([], [a_subnet()], [table]))

    assert (found.parts == ("gateway", "route")) is reaches


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"vlan": 7}, Reason.UNSUPPORTED),
        ({"cidr": "fd00::/64"}, Reason.UNSUPPORTED),
        ({"cidr": "10.0.0.0/29"}, Reason.INVALID_SPEC),
        ({"cidr": "10.0.0.0/15"}, Reason.INVALID_SPEC),
        ({"options": {"vpcCIDR": "10.1.0.0/16"}, "cidr": "10.0.0.0/24"}, Reason.INVALID_SPEC),
        ({"options": {"sdnZone": "z"}}, Reason.UNSUPPORTED),
        ({"tags": {"Name": "x"}}, Reason.INVALID_SPEC),
    ],
)
def test_what_ec2_does_not_have_is_refused(words: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Refused) as refusal:
        vpc.check(NetworkSpec(**{"name": "n", "cidr": "10.0.0.0/24", **words}))
    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"vpcID": "vpc-1"}, ()),
        ({"vpcID": "vpc-1", "internet": False}, ()),
        ({"vpcID": "vpc-1", "internet": True}, ("gateway", "route")),
        ({"vpcCIDR": "10.0.0.0/16"}, ("subnet",)),
        ({"vpcCIDR": "10.0.0.0/16", "internet": True}, ("subnet", "gateway", "route")),
    ],
)
def test_the_parts_of_a_spec(options: dict[str, object], parts: tuple[str, ...]) -> None:
    normal = vpc.normal(NetworkSpec("n", cidr="10.0.0.0/24", options=options))

    assert normal.parts == parts
    assert vpc.normal(normal) == normal
    assert ("internet" in normal.options) is (options.get("internet") is False)
