"""Starts and stops on Proxmox VE, and the addresses that a guest's agent tells."""

from __future__ import annotations

import pytest

from hybridge.core.machine import Power, PowerOff
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker


def test_a_hard_stop_ends_a_shutdown_that_is_under_way(lab: Lab, bench: Bench) -> None:
    bench.driver.check()
    spec = bench.spec()
    machine, _ = bench.make(spec, marker())
    lab.pve.requests.clear()

    bench.driver.machines.set_power(machine, spec, Power.STOPPED, hard=True)

    assert [body for method, path, body in lab.pve.requests if path.endswith("/stop")] == [b"overrule-shutdown=1"]


@pytest.mark.parametrize(("mode", "force"), [(PowerOff.TRY_SOFT, 1), (PowerOff.SOFT, 0)])
def test_pve_itself_keeps_to_the_time_of_a_soft_stop(lab: Lab, bench: Bench, mode: PowerOff, force: int) -> None:
    spec = bench.spec(power_off=mode, power_off_timeout=33.0)
    machine, _ = bench.make(spec, marker())
    lab.pve.requests.clear()

    bench.driver.machines.set_power(machine, spec, Power.STOPPED)

    bodies = [body for method, path, body in lab.pve.requests if path.endswith("/shutdown")]
    assert bodies == [f"timeout=33&forceStop={force}".encode()]


def test_an_agent_that_does_not_run_is_normal(lab: Lab, bench: Bench) -> None:
    lab.pve.fail("GET", "/agent/network-get-interfaces", 500, "QEMU guest agent is not running")
    machine, _ = bench.make(bench.spec(), marker())

    seen = bench.look(machine.id, refresh=True)

    assert (seen.addresses, seen.reports_addresses, seen.power) == ((), True, Power.RUNNING)


def test_a_guest_that_a_person_restarted_is_asked_for_its_addresses_again(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    guest = lab.guest(machine.id)
    guest.status = "stopped"
    assert bench.look(machine.id).addresses == ()
    bench.requests.clear()
    guest.status = "running"

    assert bench.look(machine.id).addresses == machine.addresses
    assert bench.look(machine.id).addresses == machine.addresses
    assert bench.requests["GuestAddresses"] == 1
