"""What a guest on vSphere reads, and what it tells."""

from __future__ import annotations

from dataclasses import replace

from hybridge.core.identity import Marker
from hybridge.core.machine import Nic, Power
from hybridge.drivers.base import Driver
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye

MAC = "00:50:56:0A:0B:0C"


def test_another_host_name_is_what_cloud_init_reads_at_the_next_start(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(power=Power.STOPPED, networks=(Nic("a", "VM Network", MAC, ("10.0.0.5/24",)),))
    spec = replace(spec, cloud_init=replace(spec.cloud_init, hostname="web-1"))
    machine = eye.make(spec, marker)
    wanted = replace(spec, cloud_init=replace(spec.cloud_init, hostname="web-2"))

    machine = eye.configure(machine, wanted, {"cloudInit.hostname"}, marker)

    given = bed.given(machine.id)
    assert '"local-hostname": "web-2"' in given
    assert "10.0.0.5/24" in given
    assert str(machine.uuid) in given


def test_whether_the_tools_run_is_told(bed: VsphereBed, eye: Eye, marker: Marker) -> None:
    spec = bed.spec()
    machine = eye.make(spec, marker)
    assert eye.see(machine.id, lambda seen: seen.agent is True).agent

    assert eye.see(eye.stop(machine, spec).id, lambda seen: seen.agent is False).agent is False
