"""What the demo puts into the cluster, and how it takes that away again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from lab import manifests
from lab.bed import CLOUDS, Lab
from lab.cluster import Cluster
from lab.faultproxy import Cloud
from lab.kinds import namespaced
from lab.operator import NAMESPACE as OPERATORS
from lab.operator import ROOT
from lab.process import LabError

EXAMPLES = ROOT / "examples"

#: Short enough that what somebody changes in a cloud is seen while he looks.
_SWEEP = "5s"
_WAIT = ("--ignore-not-found", "--wait=true", "--timeout=120s")
_PROVIDERS = "providers.hybridge.io"
_GONE_TIMEOUT = 90.0
_POLL = 0.3


def namespace(cloud: Cloud) -> str:
    """Where the demo has the application of this cloud: its objects have the same names on all of them."""
    return f"demo-{cloud}"


NAMESPACES = tuple(map(namespace, CLOUDS))


def refuse_when_in_use(cluster: Cluster) -> None:
    """LabError when Hybridge or something of the demo's names is there already: the demo would disturb it."""
    crds = cluster.kube("get", "customresourcedefinitions", "--output=name").split()
    namespaces = cluster.kube("get", "namespaces", "--output=name").split()
    taken = [word for word in crds if word.endswith(".hybridge.io")]
    taken += [word for word in namespaces if word.removeprefix("namespace/") in {*NAMESPACES, OPERATORS}]
    if taken:
        raise LabError(
            f"this cluster has {', '.join(taken)} already, which the demo would use and remove: name another one"
        )


def write_providers(lab: Lab, path: Path) -> Path:
    """A file with a Secret and a Provider for each cloud of the lab; only its owner can read it."""
    networks = {"aws": lab.aws.subnets[0], **manifests.NETWORKS}
    state = lab.state()
    documents: list[dict[str, Any]] = []
    for name in lab.clouds:
        cloud = state.clouds[name]
        documents.append(manifests.secret(name, cloud.credentials))
        network = {"network": networks[name]}
        documents.append(manifests.provider(name, cloud.endpoint, state.ca, defaults=network, sweepInterval=_SWEEP))
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return path


def furnish(cluster: Cluster, providers: Path) -> None:
    """The Providers, and the application of each cloud's folder of ``examples`` as it is, in a namespace of its own."""
    cluster.apply(providers)
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
    cluster.apply(yaml.safe_dump_all(spaces))
    for cloud in CLOUDS:
        where = ("--namespace", namespace(cloud), "--filename", EXAMPLES / cloud)
        cluster.kube("apply", "--server-side", "--field-manager=demo", *where)


def clear_applications(cluster: Cluster) -> None:
    """Deletes all objects at once; returns when the operator has proven that all is gone. LabError when that takes long."""
    for name in NAMESPACES:
        cluster.kube("delete", namespaced(), "--all", "--namespace", name, "--wait=false")
    for name in NAMESPACES:
        _until_gone(cluster, namespaced(), "--namespace", name)


def clear_providers(cluster: Cluster, providers: Path) -> None:
    """Deletes the Providers and their Secrets. LabError when that takes long."""
    cluster.kube("delete", "--filename", providers, "--ignore-not-found", "--wait=false")
    _until_gone(cluster, _PROVIDERS)


def release(cluster: Cluster) -> list[str]:
    """Takes the finalizers off what could not be deleted, because the simulated clouds are about to end; what that was."""
    found = []
    places = [(namespaced(), ("--namespace", name)) for name in NAMESPACES]
    for kind, where in [*places, (_PROVIDERS, ())]:
        for name in cluster.kube("get", kind, *where, "--output=name").split():
            cluster.kube("patch", name, *where, "--type=merge", "--patch", '{"metadata":{"finalizers":null}}')
            found.append(name)
    return found


def clear_namespaces(cluster: Cluster) -> None:
    """Deletes the namespaces; only a cluster with Kubernetes' own controllers can do that."""
    cluster.kube("delete", "namespace", *NAMESPACES, *_WAIT)


def _until_gone(cluster: Cluster, *words: str) -> None:
    deadline = time.monotonic() + _GONE_TIMEOUT
    while left := cluster.kube("get", *words, "--output=name").split():
        if time.monotonic() > deadline:
            raise LabError(f"not deleted after {_GONE_TIMEOUT:.0f} s: {', '.join(left)}")
        time.sleep(_POLL)
