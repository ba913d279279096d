"""What cloud-init reads is written anew when the spec wants other user data, or another hostname."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.cloudinit import HOSTNAME, USER_DATA
from hybridge.core.machine import MachineSpec, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import GIB, SECRET, Bed, cloud_init
from tests.contract.eye import Eye, error_of

OTHER = "incorrect-donkey-battery-staple"


def with_other_data(spec: MachineSpec) -> MachineSpec:
    return replace(spec, cloud_init=replace(spec.cloud_init, user_data=f"#cloud-config\nbootcmd: [echo {OTHER}]\n"))


@pytest.fixture
def spec(bed: Bed) -> MachineSpec:
    return bed.spec(cloud_init=cloud_init("web-1"), power=Power.STOPPED)


def test_a_stopped_machine_takes_other_user_data(bed: Bed, driver: Driver, eye: Eye, spec: MachineSpec) -> None:
    marker = bed.marker()
    intent = bed.intent(driver, spec, marker)
    machine = eye.make(spec, marker, intent)
    known = intent.uuid in bed.given(machine.id)

    eye.configure(machine, with_other_data(spec), {USER_DATA}, marker, intent)

    given = bed.given(machine.id)
    assert OTHER in given
    assert SECRET not in given
    assert spec.cloud_init.ssh_keys[0] in given
    assert (intent.uuid in given) is known, "cloud-init would take it for another machine, and begin from scratch"


def test_a_stopped_machine_takes_another_hostname(bed: Bed, driver: Driver, eye: Eye, spec: MachineSpec) -> None:
    marker = bed.marker()
    intent = bed.intent(driver, spec, marker)
    machine = eye.make(spec, marker, intent)
    wanted = replace(spec, cloud_init=replace(spec.cloud_init, hostname="web-2"))

    eye.configure(machine, wanted, {HOSTNAME}, marker, intent)

    given = bed.given(machine.id)
    assert "web-2" in given
    assert "web-1" not in given
    assert SECRET in given


def test_user_data_changes_together_with_sizes(bed: Bed, driver: Driver, eye: Eye, spec: MachineSpec) -> None:
    marker = bed.marker()
    intent = bed.intent(driver, spec, marker)
    machine = eye.make(spec, marker, intent)
    wanted = replace(with_other_data(spec), cpus=4, memory=16 * GIB)

    machine = eye.configure(machine, wanted, {USER_DATA, "cpus", "memory"}, marker, intent)

    assert (machine.cpus, machine.memory) == (4, 16 * GIB)
    assert OTHER in bed.given(machine.id)


def test_a_running_machine_is_left_alone(bed: Bed, driver: Driver, eye: Eye, spec: MachineSpec) -> None:
    spec, marker = replace(spec, power=Power.RUNNING), bed.marker()
    intent = bed.intent(driver, spec, marker)
    machine = eye.make(spec, marker, intent)

    error = error_of(lambda: driver.machines.configure(machine, with_other_data(spec), {USER_DATA}, intent, marker))

    assert error is not None
    assert error.reason in {Reason.RESTART_REQUIRED, Reason.LOCKED}
    assert SECRET in bed.given(machine.id)
    assert OTHER not in str(error)


def test_a_machine_without_any_takes_user_data(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec, marker = bed.spec(power=Power.STOPPED), bed.marker()
    intent = bed.intent(driver, spec, marker)
    machine = eye.make(spec, marker, intent)

    eye.configure(machine, with_other_data(spec), {USER_DATA}, marker, intent)

    assert OTHER in bed.given(machine.id)


def test_a_lost_answer_is_made_good_by_the_repetition(bed: Bed, driver: Driver, eye: Eye, spec: MachineSpec) -> None:
    marker = bed.marker()
    intent = bed.intent(driver, spec, marker)
    machine = eye.make(spec, marker, intent)
    wanted, fields = with_other_data(spec), {USER_DATA}

    bed.proxy.inject(Rule(bed.calls.render or bed.calls.resize, LoseAnswer("reset"), times=1))
    error = error_of(lambda: eye.finish(driver.machines.configure(machine, wanted, fields, intent, marker)))
    eye.configure(machine, wanted, fields, marker, intent)

    assert error is not None
    assert error.took_effect_possible
    assert OTHER in bed.given(machine.id)
    before = bed.leftovers()
    eye.delete(machine, wanted)
    assert bed.leftovers() <= before
