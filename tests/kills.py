"""kill -9 of the operator while it works, and what must be true afterwards: exactly the wanted machines, by itself."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from itertools import count

from lab import manifests
from lab.faultproxy import Cloud
from tests.operator_bed import OperatorBed

#: An operator that may be killed keeps its name in the Lease, as a container does that is restarted in its pod.
OPTIONS = ("--identity", "chaos", "--lease-duration", "6", "--visibility-grace", "3")
#: Seconds that an operator lives at least and at most between two kills.
LIFE = (0.05, 1.2)
_NAMES = count()


class Killer:
    """Kills the operator at random moments and starts it again, at once and under the same name."""

    def __init__(self, bed: OperatorBed, seed: int) -> None:
        self._bed = bed
        self._random = random.Random(seed)

    def run(self, kills: int) -> None:
        """``kills`` kills, each some time after the operator began to work."""
        for _ in range(kills):
            deadline = time.monotonic() + self._random.uniform(*LIFE)
            while time.monotonic() < deadline:
                time.sleep(0.01)
            self._bed.operator.kill()
            self._bed.operator.start().wait()


def slow_down(bed: OperatorBed, cloud: Cloud) -> None:
    """Has the cloud take its time, so that kills meet tasks under way and machines that cannot be seen yet."""
    match cloud:
        case "aws":
            bed.lab.aws.tune(transition_seconds=0.5, consistency_lag=1.0)
        case "proxmox":
            bed.lab.proxmox.tune(task_seconds=0.5, resources_lag=2.0)
        case "vsphere":
            bed.lab.vsphere.tune(task_delay=0.3)


def create_and_delete(bed: OperatorBed, cloud: Cloud, seed: int, *, number: int, kills: int) -> None:
    """``number`` creations, then as many deletions, with ``kills`` kills in each."""
    namespace = bed.namespace()
    strangers = set(bed.machines(cloud))
    killer = Killer(bed, seed)

    names = create(bed, cloud, namespace, number)
    wanted = uids(bed, namespace)
    killer.run(kills)
    bed.wait_ready(*names, namespace=namespace, timeout=180)

    assert_exactly(bed, cloud, wanted.values(), strangers)

    bed.delete("virtualmachines", *names, namespace=namespace)
    killer.run(kills)
    bed.wait_gone("virtualmachines", *names, namespace=namespace, timeout=180)

    assert set(bed.machines(cloud)) == strangers


def assert_exactly(bed: OperatorBed, cloud: Cloud, wanted: Iterable[str], strangers: set[str]) -> None:
    """The cloud has one machine for each of the uids, the strangers, and nothing else."""
    owned = bed.owned(cloud, wanted)
    assert {uid: len(found) for uid, found in owned.items()} == dict.fromkeys(owned, 1)
    assert set(bed.machines(cloud)) - strangers == {found[0].id for found in owned.values()}


def create(bed: OperatorBed, cloud: Cloud, namespace: str, number: int) -> list[str]:
    """Applies ``number`` machines at once; their names."""
    names = [f"kill-{cloud}-{next(_NAMES)}" for _ in range(number)]
    bed.apply(*(manifests.machine(name, cloud, namespace) for name in names))
    return names


def uids(bed: OperatorBed, namespace: str) -> dict[str, str]:
    """The uids of the VirtualMachines of a namespace, by name."""
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in bed.objects("virtualmachines", namespace)}
