"""kill -9 of the operator while it works, and what must be true afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import count

from lab import manifests
from lab.faultproxy import Cloud
from tests.operator_bed import OperatorBed

#: Seconds that an operator lives at least and at most between two kills.
LIFE = (0.05, 1.2)
_NAMES = count()


class Killer:
    """Kills the operator at random moments and starts it again, at once and under the same name."""

    def __init__(self, bed: OperatorBed, seed: int) -> None:
        self._bed = bed
        self._random = random.Random(seed)
        self.kills = 0

    def run(self, kills: int, done: Callable[[], bool]) -> None:
        """``kills`` kills, each some time after the operator began to work; fewer when ``done`` holds before."""
        for _ in range(kills):
            if done():
                return
            deadline = time.monotonic() + self._random.uniform(*LIFE)
            while time.monotonic() < deadline:
                time.sleep(0.01)
            self._bed.operator.kill()
            self.kills += 1
            self._bed.operator.start().wait()


def create(bed: OperatorBed, cloud: Cloud, namespace: str, number: int) -> list[str]:
    """Applies ``number`` machines at once; their names."""
    names = [f"kill-{cloud}-{next(_NAMES)}" for _ in range(number)]
    bed.apply(*(manifests.machine(name, cloud, namespace) for name in names))
    return names


def uids(bed: OperatorBed, namespace: str) -> dict[str, str]:
    """The uids of the VirtualMachines of a namespace, by name."""
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in bed.objects("virtualmachines", namespace)}
