"""A Kubernetes cluster as its admin has it: kubectl with a kubeconfig."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lab import programs
from lab.process import LabError, Process, clean_environment


class Cluster:
    """A cluster that runs already; ``folder`` is for what is written to reach it. Nothing is started or stopped.

    ``kubeconfig`` belongs to the cluster's owner and is only read.
    """

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        """LabError when there is no kubectl and none can be built."""
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kubeconfig = kubeconfig.absolute()
        self.kubectl = programs.kubectl()

    @property
    def url(self) -> str:
        """Where the API server listens. LabError when the kubeconfig does not say."""
        return self.kube("config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}")

    @property
    def processes(self) -> Sequence[Process]:
        """The processes that are the lab's, in the order in which they start."""
        return ()

    def start(self) -> Self:
        """Spawn what is the lab's, and return at once."""
        return self

    def wait(self) -> Self:
        """Block until the API server is ready. LabError when it is not."""
        self.kube("get", "--raw", "/readyz")
        return self

    def stop(self) -> None:
        """End what is the lab's."""

    def kube(self, *words: str | Path, stdin: str = "", kubeconfig: Path | None = None) -> str:
        """Standard output of kubectl, run as the admin or with another kubeconfig. LabError with its stderr on failure."""
        done = subprocess.run(
            [self.kubectl, *words],
            input=stdin,
            env=clean_environment(self.environment(kubeconfig)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LabError(f"kubectl {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """The variables that point kubectl and other clients here, with a discovery cache of this cluster's own."""
        return {"KUBECONFIG": str(kubeconfig or self.kubeconfig), "KUBECACHEDIR": str(self.folder / "kubectl-cache")}

    def apply(self, manifests: Path | str) -> str:
        """Server-side apply of a file, a folder or YAML text, as the admin. LabError says what was refused."""
        words = ["apply", "--server-side", "--force-conflicts", "--field-manager=lab", "-f"]
        if isinstance(manifests, Path):
            return self.kube(*words, manifests)
        return self.kube(*words, "-", stdin=manifests)

    def kubeconfig_for(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a fresh token (TokenRequest, 30 days) of a service account that exists already."""
        token = self.kube("create", "token", name, "--namespace", namespace, "--duration=720h").strip()
        config = json.loads(self.kube("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
        config["users"] = [{"name": name, "user": {"token": token}}]
        for context in config["contexts"]:
            context["context"]["user"] = name
        return self.write_secret(f"{namespace}-{name}.kubeconfig", json.dumps(config, indent=2))

    def write_secret(self, name: str, content: str) -> Path:
        """A file in ``folder`` that only its owner can read."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(content)
        return path


def given(folder: Path, kubeconfig: Path) -> Cluster:
    """The cluster of a kubeconfig that somebody named on purpose. LabError when there is no such file."""
    if not (kubeconfig.is_file() and os.access(kubeconfig, os.R_OK)):
        raise LabError(f"{kubeconfig} is no kubeconfig that can be read")
    return Cluster(folder, kubeconfig)
