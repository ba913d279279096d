"""The operator under test: its own process and account, a real API server, three simulated clouds behind fault proxies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import yaml

from hybridge.core.identity import OWNER, read_notes
from lab import manifests
from lab.aws import AwsMachine
from lab.bed import CLOUDS, Lab
from lab.faultproxy import Cloud, FaultProxy
from lab.faultproxy_kubernetes import through
from lab.operator import Operator, install
from lab.process import LabError
from lab.proxmox import ProxmoxMachine
from lab.vsphere_machine import VsphereMachine
from tests.apiserver import ApiServer

T = TypeVar("T")

#: Limits high enough not to be what a test waits for.
UNLIMITED = {"requestsPerSecond": 1000, "burst": 1000, "concurrentTasks": 16}
_NAMESPACES = count(1)


@dataclass(frozen=True, slots=True)
class Seen:
    """A machine as its cloud itself reports it. ``owner`` is the marker's owner, empty when there is none."""

    id: str
    name: str
    running: bool
    owner: str


class OperatorBed:
    """A lab with an operator in it. Everything is asked of the API server and of the clouds, never of the operator."""

    def __init__(
        self, lab: Lab, folder: Path, options: Sequence[str] = (), *, before_kubernetes: FaultProxy | None = None
    ) -> None:
        """``before_kubernetes``: a running proxy through which operators reach the API server; tests go past it."""
        self.lab = lab
        self.folder = folder
        self.kubeconfig = install(lab.controlplane)
        if before_kubernetes is not None:
            self.kubeconfig = through(before_kubernetes, self.kubeconfig)
        self.api = ApiServer(lab.controlplane.kubeconfig)
        self.options = options
        self.operator = self.make_operator()

    def make_operator(self, name: str = "operator") -> Operator:
        """A further operator process, not started."""
        return Operator(self.folder, self.kubeconfig, name=name, options=["--log-format", "json", *self.options])

    def connect(self, *clouds: Cloud, **spec: object) -> None:
        """Makes a Provider for each cloud, and waits until it is Ready; ``spec`` adds or replaces fields."""
        for cloud in clouds:
            self.apply(self.secret(cloud), self.provider(cloud, None, **spec))
        for cloud in clouds:
            self.wait_for(partial(self.is_true, "provider", cloud, "Ready"), f"the Provider {cloud} to be Ready")

    def secret(self, cloud: Cloud, name: str | None = None, **replaced: str) -> dict[str, Any]:
        """The Secret of a cloud; ``replaced`` gives other values for its keys."""
        return manifests.secret(name or cloud, {**self.lab.clouds[cloud].credentials, **replaced})

    def provider(self, cloud: Cloud, name: str | None = None, **spec: object) -> dict[str, Any]:
        """A Provider that leads through the fault proxy."""
        state = self.lab.state()
        return manifests.provider(
            cloud, state.clouds[cloud].endpoint, state.ca, name, **{"limits": UNLIMITED, "sweepInterval": "5s", **spec}
        )

    def namespace(self) -> str:
        """A new namespace."""
        name = f"test-{next(_NAMESPACES)}-{time.monotonic_ns() % 10**9}"
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Server-side apply, as an admin."""
        for document in documents:
            self.api.apply(document)

    def refused(self, *documents: Mapping[str, Any]) -> str:
        """What ``kubectl apply`` tells whoever applies documents that the API server refuses."""
        try:
            self.lab.controlplane.apply(yaml.safe_dump_all([dict(document) for document in documents]))
        except LabError as error:
            return str(error)
        raise AssertionError("the API server accepted what it should refuse")

    def patch(self, kind: str, name: str, patch: Mapping[str, Any], namespace: str = "default") -> None:
        """A merge patch, as an admin."""
        self.api.patch(kind, name, namespace, patch)

    def delete(self, kind: str, *names: str, namespace: str = "default") -> None:
        """Asks for the deletion and does not wait for it."""
        for name in names:
            self.api.delete(kind, name, namespace)

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any] | None:
        """An object, or None."""
        return self.api.get(kind, name, namespace)

    def objects(self, kind: str, namespace: str = "default") -> list[dict[str, Any]]:
        """All objects of a kind in a namespace."""
        return self.api.list(kind, namespace)

    def condition(self, kind: str, name: str, wanted: str, namespace: str = "default") -> dict[str, Any]:
        """A condition that is about the newest spec; empty while there is none."""
        return condition_of(self.get(kind, name, namespace), wanted)

    def is_true(self, kind: str, name: str, wanted: str, namespace: str = "default") -> bool:
        """Whether a condition is True for the newest spec."""
        return self.condition(kind, name, wanted, namespace).get("status") == "True"

    def wait_ready(self, *names: str, namespace: str = "default", timeout: float = 60) -> None:
        """Blocks until all these VirtualMachines are Ready."""

        def all_ready() -> bool:
            ready = {
                item["metadata"]["name"]
                for item in self.objects("virtualmachines", namespace)
                if condition_of(item, "Ready").get("status") == "True"
            }
            return ready >= set(names)

        self.wait_for(all_ready, f"{len(names)} machines to be Ready in {namespace}", timeout, self._tell(namespace))

    def wait_gone(self, kind: str, *names: str, namespace: str = "default", timeout: float = 60) -> None:
        """Blocks until none of these objects exists."""

        def gone() -> bool:
            return not set(names) & {item["metadata"]["name"] for item in self.objects(kind, namespace)}

        self.wait_for(gone, f"{', '.join(names[:3])}… to be gone", timeout, self._tell(namespace))

    def wait_for(
        self, holds: Callable[[], T], what: str, timeout: float = 60, tell: Callable[[], str] = lambda: ""
    ) -> T:
        """The first true value of ``holds``; AssertionError with the state of things when it takes too long."""
        deadline = time.monotonic() + timeout
        while True:
            value = holds()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout:.0f} s for {what}\n{tell()}\n{self.log_tail()}")
            time.sleep(0.05)

    def machines(self, cloud: Cloud) -> dict[str, Seen]:
        """What the cloud itself has, templates left out, by id."""
        found = [_seen(machine) for machine in self.lab.clouds[cloud].machines()]  # type: ignore[attr-defined]
        return {machine.id: machine for machine in found if machine is not None}

    def owned(self, cloud: Cloud, uids: Iterable[str]) -> dict[str, list[Seen]]:
        """Machines of the cloud by the uid that their marker names, for these uids."""
        wanted = set(uids)
        found: dict[str, list[Seen]] = {uid: [] for uid in wanted}
        for machine in self.machines(cloud).values():
            uid = machine.owner.partition("/")[2]
            if uid in wanted:
                found[uid].append(machine)
        return found

    def log(self) -> str:
        """All that operators logged."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("operator*.log")))

    def log_tail(self, lines: int = 15) -> str:
        """The end of the log."""
        return "\n".join(self.log().splitlines()[-lines:])

    def _tell(self, namespace: str) -> Callable[[], str]:
        return lambda: self.lab.controlplane.kube("get", "virtualmachines", "-n", namespace, "-o", "wide")


