"""What of networks a tenant may not name, or take over."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hybridge.api.network import NetworkSpec
from hybridge.api.provider import ProviderSpec
from hybridge.core.network import Network
from hybridge.engine.networks import beyond, outside
from tests.unit.engine.test_restrictions import CLOUDS


def provider(cloud: str, **restrict: list[str]) -> ProviderSpec:
    return msgspec.convert({cloud: CLOUDS[cloud], "credentials": {}, "restrict": restrict}, ProviderSpec)


@pytest.mark.parametrize(
    ("cloud", "spec", "allowed", "named"),
    [
        ("aws", {"aws": {"vpcID": "vpc-1"}}, ["vpc-1"], None),
        ("aws", {"aws": {"vpcID": "vpc-1"}}, ["vpc-2", "subnet-1"], "aws.vpcID 'vpc-1'"),
        ("aws", {"aws": {"vpcCIDR": "10.0.0.0/16"}}, ["vpc-1"], "aws.vpcCIDR '10.0.0.0/16'"),
        ("aws", {"aws": {"vpcCIDR": "10.0.0.0/16"}}, ["10.0.0.0/16"], None),
        ("aws", {"lifecycle": {"import": {"id": "subnet-9"}}}, ["front"], None),
        ("proxmox", {"proxmox": {"bridge": "vmbr0"}}, ["vmbr0"], None),
        ("proxmox", {"proxmox": {"bridge": "vmbr0"}, "vlan": 7}, ["vmbr0"], "proxmox.bridge 'vmbr0.7'"),
        ("proxmox", {"proxmox": {"bridge": "vmbr0"}, "vlan": 7}, ["vmbr0.7"], None),
        ("proxmox", {"proxmox": {"sdnZone": "z", "vnet": "v"}, "vlan": 7}, ["z"], "proxmox.sdnZone 'z.7'"),
        ("proxmox", {"lifecycle": {"import": {"id": "vmbr0"}}}, ["vmbr0.7"], "lifecycle.import 'vmbr0'"),
        ("proxmox", {"lifecycle": {"import": {"filter": {"name": "vmbr0"}}}}, ["v"], "lifecycle.import 'vmbr0'"),
        ("vsphere", {"vsphere": {"switch": "DVS0"}}, ["VM Network"], "vsphere.switch 'DVS0'"),
        ("vsphere", {"vsphere": {"switch": "DVS0"}, "vlan": 7}, ["DVS0", "DVS0.8"], "vsphere.switch 'DVS0.7'"),
        ("vsphere", {"vsphere": {"switch": "DVS0"}, "vlan": 7}, ["DVS0.7"], None),
    ],
)
def test_what_a_network_is_made_in_has_to_be_listed(
    cloud: str, spec: dict[str, Any], allowed: list[str], named: str | None
) -> None:
    wanted = msgspec.convert({"providerRef": {"name": cloud}, **spec}, NetworkSpec)
    assert beyond(wanted, provider(cloud, networkIDs=allowed)) == (f"spec.{named}" if named else None)
    assert beyond(wanted, provider(cloud)) is None


def test_places() -> None:
    aws = msgspec.convert({"providerRef": {"name": "p"}, "aws": {"vpcID": "v", "zone": "a"}}, NetworkSpec)
    assert beyond(aws, provider("aws", zones=["b"])) == "spec.aws.zone 'a'"
    vsphere = msgspec.convert({"providerRef": {"name": "p"}, "vsphere": {"switch": "s", "cluster": "c"}}, NetworkSpec)
    assert beyond(vsphere, provider("vsphere", resourcePools=["d"])) == "spec.vsphere.cluster 'c'"
    assert beyond(vsphere, provider("vsphere", resourcePools=["c"])) is None


@pytest.mark.parametrize("allowed", [["dvportgroup-1"], ["front"], ["in-front"]])
def test_a_network_that_exists_may_be_listed_by_any_of_its_names(allowed: list[str]) -> None:
    found = Network("dvportgroup-1", "front", attaches="in-front")
    assert outside(found, provider("vsphere", networkIDs=allowed)) is None
    assert outside(found, provider("vsphere", networkIDs=["back", "front.7"])) == "its network"
    assert outside(found, provider("vsphere")) is None


def test_who_may_have_a_vlan_may_look_at_its_bridge() -> None:
    assert outside(Network("vmbr0", "vmbr0", attaches="vmbr0"), provider("proxmox", networkIDs=["vmbr0.7"])) is None
    unread = Network("vmbr0", "vmbr0", attaches="vmbr0", detailed=False)
    assert "cannot be read" in (outside(unread, provider("proxmox", networkIDs=["vmbr0"])) or "")
