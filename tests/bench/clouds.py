"""One cloud's figures: a fleet, one machine alone, the cost of a machine, a minute of rest, and the simulator by itself."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from lab import manifests
from lab.bed import Lab
from lab.faultproxy import Cloud
from lab.operator import Operator, install
from lab.process import LabError
from tests.bench import direct
from tests.bench.admin import PATHS, Admin, Sight, admin
from tests.things import WARES
from tests.things.thing import Things

#: So that the figures show what the operator can do and not what it was told to do at most.
LIMITS: Mapping[str, int] = {"requestsPerSecond": 1000, "burst": 1000, "concurrentTasks": 16}
FLEET = 100
ALONE = 5
#: How many of each kind but machines.
WARES_EACH = 20
_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Rest:
    """A time in which nothing was to be done: requests by operation, sweeps, writes, CPU seconds."""

    seconds: float
    requests: Mapping[str, int]
    sweeps: int
    status_writes: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """How one fleet became Ready: machines a second, seconds to apply it, and seconds from then to the last Ready."""

    rate: float
    applied: float
    behind: float


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one cloud.

    ``fleets`` were applied by many requests at once, ``kubectl`` by kubectl. ``simulator`` are machines a second without
    an operator, by round; ``alone`` the seconds of one machine alone. ``requests`` (by operation) and ``writes`` (by
    resource) are for a whole fleet; so is ``cpu``, in seconds. ``rss`` in bytes, with the fleet converged. ``wares`` are
    requests for ``WARES_EACH`` of each other kind.
    """

    fleets: Sequence[Fleet]
    kubectl: Fleet
    simulator: Sequence[float]
    alone: Sequence[float]
    requests: Mapping[str, int]
    writes: Mapping[str, int]
    rss: int
    cpu: float
    rest: Rest
    wares: Mapping[str, int]


class _Bench:
    """A lab of one cloud with an operator."""

    def __init__(self, cloud: Cloud, lab: Lab, operator: Operator, client: Admin) -> None:
        self.cloud = cloud
        self.lab = lab
        self.operator = operator
        self.client = client

    @contextlib.contextmanager
    def provider(self, name: str, endpoint: str) -> Iterator[None]:
        """A Provider that is Ready; it goes with the context."""
        body = manifests.provider(self.cloud, endpoint, self.lab.authority.pem, name, limits=LIMITS)
        body["spec"]["credentials"]["secretRef"]["name"] = self.cloud
        with Sight(self.client, "Provider") as sight:
            self.client.apply(body)
            sight.wait_ready([name], _TIMEOUT)
            yield
            self.client.delete("Provider", [name])
            sight.wait_gone([name], _TIMEOUT)

    def alone(self, provider: str) -> list[float]:
        """Seconds from the request that applies one machine to its Ready, a few times one after the other."""
        found = []
        for number in range(ALONE):
            body = manifests.machine(f"alone-{number}", provider)
            name = body["metadata"]["name"]
            with Sight(self.client, "VirtualMachine") as sight:
                started = time.perf_counter()
                self.client.apply(body)
                sight.wait_ready([name], _TIMEOUT)
                found.append(sight.ready[name] - started)
                self.client.delete("VirtualMachine", [name])
                sight.wait_gone([name], _TIMEOUT)
        return found

    @contextlib.contextmanager
    def fleet(self, provider: str, *, kubectl: bool = False) -> Iterator[Fleet]:
        """A fleet, applied at once, that is Ready; it goes with the context."""
        bodies = [manifests.machine(f"fleet-{number}", provider) for number in range(FLEET)]
        names = [str(body["metadata"]["name"]) for body in bodies]
        with Sight(self.client, "VirtualMachine") as sight:
            started = time.perf_counter()
            if kubectl:
                self.lab.controlplane.apply(yaml.safe_dump_all(bodies))
            else:
                self.client.apply_all(bodies)
            applied = time.perf_counter()
            sight.wait_ready(names, _TIMEOUT)
            last = max(sight.ready[name] for name in names)
            yield Fleet(FLEET / (last - started), applied - started, last - applied)
            self.client.delete("VirtualMachine", names)
            sight.wait_gone(names, _TIMEOUT)

    def wares(self, provider: str) -> dict[str, int]:
        """Requests to the cloud until some of each kind but machines are Ready, sweeps included, by kind."""
        found = {}
        for things in (things for things in WARES if self.cloud in things.clouds):
            names = [f"ware-{number}" for number in range(WARES_EACH)]
            with self._sources(things, names, provider), Sight(self.client, things.kind) as sight:
                before = self.requests()
                self.client.apply_all([things.manifest(self.cloud, name, provider, "default") for name in names])
                sight.wait_ready(names, _TIMEOUT)
                found[things.kind] = (self.requests() - before).total()
                self.client.delete(things.kind, names)
                sight.wait_gone(names, _TIMEOUT)
        return found

    @contextlib.contextmanager
    def _sources(self, things: Things, names: Sequence[str], provider: str) -> Iterator[None]:
        """The machines of which things of these names are made, Ready; nothing where they need none."""
        bodies = [body for name in names for body in things.sources(self.cloud, name, provider, "default")]
        if not bodies:
            yield
            return
        sources = [str(body["metadata"]["name"]) for body in bodies]
        with Sight(self.client, "VirtualMachine") as sight:
            self.client.apply_all(bodies)
            sight.wait_ready(sources, _TIMEOUT)
            yield
            self.client.delete("VirtualMachine", sources)
            sight.wait_gone(sources, _TIMEOUT)

    def settle(self, provider: str) -> None:
        """Blocks until the Provider, which looks at itself only now and then, counts the whole fleet."""
        deadline = time.monotonic() + _TIMEOUT
        path = f"{PATHS['Provider']}/{provider}"
        while self.client.request("GET", path)["status"].get("inventory", {}).get("virtualMachines") != FLEET:
            if time.monotonic() > deadline:
                raise LabError(f"Provider {provider} does not count {FLEET} machines")
            time.sleep(0.5)

    def requests(self) -> Counter[str]:
        """Requests to the cloud so far, as the proxy before it counts them."""
        return Counter({name: count.requests for name, count in self.lab.proxies[self.cloud].counts().items()})

    def sweeps(self) -> int:
        """Successful sweeps so far."""
        return int(
            sum(
                sample.value
                for family in text_string_to_metric_families(self.operator.metrics())
                for sample in family.samples
                if sample.name == "hybridge_sweep_duration_seconds_count"
            )
        )

    def rest(self, seconds: float) -> Rest:
        """Leaves everything alone."""
        requests, sweeps, writes, cpu = (
            self.requests(),
            self.sweeps(),
            self.client.writes(),
            self.operator.cpu_seconds(),
        )
        time.sleep(seconds)
        written = self.client.writes() - writes
        return Rest(
            seconds,
            self.requests() - requests,
            self.sweeps() - sweeps,
            sum(count for (_, subresource), count in written.items() if subresource == "status"),
            self.operator.cpu_seconds() - cpu,
        )


