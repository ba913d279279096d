"""What machines and sweeps cost on Proxmox VE, in requests."""

from __future__ import annotations

from typing import Any

from tests.integration.drivers.proxmox.bench import Bench, marker


def test_a_machine_costs_five_requests_besides_sweeps(bench: Bench) -> None:
    bench.driver.check()
    words: dict[str, Any] = {"root_disk": None, "placement": {"node": "pve1"}}
    bench.make(bench.spec(**words), marker())
    bench.requests.clear()

    machine, _ = bench.make(bench.spec(**words), marker())

    assert machine.addresses
    for shared in ("Resources", "Tasks"):
        del bench.requests[shared]
    assert bench.requests == {"Clone": 1, "ReadGuest": 1, "Configure": 1, "Start": 1, "GuestAddresses": 1}


def test_converged_machines_cost_one_request_a_sweep(bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    bench.look(machine.id, refresh=True)
    bench.requests.clear()

    for _ in range(5):
        bench.look(machine.id)

    assert bench.requests == {"Resources": 5}
