"""What the lab's vCenter has at the start, and that all of it can be read."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim
from tests.integration.lab.vsphere.client import GIB, VERSIONS, Client, query, viewed


def test_a_small_company_has_templates_networks_and_folders(cloud: VsphereCloud, client: Client) -> None:
    found = {machine.name: machine for machine in cloud.machines() if machine.template}

    assert {"hybridge", "templates"} <= client.folders.keys()
    assert {"VM Network", "frontend", "backend"} <= client.networks.keys()
    assert found["debian-12"].disks == found["ubuntu-24.04"].disks == (10 * GIB,)
    assert found["debian-12"].networks == ("VM Network",)
    assert client.content.about.instanceUuid == cloud.instance_uuid


@pytest.mark.parametrize(
    "kind",
    ["Datacenter", "Folder", "ClusterComputeResource", "HostSystem", "Datastore", "Network", "ResourcePool"],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_pyvmomi_reads_every_property_of_every_object(cloud: VsphereCloud, kind: str, version: str) -> None:
    everything(Client(cloud, version=version), getattr(vim, kind))


@pytest.mark.parametrize("version", VERSIONS)
def test_pyvmomi_reads_every_property_of_a_clone(cloud: VsphereCloud, debian: str, name: str, version: str) -> None:
    client = Client(cloud, version=version)
    made = client.clone(name, debian, on=True)

    read = everything(client, vim.VirtualMachine)

    runtime = read[made.moid]["runtime"], read[made.moid]["summary"].runtime
    assert {one.faultToleranceState for one in runtime} == {"notConfigured"}
    assert {one.recordReplayState for one in runtime} == {"inactive"}


def everything(client: Client, kind: Any) -> dict[str, dict[str, Any]]:
    view = client.content.viewManager.CreateContainerView(client.content.rootFolder, [kind], True)
    spec = query.FilterSpec(
        objectSet=viewed(view, vim.view.ContainerView), propSet=[query.PropertySpec(type=kind, all=True)]
    )
    found = client.content.propertyCollector.RetrieveContents([spec])
    assert found
    return {item.obj._moId: {one.name: one.val for one in item.propSet} for item in found}


def test_a_machine_is_found_by_its_instance_uuid(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian)

    found = client.content.searchIndex.FindByUuid(None, made.instance_uuid, True, True)

    assert found._moId == made.moid
    assert client.content.searchIndex.FindByUuid(None, str(uuid.uuid4()), True, True) is None