def condition_of(body: Mapping[str, Any] | None, wanted: str) -> dict[str, Any]:
    """A condition of an object that is about its newest spec; empty while there is none."""
    if body is None:
        return {}
    for condition in body.get("status", {}).get("conditions", []):
        if condition["type"] == wanted and condition.get("observedGeneration") == body["metadata"]["generation"]:
            found: dict[str, Any] = condition
            return found
    return {}


@contextmanager
def operator_bed(
    folder: Path, *, clouds: Sequence[Cloud] = CLOUDS, controllers: Sequence[str] = (), options: Sequence[str] = ()
) -> Iterator[OperatorBed]:
    """A lab with the operator running and a Ready Provider for each cloud; all of it is ended afterwards."""
    with Lab(folder, clouds=clouds, prometheus=False, controllers=controllers) as lab:
        bed = OperatorBed(lab, folder, options)
        try:
            bed.operator.start().wait()
            bed.connect(*clouds)
            yield bed
        finally:
            bed.operator.stop()


def _seen(machine: object) -> Seen | None:
    match machine:
        case AwsMachine():
            return Seen(machine.id, machine.name, machine.state == "running", machine.tags.get(OWNER, ""))
        case ProxmoxMachine():
            marker = read_notes(machine.description)
            owner = marker.owner if marker else ""
            running = machine.status == "running"
            return None if machine.template else Seen(str(machine.vmid), machine.name, running, owner)
        case VsphereMachine():
            owner = machine.extra_config.get(OWNER, "")
            return None if machine.template else Seen(machine.moid, machine.name, machine.power == "poweredOn", owner)
    raise TypeError(type(machine).__name__)
