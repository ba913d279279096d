"""What keeps the driver of Proxmox VE from changing a guest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import Busy, NotProven, Refused
from hybridge.core.reasons import Reason
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker


def test_a_change_by_somebody_else_at_the_same_moment_is_not_overwritten(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec()
    machine, _ = bench.make(spec, owner)
    lab.pve.fail("PUT", f"/qemu/{machine.id}/config", 500, "checksum missmatch (file change by other user?)", times=1)

    with pytest.raises(Busy):
        bench.driver.machines.configure(machine, replace(spec, tags={"a": "b"}), {"tags"}, None, owner)

    sent = [body for method, path, body in lab.pve.requests if method == "PUT" and path.endswith("/config")]
    assert b"digest=" in sent[-1]


def test_a_marker_that_was_taken_away_by_hand_is_missed(lab: Lab, bench: Bench) -> None:
    spec = bench.spec()
    machine, _ = bench.make(spec, marker())
    lab.guest(machine.id).config["description"] = "mine"

    with pytest.raises(NotProven):
        bench.driver.machines.delete(machine)


def test_protection_in_pve_holds(lab: Lab, bench: Bench) -> None:
    spec = bench.spec()
    machine, _ = bench.make(spec, marker())
    lab.guest(machine.id).config["protection"] = 1

    with pytest.raises(Refused) as caught:
        bench.driver.machines.delete(machine)

    assert caught.value.reason is Reason.DELETION_PROTECTED
