"""Snapshots of machines, and what a spec of one can say on vSphere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from hybridge.core.errors import Refused, Unreachable
from hybridge.core.identity import Marker, write_notes
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, SnapshotSource, SnapshotSpec, SourceKind
from hybridge.drivers.base import Settings, SweepRequest
from hybridge.drivers.vsphere import snapshot_mapping
from hybridge.drivers.vsphere.catalog import Catalog, CatalogStub
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.disk_ids import disk_of, is_disk_snapshot_id
from hybridge.drivers.vsphere.disk_snapshots import DiskSnapshots
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import vim
from hybridge.drivers.vsphere.snapshot_mapping import Taken
from hybridge.drivers.vsphere.snapshot_watch import SnapshotWatch

MARKER = Marker("cluster", "uid", "Snapshot", "shop", "before")
MOMENT = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
SPEC = SnapshotSpec("before", source=SnapshotSource(SourceKind.MACHINE, "web", "vm-1"), tags={"team": "shop"})


def node(number: int, children: Sequence[Any] = (), **words: Any) -> Any:
    given = {"state": "poweredOff", "quiesced": False, "description": "", **words}
    return vim.vm.SnapshotTree(
        snapshot=vim.vm.Snapshot(f"snapshot-{number}"),
        vm=vim.VirtualMachine("vm-1"),
        name=f"s{number}",
        id=number,
        createTime=MOMENT,
        childSnapshotList=list(children),
        replaySupported=False,
        **given,
    )


def info(*roots: Any) -> Any:
    return vim.vm.SnapshotInfo(rootSnapshotList=list(roots))


def test_a_tree_is_told_branch_by_branch() -> None:
    found = snapshot_mapping.taken(info(node(1, [node(2, [node(3)]), node(4)]), node(5)))

    assert [(one.id, one.parent, one.depth) for one in found] == [
        ("snapshot-1", None, 0),
        ("snapshot-2", "snapshot-1", 1),
        ("snapshot-3", "snapshot-2", 2),
        ("snapshot-4", "snapshot-1", 1),
        ("snapshot-5", None, 0),
    ]


def test_what_is_no_tree_is_no_answer() -> None:
    with pytest.raises(Unreachable):
        snapshot_mapping.taken(SimpleNamespace(rootSnapshotList=[SimpleNamespace(snapshot=None)]))


def test_a_machine_without_any_has_none() -> None:
    assert snapshot_mapping.taken(None) == ()


@pytest.mark.parametrize(
    ("words", "consistency"),
    [
        ({}, Consistency.CRASH),
        ({"quiesced": True}, Consistency.QUIESCED),
        ({"state": "poweredOn"}, Consistency.MEMORY),
        ({"state": "poweredOn", "quiesced": True}, Consistency.MEMORY),
        ({"state": "suspended"}, Consistency.CRASH),
    ],
)
def test_what_it_holds_is_what_the_vcenter_says(words: dict[str, Any], consistency: Consistency) -> None:
    (found,) = snapshot_mapping.taken(info(node(1, **words)))

    assert snapshot_mapping.snapshot(found, "vm-1").consistency is consistency


def test_a_snapshot_is_shown_whole() -> None:
    text = f"before the upgrade\n{write_notes(MARKER)}"
    found = Taken("snapshot-7", "a%2fb", text, 7.0, parent="snapshot-6", depth=3)

    shown = snapshot_mapping.snapshot(found, "vm-1")

    assert (shown.id, shown.name, shown.state, shown.source_id) == ("snapshot-7", "a/b", State.READY, "vm-1")
    assert (shown.marker, shown.created_at, shown.depth, shown.parent) == (MARKER, 7.0, 3, "snapshot-6")


def test_a_spec_is_normal_once_and_has_no_tags() -> None:
    normal = snapshot_mapping.normalize(SPEC)

    assert normal.tags == {}
    assert snapshot_mapping.normalize(normal) == normal


@pytest.mark.parametrize(
    ("words", "reason", "told"),
    [
        ({"source": SnapshotSource(SourceKind.VOLUME, "data", "v"), "memory": True}, Reason.UNSUPPORTED, "spec.memory"),
        ({"name": "n" * 81}, Reason.INVALID_SPEC, "spec.name"),
    ],
)
def test_what_vsphere_cannot_do_is_refused(words: dict[str, Any], reason: Reason, told: str) -> None:
    with pytest.raises(Refused, match=told) as refusal:
        snapshot_mapping.normalize(replace(SPEC, **words))

    assert refusal.value.reason is reason


def unasked(picture: Picture) -> DiskSnapshots:
    """Those of disks, of which there are none: a request would fail."""
    settings = Settings(
        provider="unit",
        cloud={"endpoint": "https://127.0.0.1:1"},
        credentials={"username": "u", "password": "p"},
        acquire=lambda: None,
        meter=lambda *_: None,
    )
    session = Session(settings)
    return DiskSnapshots(Catalog(session, Inventory(session, "DC0"), session.calls, CatalogStub(session)), picture)


def test_sweeps_tell_what_came_changed_and_went() -> None:
    picture = Picture()
    watch = SnapshotWatch(picture, unasked(picture))
    picture.change("VirtualMachine", "vm-1", [("name", "web"), ("snapshot", info(node(1, [node(2)])))])
    full = watch.portion(SweepRequest(), full=True)
    assert full is not None
    assert set(full.objects) == {"snapshot-1", "snapshot-2"}
    assert watch.portion(SweepRequest(), full=False) is None
    assert watch.machines_of(["snapshot-2", "vm-9"]) == {"vm-1"}

    picture.change("VirtualMachine", "vm-1", [("snapshot", info(node(2)))])
    merged = watch.portion(SweepRequest(), full=False)
    picture.leave("VirtualMachine", "vm-1")
    gone = watch.portion(SweepRequest(), full=False)

    assert merged is not None
    assert gone is not None
    assert (set(merged.objects), merged.gone) == ({"snapshot-2"}, {"snapshot-1"})
    assert merged.objects["snapshot-2"].depth == 0
    assert (gone.objects, gone.gone) == ({}, {"snapshot-2"})


def test_what_is_asked_for_is_told_again() -> None:
    picture = Picture()
    watch = SnapshotWatch(picture, unasked(picture))
    picture.change("VirtualMachine", "vm-1", [("snapshot", info(node(1)))])
    watch.portion(SweepRequest(), full=True)

    again = watch.portion(SweepRequest(refresh=["snapshot-1"]), full=False)

    assert again is not None
    assert (set(again.objects), again.full) == ({"snapshot-1"}, False)


@pytest.mark.parametrize(
    ("known_id", "is_one"),
    [
        ("52669112-91f0-43af-9c0e-e9b59bf6098c/2b7d3f64-7c2e-4b53-8a25-6b0b8c9c9a11", True),
        ("52669112-91f0-43af-9c0e-e9b59bf6098c", False),
        ("52669112-91f0-43af-9c0e-e9b59bf6098c/", False),
        ("snapshot-7", False),
        ("vm-1/vm-2", False),
    ],
)
def test_ids_of_snapshots_of_disks(known_id: str, is_one: bool) -> None:
    assert is_disk_snapshot_id(known_id) is is_one
    assert disk_of(known_id) == known_id.split("/", maxsplit=1)[0]
