"""Guests of Proxmox VE that people made."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.drivers.proxmox.client import Client
from lab.proxmox_estate import PERSON
from tests.integration.drivers.proxmox.bench import SECRET, Bench, Lab, marker, settings


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"memory": 1024, "sata0": "local-lvm:4", "ide2": "none,media=cdrom", "boot": "order=sata0"},
        {"net0": "e1000,bridge=vmbr0", "net1": "virtio,bridge=vmbr0", "net5": "rtl8139"},
        {"scsi0": "ceph:1", "scsi1": "nfs:1", "virtio3": "local-lvm:1", "cpu": "host,flags=+aes", "numa": 1},
        {"description": "kept by Ann\n# notes: äöü", "tags": "Web;prod", "machine": "q35,viommu=intel"},
        {"protection": 1, "agent": "enabled=1,type=isa", "hotplug": "0", "vcpus": 1, "cores": 2},
    ],
)
def test_guests_that_people_made_are_shown_and_can_be_taken_over(
    lab: Lab, bench: Bench, config: dict[str, Any]
) -> None:
    person = Client(settings(lab, bench.requests, credentials={"tokenID": PERSON, "tokenSecret": SECRET}))
    person.post("Create", "nodes", "pve2", "qemu", vmid=5000, **config)
    person.close()
    guest, owner = lab.guest("5000"), marker()
    before = dict(guest.config)

    seen = bench.look("5000", refresh=True)
    assert (seen.detailed, seen.marker, seen.uuid, seen.name) == (True, None, seen.uuid, "VM 5000")
    marked = bench.after(bench.driver.machines.mark(seen, owner))
    assert marked.marker == owner
    bench.driver.machines.mark(marked, None)

    assert {key: guest.config.get(key) for key in before} | {"description": ""} == before | {"description": ""}
