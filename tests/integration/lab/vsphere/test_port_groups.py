"""Port groups of the lab's vCenter: what they keep, and that they stay while machines are connected."""

from __future__ import annotations

import pytest

from lab.process import LabError
from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim
from tests.integration.lab.vsphere.client import Client


@pytest.fixture
def group(cloud: VsphereCloud, name: str) -> str:
    return cloud.port_groups.create(name, vlan=7, description="of the web team")


def test_a_port_group_keeps_what_a_change_does_not_name(cloud: VsphereCloud, group: str, name: str) -> None:
    cloud.port_groups.set_vlan(group, 8)
    cloud.port_groups.rename(group, f"{name}-2")
    cloud.port_groups.tag(group, "team", "shop")

    found = cloud.port_groups.group(group)

    assert (found.name, found.vlan, found.description) == (f"{name}-2", 8, "of the web team")
    assert found.attributes == {"team": "shop"}
    cloud.port_groups.destroy(group)


def test_a_name_is_had_once(cloud: VsphereCloud, group: str, name: str) -> None:
    other = cloud.port_groups.create(f"{name}-other")

    with pytest.raises(LabError, match="DuplicateName"):
        cloud.port_groups.create(name)
    with pytest.raises(LabError, match="DuplicateName"):
        cloud.port_groups.rename(other, name)

    cloud.port_groups.destroy(other)
    cloud.port_groups.destroy(group)


def test_a_change_names_the_version_that_it_is_of(cloud: VsphereCloud, client: Client, group: str) -> None:
    stale = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(configVersion="99", description="x")

    with pytest.raises(LabError, match="ConcurrentAccess"):
        cloud.port_groups.reconfigure(group, stale)

    cloud.port_groups.destroy(group)


def test_a_port_group_with_a_machine_in_it_stays(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    group = cloud.port_groups.create(f"{name}-net")
    machine = client.clone(name, debian).moid
    cloud.cards.connect(machine, 0, f"{name}-net")

    with pytest.raises(LabError, match="ResourceInUse"):
        cloud.port_groups.destroy(group)

    cloud.cards.connect(machine, 0, "VM Network")
    cloud.port_groups.destroy(group)
    with pytest.raises(LabError):
        cloud.port_groups.group(group)
