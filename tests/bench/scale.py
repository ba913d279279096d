"""One process and ten thousand machines, two thousand of them its own, nothing to do: start, memory, rest, and drift.

The estate is converged before anything is measured: an operator has seen it and has written what it had to. What is
measured is another process that starts then, as after a restart.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from lab.bed import Lab
from lab.faultproxy import Cloud
from lab.operator import Operator, install
from lab.process import LabError
from tests.bench import converged, drift
from tests.bench.admin import Admin, Sight, admin
from tests.bench.clouds import LIMITS
from tests.bench.converged import Estate

ESTATES: Sequence[Estate] = (
    Estate("one cloud: AWS", {"aws": 10_000}, {"aws": 2_000}),
    Estate(
        "three clouds",
        {"aws": 4_000, "proxmox": 3_000, "vsphere": 3_000},
        {"aws": 800, "proxmox": 600, "vsphere": 600},
    ),
)
#: Requests that look at everything, and how many machines a page of their answer has at most.
LISTS: Mapping[Cloud, tuple[str, int]] = {
    "aws": ("ec2:DescribeInstances", 1000),
    "proxmox": ("GET /cluster/resources", 1_000_000),
    "vsphere": ("WaitForUpdatesEx", 100),
}
#: Seconds between two sweeps: the default of a Provider.
INTERVAL = 30.0
_TIMEOUT = 180.0
#: Seconds without a request that no sweep has in it.
_BETWEEN = 4.0
_READY = "hybridge_resource_ready"
_SWEEPS = "hybridge_sweep_duration_seconds_count"


@dataclass(frozen=True, slots=True)
class Start:
    """From the start of the process until every object was found as it should be. Memory in bytes.

    ``requests`` by cloud and operation.
    """

    seconds: float
    cpu: float
    rss: int
    requests: Mapping[Cloud, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Rest:
    """A time in which nothing was to be done. ``sweeps`` and ``requests`` by cloud; ``pages`` that a whole list has."""

    seconds: float
    cpu: float
    rss: int
    sweeps: Mapping[Cloud, int]
    requests: Mapping[Cloud, Mapping[str, int]]
    pages: Mapping[Cloud, int]


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one estate.

    ``mutating``: requests to the clouds that might change something; ``writes`` to Kubernetes but for Leases, by resource;
    both from the start of the process to the end of the rest. ``peak`` is its greatest resident memory in bytes, and
    ``delays`` the seconds from a power-off by hand until the machine ran again.
    """

    estate: Estate
    start: Start
    rest: Rest
    mutating: int
    writes: Mapping[str, int]
    peak: int
    delays: Sequence[float]


def measure(estate: Estate, folder: Path, *, rest: float, changes: int, say: Callable[[str], None]) -> Report:
    """A lab of its own in ``folder``. ``rest`` in seconds; ``changes``: machines that are switched off in each cloud."""
    with contextlib.ExitStack() as stack:
        say("starting a lab")
        lab = stack.enter_context(Lab(folder, clouds=list(estate.machines), prometheus=False))
        if "aws" in lab.clouds:
            lab.aws.tune(transition_seconds=0.0)
        client = stack.enter_context(admin(lab.controlplane.kubeconfig))
        kubeconfig = install(lab.controlplane)
        bodies = converged.providers(estate, lab, LIMITS)
        with Operator(folder, kubeconfig, name="first"), Sight(client, "Provider") as sight:
            client.apply_all(bodies)
            sight.wait_ready([body["metadata"]["name"] for body in bodies], _TIMEOUT)
            made = converged.patterns(estate, client)
        if "aws" in lab.clouds:
            # The pattern is gone, and would be shown for an hour more.
            lab.aws.tune(terminated_seconds=0.0)
        managed = converged.furnish(estate, lab, client, made, say)
        with Operator(folder, kubeconfig, name="second") as before:
            _wait_settled(before, estate)
            converged.wait_quiet(client)
        say("all is as it should be: starting the operator that is measured")
        return _measure(estate, lab, client, Operator(folder, kubeconfig), managed, rest=rest, changes=changes, say=say)


