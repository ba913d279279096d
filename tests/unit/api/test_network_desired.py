"""From a Network to the core."""

from __future__ import annotations

from typing import Any

import msgspec

from hybridge.api.network import Network, NetworkStatus
from hybridge.api.network_desired import Segment, network_spec, segment
from hybridge.core.lifecycle import Import
from hybridge.core.network import NetworkSpec

UID = "1a2b3c4d-0000-4000-8000-000000000000"


def network(**spec: Any) -> Network:
    body = {"metadata": {"name": "net", "uid": UID}, "spec": {"providerRef": {"name": "p"}} | spec}
    return msgspec.convert(body, Network)


def test_a_whole_network() -> None:
    wanted = network(name="frontend", cidr="10.0.1.0/24", aws={"vpcID": "vpc-1", "zone": "a", "internet": True})
    assert network_spec(wanted, "aws") == NetworkSpec(
        "frontend",
        named=True,
        cidr="10.0.1.0/24",
        options={"vpcID": "vpc-1", "zone": "a", "internet": True},
    )


def test_a_vnet_and_a_port_group() -> None:
    vnet = network(vlan=12, proxmox={"sdnZone": "zone1", "vnet": "front"})
    assert network_spec(vnet, "proxmox") == NetworkSpec(
        "net-1a2b3c4d", vlan=12, options={"sdnZone": "zone1", "vnet": "front"}
    )
    group = network(vlan=12, vsphere={"switch": "DVS0"})
    assert network_spec(group, "vsphere").options == {"switch": "DVS0"}
    assert network_spec(group, "aws").options == {}


def test_a_bridge_is_only_looked_at() -> None:
    wanted = network_spec(network(vlan=12, proxmox={"bridge": "vmbr0"}), "proxmox")
    assert (wanted.observed, wanted.imports) == (True, Import(id="vmbr0"))
    assert (wanted.vlan, wanted.options) == (None, {})


def test_interfaces_are_tagged_in_bridges_alone() -> None:
    def of(**spec: Any) -> Segment | None:
        return segment(msgspec.structs.replace(network(**spec), status=NetworkStatus(network_id="word")))

    assert segment(network(proxmox={"bridge": "vmbr0"})) is None
    assert of(vlan=12, proxmox={"bridge": "vmbr0"}) == Segment("word", "12")
    assert of(proxmox={"bridge": "vmbr0"}) == Segment("word", "")
    assert of(vlan=12, proxmox={"sdnZone": "zone1", "vnet": "front"}) == Segment("word")
    assert of(vlan=12, vsphere={"switch": "DVS0"}) == Segment("word")
