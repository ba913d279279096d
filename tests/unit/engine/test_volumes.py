"""Machines and their Volumes with the real engine around them, in virtual time: order, moves, quarrels, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, cast

import pytest

from hybridge.core.errors import CloudError
from hybridge.core.identity import Marker
from hybridge.core.machine import Disk
from hybridge.core.reasons import Reason
from hybridge.core.volume import Volume
from hybridge.engine.keys import Key
from tests.unit.engine.disk_cloud import DiskCloud
from tests.unit.engine.estate import Estate, estate
from tests.unit.engine.segment_stories import status
from tests.unit.engine.virtual_threads import ThreadedLoop, run

CLOUD, SOON = "proxmox", 120.0
DATA: list[dict[str, object]] = [{"name": "data", "volumeRef": {"name": "data"}}]

Story = Callable[[Estate, DiskCloud], Coroutine[Any, Any, None]]


def live(story: Story) -> DiskCloud:
    """The cloud after a story."""
    loop = ThreadedLoop()
    clouds: list[DiskCloud] = []

    async def told() -> None:
        async with estate(loop, [CLOUD], DiskCloud) as made:
            clouds.append(cast("DiskCloud", made.clouds[CLOUD]))
            await story(made, clouds[0])

    run(loop, told())
    assert clouds[0].lost == [], "a machine took its volume with it"
    return clouds[0]


def synced(made: Estate, name: str, kind: str = "VirtualMachine") -> tuple[str, str]:
    """Reason and message."""
    body = made.api.objects[Key(kind, "shop", name)]
    (told,) = (one for one in body["status"]["conditions"] if one["type"] == "Synced")
    return told["reason"], told.get("message", "")


def holder(cloud: DiskCloud) -> str:
    """The name of the machine that has the one volume."""
    (volume,) = cloud.volumes.there.values()
    return "".join(cloud.there[one.machine_id].name.split("-")[0] for one in volume.attachments)


@pytest.mark.parametrize("first", ["machine", "volume"])
def test_in_whatever_order_they_are_applied(first: str) -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        if first == "volume":
            made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        if first == "machine":
            await asyncio.sleep(1.0)
            made.make_volume("data", CLOUD)
        await made.settle(CLOUD, SOON)
        assert holder(cloud) == "db"

    cloud = live(story)
    assert cloud.volumes.calls == ["create"]
    assert cloud.calls.count("attach") == cloud.calls.count("create") == 1


def test_a_provider_tells_the_kinds_that_its_cloud_has() -> None:
    async def story(made: Estate, _cloud: DiskCloud) -> None:
        await made.rest()
        told = made.api.objects[Key("Provider", "", CLOUD)]["status"]["capabilities"]
        assert told == ["VirtualMachine", "Volume"]

    live(story)


def test_what_a_cloud_of_late_sight_has_taken_on_to_delete_is_gone_when_it_says_so() -> None:
    """Not only when what was made a moment ago can no longer be denied."""

    async def story(made: Estate, cloud: DiskCloud) -> None:
        cloud.volumes.traits = replace(cloud.volumes.traits, lag=300.0, visibility=300.0)
        made.make_volume("data", CLOUD)
        await made.settle(CLOUD, SOON)
        made.delete("data", "Volume")
        await made.settle(CLOUD, 60.0, gone="data")

    assert live(story).volumes.there == {}


def test_volumes_that_cannot_be_looked_at_say_why_and_machines_go_on() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        cloud.blind = CloudError(Reason.CLOUD_ERROR, "ListVStorageObject: 503")
        made.make_volume("data", CLOUD)
        made.make("web", CLOUD)
        await made.rest()
        assert synced(made, "data", "Volume") == ("CloudError", "ListVStorageObject: 503")
        assert synced(made, "web")[0] == "InSync"
        assert cloud.volumes.calls == []
        cloud.blind = None
        await made.settle(CLOUD, SOON)

    assert live(story).volumes.calls == ["create"]


def test_a_machine_says_which_volume_it_waits_for() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make("db", CLOUD, volumes=DATA)
        await made.rest()
        assert synced(made, "db") == ("DependencyNotReady", "Volume shop/data does not exist")
        assert cloud.calls == []

    live(story)


def test_all_deleted_at_once_ends_clean() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        made.delete("data", "Volume")
        made.delete("db")
        await made.gone(SOON)
        assert (cloud.there, cloud.volumes.there) == ({}, {})

    cloud = live(story)
    assert [one for one in cloud.calls if one != "get"][-3:] == ["Stopped", "detach", "delete"]


def test_a_volume_outlives_its_machine() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        made.delete("db")
        await made.settle(CLOUD, SOON, gone="db")
        assert holder(cloud) == ""

    live(story)


def test_a_volume_waits_for_the_machine_that_uses_it_and_names_it() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        made.delete("data", "Volume")
        await made.rest()
        assert synced(made, "data", "Volume") == ("HasDependants", "used by VirtualMachine shop/db")
        assert holder(cloud) == "db"
        made.change("db", volumes=[])
        await made.settle(CLOUD, SOON, gone="data")
        assert cloud.volumes.there == {}

    cloud = live(story)
    assert cloud.volumes.calls == ["create", "delete"]


def test_a_volume_moves_to_another_machine() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("a", CLOUD, volumes=DATA)
        made.make("b", CLOUD)
        await made.settle(CLOUD, SOON)
        made.change("a", volumes=[])
        made.change("b", volumes=DATA)
        await made.settle(CLOUD, SOON)
        assert holder(cloud) == "b"

    cloud = live(story)
    assert [one for one in cloud.calls if one in {"attach", "detach"}] == ["attach", "detach", "attach"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_volume_tells_whose_machine_has_it(*, restarted: bool) -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        if restarted:
            await made.restart()
            await made.settle(CLOUD, SOON)
        await made.rest()
        volume = next(iter(cloud.volumes.there.values()))
        (attached,) = status(made, "data", "Volume")["attachments"]
        assert (attached["id"], attached["virtualMachine"]) == (volume.attachments[0].machine_id, "shop/db")

    live(story)


def test_two_that_want_the_same_volume_are_both_named_and_neither_gets_it() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        for name in "ab":
            made.make(name, CLOUD, volumes=DATA)
        await made.rest()
        made.make_volume("data", CLOUD)
        await made.rest()
        words = "Volume data is wanted by VirtualMachine shop/a and VirtualMachine shop/b; it can have one"
        for name in "ab":
            assert synced(made, name) == ("InvalidSpec", f"spec.volumes[data]: {words}")
        made.change("a", volumes=[])
        await made.settle(CLOUD, SOON)
        assert holder(cloud) == "b"

    live(story)


def test_who_has_a_volume_keeps_it_when_another_wants_it() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("a", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        made.make("b", CLOUD, volumes=DATA)
        await made.rest()
        assert synced(made, "a")[0] == "InSync"
        assert "shop/a and VirtualMachine shop/b" in synced(made, "b")[1]
        assert holder(cloud) == "a"
        made.delete("a")
        await made.settle(CLOUD, SOON, gone="a")
        assert holder(cloud) == "b"

    live(story)


def test_what_a_person_detached_is_attached_again() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        (machine,) = cloud.there.values()
        cloud.change(machine.id, disks=())
        cloud.volumes.attached("vol-1", None)
        await made.rest()
        await made.settle(CLOUD, SOON)
        assert holder(cloud) == "db"

    live(story)


def test_a_volume_grows_where_it_is() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        made.change("data", "Volume", size="20Gi")
        await made.settle(CLOUD, SOON)
        assert cloud.volumes.there["vol-1"].size == 20 << 30
        assert holder(cloud) == "db"

    cloud = live(story)
    assert cloud.volumes.calls == ["create", "configure size"]


def test_what_is_as_it_should_be_is_left_alone() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        before = [*cloud.calls, *cloud.volumes.calls]
        for _ in range(5):
            await made.rest()
        assert [*cloud.calls, *cloud.volumes.calls] == before

    live(story)


def test_objects_made_anew_take_over_the_machine_and_the_volume_that_it_has() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        before = (set(cloud.there), set(cloud.volumes.there))
        made.api.drop(Key("VirtualMachine", "shop", "db"))
        made.api.drop(Key("Volume", "shop", "data"))
        await made.rest()
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        assert (set(cloud.there), set(cloud.volumes.there)) == before

    cloud = live(story)
    assert cloud.volumes.calls.count("create") == cloud.calls.count("create") == 1
    assert holder(cloud) == "db"


def test_a_machine_does_not_take_with_it_what_another_cluster_has_marked() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        made.make("other", CLOUD)
        await made.settle(CLOUD, SOON)
        theirs = Marker("another-cluster", "uid-9", "Volume", "shop", "data")
        stranger = Volume("vol-9", "data", marker=theirs)
        (other,) = (one for one in cloud.there.values() if one.name.startswith("other"))
        cloud.volumes.there[stranger.id] = stranger
        cloud.change(other.id, disks=(Disk("vol-9"),))
        cloud.volumes.attached("vol-9", other.id)
        await made.rest()
        assert {disk.id for disk in cloud.there[other.id].disks or ()} == {"vol-9"}
        made.delete("other")
        await made.rest()
        reason, message = synced(made, "other")
        assert (reason, other.id in cloud.there) == ("HasDependants", True)
        assert "vol-9 of Volume shop/data (another-cluster/uid-9)" in message
        cloud.change(other.id, disks=())
        await made.settle(CLOUD, SOON, gone="other")
        assert "vol-9" in cloud.volumes.there

    live(story)


def test_a_volume_of_another_namespace_is_only_taken_from_a_machine_that_goes() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD, namespace="cellar")
        made.make("db", CLOUD)
        await made.settle(CLOUD, SOON)
        (machine,) = cloud.there.values()
        cloud.change(machine.id, disks=(Disk("vol-1"),))
        cloud.volumes.attached("vol-1", machine.id)
        await made.rest()
        assert holder(cloud) == "db"
        made.delete("db")
        await made.settle(CLOUD, SOON, gone="db")
        assert holder(cloud) == ""

    live(story)


def test_a_provider_counts_what_its_objects_have_and_no_disk_that_belongs_to_a_machine() -> None:
    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        (machine,) = cloud.there.values()
        cloud.volumes.there["vol-8"] = Volume("vol-8", "brought along", marker=machine.marker)
        cloud.volumes.there["vol-9"] = Volume(
            "vol-9", "left", marker=Marker("cluster", "gone", "Volume", "shop", "old")
        )
        await asyncio.sleep(400.0)
        status = made.api.objects[Key("Provider", "", CLOUD)]["status"]
        inventory = status["inventory"]
        assert {"virtualMachines": 1, "volumes": 1, "unmanaged": 0, "orphans": 1}.items() <= inventory.items()
        assert [orphan["id"] for orphan in status["orphans"]] == ["vol-9"]

    live(story)


def test_a_volume_is_detached_also_by_an_operator_that_has_just_started() -> None:
    """Whose it is stands on its marker and in the status of its object; the object itself may not have had its turn yet."""

    async def story(made: Estate, cloud: DiskCloud) -> None:
        made.make_volume("data", CLOUD)
        made.make("db", CLOUD, volumes=DATA)
        await made.settle(CLOUD, SOON)
        link = made.world.link(CLOUD)
        assert link is not None
        link.unbind(Key("Volume", "shop", "data"))
        made.change("db", volumes=[])
        await made.settle(CLOUD, SOON)
        assert holder(cloud) == ""

    live(story)
