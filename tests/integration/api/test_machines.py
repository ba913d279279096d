"""What the API server says about VirtualMachines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hybridge.api.virtualmachine import VirtualMachine
from tests.integration.api.bodies import Body, machine
from tests.integration.api.conftest import Api

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@example"
NIC = {"name": "nic0", "id": "subnet-1"}

WHOLE: Body = {
    "name": "web-1",
    "lifecycle": {
        "management": "Observed",
        "import": {"filter": {"name": "web-1", "tags": {"team": "shop"}}},
        "onDelete": "Detach",
        "deletionProtection": True,
        "drift": "Report",
        "onLost": "Recreate",
        "disruption": "Allow",
    },
    "syncInterval": "5m",
    "rootDisk": {"size": "20Gi", "class": "gp3"},
    "volumes": [{"name": "data", "volumeRef": {"name": "db-data"}}],
    "networks": [
        {"name": "nic0", "networkRef": {"name": "frontend", "namespace": "net"}},
        {
            **NIC,
            "name": "nic1",
            "mac": "52:54:00:12:34:56",
            "addresses": ["10.0.0.5/24", "fd00::5/64"],
            "gateways": ["10.0.0.1", "fd00::1"],
            "nameservers": ["10.0.0.2"],
        },
    ],
    "powerState": "Stopped",
    "powerOff": {"mode": "Soft", "timeout": "1m30s"},
    "restartToken": "1",
    "cloudInit": {
        "userData": {"secretRef": {"name": "web", "key": "userData"}},
        "sshKeys": [KEY],
        "hostname": "web-1.example.com",
    },
    "placement": {
        "zone": "eu-central-1a",
        "node": "pve1",
        "cluster": "c",
        "storage": "s",
        "folder": "f",
        "resourcePool": "r",
        "antiAffinityGroup": "web",
    },
    "tags": {"team": "shop", "empty": ""},
    "revertTo": {"snapshot": "before-upgrade", "token": "1"},
    "aws": {
        "instanceType": "m7i.large",
        "iamInstanceProfile": "web",
        "securityGroupIDs": ["sg-0abc"],
        "keyName": "me",
    },
}

ACCEPTED: dict[str, Body] = {
    "the least": {},
    "everything": WHOLE,
    "image as a number": {"image": {"id": 9000}},
    "image by reference": {"image": {"imageRef": {"name": "debian-12"}}},
    "memory as a number of bytes": {"memory": 4 << 30},
    "the least memory": {"memory": "16Mi"},
    "proxmox options": {"proxmox": {"bios": "ovmf", "agent": True, "vlan": 4094, "cpuType": "host"}},
    "vsphere options": {"vsphere": {"guestID": "debian12_64Guest", "hardwareVersion": "vmx-19", "cpuHotAdd": True}},
    "an import by id": {"cpus": None, "memory": None, "image": None, "lifecycle": {"import": {"id": "i-0abc"}}},
    "an observed import": {
        "cpus": None,
        "memory": None,
        "image": None,
        "lifecycle": {"management": "Observed", "import": {"filter": {"tags": {"team": "shop"}}}},
    },
}

REFUSED: list[tuple[Body, str]] = [
    ({"cpus": None}, "spec.cpus: Required value: cpus is required unless lifecycle.import is set"),
    ({"memory": None}, "spec.memory: Required value: memory is required unless lifecycle.import is set"),
    ({"image": None}, "spec.image: Required value: image is required unless lifecycle.import is set"),
    ({"providerRef": None}, "spec.providerRef: Required value"),
    ({"cpus": 0}, "spec.cpus in body should be greater than or equal to 1"),
    ({"cpus": 1025}, "spec.cpus in body should be less than or equal to 1024"),
    ({"memory": "lots"}, 'spec.memory: Invalid value: "lots": must be a quantity such as 4Gi'),
    ({"memory": "4GB"}, "must be a quantity such as 4Gi"),
    ({"memory": "15Mi"}, "must be from 16Mi to 64Ti"),
    ({"memory": 1024}, "must be from 16Mi to 64Ti"),
    ({"memory": "-4Gi"}, "must be from 16Mi to 64Ti"),
    ({"memory": "65Ti"}, "must be from 16Mi to 64Ti"),
    ({"rootDisk": {"size": "big"}}, "spec.rootDisk.size"),
    ({"image": {}}, "exactly one of id and imageRef must be set"),
    ({"image": {"id": 1, "imageRef": {"name": "x"}}}, "exactly one of id and imageRef must be set"),
    ({"image": {"id": ""}}, "spec.image.id in body should be at least 1 chars long"),
    ({"name": "web_1"}, "must consist of letters, digits, '-' and '.'"),
    ({"name": "w" * 64}, "may not be more than 63"),
    ({"syncInterval": "soon"}, "must be a duration such as 90s, 10m or 24h"),
    ({"syncInterval": "1 day"}, "must be a duration such as 90s, 10m or 24h"),
    ({"syncInterval": "1s"}, "must be from 10s to 168h"),
    ({"lifecycle": {"management": "Observed"}}, "Observed needs lifecycle.import"),
    ({"lifecycle": {"management": "Ours"}}, 'supported values: "Managed", "Observed"'),
    ({"lifecycle": {"import": {}}}, "exactly one of id and filter must be set"),
    ({"lifecycle": {"import": {"id": "a", "filter": {"name": "b"}}}}, "exactly one of id and filter must be set"),
    ({"lifecycle": {"import": {"filter": {}}}}, "needs a name or tags"),
    ({"networks": [{"name": "nic0"}]}, "exactly one of id and networkRef must be set"),
    ({"networks": [{**NIC, "networkRef": {"name": "n"}}]}, "exactly one of id and networkRef must be set"),
    ({"networks": [NIC, NIC]}, "spec.networks[1]: Duplicate value"),
    ({"networks": [{**NIC, "mac": "52:54:00:12:34"}]}, "must be the MAC address of one interface"),
    ({"networks": [{**NIC, "mac": "53:54:00:12:34:56"}]}, "must be the MAC address of one interface"),
    ({"networks": [{**NIC, "gateways": ["10.0.0.1"]}]}, "gateways and nameservers need addresses"),
    ({"networks": [{**NIC, "addresses": ["10.0.0.5/24"], "gateways": ["10.0.0.1/24"]}]}, "must be an IP address"),
    ({"networks": [{**NIC, "addresses": ["10.0.0.5"]}]}, "must be an address with the length of its network"),
    ({"networks": [{**NIC, "addresses": ["10.0.0.5/33"]}]}, "must be an address with the length of its network"),
    ({"networks": [{**NIC, "name": f"nic{n}"} for n in range(11)]}, "spec.networks: Too many"),
    ({"volumes": [{"name": "a", "volumeRef": {"name": "b"}}] * 2}, "spec.volumes[1]: Duplicate value"),
    ({"powerState": "Paused"}, 'supported values: "Running", "Stopped"'),
    ({"powerOff": {"mode": "Nicely"}}, 'supported values: "TrySoft", "Soft", "Hard"'),
    ({"powerOff": {"timeout": "2h"}}, "must be from 1s to 1h"),
    ({"cloudInit": {"hostname": "web_1"}}, "must be a host name such as web-1"),
    ({"cloudInit": {"hostname": "web-1."}}, "must be a host name such as web-1"),
    ({"cloudInit": {"sshKeys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}}, "must be a public key"),
    ({"cloudInit": {"sshKeys": [KEY, KEY]}}, "spec.cloudInit.sshKeys[1]: Duplicate value"),
    (
        {"cloudInit": {"userData": {"secretRef": {"name": "x"}}}},
        "spec.cloudInit.userData.secretRef.key: Required value",
    ),
    ({"tags": {"hybridge.io/owner": "me"}}, "tags that start with hybridge.io/ or aws: are reserved"),
    ({"tags": {"aws:cloudformation": "me"}}, "tags that start with hybridge.io/ or aws: are reserved"),
    ({"tags": {"note": "\x1b[31m"}}, "keys and values of tags have no characters that cannot be printed"),
    ({"tags": {"gnp\u202eexe": "x"}}, "keys and values of tags have no characters that cannot be printed"),
    ({"tags": {"k" * 129: "v"}}, "keys of tags have 1 to 128 characters"),
    ({"tags": {f"k{n}": "" for n in range(41)}}, "spec.tags: Too many"),
    ({"aws": {}, "proxmox": {}}, "at most one of aws, proxmox and vsphere can be set"),
    ({"aws": {"instanceType": "large"}}, "must be an instance type such as m7i.large"),
    ({"aws": {"securityGroupIDs": ["web"]}}, "must be the id of a security group"),
    ({"proxmox": {"bios": "uefi"}}, 'supported values: "seabios", "ovmf"'),
    ({"proxmox": {"vlan": 4095}}, "spec.proxmox.vlan in body should be less than or equal to 4094"),
    ({"vsphere": {"hardwareVersion": "19"}}, "must be a hardware version such as vmx-19"),
    ({"cpu": 2}, 'unknown field "spec.cpu"'),
]

#: Names that are none, and would be paths, patterns, markup, commands or other names where they were taken as they are.
ASTRAY = [
    "", " ", ".", "..", "../x", "a/b", "a%2fb", "/etc/shadow", "a?force=1", "a#b", "*", "a\n", "a\r\nHost: b", "a\x00b",
    "a\x1b[2J", "a\u202eb", "\u0430ws", "a\u2010b", "<a>&amp;", '"},{"a":"', "a,import-from=/etc/shadow", "$(reboot)",
    "n" * 10 * 2**10,
]  # fmt: skip

IMPORT_A: Body = {"import": {"id": "i-a"}}
BIG: Body = {"rootDisk": {"size": "20Gi", "class": "gp3"}}

#: What was, what is changed, and the sentence; empty: allowed.
CHANGES: list[tuple[Body, Body, str]] = [
    ({}, {"cpus": 4, "memory": "8Gi", "tags": {"a": "b"}}, ""),
    ({}, {"providerRef": {"name": "other"}}, "spec.providerRef: Invalid value"),
    ({"name": "web"}, {"name": "other"}, "name cannot be set, changed or removed"),
    ({"name": "web"}, {"name": None}, "name cannot be set, changed or removed"),
    ({}, {"name": "web"}, "name cannot be set, changed or removed"),
    ({}, {"image": {"id": "ami-other"}}, "image cannot be changed or removed"),
    ({"lifecycle": IMPORT_A}, {"image": None}, "image cannot be changed or removed"),
    ({"lifecycle": IMPORT_A, "image": None}, {"image": {"id": "ami-0abc"}}, ""),
    (BIG, {"rootDisk": {"size": "30Gi"}}, ""),
    (BIG, {"rootDisk": {"size": 21474836480}}, ""),
    (BIG, {"rootDisk": {"class": "io2"}}, ""),
    (BIG, {"rootDisk": {"size": "19Gi"}}, "rootDisk.size can grow, but neither shrink nor be removed"),
    (BIG, {"rootDisk": {"size": None}}, "rootDisk.size can grow, but neither shrink nor be removed"),
    (BIG, {"rootDisk": None}, "rootDisk.size can grow, but neither shrink nor be removed"),
    ({}, {"rootDisk": {"size": "1Gi"}}, ""),
    ({"lifecycle": IMPORT_A}, {"lifecycle": {"import": {"id": "i-b"}}}, ""),
    ({"lifecycle": IMPORT_A}, {"lifecycle": None}, ""),
]

BOUND: list[tuple[Body, Body, str]] = [
    ({"lifecycle": IMPORT_A}, {"lifecycle": {"import": {"id": "i-b"}}}, "lifecycle.import cannot be changed"),
    ({"lifecycle": IMPORT_A}, {"lifecycle": {"import": None}}, "lifecycle.import cannot be changed"),
    ({"lifecycle": IMPORT_A}, {"lifecycle": None}, "lifecycle.import cannot be changed"),
    ({}, {"lifecycle": IMPORT_A}, "lifecycle.import cannot be changed"),
    ({"lifecycle": IMPORT_A}, {"lifecycle": {"onDelete": "Detach"}}, ""),
    ({}, {"lifecycle": {"onDelete": "Detach"}}, ""),
]

#: What is changed of a disk that a machine has, and the sentence; empty: allowed.
DISKS: list[tuple[Body, str]] = [
    ({"rootDisk": {"size": "30Gi"}}, ""),
    ({"rootDisk": {"size": 21474836480}}, ""),
    ({"rootDisk": {"class": "io2"}}, ""),
    ({"rootDisk": {"size": "19Gi"}}, "rootDisk.size can grow, but neither shrink nor be removed"),
    ({"rootDisk": {"size": None}}, "rootDisk.size can grow, but neither shrink nor be removed"),
    ({"rootDisk": None}, "rootDisk.size can grow, but neither shrink nor be removed"),
]

STATUS: Body = {
    "observedGeneration": 1,
    "id": "i-0abc",
    "intent": {
        "attempt": 1,
        "token": "hybridge-uid-1",
        "name": "web",
        "uuid": "6b0c7a52-7a5b-5d57-a1c4-0d9f7c1f3c55",
        "providerIdentity": "123456789012/eu-central-1",
        "startedAt": "2026-01-31T12:00:00Z",
        "parameters": {"ImageId": "ami-0abc", "nested": {"list": [1, {"a": True}]}},
        "secrets": [{"name": "web", "uid": "u", "resourceVersion": "7"}],
    },
    "task": {"id": "UPID:1", "operation": "Clone", "startedAt": "2026-01-31T12:00:00Z", "progress": 40},
    "plan": [{"action": "Resize", "field": "cpus", "from": "2", "to": "4", "disruptive": True, "reason": "r"}],
    "drift": [{"field": "powerState", "want": "Running", "found": "Stopped", "since": "2026-01-31T12:00:00Z"}],
    "lastSyncTime": "2026-01-31T12:00:00Z",
    "phase": "Running",
    "powerState": "Running",
    "addresses": [{"type": "InternalIP", "address": "10.0.0.5"}],
    "cpus": 2,
    "memory": "4Gi",
    "instanceType": "t3.medium",
    "host": "h",
    "zone": "z",
    "createdAt": "2026-01-31T12:00:00Z",
    "restartRequired": True,
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_good_machine_is_stored_as_it_was_written(api: Api, name: str, spec: Body) -> None:
    wanted = machine(name, **spec)
    answer = api.create(wanted, dry_run=True)
    assert answer.message == ""
    assert answer.body["spec"] == wanted["spec"]


@pytest.mark.parametrize(("spec", "sentence"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_mistake_is_refused_with_a_sentence(api: Api, name: str, spec: Body, sentence: str) -> None:
    assert sentence in api.create(machine(name, **spec), dry_run=True).message


@pytest.mark.parametrize("text", ASTRAY)
def test_names_that_mean_something_else_elsewhere_are_refused_by_the_field(api: Api, name: str, text: str) -> None:
    """The name in the cloud and the host name, and those of Providers and Secrets."""
    data = {"userData": {"secretRef": {"name": text, "key": "userData"}}}

    for path, spec in (
        ("spec.name", {"name": text}),
        ("spec.cloudInit.hostname", {"cloudInit": {"hostname": text}}),
        ("spec.providerRef.name", {"providerRef": {"name": text}}),
        ("spec.cloudInit.userData.secretRef.name", {"cloudInit": data}),
    ):
        assert f"{path}: " in api.create(machine(name, **spec), dry_run=True).message


@pytest.mark.parametrize(("before", "change", "sentence"), CHANGES, ids=lambda value: str(value)[:60])
def test_a_change_is_judged_by_what_was_before(api: Api, name: str, before: Body, change: Body, sentence: str) -> None:
    made = machine(name, **before)
    assert api.create(made).message == ""
    _expect(api.merge(made, {"spec": change}).message, sentence)


@pytest.mark.parametrize(("before", "change", "sentence"), BOUND, ids=lambda value: str(value)[:60])
def test_the_import_is_settled_once_an_object_is_bound(
    api: Api, name: str, before: Body, change: Body, sentence: str
) -> None:
    made = machine(name, **before)
    assert api.create(made).message == ""
    assert api.merge(made, {"status": {"id": "i-a"}}, status=True).message == ""
    _expect(api.merge(made, {"spec": change}).message, sentence)


@pytest.mark.parametrize(("change", "sentence"), DISKS, ids=lambda value: str(value)[:60])
def test_a_disk_only_grows_once_the_machine_has_it(api: Api, name: str, change: Body, sentence: str) -> None:
    made = machine(name, **BIG)
    assert api.create(made).message == ""
    assert api.merge(made, {"status": {"observedGeneration": 1, "metGeneration": 1}}, status=True).message == ""
    _expect(api.merge(made, {"spec": change}).message, sentence)


#: What the operator told of a spec, whether by that it is met, and whether its disk may be made smaller then.
TOLD: list[tuple[Body, int | None, bool]] = [
    ({"type": "Stalled", "status": "True", "reason": "Quota"}, None, True),
    ({"type": "Stalled", "status": "True", "reason": "Quota"}, 1, True),
    ({"type": "Stalled", "status": "True", "reason": "Lost"}, 2, False),
    ({"type": "Synced", "status": "False", "reason": "TaskFailed"}, 1, True),
    ({"type": "Synced", "status": "False", "reason": "Creating"}, None, False),
    ({"type": "Synced", "status": "False", "reason": "Updating"}, 1, False),
]


@pytest.mark.parametrize(("condition", "met", "allowed"), TOLD, ids=str)
@pytest.mark.parametrize("change", [{"rootDisk": {"size": "19Gi"}}, {"rootDisk": None}], ids=str)
def test_a_size_that_the_cloud_refused_is_taken_back(
    api: Api, name: str, condition: Body, met: int | None, change: Body, *, allowed: bool
) -> None:
    made = machine(name, **BIG)
    assert api.create(made).message == ""
    told = {"lastTransitionTime": "2026-01-01T00:00:00Z", "message": "", **condition}
    status = {"observedGeneration": 2, "metGeneration": met, "conditions": [told]}
    assert api.merge(made, {"status": status}, status=True).message == ""
    _expect(api.merge(made, {"spec": change}).message, "" if allowed else "rootDisk.size can grow")


def test_a_new_machine_waits_for_the_operator(api: Api, name: str) -> None:
    created = api.create(machine(name)).body
    assert created["status"] == {
        "observedGeneration": -1,
        "conditions": [
            {
                "type": "Ready",
                "status": "Unknown",
                "reason": "Pending",
                "message": "Waiting for the operator",
                "lastTransitionTime": "1970-01-01T00:00:00Z",
            }
        ],
    }


def test_the_model_and_the_server_agree_on_everything(api: Api, name: str) -> None:
    made = machine(name, **WHOLE)
    api.create(made)
    stored = api.merge(made, {"status": STATUS}, status=True)
    assert stored.message == ""
    assert {key: stored.body["status"][key] for key in STATUS} == STATUS
    read = msgspec.convert(stored.body, VirtualMachine)
    assert _json(read.status) == stored.body["status"]
    assert _json(read.spec) == made["spec"]


def test_an_overlong_plan_is_refused(api: Api, name: str) -> None:
    made = machine(name)
    api.create(made)
    answer = api.merge(made, {"status": {"plan": [{"action": "Resize"}] * 33}}, status=True)
    assert "status.plan: Too many: 33: must have at most 32 items" in answer.message


def _expect(message: str, sentence: str) -> None:
    if sentence:
        assert sentence in message
    else:
        assert message == ""


def _json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
