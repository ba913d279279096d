"""What EC2 shows of EBS snapshots, alone and in sets, and what a spec means in its words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Consistency, SnapshotSpec
from hybridge.drivers.aws import points

MINE = Marker("c", "u1", "Snapshot", "shop", "before")
TAKEN = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOW = TAKEN.timestamp() + 3600
SET = {points.SET: "t", points.SOURCE: "i-1", points.ROOT: "vol-root", points.COUNT: "2"}


def one(known: str, volume: str, tags: dict[str, str] | None = None, **words: Any) -> dict[str, Any]:
    pairs = {**MINE.pairs(), "Name": "before", "team": "shop", **(tags or {})}
    return {
        "SnapshotId": known,
        "VolumeId": volume,
        "State": "completed",
        "StartTime": TAKEN,
        "Progress": "100%",
        "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()],
        **words,
    }


def test_a_snapshot_of_a_volume_stands_for_itself() -> None:
    ((known, point),) = points.points([one("snap-1", "vol-1", {points.SOURCE: "vol-1", points.SET: "t"})], NOW).items()
    shown = point.snapshot

    assert (known, shown.id, shown.name, shown.source_id, point.ids) == (
        "snap-1",
        "snap-1",
        "before",
        "vol-1",
        ("snap-1",),
    )
    assert (shown.marker, dict(shown.tags), dict(shown.parts)) == (MINE, {"team": "shop"}, {})
    assert (shown.state, shown.consistency, shown.created_at) == (State.READY, Consistency.CRASH, TAKEN.timestamp())


def test_a_set_is_one_and_has_the_id_of_its_first_disk() -> None:
    ((known, point),) = points.points([one("snap-1", "vol-data", SET), one("snap-2", "vol-root", SET)], NOW).items()

    assert (known, point.snapshot.source_id, point.ids) == ("snap-2", "i-1", ("snap-1", "snap-2"))
    assert point.snapshot.parts == {"vol-data": "snap-1", "vol-root": "snap-2"}


@pytest.mark.parametrize(
    ("states", "state", "progress"),
    [
        (("completed", "completed"), State.READY, None),
        (("pending", "completed"), State.PENDING, 70),
        (("error", "pending"), State.FAILED, None),
    ],
)
def test_a_set_is_as_its_slowest_or_worst(states: tuple[str, str], state: State, progress: int | None) -> None:
    found = [
        one(f"snap-{number}", volume, SET, State=how, Progress="40%")
        for number, (volume, how) in enumerate(zip(("vol-root", "vol-data"), states, strict=True))
    ]
    if state is State.PENDING:
        found[1]["Progress"] = "100%"
    (point,) = points.points(found, NOW).values()

    assert point.snapshot.state is state
    assert point.snapshot.progress is None if progress is None else point.snapshot.progress in {20, 70}


def test_a_set_that_lacks_one_is_shown_late_at_first_and_broken_then() -> None:
    found = [one("snap-2", "vol-root", SET)]

    (young,) = points.points(found, TAKEN.timestamp() + 5).values()
    (old,) = points.points(found, NOW).values()

    assert (young.snapshot.state, old.snapshot.state) == (State.PENDING, State.FAILED)
    assert "1 of the 2" in old.snapshot.ended


def test_a_copy_with_all_its_tags_is_not_of_the_set() -> None:
    later = datetime(2026, 11, 1, 13, tzinfo=UTC)
    found = [
        one("snap-0", "vol-root", SET, StartTime=later),
        one("snap-1", "vol-data", SET),
        one("snap-2", "vol-root", SET),
    ]

    shown = points.points(found, NOW)

    assert shown.keys() == {"snap-0", "snap-2"}
    assert shown["snap-2"].ids == ("snap-1", "snap-2")
    assert shown["snap-0"].ids == ("snap-0",)


def test_what_belongs_to_an_image_is_nobodys() -> None:
    image = Marker("c", "u2", "Image", "shop", "base").pairs()
    found = [
        one("snap-1", "vol-1", image),
        one("snap-2", "vol-1", {}, Description="Created by CreateImage(i-1) for ami-1"),
    ]

    shown = points.points(found, NOW)

    assert [(point.snapshot.marker, bool(point.snapshot.unfit)) for point in shown.values()] == [(None, True)] * 2


def test_the_words_of_a_set() -> None:
    instance = {
        "InstanceId": "i-1",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeId": "vol-data", "Status": "attached"}},
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-root", "Status": "attached"}},
        ],
    }
    parameters = points.of_machine(instance, SnapshotSpec("before", tags={"team": "shop"}), [])

    call, words = points.request(Intent(1, "t", "before", "u", "p", 0.0, parameters), MINE)

    assert (call, words["InstanceSpecification"]) == ("CreateSnapshots", {"InstanceId": "i-1"})
    tags = {tag["Key"]: tag["Value"] for tag in words["TagSpecifications"][0]["Tags"]}
    own = {points.OWN: "/dev/sdf=vol-data /dev/xvda=vol-root"}
    assert tags == {"team": "shop", "Name": "before", **SET, **own, **MINE.pairs()}


def test_which_disks_were_the_machines_own_is_kept_and_read() -> None:
    volumes = {"/dev/xvda": "vol-root", "/dev/sdf": "vol-data", "/dev/sdg": "vol-lent"}
    mappings = [{"DeviceName": name, "Ebs": {"VolumeId": volume}} for name, volume in volumes.items()]
    instance = {"InstanceId": "i-1", "RootDeviceName": "/dev/xvda", "BlockDeviceMappings": mappings}

    tags = points.of_machine(instance, SnapshotSpec("before"), ["/dev/sdg"])["Set"] | {points.SET: "t"}
    found = [one(f"snap-{volume}", volume, tags) for volume in volumes.values()]

    assert tags[points.OWN] == "/dev/xvda=vol-root /dev/sdf=vol-data"
    (point,) = points.points(found, NOW).values()
    assert point.disks == {"/dev/xvda": "snap-vol-root", "/dev/sdf": "snap-vol-data"}
    assert len(point.ids) == 3


def test_more_disks_than_a_tag_can_hold_are_not_told() -> None:
    volumes = {f"/dev/sd{letter}": f"vol-{letter * 17}" for letter in "abcdefghij"}
    mappings = [{"DeviceName": device, "Ebs": {"VolumeId": volume}} for device, volume in volumes.items()]
    instance = {"InstanceId": "i-1", "RootDeviceName": "/dev/sda", "BlockDeviceMappings": mappings}

    tags = points.of_machine(instance, SnapshotSpec("before"), [])["Set"] | {points.SET: "t"}

    assert points.OWN not in tags
    found = [one(f"snap-{volume}", volume, tags) for volume in volumes.values()]
    (point,) = points.points(found, NOW).values()
    assert (point.snapshot.state, point.disks) == (State.READY, {})


def test_what_ec2_does_not_have_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        points.check(SnapshotSpec("before", memory=True))
    assert refusal.value.reason is Reason.UNSUPPORTED
    with pytest.raises(Refused):
        points.of_machine({"InstanceId": "i-1", "BlockDeviceMappings": []}, SnapshotSpec("before"), [])


def test_a_copy_of_any_of_them_is_not_of_the_set() -> None:
    """EC2 does not tell of which volume a copy is, and its console copies tags along where somebody wants that."""
    found = [one("snap-1", "vol-data", SET), one("snap-2", "vol-root", SET), one("snap-3", "vol-ffffffff", SET)]

    shown = points.points(found, NOW)

    assert {point.ids for point in shown.values()} == {("snap-1", "snap-2"), ("snap-3",)}
    assert not any(point.snapshot.remains for point in shown.values())


def test_a_set_without_its_first_disk_is_what_remains_of_one() -> None:
    (rest, copy) = points.points([one("snap-1", "vol-data", SET), one("snap-3", "vol-ffffffff", SET)], NOW).values()
    assert {(one.ids, one.snapshot.remains) for one in (rest, copy)} == {(("snap-1",), True), (("snap-3",), False)}
