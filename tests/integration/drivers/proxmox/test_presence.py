"""What is there on Proxmox VE, what is gone, and what nobody can tell: nodes, quorum, rights."""

from __future__ import annotations

import pytest

from hybridge.core.errors import CloudError, Refused, Unreachable
from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from lab.proxmox_estate import OPERATOR
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker


def test_nothing_is_gone_while_the_cluster_has_no_quorum(lab: Lab, bench: Bench) -> None:
    lab.pve.lose_quorum()

    with pytest.raises(CloudError) as caught:
        bench.driver.machines.get("1050")

    assert caught.value.reason is Reason.PROVIDER_DOWN
    lab.pve.regain_quorum()
    assert bench.driver.machines.get("1050") is None


def test_a_guest_on_an_offline_node_is_neither_gone_nor_stopped(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"node": "pve2"})
    machine, intent = bench.make(spec, owner)
    lab.pve.set_node_offline("pve2")

    assert bench.look(machine.id).power is Power.UNKNOWN
    for attempt in (
        lambda: bench.driver.machines.get(machine.id),
        lambda: bench.driver.machines.find(owner, intent),
        lambda: bench.driver.machines.delete(machine),
    ):
        with pytest.raises(CloudError) as caught:
            attempt()
        assert not isinstance(caught.value, Unreachable)
        assert not caught.value.took_effect_possible


def test_a_guest_that_migrated_is_found_on_its_new_node(lab: Lab, bench: Bench) -> None:
    spec = bench.spec(placement={"node": "pve1"})
    machine, _ = bench.make(spec, marker())
    lab.guest(machine.id).node = "pve3"

    started = bench.driver.machines.set_power(machine, spec, Power.STOPPED)

    assert bench.after(started).power is Power.STOPPED
    assert bench.look(machine.id).host == "pve3"


def test_a_guest_that_may_not_be_seen_is_not_gone(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    lab.pve.acl[OPERATOR] = [("/", {"Sys.Audit", "Datastore.Audit"}), ("/vms/9000", {"VM.Audit"})]

    with pytest.raises(Refused) as caught:
        bench.driver.machines.get(machine.id)

    assert caught.value.reason is Reason.NOT_PERMITTED
    assert f"/vms/{machine.id}, VM.Audit" in caught.value.message
