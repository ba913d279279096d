"""The whole lab: a control plane, the clouds with a fault proxy in front of each, and Prometheus."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self, TypeVar

from lab import state
from lab.aws import AwsCloud
from lab.cluster import Cluster
from lab.controlplane import ControlPlane
from lab.faultproxy import Cloud, FaultProxy
from lab.pki import Authority
from lab.process import LabError, Process
from lab.prometheus import Prometheus, available
from lab.proxmox import ProxmoxCloud
from lab.state import CloudState, KubernetesState, LabState, ProxyState
from lab.vsphere import VsphereCloud

CLOUDS: tuple[Cloud, ...] = ("aws", "proxmox", "vsphere")


_Kind = TypeVar("_Kind")


class Server(Protocol):
    """What every server of the lab can do."""

    def start(self) -> object:
        """Spawn and return at once."""

    def wait(self) -> object:
        """Block until it answers; LabError when it does not."""

    def stop(self) -> None:
        """End it; harmless when it was never started."""


class SimulatedCloud(Server, Protocol):
    """A cloud: one server, and an account for the operator with the keys of a Provider's Secret."""

    @property
    def endpoint(self) -> str:
        """Where it listens."""

    @property
    def credentials(self) -> dict[str, str]:
        """The operator's account."""

    @property
    def person_credentials(self) -> dict[str, str]:
        """The admin's account."""

    @property
    def process(self) -> Process:
        """Its process, to be killed and paused."""


class Lab:
    """A lab in ``folder``, which is its own: what an earlier lab left there goes away.

    ``controllers`` are Kubernetes' own to run (``controlplane.HOUSEKEEPING``), ``targets`` what Prometheus scrapes.
    ``cluster`` is given a folder and makes the cluster that serves instead of a control plane of the lab's own.
    Without Prometheus on this machine ``prometheus`` is None.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clouds: Sequence[Cloud] = CLOUDS,
        prometheus: bool = True,
        proxies: bool = True,
        controllers: Sequence[str] = (),
        targets: Sequence[str] = (),
        cluster: Callable[[Path], Cluster] | None = None,
    ) -> None:
        """Builds what is not built yet. LabError when that fails, or when a lab runs in the folder already."""
        self.folder = folder.absolute()
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(state.held(self.folder))
        servers = self.folder / "servers"
        shutil.rmtree(servers, ignore_errors=True)
        self.authority = Authority(servers / "pki")
        kubernetes = servers / "kubernetes"
        self.cluster = cluster(kubernetes) if cluster else ControlPlane(kubernetes, controllers=controllers)
        self.clouds = {name: _cloud(name, servers / name, self.authority) for name in clouds}
        self.proxies = {name: self._proxy(name, servers / name) for name in clouds if proxies}
        wanted = prometheus and available()
        self.prometheus = Prometheus(servers / "prometheus", targets) if wanted else None

    @classmethod
    def attach(cls, folder: Path) -> LabState:
        """Where the servers of the lab are that another process runs in ``folder``. LabError when there is none."""
        return state.read(folder)

    @property
    def controlplane(self) -> ControlPlane:
        """The lab's own control plane. LabError when another cluster serves."""
        if not isinstance(self.cluster, ControlPlane):
            raise LabError("this lab has no control plane of its own")
        return self.cluster

    @property
    def aws(self) -> AwsCloud:
        """The AWS account. LabError when this lab has none."""
        return self._of(AwsCloud)

    @property
    def proxmox(self) -> ProxmoxCloud:
        """The Proxmox VE cluster. LabError when this lab has none."""
        return self._of(ProxmoxCloud)

    @property
    def vsphere(self) -> VsphereCloud:
        """The vCenter. LabError when this lab has none."""
        return self._of(VsphereCloud)

    @property
    def servers(self) -> dict[str, Server]:
        """All servers by name."""
        every: dict[str, Server] = {"kubernetes": self.cluster}
        every |= {str(name): cloud for name, cloud in self.clouds.items()}
        every |= {f"{name} fault proxy": proxy for name, proxy in self.proxies.items()}
        if self.prometheus is not None:
            every["prometheus"] = self.prometheus
        return every

    @property
    def processes(self) -> dict[str, Process]:
        """All processes by name."""
        every = {process.name: process for process in self.cluster.processes}
        every |= {str(name): cloud.process for name, cloud in self.clouds.items()}
        every |= {f"{name} fault proxy": proxy.process for name, proxy in self.proxies.items()}
        if self.prometheus is not None:
            every["prometheus"] = self.prometheus.process
        return every

    def start(self) -> Self:
        """Spawn everything and return at once. The servers end with the thread that calls this."""
        for server in self.servers.values():
            server.start()
        return self

    def wait(self, ready: Callable[[str], None] = lambda _: None) -> Self:
        """Block until everything answers, then write ``lab.json``; ``ready`` hears each server's name.

        Called by the thread that called ``start``. LabError when a server does not come up.
        """
        for name, server in self.servers.items():
            server.wait()
            ready(name)
        self.state().write(self.folder)
        return self

    def stop(self) -> None:
        """End everything and remove ``lab.json``; the logs stay."""
        with self._lock:
            for process in self.processes.values():
                # All get their time to end at once, not one after the other.
                process.signal(signal.SIGTERM)
            for server in reversed(self.servers.values()):
                server.stop()

    def state(self) -> LabState:
        """What ``lab.json`` says. LabError before ``wait()``."""
        return LabState(
            pid=os.getpid(),
            ca=self.authority.pem,
            kubernetes=KubernetesState(
                url=self.cluster.url,
                kubeconfig=str(self.cluster.kubeconfig),
                kubectl=str(self.cluster.kubectl),
                environment=self.cluster.environment(),
            ),
            clouds={
                name: CloudState(
                    (self.proxies.get(name) or cloud).endpoint,
                    cloud.endpoint,
                    cloud.credentials,
                    cloud.person_credentials,
                )
                for name, cloud in self.clouds.items()
            },
            proxies={name: ProxyState(proxy.endpoint, proxy.control) for name, proxy in self.proxies.items()},
            processes={name: process.pid for name, process in self.processes.items()},
            prometheus=self.prometheus.url if self.prometheus else None,
        )

    def __enter__(self) -> Self:
        try:
            return self.start().wait()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _of(self, kind: type[_Kind]) -> _Kind:
        for cloud in self.clouds.values():
            if isinstance(cloud, kind):
                return cloud
        raise LabError(f"this lab has no {kind.__name__}, only: {', '.join(self.clouds)}")

    def _proxy(self, name: Cloud, folder: Path) -> FaultProxy:
        upstream = self.clouds[name].endpoint
        encrypted = upstream.startswith("https:")
        return FaultProxy(
            folder,
            name,
            name,
            upstream,
            upstream_ca=self.authority.bundle if encrypted else None,
            certificate=self.authority.issue(f"{name}-proxy") if encrypted else None,
        )


def _cloud(name: Cloud, folder: Path, authority: Authority) -> SimulatedCloud:
    match name:
        case "aws":
            return AwsCloud(folder)
        case "proxmox":
            return ProxmoxCloud(folder, authority)
        case "vsphere":
            return VsphereCloud(folder, authority)
