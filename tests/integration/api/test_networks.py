"""What the API server says about Networks."""

from __future__ import annotations

import pytest

from hybridge.api.network import Network
from tests.integration.api.bodies import Body, network
from tests.integration.api.conftest import Api
from tests.integration.api.judged import accepts, agrees, judges, refuses

IMPORT: Body = {"lifecycle": {"import": {"id": "subnet-0abc"}}}
ELSEWHERE: Body = {"aws": None, "cidr": None}
OWN: Body = {"aws": {"vpcCIDR": "10.0.0.0/16", "zone": "eu-central-1a", "internet": True}}
BRIDGE: Body = {**ELSEWHERE, "proxmox": {"bridge": "vmbr0"}}
VNET: Body = {**ELSEWHERE, "proxmox": {"sdnZone": "zone1", "vnet": "front"}}
GROUP: Body = {**ELSEWHERE, "vsphere": {"switch": "DVS0"}}

WHOLE: Body = {
    "name": "frontend",
    "tags": {"team": "shop"},
    "vlan": 12,
    "allowedNamespaces": {"names": ["shop", "team-*"], "selector": {"matchLabels": {"tier": "prod"}}},
    "aws": {"vpcCIDR": "10.0.0.0/16", "zone": "a", "internet": True, "publicAddresses": False},
}

ACCEPTED: dict[str, Body] = {
    "the least": {},
    "everything": WHOLE,
    "an import": {**ELSEWHERE, **IMPORT},
    "an import with options": {"cidr": None, **IMPORT},
    "a range of IPv6": {"cidr": "fd00:1::/64"},
    "a bridge with a VLAN": {**BRIDGE, "vlan": 12},
    "a vnet": VNET,
    "a port group on a standard switch": {**ELSEWHERE, "vsphere": {"switch": "vSwitch0", "cluster": "C0"}},
}

REFUSED: list[tuple[Body, str]] = [
    (ELSEWHERE, "one of aws, proxmox and vsphere is required unless lifecycle.import is set"),
    ({"cidr": None}, "spec.cidr: Required value: cidr is required on AWS unless lifecycle.import is set"),
    ({"cidr": "10.0.1.0"}, "must be the range of a network such as 10.0.0.0/24"),
    ({"cidr": "10.0.1.5/24"}, "after its length there are only zeros"),
    ({"vlan": 4095}, "spec.vlan in body should be less than or equal to 4094"),
    ({"aws": {}}, "exactly one of vpcID and vpcCIDR must be set"),
    ({"aws": {"vpcID": "vpc-1", "vpcCIDR": "10.0.0.0/16"}}, "exactly one of vpcID and vpcCIDR must be set"),
    ({"aws": {"vpcID": "subnet-1"}}, "must be the id of a VPC such as vpc-0abc"),
    ({"aws": {"vpcCIDR": "10.0.0.1/16"}}, "after its length there are only zeros"),
    ({"proxmox": {"bridge": "vmbr0"}}, "at most one of aws, proxmox and vsphere can be set"),
    ({**ELSEWHERE, "proxmox": {}}, "exactly one of bridge and vnet must be set"),
    ({**ELSEWHERE, "proxmox": {"vnet": "front"}}, "vnet and sdnZone are set together"),
    ({**ELSEWHERE, "proxmox": {"bridge": "vmbr0", "sdnZone": "z"}}, "vnet and sdnZone are set together"),
    ({**ELSEWHERE, "proxmox": {"vnet": "Front-1", "sdnZone": "z"}}, "must be a letter and at most seven"),
    ({**BRIDGE, **IMPORT}, "proxmox.bridge and lifecycle.import exclude each other"),
    ({**ELSEWHERE, "vsphere": {}}, "spec.vsphere.switch: Required value"),
    ({"allowedNamespaces": {"names": ["a", "a"]}}, "spec.allowedNamespaces.names[1]: Duplicate value"),
]

KEPT = "cannot be changed or removed: make another Network"

#: What was, what is changed, and the sentence; empty: allowed.
CHANGES: list[tuple[Body, Body, str]] = [
    ({}, {"tags": {"a": "b"}, "allowedNamespaces": {"names": ["*"]}}, ""),
    ({}, {"name": "other"}, "name cannot be set, changed or removed"),
    ({}, {"cidr": "10.0.2.0/24"}, f"cidr {KEPT}"),
    (VNET, {"vlan": 12}, ""),
    (VNET, {"cidr": "10.0.1.0/24"}, ""),
    ({}, {"aws": {"vpcID": "vpc-other"}}, f"aws.vpcID {KEPT}"),
    ({}, {"aws": {"internet": True}}, ""),
    ({}, {"aws": {"zone": "a"}}, ""),
    (OWN, {"aws": {"zone": "b"}}, f"aws.zone {KEPT}"),
    (OWN, {"aws": {"vpcCIDR": "10.1.0.0/16"}}, f"aws.vpcCIDR {KEPT}"),
    (OWN, {"aws": {"internet": None}}, ""),
    (OWN, {"aws": None, "vsphere": {"switch": "DVS0"}}, f"aws.vpcCIDR {KEPT}"),
    (BRIDGE, {"proxmox": {"bridge": "vmbr1"}}, f"proxmox.bridge {KEPT}"),
    (VNET, {"proxmox": {"sdnZone": "other"}}, f"proxmox.sdnZone {KEPT}"),
    (VNET, {"proxmox": {"vnet": "other"}}, f"proxmox.vnet {KEPT}"),
    (GROUP, {"vsphere": {"switch": "DVS1"}}, f"vsphere.switch {KEPT}"),
]

STATUS: Body = {
    "observedGeneration": 1,
    "id": "vpc-0abc",
    "phase": "Ready",
    "networkID": "subnet-0abc",
    "cidr": "10.0.1.0/24",
    "vlan": 12,
    "parts": ["subnet", "gateway"],
    "machines": 3,
    "createdAt": "2026-01-31T12:00:00Z",
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_good_network_is_stored_as_it_was_written(api: Api, name: str, spec: Body) -> None:
    accepts(api, network(name, **spec))


@pytest.mark.parametrize(("spec", "sentence"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_mistake_is_refused_with_a_sentence(api: Api, name: str, spec: Body, sentence: str) -> None:
    refuses(api, network(name, **spec), sentence)


@pytest.mark.parametrize(("before", "change", "sentence"), CHANGES, ids=lambda value: str(value)[:60])
def test_a_change_is_judged_by_what_was_before(api: Api, name: str, before: Body, change: Body, sentence: str) -> None:
    judges(api, network(name, **before), change, sentence)


def test_the_import_is_settled_once_a_network_is_bound(api: Api, name: str) -> None:
    judges(api, network(name), IMPORT, "lifecycle.import cannot be changed", {"id": "subnet-0abc"})


def test_the_model_and_the_server_agree_on_everything(api: Api, name: str) -> None:
    agrees(api, network(name, **WHOLE), STATUS, Network)
