"""What the API server says about Volumes."""

from __future__ import annotations

import pytest

from hybridge.api.volume import Volume
from tests.integration.api.bodies import Body, volume
from tests.integration.api.conftest import Api
from tests.integration.api.judged import accepts, agrees, judges, refuses

SOURCE: Body = {"source": {"snapshotRef": {"name": "before"}}}
IMPORT: Body = {"lifecycle": {"import": {"id": "vol-0abc"}}}
PLACED: Body = {"placement": {"zone": "eu-central-1a"}}

WHOLE: Body = {
    "name": "data-1",
    "lifecycle": {"onDelete": "Detach", "deletionProtection": True, "drift": "Report"},
    "syncInterval": "5m",
    "tags": {"team": "shop"},
    "class": "gp3",
    "iops": 4000,
    "throughput": 250,
    "encrypted": True,
    "placement": {"zone": "eu-central-1a", "node": "pve1", "storage": "fast"},
    "aws": {"kmsKeyID": "alias/data"},
    **SOURCE,
}

ACCEPTED: dict[str, Body] = {
    "the least": {},
    "everything": WHOLE,
    "an import": {"size": None, **IMPORT},
    "an observed import": {"size": None, "lifecycle": {"management": "Observed", "import": {"id": "vol-0abc"}}},
    "proxmox options": {"proxmox": {"format": "qcow2"}},
    "a size in bytes": {"size": 20 << 30},
}

REFUSED: list[tuple[Body, str]] = [
    ({"size": None}, "spec.size: Required value: size is required unless lifecycle.import is set"),
    ({"size": "big"}, "must be a quantity such as 4Gi"),
    ({"size": "0"}, "must be from 1Mi to 64Ti"),
    ({"providerRef": None}, "spec.providerRef: Required value"),
    ({"iops": 0}, "spec.iops in body should be greater than or equal to 1"),
    ({"throughput": 100_001}, "spec.throughput in body should be less than or equal to 100000"),
    ({**SOURCE, **IMPORT}, "source and lifecycle.import exclude each other"),
    ({"source": {}}, "spec.source.snapshotRef: Required value"),
    ({"proxmox": {"format": "vhd"}}, 'supported values: "raw", "qcow2", "vmdk"'),
    ({"aws": {}, "proxmox": {}}, "at most one of aws and proxmox can be set"),
    ({"lifecycle": {"management": "Observed"}}, "Observed needs lifecycle.import"),
    ({"tags": {"hybridge.io/owner": "me"}}, "tags that start with hybridge.io/ or aws: are reserved"),
    ({"capacity": "20Gi"}, 'unknown field "spec.capacity"'),
]

#: What was, what is changed, and the sentence; empty: allowed.
CHANGES: list[tuple[Body, Body, str]] = [
    ({}, {"size": "30Gi", "class": "io2", "iops": 4000, "throughput": 250, "tags": {"a": "b"}}, ""),
    ({}, {"size": 21474836480}, ""),
    (IMPORT, {"size": None}, "size can grow, but neither shrink nor be removed"),
    ({}, {"size": "19Gi"}, "size can grow, but neither shrink nor be removed"),
    ({}, {"providerRef": {"name": "other"}}, "spec.providerRef: Invalid value"),
    ({}, {"name": "data"}, "name cannot be set, changed or removed"),
    (SOURCE, {"source": {"snapshotRef": {"name": "other"}}}, "source cannot be set, changed or removed"),
    (SOURCE, {"source": None}, "source cannot be set, changed or removed"),
    ({}, SOURCE, "source cannot be set, changed or removed"),
    ({"encrypted": True}, {"encrypted": False}, "encrypted cannot be set, changed or removed"),
    ({"encrypted": True}, {"encrypted": None}, "encrypted cannot be set, changed or removed"),
    (PLACED, {"placement": {"zone": "eu-central-1b"}}, "placement cannot be set, changed or removed"),
    (PLACED, {"placement": None}, "placement cannot be set, changed or removed"),
    ({}, PLACED, "placement cannot be set, changed or removed"),
]

STATUS: Body = {
    "observedGeneration": 1,
    "id": "vol-0abc",
    "phase": "Ready",
    "size": "20Gi",
    "class": "gp3",
    "iops": 4000,
    "throughput": 250,
    "encrypted": True,
    "zone": "eu-central-1a",
    "host": "pve1",
    "storage": "fast",
    "attachments": [{"id": "i-0abc", "virtualMachine": "shop/db-1", "device": "/dev/sdf"}],
    "createdAt": "2026-01-31T12:00:00Z",
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_good_volume_is_stored_as_it_was_written(api: Api, name: str, spec: Body) -> None:
    accepts(api, volume(name, **spec))


@pytest.mark.parametrize(("spec", "sentence"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_mistake_is_refused_with_a_sentence(api: Api, name: str, spec: Body, sentence: str) -> None:
    refuses(api, volume(name, **spec), sentence)


@pytest.mark.parametrize(("before", "change", "sentence"), CHANGES, ids=lambda value: str(value)[:60])
def test_a_change_is_judged_by_what_was_before(api: Api, name: str, before: Body, change: Body, sentence: str) -> None:
    judges(api, volume(name, **before), change, sentence)


@pytest.mark.parametrize("change", [{"size": "19Gi"}, {"size": None}], ids=str)
def test_a_size_that_the_cloud_refused_is_taken_back(api: Api, name: str, change: Body) -> None:
    moment = "2026-01-31T12:00:00Z"
    stalled = {"type": "Stalled", "status": "True", "reason": "Quota", "message": "no", "lastTransitionTime": moment}
    refused = {"observedGeneration": 1, "conditions": [stalled]}
    judges(api, volume(name, **IMPORT), change, "", refused)


def test_the_import_is_settled_once_a_volume_is_bound(api: Api, name: str) -> None:
    judges(api, volume(name), IMPORT, "lifecycle.import cannot be changed", {"id": "vol-0abc"})


def test_the_model_and_the_server_agree_on_everything(api: Api, name: str) -> None:
    agrees(api, volume(name, **WHOLE), STATUS, Volume)
