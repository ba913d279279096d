"""Snapshots with the real engine around them, in virtual time: of what they are taken, and how they go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from hybridge.core.identity import Marker
from hybridge.core.image import Taken
from hybridge.core.snapshot import Consistency, Snapshot, SnapshotTraits, SourceKind
from hybridge.engine.keys import Key
from tests.unit.engine.estate import EPOCH, Estate, estate
from tests.unit.engine.segment_cloud import SegmentCloud
from tests.unit.engine.snapshot_cloud import SnapshotCloud
from tests.unit.engine.virtual_threads import ThreadedLoop, run

CLOUD, SOON = "proxmox", 120.0
OF_MACHINE = {"kind": "VirtualMachine", "name": "db"}
OF_VOLUME = {"kind": "Volume", "name": "data"}

Story = Callable[[Estate, SnapshotCloud], Coroutine[Any, Any, None]]


def live(story: Story) -> SnapshotCloud:
    """The cloud after a story."""
    loop = ThreadedLoop()
    clouds: list[SnapshotCloud] = []

    async def told() -> None:
        async with estate(loop, [CLOUD], SnapshotCloud) as made:
            clouds.append(cast("SnapshotCloud", made.clouds[CLOUD]))
            await story(made, clouds[0])

    run(loop, told())
    assert clouds[0].snapshots.faults == []
    return clouds[0]


def take(made: Estate, name: str = "before", **spec: object) -> None:
    made.apply("Snapshot", name, CLOUD, **{"sourceRef": OF_MACHINE, **spec})


def status(made: Estate, name: str = "before", kind: str = "Snapshot") -> Any:
    return made.api.objects[Key(kind, "shop", name)]["status"]


def told(made: Estate, type_: str, name: str = "before", kind: str = "Snapshot") -> tuple[str, str]:
    """Reason and message of a condition."""
    (found,) = (one for one in status(made, name, kind)["conditions"] if one["type"] == type_)
    return found["reason"], found.get("message", "")


def provide(made: Estate, **spec: object) -> None:
    key = Key("Provider", "", CLOUD)
    body = made.api.objects[key]
    made.api.put(key, {**body, "spec": {**body["spec"], **spec}})


@pytest.mark.parametrize("first", ["source", "snapshot"])
@pytest.mark.parametrize("source", [OF_MACHINE, OF_VOLUME])
def test_in_whatever_order_they_are_applied(first: str, source: dict[str, str]) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        if first == "snapshot":
            take(made, sourceRef=source)
            await made.rest()
            words = f"{source['kind']} shop/{source['name']} does not exist"
            assert told(made, "Synced") == ("DependencyNotReady", words)
        made.make("db", CLOUD)
        made.make_volume("data", CLOUD)
        if first == "source":
            await made.settle(CLOUD, SOON)
            take(made, sourceRef=source)
        await made.settle(CLOUD, SOON)
        (found,) = cloud.snapshots.there.values()
        assert found.source_id in ({*cloud.there} if source is OF_MACHINE else {*cloud.volumes.there})
        assert status(made)["consistency"] == "Crash"
        assert status(made)["size"] == "1Gi"
        assert status(made)["takenAt"]
        assert "expiresAt" not in status(made)

    cloud = live(story)
    assert cloud.snapshots.calls == ["create"]


def test_its_time_is_over_and_its_object_stays() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made, expiresAfter="10m", lifecycle={"onLost": "Recreate"})
        await made.settle(CLOUD, SOON)
        assert status(made)["expiresAt"] > status(made)["takenAt"]
        assert "expired" not in status(made)
        await asyncio.sleep(560.0)
        assert len(cloud.snapshots.there) == 1
        await asyncio.sleep(60.0)
        assert cloud.snapshots.there == {}
        await made.rest()
        assert (status(made)["expired"], told(made, "Ready")[0]) == (True, "Expired")
        await made.restart()
        made.change("before", "Snapshot", expiresAfter="1000h")
        await asyncio.sleep(1000.0)
        assert told(made, "Synced")[0] == "Expired"
        made.delete("before", "Snapshot")
        await made.settle(CLOUD, SOON, gone="before")

    cloud = live(story)
    assert cloud.snapshots.calls == ["create", "delete"]


def test_a_time_that_was_over_while_nobody_worked() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made, expiresAfter="10m")
        await made.settle(CLOUD, SOON)
        await made.stop()
        await asyncio.sleep(3600.0)
        await made.restart()
        await made.rest()
        assert cloud.snapshots.there == {}
        assert told(made, "Ready")[0] == "Expired"

    live(story)


def test_that_it_has_expired_is_on_record_before_it_goes() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made, expiresAfter="10m", lifecycle={"onLost": "Recreate"})
        await made.settle(CLOUD, SOON)
        cloud.snapshots.lost.add("delete")
        await asyncio.sleep(601.0)
        assert cloud.snapshots.there == {}
        assert status(made)["expired"] is True
        await made.restart()
        await made.rest()
        assert told(made, "Ready")[0] == "Expired"

    cloud = live(story)
    assert cloud.snapshots.calls.count("create") == 1


def test_what_is_protected_does_not_expire_until_that_is_taken_away() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made, expiresAfter="10m", lifecycle={"deletionProtection": True})
        await made.settle(CLOUD, SOON)
        await asyncio.sleep(1200.0)
        assert len(cloud.snapshots.there) == 1
        made.change("before", "Snapshot", lifecycle={})
        await made.rest()
        assert cloud.snapshots.there == {}

    live(story)


@pytest.mark.parametrize("lost", ["create", "delete"])
def test_an_answer_that_is_lost_takes_nothing_twice(lost: str) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        cloud.snapshots.lost.add(lost)
        made.make("db", CLOUD)
        take(made)
        await made.settle(CLOUD, SOON)
        assert len(cloud.snapshots.there) == 1
        made.delete("before", "Snapshot")
        await made.settle(CLOUD, SOON, gone="before")
        assert cloud.snapshots.there == {}

    cloud = live(story)
    assert cloud.snapshots.calls.count("create") == 1


def test_an_operator_that_ends_in_between_has_taken_nothing_twice() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        await made.settle(CLOUD, SOON)
        cloud.snapshots.lost.add("create")
        take(made)
        await asyncio.sleep(1.0)
        assert cloud.snapshots.lost == set()
        await made.restart()
        await made.settle(CLOUD, SOON)

    cloud = live(story)
    assert cloud.snapshots.calls == ["create"]


MOMENTS = [0.02, 0.07, 0.12, 0.17, 0.22, 0.27, 0.32, 0.37, 0.42, 0.5, 0.6, 0.8, 1.1, 1.6]


@pytest.mark.parametrize("seconds", MOMENTS)
def test_an_operator_that_is_killed_at_any_moment_has_taken_one(seconds: float) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make_volume("data", CLOUD)
        take(made, sourceRef=OF_VOLUME, expiresAfter="10m")
        made.apply("Volume", "copy", CLOUD, size="10Gi", **FROM)
        await asyncio.sleep(seconds)
        await made.kill()
        await made.settle(CLOUD, SOON)
        (shot,) = cloud.snapshots.there.values()
        assert (shot.source_id, len(cloud.volumes.there)) == ("vol-1", 2)
        assert shot.created_at is not None
        await asyncio.sleep(shot.created_at + 600.0 + seconds - EPOCH - cloud.now())
        await made.kill()
        await made.rest()
        assert (cloud.snapshots.there, told(made, "Ready")[0]) == ({}, "Expired")

    cloud = live(story)
    assert cloud.snapshots.calls.count("create") == 1


def test_a_machine_waits_for_the_snapshots_that_would_go_with_it() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made)
        await made.settle(CLOUD, SOON)
        made.delete("db")
        await made.rest()
        assert told(made, "Synced", "db", "VirtualMachine") == ("HasDependants", "used by Snapshot shop/before")
        assert len(cloud.snapshots.there) == 1
        made.delete("before", "Snapshot")
        await made.gone(SOON)

    live(story)


def test_a_snapshot_that_outlives_its_source_keeps_nobody() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        cloud.snapshots.traits = SnapshotTraits(visibility=10.0, outlives=frozenset(SourceKind))
        cloud.snapshots.gone = lambda _: None
        made.make("db", CLOUD)
        take(made)
        await made.settle(CLOUD, SOON)
        made.delete("db")
        await made.settle(CLOUD, SOON, gone="db")
        await made.rest()
        assert told(made, "Ready")[0] == "Available"
        assert len(cloud.snapshots.there) == 1
        made.delete("before", "Snapshot")
        await made.gone(SOON)

    live(story)


def test_an_expired_snapshot_keeps_no_machine() -> None:
    async def story(made: Estate, _cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made, expiresAfter="1m")
        await made.settle(CLOUD, SOON)
        made.delete("db")
        await asyncio.sleep(50.0)
        assert told(made, "Synced", "db", "VirtualMachine")[0] == "HasDependants"
        await asyncio.sleep(20.0)
        assert Key("VirtualMachine", "shop", "db") not in made.api.objects
        assert told(made, "Ready")[0] == "Expired"

    live(story)


def test_a_snapshot_that_somebody_deleted_is_told_as_lost_and_keeps_nobody() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made)
        await made.settle(CLOUD, SOON)
        cloud.snapshots.there.clear()
        await made.rest()
        assert told(made, "Ready")[0] == "Lost"
        made.delete("db")
        await made.rest()
        assert Key("VirtualMachine", "shop", "db") not in made.api.objects

    live(story)


@pytest.mark.parametrize("order", [["db", "before"], ["before", "db"]])
def test_all_deleted_at_once_ends_clean(order: list[str]) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made)
        await made.settle(CLOUD, SOON)
        for name in order:
            made.delete(name, "VirtualMachine" if name == "db" else "Snapshot")
        await made.gone(SOON)
        assert (cloud.there, cloud.snapshots.there) == ({}, {})

    live(story)


def test_nothing_is_taken_of_what_goes_or_is_only_looked_at() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD, lifecycle={"deletionProtection": True})
        await made.settle(CLOUD, SOON)
        made.delete("db")
        take(made)
        (known,) = cloud.there
        made.make("seen", CLOUD, lifecycle={"management": "Observed", "import": {"id": known}})
        take(made, "other", sourceRef={"kind": "VirtualMachine", "name": "seen"})
        await made.rest()
        assert told(made, "Synced") == ("DependencyNotReady", "VirtualMachine shop/db is being deleted")
        reason, message = told(made, "Stalled", "other")
        assert (reason, "is only observed" in message) == ("InvalidSpec", True)

    cloud = live(story)
    assert cloud.snapshots.calls == []


def test_nothing_is_taken_of_a_machine_that_is_not_provably_the_one() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        await made.settle(CLOUD, SOON)
        (known,) = cloud.there
        cloud.change(known, marker=Marker("cluster", "uid-9", "VirtualMachine", "shop", "other"))
        await made.rest()
        take(made)
        await made.rest()
        assert told(made, "Synced")[1] == f"VirtualMachine shop/db ({known}) is not provably its own"

    cloud = live(story)
    assert cloud.snapshots.calls == []


def test_a_source_of_another_provider_is_refused_with_both_names() -> None:
    loop = ThreadedLoop()

    async def story() -> None:
        async with estate(loop, [CLOUD, "aws"], SnapshotCloud) as made:
            made.make("db", "aws")
            take(made)
            await made.rest()
            words = "VirtualMachine shop/db is in Provider aws, not in proxmox"
            assert told(made, "Synced") == ("InvalidSpec", f"spec.sourceRef: {words}")

    run(loop, story())


def test_what_exists_is_taken_over_observed_and_let_go() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        provide(made, imports="Managed")
        for one in ("a", "b"):
            cloud.snapshots.there[one] = Snapshot(one, one, consistency=Consistency.QUIESCED)
        take(made, "mine", sourceRef=None, lifecycle={"import": {"id": "a"}, "onDelete": "Detach"})
        seen = {"management": "Observed", "import": {"filter": {"name": "b"}}}
        take(made, "seen", sourceRef=None, lifecycle=seen, expiresAfter="1m")
        await made.settle(CLOUD, SOON)
        assert status(made, "mine")["consistency"] == "Quiesced"
        assert cloud.snapshots.there["a"].marker is not None
        await asyncio.sleep(600.0)
        for name in ("mine", "seen"):
            made.delete(name, "Snapshot")
        await made.gone(SOON)
        assert {one.id: one.marker for one in cloud.snapshots.there.values()} == {"a": None, "b": None}

    cloud = live(story)
    assert cloud.snapshots.calls == ["mark", "mark"]


def test_where_tenants_are_kept_to_places_no_snapshot_is_imported() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        provide(made, imports="Managed", restrict={"storages": ["fast"]})
        cloud.snapshots.there["a"] = Snapshot("a", "a")
        take(made, sourceRef=None, lifecycle={"import": {"id": "a"}})
        await made.rest()
        assert told(made, "Synced")[0] == "NotPermitted"

    cloud = live(story)
    assert cloud.snapshots.calls == []


def test_one_that_nobody_has_is_told_as_an_orphan() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made)
        await made.settle(CLOUD, SOON)
        cloud.snapshots.there["snap-9"] = Snapshot(
            "snap-9", "left", marker=Marker("cluster", "gone", "Snapshot", "shop", "old")
        )
        await asyncio.sleep(400.0)
        told = made.api.objects[Key("Provider", "", CLOUD)]["status"]
        assert told["orphans"] == [{"id": "snap-9", "kind": "Snapshot", "namespace": "shop", "name": "old"}]

    live(story)


FROM = {"source": {"snapshotRef": {"name": "before"}}}


@pytest.mark.parametrize("first", ["volume", "snapshot"])
def test_a_volume_is_made_from_a_snapshot(first: str) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make_volume("data", CLOUD)
        await made.settle(CLOUD, SOON)
        cloud.snapshots.data["vol-1"] = 7
        if first == "snapshot":
            take(made, sourceRef=OF_VOLUME)
            await made.settle(CLOUD, SOON)
        made.apply("Volume", "copy", CLOUD, size="10Gi", **FROM)
        if first == "volume":
            await made.rest()
            assert told(made, "Synced", "copy", "Volume") == (
                "DependencyNotReady",
                "Snapshot shop/before does not exist",
            )
            take(made, sourceRef=OF_VOLUME)
        await made.settle(CLOUD, SOON)
        assert cloud.snapshots.data["vol-2"] == 7
        made.delete("before", "Snapshot")
        await made.settle(CLOUD, SOON, gone="before")
        await made.rest()
        assert told(made, "Ready", "copy", "Volume")[0] == "Available"

    cloud = live(story)
    assert cloud.volumes.calls == ["create", "create"]


class ImagingCloud(SnapshotCloud, SegmentCloud):
    """With images."""


@pytest.mark.parametrize("first", ["image", "snapshot"])
def test_another_machine_is_made_from_a_snapshot_by_way_of_an_image(first: str) -> None:
    loop = ThreadedLoop()

    async def story() -> None:
        async with estate(loop, [CLOUD], ImagingCloud) as made:
            cloud = cast("ImagingCloud", made.clouds[CLOUD])
            made.make("db", CLOUD)
            await made.settle(CLOUD, SOON)
            (known,) = cloud.there
            if first == "snapshot":
                take(made)
            made.apply("Image", "golden", CLOUD, source={"snapshotRef": {"name": "before"}})
            made.make("copy", CLOUD, image={"imageRef": {"name": "golden"}})
            if first == "image":
                await made.rest()
                words = "Snapshot shop/before does not exist"
                assert told(made, "Synced", "golden", "Image") == ("DependencyNotReady", words)
                take(made)
            await made.settle(CLOUD, SOON)
            assert cloud.images.sources == [Taken("before", "snap-1", known)]
            assert len(cloud.there) == 2
            for name, kind in (("before", "Snapshot"), ("db", "VirtualMachine"), ("golden", "Image")):
                made.delete(name, kind)
            made.delete("copy")
            await made.gone(SOON)
            assert (cloud.there, cloud.snapshots.there, cloud.images.there) == ({}, {}, {})
            assert (cloud.mistakes, cloud.snapshots.faults) == ([], [])

    run(loop, story())


def test_an_image_of_a_snapshot_of_a_volume_or_of_itself_is_refused() -> None:
    loop = ThreadedLoop()

    async def story() -> None:
        async with estate(loop, [CLOUD], ImagingCloud) as made:
            made.make_volume("data", CLOUD)
            take(made, sourceRef=OF_VOLUME)
            made.apply("Image", "wrong", CLOUD, source={"snapshotRef": {"name": "before"}})
            take(made, "round")
            made.apply("Image", "golden", CLOUD, source={"snapshotRef": {"name": "round"}})
            made.make("db", CLOUD, image={"imageRef": {"name": "golden"}})
            await made.rest()
            words = "Snapshot shop/before is one of a Volume, and one of a VirtualMachine is needed"
            assert told(made, "Synced", "wrong", "Image") == ("InvalidSpec", f"spec.source.snapshotRef: {words}")
            for name, kind in (("golden", "Image"), ("round", "Snapshot"), ("db", "VirtualMachine")):
                reason, message = told(made, "Synced", name, kind)
                assert (reason, "cannot be made without" in message) == ("InvalidSpec", True), (kind, message)
                made.delete(name, kind)
            made.delete("wrong", "Image")
            made.delete("before", "Snapshot")
            made.delete("data", "Volume")
            await made.gone(SOON)

    run(loop, story())


def test_a_volume_is_never_made_empty_instead() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made)
        made.apply("Volume", "copy", CLOUD, size="10Gi", **FROM)
        await made.rest()
        reason, message = told(made, "Stalled", "copy", "Volume")
        assert (reason, "is one of a VirtualMachine, and one of a Volume" in message) == ("InvalidSpec", True)
        made.make_volume("data", CLOUD)
        take(made, "short", sourceRef=OF_VOLUME, expiresAfter="1m")
        await asyncio.sleep(120.0)
        made.apply("Volume", "late", CLOUD, size="10Gi", source={"snapshotRef": {"name": "short"}})
        await made.rest()
        assert told(made, "Stalled", "late", "Volume")[0] == "Expired"

    cloud = live(story)
    assert cloud.volumes.calls == ["create"]


def test_what_is_made_of_each_other_is_refused_at_both_and_goes() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.apply("Volume", "data", CLOUD, size="10Gi", **FROM)
        take(made, sourceRef=OF_VOLUME)
        await made.rest()
        for name, kind in (("data", "Volume"), ("before", "Snapshot")):
            reason, message = told(made, "Synced", name, kind)
            assert (reason, "cannot be made without" in message) == ("InvalidSpec", True)
        made.delete("data", "Volume")
        made.delete("before", "Snapshot")
        await made.gone(SOON)

    cloud = live(story)
    assert (cloud.volumes.calls, cloud.snapshots.calls) == ([], [])


def test_what_is_as_it_should_be_is_left_alone() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.make("db", CLOUD)
        take(made, expiresAfter="24h", tags={"team": "shop"})
        await made.settle(CLOUD, SOON)
        before, body = [*cloud.snapshots.calls], made.api.objects[Key("Snapshot", "shop", "before")]["metadata"]
        for _ in range(5):
            await made.rest()
        assert cloud.snapshots.calls == before
        assert made.api.objects[Key("Snapshot", "shop", "before")]["metadata"] == body

    live(story)
