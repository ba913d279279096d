"""From an Image to the core."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hybridge.api.image import Image
from hybridge.api.image_desired import image_spec
from hybridge.core.image import Copy, Download, Find, ImageSpec, Published, Source, Stored, Taken
from hybridge.core.lifecycle import Import

UID = "1a2b3c4d-0000-4000-8000-000000000000"
SUM = "sha256:" + "0" * 64


def image(source: dict[str, Any] | None, **spec: Any) -> Image:
    body = {"metadata": {"name": "deb", "uid": UID}, "spec": {"providerRef": {"name": "p"}, "source": source} | spec}
    return msgspec.convert(body, Image)


MADE: list[tuple[dict[str, Any], Source]] = [
    ({"url": {"url": "https://x/deb.qcow2", "checksum": SUM}}, Download("https://x/deb.qcow2", SUM)),
    ({"copy": {"id": "ami-1", "region": "us-east-1"}}, Copy("ami-1", "us-east-1")),
    ({"s3": {"bucket": "b", "key": "k", "format": "ova"}}, Stored("b", "k", "ova")),
    ({"virtualMachineRef": {"name": "web"}}, Published("web", "i-1")),
    ({"snapshotRef": {"name": "before"}}, Taken("before", "snap-1", "i-1")),
]


@pytest.mark.parametrize(("source", "wanted"), MADE)
def test_what_an_image_is_made_from(source: dict[str, Any], wanted: Source) -> None:
    spec = image_spec(image(source, placement={"node": "pve1"}), "i-1", "snap-1")
    assert spec == ImageSpec("deb-1a2b3c4d", source=wanted, placement={"node": "pve1"})


def test_what_exists_is_only_looked_at() -> None:
    assert image_spec(image({"id": 9000})) == ImageSpec("deb-1a2b3c4d", observed=True, imports=Import(id="9000"))
    find = image_spec(image({"find": {"name": "debian-12-*", "owner": "self"}}))
    assert (find.observed, find.find) == (True, Find("debian-12-*", "self"))
    imported = image_spec(image(None, lifecycle={"import": {"id": "ami-1"}}))
    assert (imported.observed, imported.imports, imported.source) == (False, Import(id="ami-1"), None)
