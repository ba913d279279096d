"""What a tenant may not name, also by another way to say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from hybridge.api.provider import ProviderSpec
from hybridge.api.virtualmachine import VirtualMachineSpec
from hybridge.core.machine import Machine, Port, Power
from hybridge.core.place import Placed
from hybridge.engine.restrictions import beyond, misplaced, outside

CLOUDS = {
    "aws": {"region": "eu-central-1"},
    "proxmox": {"endpoint": "https://pve.example:8006"},
    "vsphere": {"endpoint": "https://vc.example", "datacenter": "DC0"},
}


def refused(cloud: str, restrict: dict[str, list[str]], machine: dict[str, Any], **provider: Any) -> str | None:
    there = {cloud: CLOUDS[cloud], "credentials": {}, "restrict": restrict, **provider}
    here = {"providerRef": {"name": cloud}, **machine}
    return beyond(msgspec.convert(here, VirtualMachineSpec), msgspec.convert(there, ProviderSpec))


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
        (
            "aws",
            {"iamInstanceProfiles": ["web"]},
            {"aws": {"iamInstanceProfile": "arn:aws:iam::1:instance-profile/admin"}},
            "aws.iamInstanceProfile 'arn:aws:iam::1:instance-profile/admin'",
        ),
        ("aws", {"iamInstanceProfiles": []}, {"aws": {"iamInstanceProfile": "web"}}, "aws.iamInstanceProfile 'web'"),
        (
            "aws",
            {"securityGroupIDs": ["sg-1"]},
            {"aws": {"securityGroupIDs": ["sg-1", "sg-2"]}},
            "aws.securityGroupIDs 'sg-2'",
        ),
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
        ("aws", {}, {"aws": {"iamInstanceProfile": "admin", "securityGroupIDs": ["sg-1"]}}),
        ("aws", {"iamInstanceProfiles": ["web"], "securityGroupIDs": ["sg-1"]}, {"aws": {"instanceType": "t3.micro"}}),
        (
            "aws",
            {"iamInstanceProfiles": ["web"], "securityGroupIDs": ["sg-1", "sg-2"]},
            {"aws": {"iamInstanceProfile": "web", "securityGroupIDs": ["sg-2"]}},
        ),
        (
            "proxmox",
            {"networkIDs": ["vmbr0.20"]},
            {"networks": [{"name": "a", "id": "vmbr0"}], "proxmox": {"vlan": 20}},
        ),
    ],
)
def test_what_is_listed_or_not_restricted_is_allowed(
    cloud: str, restrict: dict[str, list[str]], machine: dict[str, Any]
) -> None:
    assert refused(cloud, restrict, machine) is None


def test_the_default_network_with_a_vlan_of_its_own_has_to_be_listed() -> None:
    restrict, machine = {"networkIDs": ["vmbr0.30"]}, {"proxmox": {"vlan": 20}}

    assert "vmbr0.20" in (refused("proxmox", restrict, machine, defaults={"network": "vmbr0"}) or "")


def machine(**words: Any) -> Machine:
    """One that somebody has made: on two networks of which the second has no name, with all that can be restricted."""
    settings = {
        "placement.folder": ("ops", "group-v7"),
        "placement.resourcePool": ("gold",),
        "placement.storage": ("ds1",),
        "proxmox.pool": ("ops",),
        "aws.iamInstanceProfile": ("admin", "arn:aws:iam::1:instance-profile/admin"),
        "aws.securityGroupIDs": ("sg-1,sg-2; sg-3",),
    }
    made = Machine("7", "theirs", Power.RUNNING, host="pve2", zone="z2", ports=(Port(("vmbr0",)),), settings=settings)
    return replace(made, **words)


def kept(restrict: dict[str, list[str]], **words: Any) -> str:
    there = {"aws": CLOUDS["aws"], "credentials": {}, "restrict": restrict}
    return outside(machine(**words), msgspec.convert(there, ProviderSpec)) or ""


@pytest.mark.parametrize(
    ("allowed", "other", "kind"),
    [
        ({"networkIDs": ["vmbr0"]}, {"networkIDs": ["vmbr1"]}, "network"),
        ({"folders": ["group-v7"]}, {"folders": ["shop"]}, "folder"),
        ({"resourcePools": ["gold", "ops"]}, {"resourcePools": ["ops"]}, "resource pool"),
        ({"resourcePools": ["gold", "ops"]}, {"resourcePools": ["gold"]}, "resource pool"),
        ({"storages": ["ds1"]}, {"storages": []}, "storage"),
        ({"zones": ["z2"]}, {"zones": ["z1"]}, "zone"),
        ({"nodes": ["pve2"]}, {"nodes": ["pve1"]}, "node"),
        ({"iamInstanceProfiles": ["admin"]}, {"iamInstanceProfiles": ["web"]}, "instance profile"),
        ({"securityGroupIDs": ["sg-1", "sg-2", "sg-3"]}, {"securityGroupIDs": ["sg-1", "sg-2"]}, "security group"),
    ],
)
def test_a_machine_that_exists_is_outside_by_whatever_it_has(
    allowed: dict[str, list[str]], other: dict[str, list[str]], kind: str
) -> None:
    assert kept(allowed) == ""
    assert kept(other) == f"its {kind}"


def test_what_is_not_known_of_a_machine_counts_as_outside() -> None:
    assert "cannot be read" in kept({"networkIDs": ["vmbr0"]}, ports=None)
    assert "cannot be read" in kept({"folders": ["ops"]}, detailed=False, settings={})
    assert kept({"nodes": ["pve2"]}, detailed=False, settings={}, ports=None) == ""
    assert kept({}, detailed=False, settings={}, ports=None) == ""


def test_a_machine_on_a_vlan_is_not_on_its_bridge() -> None:
    tagged, plain = Port(("vmbr0",), vlan="20"), Port(("vmbr0",))
    assert kept({"networkIDs": ["vmbr0"]}, ports=(tagged,)) == "its network"
    assert kept({"networkIDs": ["vmbr0.20"]}, ports=(tagged,)) == ""
    assert kept({"networkIDs": ["vmbr0.20"]}, ports=(tagged, plain)) == "its network"
    assert kept({"networkIDs": ["vmbr0", "vmbr0.20"]}, ports=(tagged, plain)) == ""


@pytest.mark.parametrize(
    ("restrict", "told"),
    [
        ({}, None),
        ({"zones": ["a"], "nodes": ["one"]}, None),
        ({"zones": ["b"]}, "zone a"),
        ({"nodes": []}, "node one"),
    ],
)
def test_where_a_new_machine_would_come_to_is_looked_at_whoever_chose_it(
    restrict: dict[str, list[str]], told: str | None
) -> None:
    there = {"aws": CLOUDS["aws"], "credentials": {}, "restrict": restrict}
    assert misplaced(Placed("one", "a"), msgspec.convert(there, ProviderSpec)) == told
    assert misplaced(Placed(), msgspec.convert(there, ProviderSpec)) is None
