"""From a Volume to the core."""

from __future__ import annotations

from typing import Any

import msgspec

from hybridge.api.managed_desired import foreign_blocks
from hybridge.api.volume import Volume
from hybridge.api.volume_desired import volume_spec
from hybridge.core.lifecycle import Drift, Import
from hybridge.core.volume import VolumeSpec

UID = "1a2b3c4d-0000-4000-8000-000000000000"
GIB = 1 << 30


def volume(**spec: Any) -> Volume:
    body = {"metadata": {"name": "data", "uid": UID}, "spec": {"providerRef": {"name": "p"}, "size": "20Gi"} | spec}
    return msgspec.convert(body, Volume)


def test_the_least_volume() -> None:
    assert volume_spec(volume(), "aws") == VolumeSpec("data-1a2b3c4d", size=20 * GIB)


def test_a_whole_volume() -> None:
    wanted = volume(
        name="data-1",
        lifecycle={
            "import": {"filter": {"name": "data-1", "tags": {"team": "shop"}}},
            "onDelete": "Detach",
            "drift": "Ignore",
            "onLost": "Recreate",
            "disruption": "Allow",
        },
        tags={"team": "shop"},
        **{"class": "gp3"},
        iops=4000,
        throughput=250,
        encrypted=True,
        source={"snapshotRef": {"name": "before"}},
        placement={"zone": "a", "storage": "fast"},
        aws={"kmsKeyID": "alias/data"},
    )
    assert volume_spec(wanted, "aws", snapshot="snap-1") == VolumeSpec(
        "data-1",
        tags={"team": "shop"},
        named=True,
        imports=Import(name="data-1", tags={"team": "shop"}),
        detach=True,
        drift=Drift.IGNORE,
        recreate_lost=True,
        disruption=True,
        size=20 * GIB,
        class_="gp3",
        iops=4000,
        throughput=250 << 20,
        encrypted=True,
        snapshot="snap-1",
        placement={"zone": "a", "storage": "fast"},
        options={"kmsKeyID": "alias/data"},
    )


def test_options_are_those_of_the_own_cloud() -> None:
    wanted = volume(proxmox={"format": "qcow2"})
    assert volume_spec(wanted, "proxmox").options == {"format": "qcow2"}
    assert volume_spec(wanted, "vsphere").options == {}
    assert foreign_blocks(wanted.spec, "vsphere") == ("proxmox",)
