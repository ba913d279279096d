"""Valid objects, and how a test makes others of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

Body = dict[str, Any]

API_VERSION = "hybridge.io/v1alpha1"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def machine(name: str, /, **spec: Any) -> Body:
    """A VirtualMachine with the least that is needed, and ``spec`` over it; None takes a field away."""
    least = {"providerRef": {"name": "aws-prod"}, "cpus": 2, "memory": "4Gi", "image": {"id": "ami-0abc"}}
    return _body("VirtualMachine", name, least | spec)


def volume(name: str, /, **spec: Any) -> Body:
    """A Volume with the least that is needed, and ``spec`` over it; None takes a field away."""
    return _body("Volume", name, {"providerRef": {"name": "aws-prod"}, "size": "20Gi"} | spec)


def network(name: str, /, **spec: Any) -> Body:
    """A Network with the least that is needed, and ``spec`` over it; None takes a field away."""
    least = {"providerRef": {"name": "aws-prod"}, "cidr": "10.0.1.0/24", "aws": {"vpcID": "vpc-0abc"}}
    return _body("Network", name, least | spec)


def image(name: str, /, **spec: Any) -> Body:
    """An Image with the least that is needed, and ``spec`` over it; None takes a field away."""
    return _body("Image", name, {"providerRef": {"name": "aws-prod"}, "source": {"id": "ami-0abc"}} | spec)


def snapshot(name: str, /, **spec: Any) -> Body:
    """A Snapshot with the least that is needed, and ``spec`` over it; None takes a field away."""
    source = {"kind": "VirtualMachine", "name": "web-1"}
    return _body("Snapshot", name, {"providerRef": {"name": "aws-prod"}, "sourceRef": source} | spec)


def firewall(name: str, /, **spec: Any) -> Body:
    """A Firewall with the least that is needed, and ``spec`` over it; None takes a field away."""
    return _body("Firewall", name, {"providerRef": {"name": "aws-prod"}} | spec)


def aws(name: str, /, **spec: Any) -> Body:
    """A Provider of type AWS."""
    return _provider(name, {"aws": {"region": "eu-central-1"}} | spec)


#: What makes a valid object of each kind.
LEAST: Mapping[str, Callable[[str], Body]] = {
    "Provider": aws,
    "VirtualMachine": machine,
    "Volume": volume,
    "Network": network,
    "Image": image,
    "Firewall": firewall,
    "Snapshot": snapshot,
}


def proxmox(name: str, /, **spec: Any) -> Body:
    """A Provider of type Proxmox."""
    return _provider(name, {"proxmox": {"endpoint": "https://pve.example:8006"}} | spec)


def vsphere(name: str, /, **spec: Any) -> Body:
    """A Provider of type vSphere."""
    return _provider(name, {"vsphere": {"endpoint": "https://vc.example", "datacenter": "DC0"}} | spec)


def _provider(name: str, spec: Body) -> Body:
    credentials = {"secretRef": {"namespace": "hybridge-system", "name": "login"}}
    return _body("Provider", name, {"credentials": credentials} | spec)


def _body(kind: str, name: str, spec: Body) -> Body:
    given = {key: value for key, value in copy.deepcopy(spec).items() if value is not None}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": given}
