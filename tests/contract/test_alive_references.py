"""Machines, their Networks and their Images with engine and driver: applied at once, used, deleted at once, nothing left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from hybridge.core.kinds import CloudKind
from hybridge.drivers.base import Driver
from tests.contract.alive import alive
from tests.contract.bed import Bed
from tests.contract.clouds import SEGMENTS
from tests.contract.segments import Segments


@pytest.fixture(scope="session")
def shared_segments(shared_bed: Bed) -> Segments:
    return SEGMENTS[shared_bed.kind](shared_bed)


@pytest.fixture
def segments(shared_segments: Segments, bed: Bed) -> Iterator[Segments]:
    yield shared_segments
    bed.tidy()
    shared_segments.tidy()


def network_words(bed: Bed, segments: Segments) -> dict[str, Any]:
    """A Network as a person writes it."""
    spec = segments.rich()
    words = {"cidr": spec.cidr, "vlan": spec.vlan, bed.kind: dict(spec.options)}
    return {key: value for key, value in words.items() if value is not None}


@pytest.mark.parametrize("first", ["network", "machine"])
def test_a_network_and_a_machine_in_it_come_and_go(bed: Bed, driver: Driver, segments: Segments, first: str) -> None:
    networks, machines, left = set(segments.shown()), set(bed.machines()), bed.leftovers() | segments.leftovers()

    async def story() -> None:
        async with alive(bed, driver) as made:
            if first == "network":
                made.apply("Network", "front", **network_words(bed, segments))
            made.machine("web", networks=[{"name": "nic0", "networkRef": {"name": "front"}}])
            if first == "machine":
                made.apply("Network", "front", **network_words(bed, segments))
            await made.settle()
            network, machine_id = made.status("Network", "front"), made.status("VirtualMachine", "web")["id"]
            link = made.world.link("real")
            assert link is not None
            found = link.shelf(CloudKind.MACHINE).inventory.get(machine_id)
            assert found is not None
            assert [network["networkID"] in port.network for port in found.ports or ()] == [True]
            made.delete(("Network", "front"), ("VirtualMachine", "web"))
            await made.gone()

    asyncio.run(story())
    assert (set(segments.shown()), set(bed.machines())) == (networks, machines)
    assert bed.leftovers() | segments.leftovers() == left


def test_a_bridge_gives_interfaces_the_tag_of_its_network(bed: Bed, driver: Driver) -> None:
    if bed.kind != "proxmox":
        pytest.skip("interfaces have no tags of their own in this cloud")

    async def story() -> None:
        async with alive(bed, driver) as made:
            made.apply("Network", "front", proxmox={"bridge": "vmbr0"}, vlan=20)
            made.apply("Network", "back", proxmox={"bridge": "vmbr0"})
            made.machine("web", networks=[{"name": "nic0", "networkRef": {"name": "front"}}])
            await made.settle()
            link = made.world.link("real")
            assert link is not None
            seen, machine_id = link.shelf(CloudKind.MACHINE).inventory, made.status("VirtualMachine", "web")["id"]

            def tags() -> list[tuple[tuple[str, ...], str]]:
                found = seen.get(machine_id)
                return [(port.network, port.vlan) for port in found.ports or ()] if found is not None else []

            assert tags() == [(("vmbr0",), "20")]
            made.change("Network", "front", vlan=30)
            await made.until(lambda: tags() == [(("vmbr0",), "30")], "another tag")
            made.change("VirtualMachine", "web", networks=[{"name": "nic0", "networkRef": {"name": "back"}}])
            await made.until(lambda: tags() == [(("vmbr0",), "")], "no tag")
            await made.settle()
            made.delete(("Network", "front"), ("Network", "back"), ("VirtualMachine", "web"))
            await made.gone()

    asyncio.run(story())


def test_an_image_of_a_machine_and_a_machine_of_that_come_and_go(bed: Bed, driver: Driver) -> None:
    if driver.images is None:
        pytest.skip("this cloud has no images")
    # Where anybody can publish images under any name it has to be said whose is meant.
    find = {"name": f"{bed.image}*", **({"owner": "self"} if bed.kind == "aws" else {})}
    machines, left = set(bed.machines()), bed.leftovers()

    async def story() -> None:
        async with alive(bed, driver) as made:
            made.machine("web", image={"imageRef": {"name": "golden"}}, powerState="Stopped")
            made.apply("Image", "golden", source={"virtualMachineRef": {"name": "base"}})
            made.machine("base", image={"imageRef": {"name": "stock"}}, powerState="Stopped")
            made.apply("Image", "stock", source={"find": find})
            await made.settle()
            assert made.status("Image", "golden")["usedBy"] == ["VirtualMachine shop/web"]
            assert made.status("Image", "stock")["id"] == bed.image_id
            made.delete(("Image", "stock"), ("Image", "golden"), ("VirtualMachine", "base"), ("VirtualMachine", "web"))
            await made.gone()

    asyncio.run(story())
    assert (set(bed.machines()), bed.leftovers()) == (machines, left)
