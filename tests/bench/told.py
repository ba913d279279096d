"""How long it takes until what a person changed by hand is told: each cloud alone, with the default sweep interval."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml
from prometheus_client.parser import text_string_to_metric_families

from lab import manifests
from lab.bed import Lab
from lab.faultproxy import Cloud
from lab.operator import Operator, install
from lab.process import LabError
from tests.bench import drift
from tests.bench.admin import PATHS, Admin, Sight, admin
from tests.bench.clouds import LIMITS
from tests.bench.tables import NAMES, Cell, Row, Table

#: Machines that are switched off, one after the other over one sweep interval.
CHANGES = 20
#: Seconds between two sweeps: the default of a Provider.
INTERVAL = 30.0
#: Seconds between two broadcasts of a Proxmox cluster's nodes, between which its list shows nothing new.
REFRESH = 10.0
#: What the longest delay may be: in sweep intervals, and on vSphere in seconds.
_AIMS: Mapping[Cloud, float] = {"aws": 1.1, "proxmox": 1.1 + REFRESH / INTERVAL, "vsphere": 5.0}
_INTRO = """\
One cloud at a time, with the default sweep interval and `lifecycle: {drift: Report}`, and without proxies.
"""
_TIMEOUT = 120.0
_SWEEPS = "hybridge_sweep_duration_seconds_count"


@dataclass(frozen=True, slots=True)
class Report:
    """Seconds from each change by hand until the object's condition Drifted arrives in a watch."""

    cloud: Cloud
    delays: Sequence[float]

    @property
    def unit(self) -> float:
        """Seconds in the unit of this cloud's figures: a sweep interval, and one second where changes are pushed."""
        return 1.0 if self.cloud == "vsphere" else INTERVAL


def measure(cloud: Cloud, folder: Path, *, say: Callable[[str], None]) -> Report:
    """A lab of its own in ``folder``."""
    with contextlib.ExitStack() as stack:
        say("starting a lab")
        lab = stack.enter_context(Lab(folder, clouds=[cloud], prometheus=False))
        client = stack.enter_context(admin(lab.controlplane.kubeconfig))
        operator = stack.enter_context(Operator(folder, install(lab.controlplane)))
        ids = _fleet(cloud, lab, client)
        _wait_for_sweep(operator)
        if cloud == "proxmox":
            # Broadcasts come half-way between sweeps, as far from the best case as from the worst.
            time.sleep(REFRESH / 2)
            lab.proxmox.tune(resources_lag=REFRESH)
        say(f"{CHANGES} changes by hand")
        with Sight(client, "VirtualMachine") as sight:
            changed = drift.switch_off(lab, cloud, list(ids.values()), over=INTERVAL)
            sight.wait_drifted(list(ids), _TIMEOUT)
            delays = [sight.drifted[name] - at for name, at in zip(ids, changed, strict=True)]
        say(f"told after {median(delays):.1f} s in the median, {max(delays):.1f} s at most")
        return Report(cloud, delays)


def _fleet(cloud: Cloud, lab: Lab, client: Admin) -> dict[str, str]:
    """Machines that are Ready and whose drift is told and left as it is: ids by name."""
    lab.controlplane.apply(yaml.safe_dump(manifests.secret(cloud, lab.clouds[cloud].credentials)))
    endpoint = lab.clouds[cloud].endpoint
    provider = manifests.provider(cloud, endpoint, lab.authority.pem, limits=dict(LIMITS))
    bodies = [manifests.machine(f"told-{number}", cloud, lifecycle={"drift": "Report"}) for number in range(CHANGES)]
    names = [str(body["metadata"]["name"]) for body in bodies]
    with Sight(client, "Provider") as providers, Sight(client, "VirtualMachine") as machines:
        client.apply(provider)
        providers.wait_ready([cloud], _TIMEOUT)
        client.apply_all(bodies)
        machines.wait_ready(names, _TIMEOUT)
    path = PATHS["VirtualMachine"]
    return {name: str(client.request("GET", f"{path}/{name}")["status"]["id"]) for name in names}


def _wait_for_sweep(operator: Operator) -> None:
    """Blocks until the cloud was looked at as a whole once more, so that nothing is under way."""
    before, deadline = _sweeps(operator), time.monotonic() + _TIMEOUT
    while _sweeps(operator) == before:
        if time.monotonic() > deadline:
            raise LabError(f"no sweep in {_TIMEOUT:.0f} s")
        time.sleep(0.5)


def _sweeps(operator: Operator) -> float:
    families = text_string_to_metric_families(operator.metrics(_SWEEPS))
    return sum(sample.value for family in families for sample in family.samples if sample.name == _SWEEPS)


def table(reports: Sequence[Report]) -> Table:
    """A column for each cloud."""

    def row(name: str, pick: Callable[[Sequence[float]], float], meaning: str, *, aims: bool = False) -> Row:
        cells = []
        for report in reports:
            found = pick(report.delays) / report.unit
            words = f"{found:.2f} s" if report.cloud == "vsphere" else f"{found:.2f}"
            cells.append(Cell(words, aims and found > _AIMS[report.cloud]))
        most = [f"{_AIMS[one.cloud]:.3g}{' s' if one.cloud == 'vsphere' else ''}" for one in reports]
        return Row(name, cells, f"at most {', '.join(most)}" if aims else "", meaning=meaning)

    return Table(
        "A change by hand, until it is told",
        [NAMES[report.cloud] for report in reports],
        [
            row(
                "median", median,
                f"{CHANGES} machines were switched off by hand, one after the other over one sweep interval of "
                f"{INTERVAL:.0f} s. From then until the condition Drifted arrives in a watch: in sweep intervals, and in "
                "seconds for vSphere, which pushes changes.",
            ),
            row(
                "longest", max,
                "The longest of these. AWS is looked at once an interval. A Proxmox cluster tells itself of a change up to "
                f"{REFRESH:.0f} s later, as the simulator does here, and is looked at after that.",
                aims=True,
            ),
        ],
        intro=_INTRO,
    )  # fmt: skip
