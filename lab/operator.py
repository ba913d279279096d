"""The operator as its users run it: a process of its own, under an account that may do only what it must."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import requests
import yaml

from lab.cluster import Cluster
from lab.process import Process, clean_environment, free_port

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "hybridge-system"
ACCOUNT = "hybridge"
#: The texts that the Helm chart installs too.
_FILES = ROOT / "helm" / "hybridge" / "files"
_PROTECTION = _FILES / "deletion-protection.yaml"


def install(cluster: Cluster) -> Path:
    """Installs the CRDs, the policy that protects from deletion, and the operator's account; its kubeconfig."""
    cluster.apply(ROOT / "crds")
    protect(cluster)
    return make_account(cluster)


def protect(cluster: Cluster) -> None:
    """Installs the policy that protects from deletion. The API server follows it a moment later."""
    cluster.apply(_PROTECTION)


def unprotect(cluster: Cluster) -> None:
    """Takes that policy away: a cluster where the operator's finalizer alone protects."""
    cluster.kube("delete", "--ignore-not-found", "--wait=true", "-f", _PROTECTION)


def make_account(cluster: Cluster) -> Path:
    """Makes the operator's account, with the rights that the Helm chart grants, and no more; its kubeconfig."""
    cluster.apply(_account())
    return cluster.kubeconfig_for(NAMESPACE, ACCOUNT)


def uninstall(cluster: Cluster) -> None:
    """Takes away what ``install`` put there, and all objects of the CRDs with them; returns when it is gone."""
    gone = ["delete", "--ignore-not-found", "--wait=true", "--timeout=120s", "-f"]
    unprotect(cluster)
    cluster.kube(*gone, ROOT / "crds")
    cluster.kube(*gone, "-", stdin=_account())


class Operator:
    """One operator process. ``options`` are added to ``hybridge run``."""

    def __init__(self, folder: Path, kubeconfig: Path, *, options: Sequence[str] = (), name: str = "operator") -> None:
        self.port = free_port()
        argv = [
            sys.executable, "-m", "hybridge", "run",
            "--namespace", NAMESPACE,
            "--metrics-host", "127.0.0.1",
            "--metrics-port", str(self.port),
            *options,
        ]  # fmt: skip
        #: Temporary files: the client library writes the kubeconfig's certificates to some, which nobody removes from a
        #: process that is killed.
        self.temporary = folder / f"{name}.tmp"
        environment = clean_environment(
            {
                "KUBECONFIG": str(kubeconfig),
                "PYTHONPATH": str(ROOT / "operator"),
                "TMPDIR": str(self.temporary),
            }
        )
        self.process = Process(
            name, argv, log=folder / f"{name}.log", ready=self.ready, environment=environment, timeout=90
        )

    @property
    def url(self) -> str:
        """Where /metrics, /healthz and /readyz are."""
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Whether it leads and works."""
        return requests.get(f"{self.url}/readyz", timeout=5).ok

    def metrics(self, *names: str) -> str:
        """All series, or those of some names, in Prometheus' text format."""
        return requests.get(f"{self.url}/metrics", params={"name[]": names}, timeout=5).text

    def rss(self) -> int:
        """Resident memory in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak_rss(self) -> int:
        """The most resident memory that it ever had, in bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

    def threads(self) -> int:
        """How many threads it has, as the kernel counts them."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def open_files(self) -> int:
        """How many file descriptors it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def cpu_seconds(self) -> float:
        """CPU time used so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def start(self) -> Self:
        """Spawn and return at once."""
        self.temporary.mkdir(exist_ok=True)
        self.process.start()
        return self

    def wait(self) -> Self:
        """Block until it is ready."""
        self.process.wait()
        return self

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self.process.stop(grace=45)

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _account() -> str:
    cluster, own = (
        yaml.safe_load((_FILES / name).read_text()) for name in ("cluster-rules.yaml", "namespace-rules.yaml")
    )
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    group = "rbac.authorization.k8s.io"

    def role(kind: str, rules: object, **metadata: str) -> list[dict[str, object]]:
        named = {"name": ACCOUNT, **metadata}
        return [
            {"apiVersion": f"{group}/v1", "kind": kind, "metadata": named, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": f"{kind}Binding",
                "metadata": named,
                "roleRef": {"apiGroup": group, "kind": kind, "name": ACCOUNT},
                "subjects": [subject],
            },
        ]

    return yaml.safe_dump_all(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}},
            *role("ClusterRole", cluster),
            *role("Role", own, namespace=NAMESPACE),
        ]
    )
