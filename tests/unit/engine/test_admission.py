"""What a tenant may not name, also by another way to say it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hybridge.api.provider import ProviderSpec
from hybridge.api.virtualmachine import VirtualMachineSpec
from hybridge.engine.admission import _restricted

CLOUDS = {
    "aws": {"region": "eu-central-1"},
    "proxmox": {"endpoint": "https://pve.example:8006"},
    "vsphere": {"endpoint": "https://vc.example", "datacenter": "DC0"},
}


def refused(cloud: str, restrict: dict[str, list[str]], machine: dict[str, Any], **provider: Any) -> str | None:
    there = {cloud: CLOUDS[cloud], "credentials": {}, "restrict": restrict, **provider}
    here = {"providerRef": {"name": cloud}, **machine}
    return _restricted(msgspec.convert(here, VirtualMachineSpec), msgspec.convert(there, ProviderSpec))


@pytest.mark.parametrize(
    ("cloud", "restrict", "machine", "field"),
    [
        ("vsphere", {"resourcePools": ["gold"]}, {"placement": {"resourcePool": "silver"}}, "placement.resourcePool"),
        ("vsphere", {"resourcePools": ["gold"]}, {"placement": {"cluster": "DC0_C0"}}, "placement.cluster"),
        ("vsphere", {"resourcePools": ["gold"]}, {"placement": {"node": "DC0_H0"}}, "placement.node"),
        ("vsphere", {"resourcePools": ["gold"]}, {"placement": {"resourcePool": "Gold"}}, "placement.resourcePool"),
        ("vsphere", {"folders": ["shop"]}, {"placement": {"folder": "shop/../ops"}}, "placement.folder"),
        ("vsphere", {"folders": ["shop"]}, {"placement": {"folder": " shop"}}, "placement.folder"),
        ("vsphere", {"networkIDs": ["frontend"]}, {"networks": [{"name": "a", "id": "front\u0435nd"}]}, "networks[a]"),
        (
            "vsphere",
            {"networkIDs": ["frontend"]},
            {"networks": [{"name": "a", "id": "frontend"}, {"name": "b", "id": "backend"}]},
            "networks[b]",
        ),
        ("vsphere", {"networkIDs": []}, {"networks": [{"name": "a", "id": "frontend"}]}, "networks[a]"),
        ("vsphere", {"storages": ["ds1"]}, {"placement": {"storage": "ds2"}}, "placement.storage"),
        ("vsphere", {"storages": ["ds1"]}, {"vsphere": {"storagePolicy": "gold"}}, "vsphere.storagePolicy 'gold'"),
        ("vsphere", {"storages": ["ds1"]}, {"rootDisk": {"class": "gold"}}, "rootDisk.class 'gold'"),
        ("vsphere", {"storages": ["gold"]}, {"vsphere": {"storagePolicy": "Gold"}}, "vsphere.storagePolicy"),
        ("vsphere", {"storages": []}, {"vsphere": {"storagePolicy": "gold"}}, "vsphere.storagePolicy"),
        (
            "vsphere",
            {"storages": ["gold"]},
            {"vsphere": {"storagePolicy": "gold"}, "rootDisk": {"class": "silver"}},
            "rootDisk.class 'silver'",
        ),
        (
            "vsphere",
            {"storages": ["gold"]},
            {"vsphere": {"storagePolicy": "gold"}, "placement": {"storage": "ds2"}},
            "placement.storage 'ds2'",
        ),
        ("proxmox", {"storages": ["ceph"]}, {"rootDisk": {"class": "nfs"}}, "rootDisk.class"),
        ("proxmox", {"storages": ["ceph"]}, {"proxmox": {"isoStorage": "nfs"}}, "proxmox.isoStorage"),
        ("proxmox", {"resourcePools": ["shop"]}, {"proxmox": {"pool": "ops"}}, "proxmox.pool"),
        (
            "proxmox",
            {"networkIDs": ["vmbr0"]},
            {"networks": [{"name": "a", "id": "vmbr0"}], "proxmox": {"vlan": 20}},
            "proxmox.vlan 'vmbr0.20'",
        ),
        ("proxmox", {"networkIDs": ["vmbr0"]}, {"proxmox": {"vlan": 20}}, "proxmox.vlan"),
        ("aws", {"zones": ["eu-central-1a"]}, {"placement": {"zone": "EU-CENTRAL-1A"}}, "placement.zone"),
    ],
)
def test_what_is_not_listed_is_refused_by_its_field(
    cloud: str, restrict: dict[str, list[str]], machine: dict[str, Any], field: str
) -> None:
    assert field in (refused(cloud, restrict, machine) or "")


@pytest.mark.parametrize(
    ("cloud", "restrict", "machine"),
    [
        ("vsphere", {}, {"placement": {"cluster": "DC0_C0", "folder": "anything"}}),
        ("vsphere", {"resourcePools": ["gold"]}, {}),
        ("vsphere", {"resourcePools": ["gold"]}, {"placement": {"resourcePool": "gold", "cluster": "DC0_C0"}}),
        ("vsphere", {"resourcePools": ["DC0_C0"]}, {"placement": {"cluster": "DC0_C0"}}),
        ("vsphere", {}, {"vsphere": {"storagePolicy": "gold"}, "rootDisk": {"class": "silver"}}),
        (
            "vsphere",
            {"storages": ["ds1", "gold", "silver"]},
            {
                "placement": {"storage": "ds1"},
                "vsphere": {"storagePolicy": "gold"},
                "rootDisk": {"class": "silver"},
            },
        ),
        ("proxmox", {"resourcePools": ["shop"]}, {"placement": {"node": "pve1"}}),
        (
            "proxmox",
            {"networkIDs": ["vmbr0", "vmbr0.20"]},
            {"networks": [{"name": "a", "id": "vmbr0"}], "proxmox": {"vlan": 20}},
        ),
        ("aws", {"storages": ["ceph"]}, {"rootDisk": {"class": "gp3"}}),
    ],
)
def test_what_is_listed_or_not_restricted_is_allowed(
    cloud: str, restrict: dict[str, list[str]], machine: dict[str, Any]
) -> None:
    assert refused(cloud, restrict, machine) is None


def test_the_default_network_with_a_vlan_of_its_own_has_to_be_listed() -> None:
    restrict, machine = {"networkIDs": ["vmbr0.30"]}, {"proxmox": {"vlan": 20}}

    assert "vmbr0.20" in (refused("proxmox", restrict, machine, defaults={"network": "vmbr0"}) or "")
