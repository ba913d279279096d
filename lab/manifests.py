"""Kubernetes manifests for the lab's clouds: a Secret and a Provider each."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
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


def volume(name: str, provider_name: str, namespace: str = "default", **spec: object) -> dict[str, Any]:
    """A small Volume; ``spec`` adds or replaces fields, and takes away those that are None."""
    wanted = {"providerRef": {"name": provider_name}, "size": "2Gi", **spec}
    return {
        "apiVersion": "hybridge.io/v1alpha1",
        "kind": "Volume",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {field: value for field, value in wanted.items() if value is not None},
    }


def network(name: str, cloud: Cloud, provider_name: str, namespace: str = "default", **spec: object) -> dict[str, Any]:
    """A Network that needs no other; ``spec`` adds or replaces fields, and takes away those that are None."""
    segments: Mapping[Cloud, Mapping[str, object]] = {
        "aws": {"cidr": "10.96.0.0/24", "aws": {"vpcCIDR": "10.96.0.0/16", "zone": "eu-central-1a"}},
        "proxmox": {"proxmox": {"sdnZone": "plain", "vnet": vnet(f"{namespace}/{provider_name}/{name}")}},
        "vsphere": {"vsphere": {"switch": "DVS0"}},
    }
    wanted = {"providerRef": {"name": provider_name}, **segments[cloud], **spec}
    return {
        "apiVersion": "hybridge.io/v1alpha1",
        "kind": "Network",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {field: value for field, value in wanted.items() if value is not None},
    }


def firewall(name: str, provider_name: str, namespace: str = "default", **spec: object) -> dict[str, Any]:
    """A Firewall that applies to machines with the label ``guarded: <its name>``, and lets them be reached by the web and
    reach names; ``spec`` adds or replaces fields, and takes away those that are None.
    """
    web = {"name": "web", "direction": "Ingress", "protocol": "TCP", "ports": [{"from": 443}], "cidrs": ["10.0.0.0/8"]}
    dns = {"name": "dns", "direction": "Egress", "protocol": "UDP", "ports": [{"from": 53}], "cidrs": ["10.0.0.53/32"]}
    selector = {"matchLabels": {"guarded": name}}
    wanted = {"providerRef": {"name": provider_name}, "selector": selector, "rules": [web, dns], **spec}
    return {
        "apiVersion": "hybridge.io/v1alpha1",
        "kind": "Firewall",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {field: value for field, value in wanted.items() if value is not None},
    }


def snapshot(name: str, provider_name: str, namespace: str = "default", **spec: object) -> dict[str, Any]:
    """A Snapshot; ``spec`` says of what, adds or replaces fields, and takes away those that are None."""
    wanted = {"providerRef": {"name": provider_name}, **spec}
    return {
        "apiVersion": "hybridge.io/v1alpha1",
        "kind": "Snapshot",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {field: value for field, value in wanted.items() if value is not None},
    }


def image(name: str, provider_name: str, namespace: str = "default", **spec: object) -> dict[str, Any]:
    """An Image; ``spec`` says which or of what, adds or replaces fields, and takes away those that are None."""
    wanted = {"providerRef": {"name": provider_name}, **spec}
    return {
        "apiVersion": "hybridge.io/v1alpha1",
        "kind": "Image",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {field: value for field, value in wanted.items() if value is not None},
    }


def vnet(words: str) -> str:
    """A name that a vnet can have, another one for other words."""
    return f"v{sha256(words.encode()).hexdigest()[:7]}"
