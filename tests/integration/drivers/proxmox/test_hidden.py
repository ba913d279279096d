"""VMIDs that are held by what the account does not see: PVE takes the clone, and only its task fails."""

from __future__ import annotations

import pytest

from hybridge.core.reasons import Reason
from hybridge.core.task import TaskState
from hybridge.drivers.base import SweepRequest
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker


@pytest.mark.parametrize(
    "words",
    [
        "CT {vmid} already exists on node 'pve3'",
        "VM {vmid} already exists on node 'pve2'",
        "unable to open file '/etc/pve/nodes/pve1/qemu-server/{vmid}.conf.tmp.7' - File exists",
    ],
    ids=["a container", "a guest elsewhere", "a file in the cluster's file system"],
)
def test_it_is_told_as_taken_and_not_chosen_again(lab: Lab, bench: Bench, words: str) -> None:
    owner, spec = marker(), bench.spec()
    intent = bench.intent(spec, owner)
    assert intent.id
    lab.pve.hold(int(intent.id), words)

    started = bench.driver.machines.create(intent, spec, owner)
    assert started.task
    ended = bench.driver.sweep(SweepRequest(tasks=[started.task])).tasks[started.task.id]

    assert (ended.state, ended.reason) == (TaskState.FAILED, Reason.NAME_TAKEN)
    assert intent.id in ended.error
    others = {bench.driver.machines.prepare(spec, ()).id for _ in range(150)}  # more than the range has
    assert len(others) == 99
    assert intent.id not in others