def _measure(
    estate: Estate,
    lab: Lab,
    client: Admin,
    operator: Operator,
    managed: Mapping[Cloud, Sequence[str]],
    *,
    rest: float,
    changes: int,
    say: Callable[[str], None],
) -> Report:
    for proxy in lab.proxies.values():
        proxy.reset_counts()
    written = client.writes()
    began = time.perf_counter()
    with operator:
        _wait_settled(operator, estate)
        seconds = time.perf_counter() - began
        start = Start(seconds, operator.cpu_seconds(), operator.rss(), _requests(lab))
        say(f"settled after {start.seconds:.1f} s, {start.cpu:.1f} s of CPU, {start.rss / 2**20:.0f} MiB")
        at_rest = _rest(estate, lab, operator, rest)
        say(f"at rest: {at_rest.cpu / at_rest.seconds:.3f} cores, {at_rest.rss / 2**20:.0f} MiB")
        mutating = sum(proxy.mutating() for proxy in lab.proxies.values())
        writes = converged.without_leases(client.writes() - written)
        delays = drift.delays(lab, managed, changes=changes, over=INTERVAL, timeout=_TIMEOUT)
        if delays:
            say(f"drift: {statistics.median(delays):.1f} s in the median, {max(delays):.1f} s at most")
        return Report(
            estate,
            start,
            at_rest,
            mutating,
            {"/".join(filter(None, key)): count for key, count in writes.items()},
            operator.peak_rss(),
            delays,
        )


def _rest(estate: Estate, lab: Lab, operator: Operator, seconds: float) -> Rest:
    """From between two sweeps to between two sweeps."""
    requests, sweeps = _wait_between_sweeps(lab), _sweeps(operator)
    began, cpu = time.monotonic(), operator.cpu_seconds()
    time.sleep(seconds)
    after = _wait_between_sweeps(lab)
    return Rest(
        time.monotonic() - began,
        operator.cpu_seconds() - cpu,
        operator.rss(),
        {cloud: count - sweeps[cloud] for cloud, count in _sweeps(operator).items()},
        {cloud: Counter(after[cloud]) - Counter(requests[cloud]) for cloud in after},
        {cloud: ceil(number / LISTS[cloud][1]) for cloud, number in estate.machines.items()},
    )


def _wait_between_sweeps(lab: Lab) -> dict[Cloud, dict[str, int]]:
    """The requests so far, once there was none for some seconds."""
    known, since = _requests(lab), time.monotonic()
    while time.monotonic() - since < _BETWEEN:
        time.sleep(0.5)
        if (now := _requests(lab)) != known:
            known, since = now, time.monotonic()
    return known


def _wait_settled(operator: Operator, estate: Estate) -> None:
    """Blocks until every object was reconciled and told Ready. LabError names how many when that takes too long."""
    deadline = time.monotonic() + _TIMEOUT
    while (ready := _ready(operator)) < estate.objects:
        if time.monotonic() > deadline:
            raise LabError(f"{ready} of {estate.objects} objects are Ready: see {operator.process.log}")
        time.sleep(0.25)


def _ready(operator: Operator) -> int:
    return int(
        sum(
            sample.value
            for family in text_string_to_metric_families(operator.metrics(_READY))
            for sample in family.samples
            if sample.labels["kind"] == "VirtualMachine"
        )
    )


def _sweeps(operator: Operator) -> dict[Cloud, int]:
    found: dict[Cloud, int] = {}
    clouds: Mapping[str, Cloud] = {name: name for name in LISTS}
    for family in text_string_to_metric_families(operator.metrics(_SWEEPS)):
        for sample in family.samples:
            if sample.name == _SWEEPS:
                found[clouds[sample.labels["provider"]]] = int(sample.value)
    return found


def _requests(lab: Lab) -> dict[Cloud, dict[str, int]]:
    return {
        cloud: {name: count.requests for name, count in proxy.counts().items()} for cloud, proxy in lab.proxies.items()
    }
