"""Machines by the hundred: what a simulator is given at once stands there like what was asked for call by call."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.aws import AwsCloud
from lab.fleet import BATCH, Wanted
from lab.pki import Authority
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud

OWNER = "hybridge.io/owner"
OTHERS = 30


def orders() -> list[Wanted]:
    """More than one batch of which most are nobody's."""
    marked = [Wanted(f"mine-{n}", {OWNER: f"c/{n}"}, str(uuid.uuid4()), f"token-{n}") for n in range(BATCH + 10)]
    return [*marked[:5], *(Wanted(f"other-{n}") for n in range(OTHERS)), *marked[5:]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[AwsCloud]:
    with AwsCloud(tmp_path, transition=0.0) as cloud:
        yield cloud


@pytest.fixture
def proxmox(tmp_path: Path, authority: Authority) -> Iterator[ProxmoxCloud]:
    with ProxmoxCloud(tmp_path, authority) as cloud:
        yield cloud


@pytest.fixture
def vsphere(tmp_path: Path, authority: Authority) -> Iterator[VsphereCloud]:
    with VsphereCloud(tmp_path, authority) as cloud:
        yield cloud


def test_ec2_has_them(aws: AwsCloud) -> None:
    wanted = orders()

    ids = aws.seed(wanted)

    found = {machine.id: machine for machine in aws.machines()}
    assert [found[one].name for one in ids] == [one.name for one in wanted]
    assert [found[one].tags.get(OWNER) for one in ids] == [one.marks.get(OWNER) for one in wanted]
    assert [found[one].client_token for one in ids] == [one.token for one in wanted]
    assert {found[one].state for one in ids} == {"running"}
    volumes = aws.client().describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [ids[0]]}])
    assert [volume["Size"] for volume in volumes["Volumes"]] == [8]
    aws.power(ids[1], on=False)
    assert aws.running(ids[:3]) == {ids[0]: True, ids[1]: False, ids[2]: True}


def test_proxmox_has_them(proxmox: ProxmoxCloud) -> None:
    wanted = orders()

    ids = proxmox.seed(wanted)

    found = {str(machine.vmid): machine for machine in proxmox.machines()}
    assert [found[one].name for one in ids] == [one.name for one in wanted]
    assert len(set(ids)) == len(wanted)
    for one, machine in zip(wanted, (found[machine_id] for machine_id in ids), strict=True):
        assert (machine.cpus, machine.memory, machine.status) == (2, 4 * 2**30, "running")
        assert machine.description == (f"{OWNER}: {one.marks[OWNER]}" if one.marks else "")
        assert not one.uuid or machine.smbios_uuid == one.uuid
    proxmox.power(int(ids[1]), on=False)
    assert proxmox.running(ids[:3]) == {ids[0]: True, ids[1]: False, ids[2]: True}
    proxmox.destroy(int(ids[0]))


def test_vsphere_has_them(vsphere: VsphereCloud) -> None:
    wanted = orders()

    ids = vsphere.seed(wanted)

    found = {machine.moid: machine for machine in vsphere.machines()}
    assert [found[one].name for one in ids] == [one.name for one in wanted]
    for one, machine in zip(wanted, (found[machine_id] for machine_id in ids), strict=True):
        assert (machine.cpus, machine.memory, machine.power, machine.folder) == (2, 4096, "poweredOn", "hybridge")
        assert machine.extra_config.get(OWNER) == one.marks.get(OWNER)
        assert not one.uuid or machine.instance_uuid == one.uuid
    vsphere.power(ids[1], on=False)
    assert vsphere.running(ids[:3]) == {ids[0]: True, ids[1]: False, ids[2]: True}
