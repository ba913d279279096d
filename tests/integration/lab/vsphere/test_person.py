"""People at work in the lab's vCenter."""

from __future__ import annotations

import pytest

from lab.process import LabError
from lab.vsphere import VsphereCloud
from tests.integration.lab.vsphere.client import Client


def test_a_person_changes_a_running_machine(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian, on=True)

    cloud.set_cpus(made.moid, 8)

    after = cloud.machine(made.moid)
    assert (after.cpus, after.power, after.instance_uuid) == (8, "poweredOn", made.instance_uuid)


def test_a_person_hears_why_the_cloud_refused(cloud: VsphereCloud, name: str) -> None:
    stranger = cloud.create(name)

    with pytest.raises(LabError, match=r"InvalidPowerState: .*\(Powered off\)"):
        cloud.power(stranger, on=False)

    cloud.destroy(stranger)
    with pytest.raises(LabError, match=f"no machine {stranger}"):
        cloud.machine(stranger)
