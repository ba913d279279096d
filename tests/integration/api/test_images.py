"""What the API server says about Images."""

from __future__ import annotations

import pytest

from hybridge.api.image import Image
from tests.integration.api.bodies import Body, image
from tests.integration.api.conftest import Api
from tests.integration.api.judged import accepts, agrees, judges, refuses

SUM = "sha256:" + "0" * 64
URL: Body = {"source": {"url": {"url": "https://cloud.debian.org/debian-12.qcow2", "checksum": SUM}}}
IMPORT: Body = {"lifecycle": {"import": {"id": "ami-0abc"}}}
PLACED: Body = {**URL, "placement": {"node": "pve1", "storage": "local"}}

WHOLE: Body = {
    "name": "debian-12",
    "tags": {"team": "shop"},
    "placement": {"node": "pve1", "cluster": "C0", "storage": "local", "folder": "images"},
    "allowedNamespaces": {"names": ["*"]},
    **URL,
}

ACCEPTED: dict[str, Body] = {
    "the least": {},
    "everything": WHOLE,
    "a template by its VMID": {"source": {"id": 9000}},
    "the newest of a name": {"source": {"find": {"name": "debian-12-*", "owner": "136693071363"}}},
    "a copy": {"source": {"copy": {"id": "ami-0abc", "region": "us-east-1"}}},
    "an object in S3": {"source": {"s3": {"bucket": "images", "key": "debian.ova", "format": "ova"}}},
    "a machine": {"source": {"virtualMachineRef": {"name": "golden"}}},
    "a snapshot": {"source": {"snapshotRef": {"name": "before"}}},
    "an import": {"source": None, **IMPORT},
}

REFUSED: list[tuple[Body, str]] = [
    ({"source": None}, "spec.source: Required value: source is required unless lifecycle.import is set"),
    ({"source": {}}, "exactly one of id, find, url, copy, s3, virtualMachineRef and snapshotRef must be set"),
    ({"source": {"id": "ami-1", "copy": {"id": "ami-1"}}}, "exactly one of id, find, url, copy, s3, virtualMachineRef"),
    (IMPORT, "source and lifecycle.import exclude each other"),
    ({"source": {"find": {"owner": "self"}}}, "spec.source.find.name: Required value"),
    ({"source": {"url": {"url": "https://x/y"}}}, "spec.source.url.checksum: Required value"),
    ({"source": {"url": {"url": "ftp://x/y", "checksum": SUM}}}, "must be an http:// or https:// URL"),
    ({"source": {"url": {"url": "https://x/y", "checksum": "md5:0"}}}, "must be sha256: or sha512:"),
    ({"source": {"s3": {"bucket": "b", "key": "k", "format": "iso"}}}, "supported values"),
]

KEPT = "cannot be changed or removed: make another Image"

#: What was, what is changed, and the sentence; empty: allowed.
CHANGES: list[tuple[Body, Body, str]] = [
    ({}, {"tags": {"a": "b"}, "allowedNamespaces": {"names": ["shop"]}}, ""),
    ({}, {"name": "other"}, "name cannot be set, changed or removed"),
    ({}, {"source": {"id": "ami-other"}}, f"source {KEPT}"),
    ({"source": None, **IMPORT}, {"lifecycle": None, "source": {"id": "ami-0abc"}}, ""),
    (PLACED, {"placement": {"node": "pve2"}}, f"placement {KEPT}"),
]

STATUS: Body = {
    "observedGeneration": 1,
    "id": "ami-0abc",
    "phase": "Creating",
    "progress": 40,
    "imageName": "debian-12-20260101",
    "size": "8Gi",
    "architecture": "x86_64",
    "publishedAt": "2026-01-01T12:00:00Z",
    "newer": {"id": "ami-0def", "name": "debian-12-20260201", "createdAt": "2026-02-01T12:00:00Z"},
    "usedBy": ["VirtualMachine shop/web-1"],
    "createdAt": "2026-01-31T12:00:00Z",
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_good_image_is_stored_as_it_was_written(api: Api, name: str, spec: Body) -> None:
    accepts(api, image(name, **spec))


@pytest.mark.parametrize(("spec", "sentence"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_mistake_is_refused_with_a_sentence(api: Api, name: str, spec: Body, sentence: str) -> None:
    refuses(api, image(name, **spec), sentence)


@pytest.mark.parametrize(("before", "change", "sentence"), CHANGES, ids=lambda value: str(value)[:60])
def test_a_change_is_judged_by_what_was_before(api: Api, name: str, before: Body, change: Body, sentence: str) -> None:
    judges(api, image(name, **before), change, sentence)


def test_the_import_is_settled_once_an_image_is_bound(api: Api, name: str) -> None:
    elsewhere: Body = {"lifecycle": {"import": {"id": "ami-0def"}}}
    judges(api, image(name, source=None, **IMPORT), elsewhere, "lifecycle.import cannot be", {"id": "ami-0abc"})


def test_the_model_and_the_server_agree_on_everything(api: Api, name: str) -> None:
    agrees(api, image(name, **WHOLE), STATUS, Image)
