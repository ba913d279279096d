"""Machines that go back to their Snapshots with the real engine around them, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, cast

import pytest

from hybridge.core.errors import Refused
from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from hybridge.engine.keys import Key
from tests.unit.engine.estate import Estate, estate
from tests.unit.engine.snapshot_cloud import SnapshotCloud
from tests.unit.engine.virtual_threads import ThreadedLoop, run

CLOUD, SOON = "proxmox", 120.0

Story = Callable[[Estate, SnapshotCloud], Coroutine[Any, Any, None]]


def live(story: Story, **machine: Any) -> SnapshotCloud:
    """The cloud after a story of a machine that has a Snapshot, and has written since."""
    loop = ThreadedLoop()
    clouds: list[SnapshotCloud] = []

    async def told() -> None:
        async with estate(loop, [CLOUD], SnapshotCloud) as made:
            clouds.append(cast("SnapshotCloud", made.clouds[CLOUD]))
            made.make("db", CLOUD, **machine)
            memory = bool(machine.get("tags"))
            source = {"kind": "VirtualMachine", "name": "db"}
            await made.settle(CLOUD, SOON)
            write(clouds[0], 7)
            made.apply("Snapshot", "before", CLOUD, sourceRef=source, memory=memory)
            await made.settle(CLOUD, SOON)
            write(clouds[0], 50)
            await story(made, clouds[0])

    run(loop, told())
    assert clouds[0].snapshots.faults == []
    return clouds[0]


def write(cloud: SnapshotCloud, what: int) -> None:
    """What the guest writes."""
    (known,) = cloud.there
    cloud.snapshots.data[known] = what


def data(cloud: SnapshotCloud) -> int:
    found: int = cloud.snapshots.data[next(iter(cloud.there))]
    return found


def back(token: str, snapshot: str = "before") -> dict[str, object]:
    return {"snapshot": snapshot, "token": token}


def status(made: Estate) -> Any:
    return made.api.objects[Key("VirtualMachine", "shop", "db")]["status"]


def synced(made: Estate, name: str = "db", kind: str = "VirtualMachine") -> tuple[str, str]:
    conditions = made.api.objects[Key(kind, "shop", name)]["status"]["conditions"]
    (found,) = (one for one in conditions if one["type"] == "Synced")
    return found["reason"], found.get("message", "")


async def begun(made: Estate, phase: str = "Stopping") -> None:
    """Waits until a revert is so far. AssertionError when it never is."""
    for _ in range(1000):
        if status(made).get("revert", {}).get("phase") == phase:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(phase)


#: A guest that has gone back and was started writes one more.
BACK = 8


@pytest.mark.parametrize("slow", [False, True])
def test_a_new_token_reverts_once(slow: bool) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        cloud.slow = slow
        made.change("db", revertTo=back("1"))
        await made.settle(CLOUD, SOON)
        assert data(cloud) == BACK
        assert status(made)["revert"] == {"token": "1", "snapshot": "before", "phase": "Done"}
        write(cloud, 60)
        await made.restart()
        await made.rest()
        made.change("db", tags={"a": "1"})
        await made.settle(CLOUD, SOON)
        assert data(cloud) == 60
        made.change("db", revertTo=back("2"))
        await made.settle(CLOUD, SOON)
        assert data(cloud) == BACK

    cloud = live(story)
    powers = [one for one in cloud.calls if one in {"Stopped", "revert", "Running"}]
    assert powers == ["Stopped", "revert", "Running"] * 2


def test_a_token_that_a_machine_is_made_with_does_nothing() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        await made.rest()
        assert status(made)["revert"]["phase"] == "Done"
        assert data(cloud) == 50

    cloud = live(story, revertTo=back("1"))
    assert "revert" not in cloud.calls


def test_a_status_that_somebody_took_away_has_nothing_go_back() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.change("db", revertTo=back("1"))
        await made.settle(CLOUD, SOON)
        write(cloud, 60)
        key = Key("VirtualMachine", "shop", "db")
        await made.restart()
        made.api.put(key, {**made.api.objects[key], "status": {}})
        await made.settle(CLOUD, SOON)
        assert data(cloud) == 60
        assert status(made)["revert"]["token"] == "1"

    cloud = live(story)
    assert cloud.calls.count("revert") == 1


@pytest.mark.parametrize("power", ["Stopped", None])
def test_a_machine_is_left_as_it_was(power: str | None) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        if power is None:
            (known,) = cloud.there
            cloud.change(known, power=Power.STOPPED)
        made.change("db", revertTo=back("1"), powerState=power or "Stopped")
        await made.settle(CLOUD, SOON)
        assert (data(cloud), next(iter(cloud.there.values())).power) == (7, Power.STOPPED)

    live(story)


def test_a_snapshot_with_the_running_guest_resumes_it() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.change("db", revertTo=back("1"))
        await made.settle(CLOUD, SOON)
        assert data(cloud) == 7

    cloud = live(story, tags={"memory": "yes"})
    powers = [one for one in cloud.calls if one in {"Stopped", "revert", "Running"}]
    assert powers == ["Stopped", "revert"]


@pytest.mark.parametrize("memory", [False, True])
def test_an_answer_that_is_lost_loses_nothing_that_was_written_since(memory: bool) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        cloud.snapshots.lost.add("revert")
        made.change("db", revertTo=back("1"))
        await made.settle(CLOUD, SOON)
        assert data(cloud) == (7 if memory else BACK)

    cloud = live(story, **({"tags": {"memory": "yes"}} if memory else {}))
    assert cloud.calls.count("revert") == (1 if memory else 2)


@pytest.mark.parametrize("slow", [False, True])
def test_an_operator_that_ends_in_between_brings_it_to_its_end(slow: bool) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        cloud.slow = slow
        made.change("db", revertTo=back("1"))
        await begun(made, "Reverting")
        await made.restart()
        await made.settle(CLOUD, SOON)
        assert (data(cloud), status(made)["revert"]["phase"]) == (BACK, "Done")

    live(story)


MOMENTS = [0.02, 0.07, 0.12, 0.17, 0.22, 0.27, 0.32, 0.37, 0.42, 0.5, 0.6, 0.8, 1.1, 1.6]


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("seconds", MOMENTS)
def test_an_operator_that_is_killed_at_any_moment_loses_nothing_that_was_written_since(
    seconds: float, memory: bool, slow: bool
) -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        cloud.slow = slow
        made.change("db", revertTo=back("1"))
        await asyncio.sleep(seconds)
        await made.kill()
        await made.settle(CLOUD, SOON)
        assert data(cloud) == (7 if memory else BACK)
        write(cloud, 60)
        await made.kill()
        made.change("db", tags={"memory": "yes", "more": "1"})
        await made.settle(CLOUD, SOON)
        assert (data(cloud), status(made)["revert"]["phase"]) == (60, "Done")

    cloud = live(story, **({"tags": {"memory": "yes"}} if memory else {}))
    after = cloud.calls[cloud.calls.index("revert") :]
    assert "Stopped" not in after, "it ran again, and was stopped once more to go back once more"


def test_one_that_was_started_by_somebody_meanwhile_is_left_alone() -> None:
    """What was written since then nobody has given up."""

    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        cloud.refuses = Refused(Reason.CLOUD_ERROR, "not now")
        made.change("db", revertTo=back("1"))
        await asyncio.sleep(0.3)
        await made.stop()
        key = Key("VirtualMachine", "shop", "db")
        body = made.api.objects[key]
        revert = {"token": "1", "snapshot": "before", "phase": "Reverting", "ran": True}
        made.api.objects[key] = {**body, "status": {**body["status"], "revert": revert}}
        (known,) = cloud.there
        cloud.change(known, power=Power.RUNNING)
        write(cloud, 99)
        cloud.refuses = None
        await made.restart()
        await made.rest()
        assert synced(made)[0] == "TaskFailed"
        assert "nobody knows whether" in synced(made)[1]
        assert data(cloud) == 99
        made.change("db", revertTo=back("2"))
        await made.settle(CLOUD, SOON)
        assert data(cloud) == BACK

    live(story)


def test_what_the_cloud_refuses_is_told_and_the_machine_runs_again() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        cloud.refuses = Refused(Reason.HAS_DEPENDANTS, "volume data was not there then")
        made.change("db", revertTo=back("1"))
        await made.rest()
        assert next(iter(cloud.there.values())).power is Power.RUNNING
        assert synced(made) == ("Rejected", "volume data was not there then")
        assert status(made)["revert"]["phase"] == "Refused"
        await made.rest()
        assert cloud.calls.count("revert") == 1
        cloud.refuses = None
        made.change("db", revertTo=back("2"))
        await made.settle(CLOUD, SOON)
        assert data(cloud) == BACK

    live(story)


def test_whoever_takes_it_away_gives_it_up() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.change("db", revertTo=back("1", "missing"))
        await made.rest()
        assert synced(made) == ("DependencyNotReady", "Snapshot shop/missing does not exist")
        made.change("db", revertTo=None)
        await made.settle(CLOUD, SOON)
        assert data(cloud) == 50

    cloud = live(story)
    assert "revert" not in cloud.calls


def test_only_a_snapshot_of_its_own_will_do() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        (shot,) = cloud.snapshots.there.values()
        cloud.snapshots.there[shot.id] = replace(shot, source_id="999")
        await made.rest()
        made.change("db", revertTo=back("1"))
        await made.rest()
        assert synced(made) == ("InvalidSpec", f"spec.revertTo.snapshot: {shot.id} is not a snapshot of this machine")
        cloud.snapshots.there[shot.id] = replace(shot, marker=None)
        await made.rest()
        assert synced(made)[0] == "DependencyNotReady"

    cloud = live(story)
    assert "revert" not in cloud.calls
    assert "Stopped" not in cloud.calls


def test_a_cloud_that_takes_nothing_back_says_what_helps_and_stops_nothing() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.change("db", revertTo=back("1"))
        await made.rest()
        reason, message = synced(made)
        assert (reason, "make a Volume, or another machine" in message) == ("Unsupported", True)

    SnapshotCloud.traits = replace(SnapshotCloud.traits, reverts=False)
    try:
        cloud = live(story)
    finally:
        SnapshotCloud.traits = replace(SnapshotCloud.traits, reverts=True)
    assert "Stopped" not in cloud.calls


def test_a_machine_that_has_gone_back_and_its_snapshot_go_together() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.change("db", revertTo=back("1"))
        await made.settle(CLOUD, SOON)
        made.delete("db")
        made.delete("before", "Snapshot")
        await made.gone(SOON)
        assert (cloud.there, cloud.snapshots.there) == ({}, {})

    live(story)


def test_in_the_middle_of_it_both_go() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.change("db", revertTo=back("1"))
        await begun(made)
        made.delete("db")
        made.delete("before", "Snapshot")
        await made.gone(SOON)

    live(story)


def test_a_snapshot_is_not_deleted_while_a_machine_goes_back_to_it() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.change("db", revertTo=back("1"))
        await begun(made)
        made.delete("before", "Snapshot")
        await asyncio.sleep(0.01)
        assert len(cloud.snapshots.there) == 1
        await made.settle(CLOUD, SOON, gone="before")
        assert data(cloud) == BACK

    live(story)


def test_a_restart_and_a_change_wait_for_it() -> None:
    async def story(made: Estate, cloud: SnapshotCloud) -> None:
        made.change("db", revertTo=back("1"), restartToken="1", cpus=4, lifecycle={"disruption": "Allow"})
        await made.settle(CLOUD, SOON)
        assert data(cloud) >= BACK
        assert next(iter(cloud.there.values())).cpus == 4
        assert (status(made)["restart"]["phase"], status(made)["revert"]["phase"]) == ("Done", "Done")

    cloud = live(story)
    changes = [one for one in cloud.calls if one in {"Stopped", "revert", "Running"} or one.startswith("configure")]
    assert changes[:2] == ["Stopped", "revert"]
