"""Kubernetes manifests for the lab's clouds: a Secret and a Provider each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.faultproxy import Cloud
from lab.operator import NAMESPACE

#: What every simulated cloud offers under the same name.
IMAGE = "debian-12"
#: A network by which machines can be attached, by cloud; AWS subnets have ids that the estate chooses.
NETWORKS = {"proxmox": "vmbr0", "vsphere": "VM Network"}
_CLOUDS: Mapping[str, Mapping[str, object]] = {
    "aws": {"region": "eu-central-1", "instanceFamilies": ["t3", "m5", "r5"]},
    "proxmox": {"vmIDRange": {"from": 1000, "to": 1999}},
    "vsphere": {"datacenter": "DC0"},
}


def secret(name: str, credentials: Mapping[str, str], namespace: str = NAMESPACE) -> dict[str, Any]:
    """A Secret with the credentials of one cloud."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": dict(credentials),
    }


def provider(cloud: Cloud, endpoint: str, ca: str, name: str | None = None, **spec: object) -> dict[str, Any]:
    """A Provider of ``cloud`` that every namespace may use; ``spec`` replaces fields."""
    name = name or cloud
    block = {**_CLOUDS[cloud], "endpoint": endpoint}
    tls = {"tls": {"caBundle": ca}} if endpoint.startswith("https:") else {}
    return {
        "apiVersion": "hybridge.io/v1alpha1",
        "kind": "Provider",
        "metadata": {"name": name},
        "spec": {
            cloud: block,
            "credentials": {"secretRef": {"namespace": NAMESPACE, "name": name}},
            "allowedNamespaces": {"names": ["*"]},
            **tls,
            **spec,
        },
    }


def machine(name: str, provider_name: str, namespace: str = "default", **spec: object) -> dict[str, Any]:
    """A small VirtualMachine; ``spec`` adds or replaces fields."""
    return {
        "apiVersion": "hybridge.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "providerRef": {"name": provider_name},
            "cpus": 2,
            "memory": "4Gi",
            "image": {"id": IMAGE},
            **spec,
        },
    }
