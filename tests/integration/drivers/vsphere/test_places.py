"""Folders, hosts, datastores and pools of vSphere."""

from __future__ import annotations

import re

from hybridge.core.identity import Marker
from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.vsphere import VsphereCloud
from tests.contract.bed import MIB
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye
from tests.integration.drivers.vsphere.fields import fields


def test_a_place_may_be_called_by_name_path_or_id(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    machine = eye.make(bed.spec(placement={"node": "DC0_C0_H1", "storage": "LocalDS_1"}), marker)

    for path, words in machine.settings.items():
        if path.startswith("placement."):
            for word in words:
                placement = {path.partition(".")[2]: f"/{word}/"}
                spec = driver.machines.normalize(bed.spec(name=machine.name, placement=placement))
                assert fields(driver, spec, machine) == [], word


def test_a_machine_moves_to_another_host_and_datastore_at_once(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(placement={"node": "DC0_C0_H1", "storage": "LocalDS_0"}), marker)
    wanted = bed.spec(name=machine.name, placement={"node": "DC0_C0_H2", "storage": "LocalDS_1"})
    bed.proxy.reset_counts()

    machine = eye.configure(machine, wanted, {"placement.node", "placement.storage"}, marker)

    assert (fields(driver, wanted, machine), machine.power) == ([], Power.RUNNING)
    assert bed.proxy.mutating() == 1


def test_a_host_of_another_cluster_brings_its_pool(bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker) -> None:
    machine = eye.make(bed.spec(placement={"node": "DC0_C0_H1"}), marker)
    wanted = bed.spec(name=machine.name, placement={"node": "DC0_H0"})

    machine = eye.configure(machine, wanted, {"placement.node"}, marker)

    assert (machine.host, machine.zone) == ("DC0_H0", "DC0_H0")
    assert "DC0_H0/Resources" in machine.settings["placement.resourcePool"]


def test_a_name_that_is_taken_in_the_other_folder_is_told(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(placement={"folder": "hybridge"}), marker)
    other = eye.make(bed.spec(), bed.marker())
    vcenter.move(other.id, "archive")
    vcenter.rename(other.id, machine.name)
    wanted = bed.spec(name=machine.name, placement={"folder": "archive"})

    failed = eye.end(driver.machines.configure(machine, wanted, {"placement.folder"}, None, marker))

    assert failed is not None
    assert failed.reason is Reason.NAME_TAKEN
    assert eye.see(machine.id).settings["placement.folder"][0] == "hybridge"


def test_a_host_without_room_is_passed_over(bed: VsphereBed, vcenter: VsphereCloud, driver: Driver) -> None:
    before = 24 << 40
    try:
        for host in ("DC0_C0_H0", "DC0_C0_H2"):
            vcenter.tune_host(host, memory=512 * MIB)

        placed = bed.prepared(driver, bed.spec()).placed
    finally:
        for host in ("DC0_C0_H0", "DC0_C0_H2"):
            vcenter.tune_host(host, memory=before)

    assert placed.host == "DC0_C0_H1"
    assert placed.why.startswith("DC0_C0_H1: the only host that fits (")
    assert re.search(
        r"DC0_C0_H0 has 0\.\d of 0\.5 GiB of memory free", placed.why
    )  # it may not know yet of one that went
