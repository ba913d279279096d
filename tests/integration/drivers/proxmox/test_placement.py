"""Where clones go on Proxmox VE, and why not elsewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from hybridge.core.errors import Refused
from hybridge.core.machine import CloudInit
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from tests.integration.drivers.proxmox.bench import GIB, Bench, Lab


def test_clones_are_spread_over_the_nodes(bench: Bench) -> None:
    nodes = [bench.driver.machines.prepare(bench.spec(), ()).parameters["node"] for _ in range(6)]

    assert Counter(nodes) == {"pve1": 2, "pve2": 2, "pve3": 2}


def test_a_clone_on_local_storage_stays_with_its_template(bench: Bench) -> None:
    spec = bench.spec(placement={"storage": "local-lvm"})

    assert bench.driver.machines.prepare(spec, ()).parameters["node"] == "pve1"
    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(replace(spec, placement={"storage": "local-lvm", "node": "pve2"}), ())
    assert caught.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("words", "reason", "said"),
    [
        ({"placement": {"node": "pve9"}}, Reason.NOT_FOUND, "pve1"),
        ({"placement": {"storage": "cephh"}}, Reason.NOT_FOUND, "ceph"),
        ({"placement": {"storage": "local"}}, Reason.INVALID_SPEC, "does not hold disk images"),
        ({"cpus": 129}, Reason.CAPACITY, "129 CPUs"),
        ({"options": {"fullClone": False}, "placement": {"storage": "ceph"}}, Reason.INVALID_SPEC, "linked clone"),
        (
            {"options": {"isoStorage": "ceph"}, "cloud_init": CloudInit(user_data="x")},
            Reason.NOT_FOUND,
            "isoStorage",
        ),
    ],
)
def test_what_cannot_be_placed_is_said_before_anything_is_made(
    bench: Bench, words: dict[str, Any], reason: Reason, said: str
) -> None:
    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(bench.spec(**words), ())

    assert caught.value.reason is reason
    assert said in caught.value.message


def test_a_clone_stays_away_from_its_group_and_from_nodes_that_are_away(lab: Lab, bench: Bench) -> None:
    lab.pve.nodes["pve2"]["hastate"] = "maintenance"
    spec = bench.spec(group="db")

    placed = bench.driver.machines.prepare(spec, (), [Placed("pve1")]).placed

    assert placed.host == "pve3"
    assert "only node that fits" in placed.why
    assert "pve1 holds a machine of the group db" in placed.why
    assert "pve2 is in maintenance" in placed.why
    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(spec, (), [Placed("pve1"), Placed("pve3")])
    assert caught.value.reason is Reason.CAPACITY
    assert "pve3 holds a machine of the group db" in caught.value.message


def test_a_clone_goes_where_there_is_most_memory_and_says_so(lab: Lab, bench: Bench) -> None:
    config = {"memory": 900 * 1024, "cores": 1}
    for vmid, node in ((5001, "pve1"), (5002, "pve3")):
        lab.pve.add_vm(vmid, f"big-{vmid}", node=node, config=config, status="running")

    placed = bench.driver.machines.prepare(bench.spec(), ()).placed

    assert placed.host == "pve2"
    assert placed.why == "pve2: most free memory of 3 nodes that fit (1024.0 of 1024.0 GiB)"
    roomy = bench.spec(memory=200 * GIB, placement={"node": "pve1"})
    assert bench.driver.machines.prepare(roomy, ()).placed == Placed("pve1")
    lab.pve.nodes["pve2"]["online"] = False
    bench.look("5001")
    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(bench.spec(memory=200 * GIB), ())
    assert caught.value.reason is Reason.CAPACITY
    assert "pve1 has 124.0 GiB of memory free" in caught.value.message
    assert "pve2 is offline" in caught.value.message


def test_a_clone_does_not_go_to_a_full_storage(lab: Lab, bench: Bench) -> None:
    lab.pve.storages["nfs"]["avail"] = GIB

    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(bench.spec(placement={"storage": "nfs"}), ())

    assert caught.value.reason is Reason.CAPACITY
    assert "1.0 GiB free on nfs" in caught.value.message
