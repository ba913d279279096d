"""Lives of the kinds through the engine, the driver and the cloud, where a cloud has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hybridge.core.kinds import CloudKind
from hybridge.drivers.base import Driver
from tests.contract.alive import Alive, alive
from tests.contract.bed import Bed
from tests.contract.clouds import POINTS

Story = Callable[[Alive], Coroutine[Any, Any, None]]


def live(bed: Bed, driver: Driver, story: Story) -> None:
    """Has a story happen."""

    async def told() -> None:
        async with alive(bed, driver) as made:
            await story(made)

    asyncio.run(told())


def test_firewalls_follow_their_machines(bed: Bed, driver: Driver) -> None:
    if driver.firewalls is None:
        pytest.skip("this cloud has no firewalls")

    async def story(made: Alive) -> None:
        rule = {"name": "ssh", "direction": "Ingress", "protocol": "TCP", "ports": [{"from": 22}]}
        web = {"matchLabels": {"tier": "web"}}
        made.machine("a", {"tier": "web"})
        made.machine("b", {"tier": "db"})
        made.apply("Firewall", "web", selector=web, rules=[{**rule, "cidrs": ["10.0.0.0/8"]}])
        await made.until(lambda: made.status("Firewall", "web").get("machines") == 1, "a member")
        await made.settle()
        made.change("VirtualMachine", "b", {"tier": "web"})
        await made.until(lambda: made.status("Firewall", "web").get("machines") == 2, "two members")
        made.change("Firewall", "web", rules=[{**rule, "ports": [{"from": 80}], "cidrs": ["10.0.0.0/8"]}])
        await made.settle()
        link = made.world.link("real")
        assert link is not None
        found = link.shelf(CloudKind.FIREWALL).inventory.get(made.status("Firewall", "web")["id"])
        assert found is not None
        assert [str(one) for one in found.entries] == ["Ingress TCP 80 from 10.0.0.0/8"]
        made.change("VirtualMachine", "a", {"tier": "db"})
        await made.until(lambda: made.status("Firewall", "web").get("machines") == 1, "one member again")
        made.delete(("Firewall", "web"), ("VirtualMachine", "a"), ("VirtualMachine", "b"))
        await made.gone()

    live(bed, driver, story)


def test_a_firewall_is_in_the_vpc_of_its_network_and_all_goes_at_once(bed: Bed, driver: Driver) -> None:
    if bed.kind != "aws":
        pytest.skip("only there firewalls are in networks")

    async def story(made: Alive) -> None:
        rule = {"name": "ssh", "direction": "Ingress", "protocol": "TCP", "cidrs": ["10.0.0.0/8"]}
        made.apply("Firewall", "web", selector={}, networkRef={"name": "front"}, rules=[rule])
        made.machine("a", networks=[{"name": "nic0", "networkRef": {"name": "front"}}])
        made.apply("Network", "front", cidr="10.77.1.0/24", aws={"vpcCIDR": "10.77.0.0/16"})
        await made.until(lambda: made.status("Firewall", "web").get("machines") == 1, "a member")
        await made.settle()
        made.delete(("Network", "front"), ("Firewall", "web"), ("VirtualMachine", "a"))
        await made.gone()

    live(bed, driver, story)


def test_machines_go_back_to_their_snapshots_and_all_goes_at_once(bed: Bed, driver: Driver) -> None:
    if driver.snapshots is None:
        pytest.skip("this cloud has no snapshots")

    async def story(made: Alive) -> None:
        made.machine("db")
        made.apply("Snapshot", "before", sourceRef={"kind": "VirtualMachine", "name": "db"}, expiresAfter="24h")
        await made.settle()
        assert made.status("Snapshot", "before")["takenAt"] < made.status("Snapshot", "before")["expiresAt"]
        if driver.machines.traits.reverts:
            made.change("VirtualMachine", "db", revertTo={"snapshot": "before", "token": "1"})
            await made.settle()
            revert = {"token": "1", "snapshot": "before", "phase": "Done"}
            assert made.status("VirtualMachine", "db")["revert"] == revert
            assert made.status("VirtualMachine", "db")["powerState"] == "Running"
        made.delete(("VirtualMachine", "db"), ("Snapshot", "before"))
        await made.gone()

    live(bed, driver, story)


def test_a_volume_is_made_from_a_snapshot_of_another(bed: Bed, driver: Driver) -> None:
    if bed.kind not in POINTS or not POINTS[bed.kind].of_volumes:
        pytest.skip("this cloud has no snapshots of volumes yet")

    async def story(made: Alive) -> None:
        made.apply("Volume", "copy", size="3Gi", source={"snapshotRef": {"name": "before"}})
        made.apply("Snapshot", "before", sourceRef={"kind": "Volume", "name": "data"})
        made.apply("Volume", "data", size="2Gi")
        await made.settle()
        assert made.status("Volume", "copy")["size"] == "3Gi"
        made.delete(("Volume", "data"), ("Volume", "copy"), ("Snapshot", "before"))
        await made.gone()

    before = bed.volumes().keys()
    live(bed, driver, story)
    assert bed.volumes().keys() == before
