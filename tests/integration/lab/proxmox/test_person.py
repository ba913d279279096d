"""People at work in the lab's Proxmox VE."""

from __future__ import annotations

import pytest

from lab.process import LabError
from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import GIB, IDS


def test_a_person_works_behind_the_operators_back(cloud: ProxmoxCloud) -> None:
    made, copied = next(IDS), next(IDS)
    cloud.create(made, "stranger", cores=2, memory=2048, description="hands off", tags="x")
    cloud.clone_by_hand(made, copied, name="copy")
    cloud.power(copied, on=True)
    cloud.set_config(copied, cores=8)

    stranger, copy = cloud.machine(made), cloud.machine(copied)
    assert (stranger.name, stranger.cpus, stranger.memory, stranger.tags) == ("stranger", 2, 2 * GIB, ("x",))
    assert (copy.description, copy.status, copy.cpus) == ("hands off", "running", 2)
    assert copy.pending == {"cores": 8}
    assert copy.smbios_uuid != stranger.smbios_uuid

    cloud.destroy(copied)
    with pytest.raises(LabError, match=f"no machine {copied}"):
        cloud.machine(copied)


def test_what_the_person_may_not_do_is_said(cloud: ProxmoxCloud, guest: int) -> None:
    with pytest.raises(LabError, match="config file already exists"):
        cloud.clone_by_hand(9000, guest)


def test_what_is_done_to_a_guest_that_is_gone_is_said(cloud: ProxmoxCloud) -> None:
    gone = next(IDS)
    for act in (
        lambda: cloud.firewalls.part("web", gone),
        lambda: cloud.firewalls.protecting(gone),
        lambda: cloud.snapshots.take(gone, "before"),
        lambda: cloud.snapshots.remove(gone, "before"),
    ):
        with pytest.raises(LabError, match=f"no guest {gone}"):
            act()
