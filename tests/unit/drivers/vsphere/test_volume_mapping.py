"""First-class disks as volumes, and what a spec of one can say on vSphere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.volume import Attachment, VolumeSpec
from hybridge.drivers.vsphere import volume_mapping, volume_placement
from hybridge.drivers.vsphere.catalog import Disk
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.disks import Attached
from hybridge.drivers.vsphere.inventory import Layout
from hybridge.drivers.vsphere.sdk import vim

MIB, GIB = 2**20, 2**30
ID = "52669112-91f0-43af-9c0e-e9b59bf6098c"
MARKER = Marker("cluster", "uid", "Volume", "shop", "data")
SPEC = VolumeSpec("data", size=2 * GIB, tags={"team": "shop"})
INTENT = Intent(1, "token-1", "data", "", "vsphere:x", 0.0, {"datastore": "datastore-1", "sizeMiB": 2048})


def test_a_disk_is_shown_whole() -> None:
    metadata = {"team": "shop", "hybridge.io/token": "t", **MARKER.pairs()}
    disk = Disk(ID, "data", 2 * GIB, "datastore-1", metadata, 7.0, consumers=("a-machine",))

    shown = volume_mapping.volume(disk, ("ds1",), [("vm-1", Attached(ID, 2001, "scsi0:1", 3 * GIB))], ("gold", "id"))

    assert (shown.id, shown.name, shown.state, shown.size) == (ID, "data", State.READY, 3 * GIB)
    assert (shown.marker, shown.tags, shown.created_at) == (MARKER, {"team": "shop"}, 7.0)
    assert shown.settings == {"placement.storage": ("ds1",), "class": ("gold", "id")}
    assert shown.attachments == (Attachment("vm-1", "scsi0:1"),)


def test_what_has_a_disk_and_is_not_in_sight_is_told_as_well() -> None:
    shown = volume_mapping.volume(Disk(ID, "data", GIB, consumers=("a-machine",)), ())

    assert shown.attachments == (Attachment("a-machine"),)


def test_a_disk_that_the_catalog_cannot_read_is_not_detailed() -> None:
    shown = volume_mapping.volume(Disk(ID, "data", GIB, metadata=None), ())

    assert (shown.state, shown.detailed) == (State.UNKNOWN, False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"iops": 500}, "spec.iops"),
        ({"throughput": MIB}, "spec.throughput"),
        ({"encrypted": True}, "spec.encrypted"),
        ({"snapshot": "snap-1"}, "spec.source"),
        ({"placement": {"zone": "a"}}, "spec.placement.zone"),
        ({"placement": {"node": "esx-1"}}, "spec.placement.node"),
        ({"options": {"format": "raw"}}, "spec.vsphere.format"),
    ],
)
def test_what_vsphere_does_not_have_is_refused(words: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told) as refused:
        volume_mapping.normalize(replace(SPEC, **words))

    assert refused.value.reason is Reason.UNSUPPORTED


def test_a_spec_is_as_the_cloud_shows_it() -> None:
    spec = replace(SPEC, size=GIB + 1, tags={"team": "shop", "none": ""}, placement={"storage": "/ds1/"})

    normal = volume_mapping.normalize(spec)

    assert (normal.size, normal.tags, normal.placement) == (GIB + MIB, {"team": "shop"}, {"storage": "ds1"})
    assert volume_mapping.normalize(normal) == normal


def test_a_new_disk_is_marked_in_the_same_call_and_stays_without_its_machine() -> None:
    made = volume_mapping.create_spec(INTENT, SPEC, MARKER)

    assert (made.name, made.capacityInMB, made.keepAfterDeleteVm) == ("data", 2048, True)
    assert made.backingSpec.provisioningType == "thin"
    assert {pair.key: pair.value for pair in made.metadata} == {
        "team": "shop",
        "hybridge.io/token": "token-1",
        **MARKER.pairs(),
    }


def test_a_policy_says_how_a_disk_is_provided() -> None:
    made = volume_mapping.create_spec(replace(INTENT, parameters={**INTENT.parameters, "policy": "p-1"}), SPEC, MARKER)

    assert made.backingSpec.provisioningType is None
    assert [one.profileId for one in made.profile] == ["p-1"]


def store(number: int, free: int, *, up: bool = True, pod: str = "") -> Found:
    words = {"name": f"ds{number}", "summary.accessible": up, "summary.freeSpace": free}
    return Found(f"datastore-{number}", "Datastore", {**words, "parent": vim.StoragePod(pod) if pod else None})


def host(number: int, *stores: int) -> Found:
    reached = [vim.Datastore(f"datastore-{one}") for one in stores]
    return Found(f"host-{number}", "HostSystem", {"name": f"h{number}", "datastore": reached})


def layout(*found: Found) -> Layout:
    roots = ("vmFolder", "hostFolder", "datastoreFolder", "networkFolder")
    return Layout(Found("dc-1", "Datacenter", {root: vim.Folder(f"group-{root}") for root in roots}), found)


def test_a_volume_goes_where_most_hosts_reach_it_and_most_is_free() -> None:
    everything = layout(store(1, 9 * GIB), store(2, 4 * GIB), store(3, 5 * GIB), host(1, 1, 2, 3), host(2, 2, 3))

    assert volume_placement.place(everything, SPEC, {}).id == "datastore-3"
    assert volume_placement.place(everything, SPEC, {"storage": "ds1"}).id == "datastore-1"
    named = replace(SPEC, placement={"storage": "ds2"})
    assert volume_placement.place(everything, named, {"storage": "ds1"}).id == "datastore-2"


def test_a_volume_goes_to_the_datastore_of_a_cluster_with_most_room() -> None:
    pod = Found("group-p1", "StoragePod", {"name": "pod"})
    everything = layout(pod, store(1, 9 * GIB), store(2, GIB, pod="group-p1"), store(3, 2 * GIB, pod="group-p1"))

    assert volume_placement.place(everything, SPEC, {"storage": "pod"}).id == "datastore-3"


@pytest.mark.parametrize(
    ("wanted", "reason"), [("ds9", Reason.NOT_FOUND), ("ds2", Reason.CAPACITY)], ids=["unknown", "not accessible"]
)
def test_a_datastore_that_cannot_be_had_is_refused(wanted: str, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        volume_placement.place(layout(store(1, GIB), store(2, GIB, up=False)), SPEC, {"storage": wanted})

    assert refused.value.reason is reason


def test_a_disk_from_a_snapshot_is_known_by_its_name_until_it_has_metadata() -> None:
    marker = Marker("0b5d3c1e", "2b7d3f64-7c2e-4b53-8a25-6b0b8c9c9a11", "Volume", "shop", "data")
    fresh = Disk(ID, volume_mapping.telling_name(marker), GIB)
    marked = replace(fresh, name="data", metadata=marker.pairs())

    assert volume_mapping.is_named_only(fresh)
    assert volume_mapping.carries(fresh, marker)
    assert not volume_mapping.carries(fresh, replace(marker, uid="2b7d3f64-7c2e-4b53-8a25-6b0b8c9c9a12"))
    assert (volume_mapping.is_named_only(marked), volume_mapping.marker_of(marked)) == (False, marker)


@pytest.mark.parametrize("name", ["data", "hb:", "hb:cluster:uid", "xhb:c:2b7d3f64-7c2e-4b53-8a25-6b0b8c9c9a11"])
def test_other_names_say_nothing(name: str) -> None:
    assert volume_mapping.marker_of(Disk(ID, name, GIB)) is None


def test_a_cluster_id_that_fits_no_name_is_refused() -> None:
    with pytest.raises(Refused, match="too long"):
        volume_mapping.telling_name(Marker("c" * 64, "2b7d3f64-7c2e-4b53-8a25-6b0b8c9c9a11", "Volume", "n", "x"))


def test_a_volume_from_a_snapshot_needs_no_size() -> None:
    snapshot = f"{ID}/2b7d3f64-7c2e-4b53-8a25-6b0b8c9c9a11"
    spec = volume_mapping.normalize(VolumeSpec("data", snapshot=snapshot))

    given = volume_mapping.parameters(spec, Found("datastore-1", "Datastore"), None)

    assert given == {"datastore": "datastore-1", "snapshot": snapshot}
