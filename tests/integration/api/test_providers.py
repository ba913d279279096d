"""What the API server says about Providers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hybridge.api.provider import Provider
from tests.integration.api.bodies import PEM, Body, aws, proxmox, vsphere
from tests.integration.api.conftest import Api

Make = Callable[..., Body]

SHA = "sha256:" + "ab" * 32
PVE = {"endpoint": "https://pve.example:8006"}

WHOLE: Body = {
    "aws": {
        "region": "eu-central-1",
        "endpoint": "http://127.0.0.1:5000",
        "assumeRole": {"arn": "arn:aws:iam::123456789012:role/hybridge", "externalID": "x"},
        "instanceFamilies": ["t3", "m7i"],
    },
    "tls": {"caBundle": PEM, "fingerprint": SHA},
    "allowedNamespaces": {
        "names": ["shop", "team-*"],
        "selector": {
            "matchLabels": {"tier": "prod"},
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}, {"key": "c", "operator": "Exists"}],
        },
    },
    "imports": "Managed",
    "restrict": {
        "networkIDs": ["subnet-1"],
        "folders": ["f"],
        "resourcePools": ["r"],
        "storages": ["s"],
        "zones": ["z"],
        "nodes": ["n"],
    },
    "limits": {"requestsPerSecond": 5, "burst": 6, "concurrentTasks": 7},
    "sweepInterval": "45s",
    "defaults": {
        "zone": "z",
        "node": "n",
        "cluster": "c",
        "folder": "f",
        "resourcePool": "r",
        "storage": "s",
        "network": "n",
    },
    "paused": True,
}

ACCEPTED: dict[str, tuple[Make, Body]] = {
    "aws": (aws, {}),
    "proxmox": (proxmox, {}),
    "vsphere": (vsphere, {}),
    "everything": (aws, WHOLE),
    "the workload's identity": (aws, {"credentials": {"workloadIdentity": {}}}),
    "a range of VMIDs": (proxmox, {"proxmox": {**PVE, "vmIDRange": {"from": 1000, "to": 1999}}}),
    "one VMID": (proxmox, {"proxmox": {**PVE, "vmIDRange": {"from": 1000, "to": 1000}}}),
    "a fingerprint with colons": (proxmox, {"tls": {"fingerprint": "sha256:" + ":".join(["AB"] * 32)}}),
    "no verification": (proxmox, {"tls": {"insecureSkipVerify": True}}),
    "all namespaces": (aws, {"allowedNamespaces": {"names": ["*"]}}),
}

REFUSED: list[tuple[Make, Body, str]] = [
    (aws, {"aws": None}, "exactly one of aws, proxmox and vsphere must be set"),
    (aws, {"proxmox": PVE}, "exactly one of aws, proxmox and vsphere must be set"),
    (aws, {"aws": {}}, "spec.aws.region: Required value"),
    (aws, {"aws": {"region": "Frankfurt"}}, "must be a region such as eu-central-1"),
    (aws, {"aws": {"region": "eu-central-1", "endpoint": "ec2"}}, "must be an http:// or https:// URL"),
    (
        aws,
        {"aws": {"region": "eu-central-1", "assumeRole": {"arn": "hybridge"}}},
        "must be the ARN of an IAM role",
    ),
    (proxmox, {"proxmox": {"endpoint": "http://pve.example:8006"}}, "must be an https:// URL"),
    (proxmox, {"proxmox": {"endpoint": "pve.example"}}, "must be an https:// URL"),
    (proxmox, {"proxmox": {**PVE, "vmIDRange": {"from": 200, "to": 100}}}, "from must not be greater than to"),
    (proxmox, {"proxmox": {**PVE, "vmIDRange": {"from": 99, "to": 200}}}, "should be greater than or equal to 100"),
    (vsphere, {"vsphere": {"endpoint": "https://vc.example"}}, "spec.vsphere.datacenter: Required value"),
    (vsphere, {"vsphere": {"endpoint": "http://vc.example", "datacenter": "DC0"}}, "must be an https:// URL"),
    (aws, {"credentials": None}, "spec.credentials: Required value"),
    (aws, {"credentials": {}}, "exactly one of secretRef and workloadIdentity must be set"),
    (
        aws,
        {"credentials": {"workloadIdentity": {}, "secretRef": {"namespace": "n", "name": "s"}}},
        "exactly one of secretRef and workloadIdentity must be set",
    ),
    (proxmox, {"credentials": {"workloadIdentity": {}}}, "only AWS has a workloadIdentity: give a secretRef"),
    (aws, {"credentials": {"secretRef": {"name": "s"}}}, "spec.credentials.secretRef.namespace: Required value"),
    (
        proxmox,
        {"tls": {"insecureSkipVerify": True, "fingerprint": SHA}},
        "insecureSkipVerify switches verification off",
    ),
    (proxmox, {"tls": {"insecureSkipVerify": True, "caBundle": PEM}}, "insecureSkipVerify switches verification off"),
    (proxmox, {"tls": {"caBundle": "TUlJ"}}, "must hold certificates in PEM"),
    (proxmox, {"tls": {"caBundle": PEM + "-----BEGIN PRIVATE KEY-----"}}, "and no private key"),
    (proxmox, {"tls": {"fingerprint": "ab" * 32}}, "must be sha256: and 64 hexadecimal digits"),
    (aws, {"imports": "All"}, 'supported values: "None", "Observed", "Managed"'),
    (aws, {"limits": {"requestsPerSecond": 0}}, "should be greater than or equal to 1"),
    (aws, {"sweepInterval": "0s"}, "must be from 1s to 24h"),
    (aws, {"sweepInterval": "often"}, "must be a duration such as 90s, 10m or 24h"),
    (aws, {"allowedNamespaces": {"names": ["a", "a"]}}, "spec.allowedNamespaces.names[1]: Duplicate value"),
    (
        aws,
        {"allowedNamespaces": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}},
        "In and NotIn need values",
    ),
    (aws, {"allowedNamespace": {}}, 'unknown field "spec.allowedNamespace"'),
]

CHANGES: list[tuple[Make, Body, str]] = [
    (aws, {"aws": {"region": "eu-west-1"}}, "spec.aws.region: Invalid value"),
    (aws, {"aws": {"endpoint": "https://ec2.example"}}, ""),
    (aws, {"aws": None, "proxmox": PVE}, "the cloud of a Provider cannot be changed: make another Provider"),
    (proxmox, {"proxmox": {"endpoint": "https://pve2.example:8006"}}, ""),
    (vsphere, {"vsphere": {"datacenter": "DC1"}}, "spec.vsphere.datacenter: Invalid value"),
    (vsphere, {"credentials": {"secretRef": {"name": "other"}}, "paused": True}, ""),
]

STATUS: Body = {
    "observedGeneration": 1,
    "type": "proxmox",
    "identity": "lab/ab:cd",
    "version": "9.0.3",
    "capabilities": ["LinkedClone"],
    "inventory": {
        "virtualMachines": 12,
        "volumes": 8,
        "networks": 3,
        "images": 2,
        "firewalls": 1,
        "snapshots": 5,
        "unmanaged": 3,
        "orphans": 1,
    },
    "orphans": [{"id": "101", "kind": "VirtualMachine", "namespace": "shop", "name": "web"}],
    "capacity": {"cpus": 64, "memory": "256Gi", "storage": [{"name": "local", "total": "1Ti", "used": "200Gi"}]},
    "lastSweep": {"time": "2026-01-31T12:00:00Z", "duration": "25ms", "requests": 1},
}


def case_id(value: object) -> str:
    """A function is called by its name: an address would be another one in each worker."""
    return str(getattr(value, "__name__", value))[:60]


@pytest.mark.parametrize(("make", "spec"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_good_provider_is_stored_as_it_was_written(api: Api, name: str, make: Make, spec: Body) -> None:
    wanted = make(name, **spec)
    answer = api.create(wanted, dry_run=True)
    assert answer.message == ""
    assert answer.body["spec"] == wanted["spec"]


@pytest.mark.parametrize(("make", "spec", "sentence"), REFUSED, ids=case_id)
def test_a_mistake_is_refused_with_a_sentence(api: Api, name: str, make: Make, spec: Body, sentence: str) -> None:
    assert sentence in api.create(make(name, **spec), dry_run=True).message


@pytest.mark.parametrize(("make", "change", "sentence"), CHANGES, ids=case_id)
def test_what_a_provider_is_cannot_be_changed(api: Api, name: str, make: Make, change: Body, sentence: str) -> None:
    made = make(name)
    assert api.create(made).message == ""
    message = api.merge(made, {"spec": change}).message
    assert sentence in message
    assert bool(message) == bool(sentence)


def test_the_model_and_the_server_agree_on_everything(api: Api, name: str) -> None:
    made = aws(name, **WHOLE)
    assert api.create(made).body["status"]["observedGeneration"] == -1
    stored = api.merge(made, {"status": STATUS}, status=True)
    assert stored.message == ""
    read = msgspec.convert(stored.body, Provider)
    assert _json(read.status) == stored.body["status"]
    assert _json(read.spec) == made["spec"]
    assert read.spec.cloud == WHOLE["aws"]


def _json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
