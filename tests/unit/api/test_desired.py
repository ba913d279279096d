"""From custom resources to the core, and back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.api import desired, records
from hybridge.api.managed_desired import foreign_blocks
from hybridge.api.network_desired import Segment
from hybridge.api.notyet import NOT_YET, not_yet
from hybridge.api.provider import Provider
from hybridge.api.selectors import NamespaceGrant
from hybridge.api.shared import IntentStatus, TaskStatus, clip
from hybridge.api.virtualmachine import VirtualMachine, VirtualMachineSpec
from hybridge.core.attempt import Intent, SecretVersion
from hybridge.core.machine import CloudInit, MachineSpec, Nic, Power, PowerOff, VolumeUse
from hybridge.core.printable import printable
from hybridge.core.task import Task

UID = "1a2b3c4d-0000-4000-8000-000000000000"
LEAST = {"providerRef": {"name": "p"}, "cpus": 2, "memory": "4Gi", "image": {"id": "debian-12"}}


def machine(object_name: str = "web", **spec: Any) -> VirtualMachine:
    body = {"metadata": {"name": object_name, "uid": UID, "managedFields": [{}]}, "spec": LEAST | spec}
    return msgspec.convert(body, VirtualMachine)


def test_the_least_machine() -> None:
    assert desired.machine_spec(machine(), "aws") == MachineSpec(
        name="web-1a2b3c4d", image="debian-12", cpus=2, memory=4 << 30
    )


def test_a_whole_machine() -> None:
    wanted = machine(
        name="db-1",
        image={"id": 9000},
        rootDisk={"size": 20 << 30, "class": "fast"},
        networks=[{"name": "nic0", "id": "vmbr0", "mac": "52:54:00:AB:CD:EF", "addresses": ["10.0.0.5/24"]}],
        powerState="Stopped",
        powerOff={"mode": "Hard", "timeout": "1m30s"},
        cloudInit={"hostname": "db", "sshKeys": ["ssh-ed25519 A"]},
        placement={"node": "pve1", "resourcePool": "gold"},
        tags={"team": "shop"},
        lifecycle={"disruption": "Allow", "onLost": "Recreate", "onDelete": "Detach"},
        proxmox={"cpuType": "host", "agent": True, "vlan": 12},
    )
    assert desired.machine_spec(wanted, "proxmox", user_data="#cloud-config\n") == MachineSpec(
        name="db-1",
        image="9000",
        cpus=2,
        memory=4 << 30,
        root_disk=20 << 30,
        root_disk_class="fast",
        networks=(Nic("nic0", "vmbr0", "52:54:00:ab:cd:ef", ("10.0.0.5/24",)),),
        power=Power.STOPPED,
        power_off=PowerOff.HARD,
        power_off_timeout=90.0,
        tags={"team": "shop"},
        placement={"node": "pve1", "resourcePool": "gold"},
        options={"cpuType": "host", "agent": True, "vlan": 12},
        cloud_init=CloudInit("db", ("ssh-ed25519 A",), "#cloud-config\n"),
        disruption=True,
        recreate_lost=True,
        detach=True,
        named=True,
    )


def test_a_volume_has_an_id_as_soon_as_it_is_there() -> None:
    refs = [{"name": "data", "volumeRef": {"name": "db-data"}}, {"name": "logs", "volumeRef": {"name": "db-logs"}}]
    wanted = desired.machine_spec(machine(volumes=refs), "aws", volumes={"data": "vol-1"})
    assert wanted.volumes == (VolumeUse("data", "db-data", "vol-1"), VolumeUse("logs", "db-logs"))


def test_what_is_named_by_reference_is_known_once_it_is_there() -> None:
    refs = [{"name": "nic0", "networkRef": {"name": "front"}}, {"name": "nic1", "networkRef": {"name": "back"}}]
    told = machine(networks=refs, image={"imageRef": {"name": "debian"}})
    wanted = desired.machine_spec(told, "proxmox", networks={"nic0": Segment("vmbr0", "20")}, image="9000")
    assert wanted.networks == (Nic("nic0", "vmbr0", vlan="20"), Nic("nic1", ""))
    assert wanted.image == "9000"


def test_options_are_those_of_the_own_cloud_and_plain_json() -> None:
    wanted = machine(aws={"securityGroupIDs": ["sg-1"]})
    assert desired.machine_spec(wanted, "aws").options == {"securityGroupIDs": ["sg-1"]}
    assert desired.machine_spec(wanted, "vsphere").options == {}
    assert foreign_blocks(wanted.spec, "vsphere") == ("aws",)
    assert foreign_blocks(wanted.spec, "aws") == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("web", "web-1a2b3c4d"), ("w" * 54, "w" * 54 + "-1a2b3c4d"), ("w" * 53 + ".x" * 9, "w" * 53 + "-1a2b3c4d")],
)
def test_the_default_name_keeps_the_uid_when_it_is_cut(name: str, expected: str) -> None:
    assert desired.machine_spec(machine(name), "aws").name == expected
    assert len(expected) <= 63


def test_user_data_stays_out_of_sight() -> None:
    assert "hunter2" not in repr(desired.machine_spec(machine(), "aws", user_data="hunter2"))


words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
moments = st.integers(0, 2**33).map(float)
intents = st.builds(
    Intent,
    attempt=st.integers(0, 1000),
    token=words,
    name=words,
    uuid=words,
    provider_identity=words,
    started_at=moments,
    parameters=st.dictionaries(words, json_values, max_size=4),
    id=st.none() | words,
    secrets=st.lists(st.builds(SecretVersion, words, words, words), max_size=2).map(tuple),
    rejected=st.booleans(),
)


@given(intents)
def test_an_intent_survives_being_stored(intent: Intent) -> None:
    stored = msgspec.json.encode(records.intent_status(intent))
    assert records.intent(msgspec.json.decode(stored, type=IntentStatus)) == intent


@given(words, words, moments, st.none() | st.integers(0, 100))
def test_a_task_survives_being_stored(task_id: str, operation: str, started: float, progress: int | None) -> None:
    task = Task(task_id, operation, started, progress=progress)
    stored = msgspec.json.encode(records.task_status(task))
    assert records.task(msgspec.json.decode(stored, type=TaskStatus)) == task


NOT_DONE: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({}, ()),
    ({"lifecycle": {"management": "Managed", "drift": "Correct", "onDelete": "Detach"}}, ()),
    ({"volumes": [], "networks": [{"name": "a", "id": "b"}], "placement": {"zone": "z"}}, ()),
    ({"image": {"imageRef": {"name": "x"}}, "networks": [{"name": "c", "networkRef": {"name": "d"}}]}, ()),
    ({"volumes": [{"name": "a", "volumeRef": {"name": "b"}}]}, ()),
    ({"revertTo": {"snapshot": "s", "token": "1"}, "restartToken": "1"}, ()),
    ({"lifecycle": {"management": "Observed", "import": {"id": "i"}, "drift": "Ignore"}}, ()),
    ({"placement": {"antiAffinityGroup": "web"}}, ()),
]


@pytest.mark.parametrize(("spec", "paths"), NOT_DONE)
def test_used_fields_that_are_not_done_yet_are_named(spec: dict[str, Any], paths: tuple[str, ...]) -> None:
    assert not_yet(machine(**spec).spec) == paths


def test_every_entry_of_the_table_is_tried_above() -> None:
    tried = {path.replace("[1]", "[]") for _, paths in NOT_DONE for path in paths}
    assert tried == set(NOT_YET[VirtualMachineSpec])


def test_a_provider_tells_its_cloud() -> None:
    body = {
        "metadata": {"name": "p"},
        "spec": {
            "proxmox": {"endpoint": "https://pve:8006", "vmIDRange": {"from": 100, "to": 200}},
            "credentials": {"secretRef": {"namespace": "n", "name": "s"}},
            "tls": {"fingerprint": "sha256:" + ":".join(["AB"] * 32)},
        },
    }
    spec = msgspec.convert(body, Provider).spec
    assert spec.type == "proxmox"
    assert spec.cloud == {"endpoint": "https://pve:8006", "vmIDRange": {"from": 100, "to": 200}}
    assert spec.tls.fingerprint_hex == "ab" * 32
    assert not_yet(spec) == ()


@pytest.mark.parametrize(
    ("grant", "namespace", "labels", "allowed"),
    [
        ({}, "shop", {}, False),
        ({"names": ["*"]}, "shop", {}, True),
        ({"names": ["team-*"]}, "team-a", {}, True),
        ({"names": ["team-*"]}, "my-team-a", {}, False),
        ({"selector": {}}, "shop", {}, True),
        ({"selector": {"matchLabels": {"tier": "prod"}}}, "shop", {"tier": "prod", "x": "y"}, True),
        ({"selector": {"matchLabels": {"tier": "prod"}}}, "shop", {}, False),
        ({"selector": {"matchExpressions": [{"key": "t", "operator": "In", "values": ["a"]}]}}, "s", {"t": "a"}, True),
        ({"selector": {"matchExpressions": [{"key": "t", "operator": "In", "values": ["a"]}]}}, "s", {}, False),
        ({"selector": {"matchExpressions": [{"key": "t", "operator": "NotIn", "values": ["a"]}]}}, "s", {}, True),
        (
            {"selector": {"matchExpressions": [{"key": "t", "operator": "NotIn", "values": ["a"]}]}},
            "s",
            {"t": "a"},
            False,
        ),
        ({"selector": {"matchExpressions": [{"key": "t", "operator": "Exists"}]}}, "s", {"t": ""}, True),
        ({"selector": {"matchExpressions": [{"key": "t", "operator": "DoesNotExist"}]}}, "s", {"t": ""}, False),
    ],
)
def test_a_grant_to_namespaces(grant: dict[str, Any], namespace: str, labels: dict[str, str], allowed: bool) -> None:
    assert msgspec.convert(grant, NamespaceGrant).allows(namespace, labels) is allowed


@given(st.text(max_size=600), st.integers(1, 300))
def test_clipped_text_fits(text: str, most: int) -> None:
    clipped = clip(text, most)
    assert len(clipped) <= most
    assert clipped == printable(text) or clipped.endswith("…")
    assert clipped.isprintable()
