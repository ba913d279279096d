"""A Kubernetes control plane: etcd, kube-apiserver and, when asked for, some of Kubernetes' own controllers.

RBAC is on, so an account can do exactly what its roles say. There is no kubelet and no scheduler: nothing runs Pods.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import shutil
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import programs
from lab.cluster import Cluster
from lab.pki import Authority, KeyPair
from lab.process import Process

#: What deletes the contents of deleted namespaces and the dependents of deleted owners, and makes default accounts.
HOUSEKEEPING = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "validatingadmissionpolicy-status-controller",
)

_HOST = "127.0.0.1"
_SHARED_MEMORY = Path("/dev/shm")
_STORE_PREFIX = "hybridge-etcd-"
_STORE_SPACE = 1 << 30


class ControlPlane(Cluster):
    """A control plane whose files live in ``folder``; ``controllers`` names the controllers to run, by default none.

    ``etcd``, ``apiserver`` and ``controller_manager`` are the processes, for tests that pause, kill and start them
    again: ports and data outlive a process, and end with ``stop()``.
    """

    def __init__(self, folder: Path, *, controllers: Sequence[str] = (), authority: Authority | None = None) -> None:
        """LabError when one of the programs cannot be had; building them the first time takes some minutes."""
        super().__init__(folder, folder / "admin.kubeconfig")
        self.controllers = tuple(controllers)
        self.authority = authority or Authority(self.folder / "pki", "Hybridge lab Kubernetes CA")
        self._token = secrets.token_urlsafe(32)
        self._tls = ssl.create_default_context(cadata=self.authority.pem)
        self._held = {name: _reserved_port() for name in ("etcd", "apiserver", "controller-manager")}
        self._ports = {name: int(held.getsockname()[1]) for name, held in self._held.items()}
        self._store = _store(self.folder)
        self._snapshots: list[Path] = []

        self.write_secret("tokens.csv", f'{self._token},admin,admin,"system:masters"\n')
        self.write_secret("service-accounts.key", _private_key())
        self._write_kubeconfig()
        certificate = self.authority.issue("kubernetes")
        self.etcd = self._etcd()
        self.apiserver = self._apiserver(certificate)
        self.controller_manager = self._controller_manager(certificate) if self.controllers else None

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://{_HOST}:{self._ports['apiserver']}"

    @property
    def processes(self) -> list[Process]:
        """All processes, in the order in which they start."""
        return [self.etcd, self.apiserver, *([self.controller_manager] if self.controller_manager else [])]

    def start(self) -> Self:
        """Spawn etcd and the API server, and return at once."""
        self.etcd.start()
        self.apiserver.start()
        return self

    def wait(self) -> Self:
        """Block until the API server is ready, then start the controllers (they give up on one that is not).

        LabError with the end of a log when one of them does not come up.
        """
        self.etcd.wait()
        self.apiserver.wait()
        if self.controller_manager is not None:
            self.controller_manager.start().wait()
        return self

    def snapshot(self) -> Path:
        """A copy of etcd's data as they are at one moment; it is kept until ``stop``."""
        taken = self._store.with_name(f"{self._store.name}-snapshot-{len(self._snapshots) + 1}")
        self._snapshots.append(taken)
        self.etcd.pause()
        try:
            shutil.copytree(self._store, taken)
        finally:
            self.etcd.resume()
        return taken

    def restore(self, snapshot: Path) -> None:
        """Has the cluster be as it was then, resource versions included; blocks until the API server is ready again.

        So does an admin who restores a backup: with every API server ended, and without ``--bump-revision``.
        """
        self._begin_with(snapshot)

    def rebuild(self) -> None:
        """Has a new, empty cluster be at the old address, with the old accounts; blocks until its API server is ready."""
        self._begin_with(None)

    def stop(self) -> None:
        """End all processes and remove etcd's data."""
        for process in reversed(self.processes):
            # The API server would wait a minute for open watches; nothing that it or etcd could still save is kept.
            process.kill()
        for held in self._held.values():
            held.close()
        for store in (self._store, *self._snapshots):
            shutil.rmtree(store, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start().wait()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _begin_with(self, snapshot: Path | None) -> None:
        for process in reversed(self.processes):
            process.kill()
        shutil.rmtree(self._store)
        if snapshot is not None:
            shutil.copytree(snapshot, self._store)
        self.start().wait()

    def _etcd(self) -> Process:
        url = f"http://{_HOST}:{self._ports['etcd']}"
        argv: list[str | Path] = [
            programs.etcd(),
            f"--data-dir={self._store}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls=http://{_HOST}:0",
            "--socket-reuse-port",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]
        return self._process("etcd", argv, lambda: self._ok("etcd", "/health"))

    def _apiserver(self, certificate: KeyPair) -> Process:
        key = self.folder / "service-accounts.key"
        argv: list[str | Path] = [
            programs.kube_apiserver(),
            f"--etcd-servers=http://{_HOST}:{self._ports['etcd']}",
            f"--bind-address={_HOST}",
            f"--advertise-address={_HOST}",
            f"--secure-port={self._ports['apiserver']}",
            "--permit-port-sharing",
            f"--tls-cert-file={certificate.certificate}",
            f"--tls-private-key-file={certificate.key}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            "--max-requests-inflight=3000",
            "--max-mutating-requests-inflight=1500",
            "--profiling=false",
            "--shutdown-delay-duration=0s",
        ]
        return self._process("apiserver", argv, lambda: self._ok("apiserver", "/readyz"))

    def _controller_manager(self, certificate: KeyPair) -> Process:
        argv: list[str | Path] = [
            programs.kube_controller_manager(),
            f"--kubeconfig={self.kubeconfig}",
            f"--bind-address={_HOST}",
            f"--secure-port={self._ports['controller-manager']}",
            "--permit-port-sharing",
            f"--tls-cert-file={certificate.certificate}",
            f"--tls-private-key-file={certificate.key}",
            f"--controllers={','.join(self.controllers)}",
            f"--service-account-private-key-file={self.folder / 'service-accounts.key'}",
            "--leader-elect=false",
            "--profiling=false",
        ]
        return self._process("controller-manager", argv, lambda: self._ok("controller-manager", "/healthz"))

    def _process(self, name: str, argv: Sequence[str | Path], ready: Callable[[], bool]) -> Process:
        # When the lab's own process is killed, they would wait for each other for minutes if asked politely.
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        return Process(name, [*prefix, *argv], log=self.folder / f"{name}.log", ready=ready, timeout=120.0)

    def _ok(self, name: str, path: str) -> bool:
        """Whether a GET answers 200; OSError when nothing listens yet."""
        port = self._ports[name]
        connection = (
            http.client.HTTPConnection(_HOST, port, timeout=5)
            if name == "etcd"
            else http.client.HTTPSConnection(_HOST, port, timeout=5, context=self._tls)
        )
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except http.client.HTTPException:
            return False
        finally:
            connection.close()

    def _write_kubeconfig(self) -> None:
        authority = base64.b64encode(self.authority.pem.encode()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin", "namespace": "default"}}],
            "current-context": "lab",
        }
        self.write_secret(self.kubeconfig.name, json.dumps(config, indent=2))


def _reserved_port() -> socket.socket:
    """A free port, held: nobody else gets it, and a server with SO_REUSEPORT can listen on it again and again.

    The socket is bound but does not listen, so no connection ever reaches it.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((_HOST, 0))
    return held


def _store(folder: Path) -> Path:
    """Where etcd shall keep its data: in memory when there is room, else in ``folder``. Killed labs' data is removed."""
    if not (_SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free > _STORE_SPACE):
        shutil.rmtree(folder / "etcd", ignore_errors=True)
        return folder / "etcd"
    for left in _SHARED_MEMORY.glob(f"{_STORE_PREFIX}*"):
        owner = left.name.removeprefix(_STORE_PREFIX).split("-")[0]
        if not Path("/proc", owner).exists():
            # Another user's is not ours to remove, and another worker may be removing it now.
            shutil.rmtree(left, ignore_errors=True)
    return _SHARED_MEMORY / f"{_STORE_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"


def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return pem.decode()
