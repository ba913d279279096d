"""Machines that their cloud shows late and then now and then, made and deleted meanwhile by an operator that is killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lab.faultproxy import Answer, Cloud, Delay, Rule
from tests.kills import create, uids
from tests.leftovers import leftovers
from tests.operator_bed import OperatorBed
from tests.truth import surplus, unsettled

#: vSphere pushes what changed, at most so many seconds late: the client would not wait longer for an answer.
_PUSH = 15.0
_MISSING = Answer(500, message="Configuration file 'nodes/pve1/qemu-server/1.conf' does not exist")


@dataclass(frozen=True, slots=True)
class Lateness:
    """``lag``: seconds until a new machine is shown, at most; ``flapping``: seconds in which it then comes and goes."""

    lag: float
    flapping: float

    @property
    def options(self) -> tuple[str, ...]:
        """How the operator is started: all of this is within what it holds possible."""
        grace = str(self.lag + self.flapping + 1)
        return ("--identity", "chaos", "--lease-duration", "6", "--visibility-grace", grace)

    def impose(self, bed: OperatorBed, cloud: Cloud, seed: int) -> None:
        """Has the cloud show late, from now on, what it makes."""
        match cloud:
            case "aws":
                bed.lab.aws.tune(consistency_lag=self.lag, consistency_seed=seed, flapping_seconds=self.flapping)
            case "proxmox":
                bed.lab.proxmox.tune(task_seconds=0.5, resources_lag=self.lag)
            case "vsphere":
                bed.lab.vsphere.tune(task_delay=0.3)
                late = Delay(min(_PUSH, self.lag))
                bed.lab.proxies[cloud].inject(Rule("WaitForUpdatesEx", late, probability=0.5, seed=seed))

    def deny(self, bed: OperatorBed, cloud: Cloud, seed: int) -> None:
        """Has Proxmox VE answer some readings as if there were no such guest: from when the templates have been read."""
        if cloud == "proxmox":
            bed.lab.proxies[cloud].inject(Rule("GET /nodes/*/qemu/*/pending", _MISSING, probability=0.3, seed=seed))

    def relent(self, bed: OperatorBed, cloud: Cloud) -> None:
        """Has the cloud be prompt again: what it made is old enough by now."""
        if cloud == "proxmox":
            bed.lab.proxmox.tune(resources_lag=0.0)
        bed.lab.proxies[cloud].clear()


def live_through(
    bed: OperatorBed, cloud: Cloud, seed: int, lateness: Lateness, *, number: int, kills: int
) -> tuple[list[str], int]:
    """``number`` machines are made at once, a third of them is deleted at some moment, and so is the operator killed.

    What was found, in words; and how many answers denied what there was (or, on vSphere, came late).
    """
    source, span = random.Random(seed), lateness.lag + lateness.flapping
    namespace = bed.namespace()
    strangers, litter = set(bed.machines(cloud)), leftovers(bed.lab.clouds[cloud])
    lateness.impose(bed, cloud, seed)
    bed.lab.proxies[cloud].reset_counts()
    began = time.monotonic()
    names = create(bed, cloud, namespace, number)
    wanted = uids(bed, namespace)
    doomed = source.sample(names, number // 3)
    acts: list[tuple[float, Callable[[], object]]] = [
        (source.uniform(0, span), partial(bed.delete, "virtualmachines", name, namespace=namespace)) for name in doomed
    ]
    acts += [(source.uniform(0, span), partial(_kill, bed)) for _ in range(kills)]

    def chosen() -> bool:
        there = bed.objects("virtualmachines", namespace)
        return all("intent" in item["status"] or "deletionTimestamp" in item["metadata"] for item in there)

    bed.wait_for(chosen, "each object to have a machine on record")
    lateness.deny(bed, cloud, seed)
    for moment, act in sorted(acts, key=lambda one: one[0]):
        while time.monotonic() < began + moment:
            time.sleep(0.02)
        act()
    kept = [name for name in names if name not in doomed]
    stuck = unsettled(bed, namespace, kept, span + 120)
    denied = _denied(bed, cloud)
    lateness.relent(bed, cloud)
    found = stuck + surplus(bed, cloud, [wanted[name] for name in kept], strangers)
    return found + [f"leak: {one}" for one in sorted(leftovers(bed.lab.clouds[cloud]) - litter)], denied


def _kill(bed: OperatorBed) -> None:
    bed.operator.kill()
    bed.operator.start().wait()


def _denied(bed: OperatorBed, cloud: Cloud) -> int:
    counts = bed.lab.proxies[cloud].counts().values()
    if cloud == "aws":
        return sum(count.statuses.get(400, 0) for count in counts)
    return sum(count.faults for count in counts)