def measure(cloud: Cloud, folder: Path, *, rounds: int, rest: float, say: Callable[[str], None]) -> Report:
    """A lab of its own in ``folder``. ``rest`` in seconds."""
    with contextlib.ExitStack() as stack:
        say("starting a lab")
        lab = stack.enter_context(Lab(folder, clouds=[cloud], prometheus=False))
        if cloud == "aws":
            lab.aws.tune(transition_seconds=0.0)
        client = stack.enter_context(admin(lab.controlplane.kubeconfig))
        kubeconfig = install(lab.controlplane)
        lab.controlplane.apply(yaml.safe_dump(manifests.secret(cloud, lab.clouds[cloud].credentials)))
        with Operator(folder, kubeconfig) as operator:
            bench = _Bench(cloud, lab, operator, client)
            alone, fleets, kubectl = _speed(bench, rounds, say)
            cost = _cost(bench, rest, say)
        simulator = _simulator(cloud, lab, rounds, say)
    return Report(
        alone=alone,
        fleets=fleets,
        kubectl=kubectl,
        simulator=simulator,
        **cost,
    )


def _speed(bench: _Bench, rounds: int, say: Callable[[str], None]) -> tuple[list[float], list[Fleet], Fleet]:
    """Without the proxy, which would cost time that no real cloud takes."""
    fleets = []
    with bench.provider("direct", bench.lab.clouds[bench.cloud].endpoint):
        alone = bench.alone("direct")
        say(f"one machine alone: {statistics.median(alone):.2f} s")
        for _ in range(rounds):
            with bench.fleet("direct") as fleet:
                fleets.append(fleet)
            say(f"{FLEET} machines: {fleet.rate:.1f}/s")
        with bench.fleet("direct", kubectl=True) as kubectl:
            say(f"{FLEET} machines with kubectl: {kubectl.rate:.1f}/s")
    return alone, fleets, kubectl


def _cost(bench: _Bench, rest: float, say: Callable[[str], None]) -> dict[str, Any]:
    with bench.provider("counted", bench.lab.proxies[bench.cloud].endpoint):
        requests, writes, cpu = bench.requests(), bench.client.writes(), bench.operator.cpu_seconds()
        with bench.fleet("counted"):
            requests = bench.requests() - requests
            written = bench.client.writes() - writes
            cpu = bench.operator.cpu_seconds() - cpu
            say(f"cost of a machine: {requests.total() / FLEET:.2f} requests")
            bench.settle("counted")
            say(f"{rest:.0f} s of rest")
            return {
                "requests": requests,
                "writes": _named(written),
                "cpu": cpu,
                "rss": bench.operator.rss(),
                "rest": bench.rest(rest),
                "wares": bench.wares("counted"),
            }


def _named(writes: Counter[tuple[str, str]]) -> dict[str, int]:
    """Writes about machines; those about Leases are no machine's."""
    wanted = {"virtualmachines", "events"}
    return {"/".join(filter(None, key)): count for key, count in writes.items() if key[0] in wanted}


def _simulator(cloud: Cloud, lab: Lab, rounds: int, say: Callable[[str], None]) -> list[float]:
    makers = direct.makers(cloud, lab)
    found = []
    for number in range(rounds):
        found.append(direct.rate(makers, FLEET, f"direct-{number}"))
        say(f"the simulator itself: {found[-1]:.1f}/s")
    return found
