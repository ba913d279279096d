"""What a guest on vSphere reads, and what it tells."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import CloudInit, MachineSpec, Nic, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.vsphere import VsphereCloud
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye

MAC = "00:50:56:0A:0B:0C"
OPTION = "guestinfo.metadata"
BY_HAND = """instance-id: as-it-was
local-hostname: web-1
network: {version: 2, ethernets: {nics: {match: {name: ens*}, addresses: [10.0.0.5/24]}}}
"""


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


def test_what_others_wrote_as_yaml_is_told_and_stays_but_for_the_host_name(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(power=Power.STOPPED)
    machine = eye.make(spec, marker)
    vcenter.set_extra_config(machine.id, {OPTION: base64.encodebytes(BY_HAND.encode()).decode()})
    machine = eye.see(machine.id, lambda seen: seen.settings.get("cloudInit.hostname") == ("web-1",))

    eye.configure(machine, with_hostname(spec, "web-2"), {"cloudInit.hostname"}, marker)

    found = json.loads(bed.given(machine.id).splitlines()[0])
    assert (found["instance-id"], found["local-hostname"]) == ("as-it-was", "web-2")
    assert found["network"]["ethernets"]["nics"]["addresses"] == ["10.0.0.5/24"]


def test_what_cannot_be_read_is_not_written_over(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(power=Power.STOPPED)
    machine = eye.make(spec, marker)
    vcenter.set_extra_config(machine.id, {OPTION: "instance-id: as-it-was\n{"})
    bed.proxy.reset_counts()

    with pytest.raises(Refused) as caught:
        eye.configure(machine, with_hostname(spec, "web-2"), {"cloudInit.hostname"}, marker)

    assert caught.value.reason is Reason.UNSUPPORTED
    assert OPTION in caught.value.message
    assert machine.name in caught.value.message
    assert (bed.given(machine.id), bed.proxy.mutating()) == ("instance-id: as-it-was\n{", 0)
    vcenter.set_extra_config(machine.id, {OPTION: ""})
    eye.configure(machine, with_hostname(spec, "web-2"), {"cloudInit.hostname"}, marker)
    assert '"local-hostname": "web-2"' in bed.given(machine.id)


def test_what_was_written_a_moment_ago_stays_though_no_sweep_has_told_it(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(power=Power.STOPPED)
    machine = eye.make(spec, marker)
    vcenter.set_extra_config(machine.id, {OPTION: BY_HAND})

    eye.finish(driver.machines.configure(machine, with_hostname(spec, "web-2"), {"cloudInit.hostname"}, None, marker))

    assert json.loads(bed.given(machine.id).splitlines()[0])["instance-id"] == "as-it-was"


def with_hostname(spec: MachineSpec, hostname: str) -> MachineSpec:
    return replace(spec, cloud_init=CloudInit(hostname=hostname))
