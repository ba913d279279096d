"""Network cards and addresses on vSphere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Nic, Power
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.vsphere import VsphereCloud
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye
from tests.integration.drivers.vsphere.fields import fields

MAC = "00:50:56:0A:0B:0C"


def test_an_address_is_changed_where_the_machine_is_off(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(networks=(Nic("a", "VM Network"), Nic("b", "frontend")))
    machine = eye.make(spec, marker)
    wanted = driver.machines.normalize(replace(spec, networks=(Nic("a", "VM Network"), Nic("b", "frontend", MAC))))
    (change,) = differences(wanted, machine, driver.machines.traits)
    assert (change.field, change.disruptive) == ("networks.b", True)

    with pytest.raises(Refused) as caught:
        driver.machines.configure(machine, wanted, {"networks"}, None, marker)
    assert caught.value.reason is Reason.RESTART_REQUIRED

    machine = eye.configure(eye.stop(machine, wanted), wanted, {"networks"}, marker)
    assert machine.ports is not None
    assert machine.ports[1].mac == MAC.lower()
    assert fields(driver, wanted, machine) == []


def test_cards_that_are_left_over_go_and_the_others_keep_their_addresses(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(networks=(Nic("a", "VM Network"), Nic("b", "frontend"), Nic("c", "backend")))
    machine = eye.make(spec, marker)
    before = machine.ports or ()
    wanted = replace(spec, networks=(Nic("a", "VM Network"), Nic("c", "backend")))

    machine = eye.configure(machine, wanted, {"networks"}, marker)

    after = machine.ports or ()
    assert [port.network[0] for port in after] == ["VM Network", "backend"]
    assert [port.mac for port in after] == [port.mac for port in before[:2]]
    assert machine.power is Power.RUNNING


@pytest.mark.parametrize("exists", [False, True], ids=["made in it", "moved to it"])
def test_a_network_that_came_a_moment_ago_takes_in_a_machine(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker, vcenter: VsphereCloud, exists: bool
) -> None:
    """What there is was read a while ago, and nothing was pushed since."""
    machine = eye.make(bed.spec(), marker) if exists else None
    bed.prepared(driver, bed.spec())
    network = vcenter.port_groups.create(f"late-{marker.uid[:8]}")
    spec = bed.spec(networks=(Nic("a", network),))

    machine = eye.make(spec, marker) if machine is None else eye.configure(machine, spec, {"networks"}, marker)

    assert [network in port.network for port in machine.ports or ()] == [True]
    eye.delete(machine, spec)
    vcenter.port_groups.destroy(network)
