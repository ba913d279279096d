"""Answers that no cloud should give: a driver says that it cannot read them, and nothing worse comes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
from tests.contract.clouds import GALLERIES, POINTS, SEGMENTS, WALLS
from tests.hostile.driver import Hostility
from tests.hostile.life import (
    live,
    live_of_a_copy,
    live_of_a_firewall,
    live_of_a_network,
    live_of_a_snapshot,
    live_of_an_image,
)

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


@pytest.fixture
def hostility(bed: Bed) -> Iterator[Hostility]:
    """Rewrites answers, and tells in the end which."""
    print(f"HYBRIDGE_SEED={SEED}")
    hostility = Hostility(bed, SEED)
    yield hostility
    hostility.close()
    print(hostility.rewritten, hostility.met)
    print("\n".join(f"{finding}\n    {replay}" for finding, replay in hostility.found.items()))


def test_rewritten_answers_break_nothing(bed: Bed, driver: Driver, hostility: Hostility) -> None:
    """Whatever is in an answer, a call either passes over it or raises an error of the port."""
    before = bed.machines()

    live(bed, driver, hostility)

    assert hostility.found == {}
    assert bed.machines() == before


@pytest.mark.parametrize("shared_bed", sorted(SEGMENTS), indirect=True)
def test_rewritten_answers_break_no_network(bed: Bed, driver: Driver, hostility: Hostility) -> None:
    segments = SEGMENTS[bed.kind](bed)
    before = segments.shown()

    live_of_a_network(segments, driver, hostility)

    assert hostility.found == {}
    assert segments.shown() == before


@pytest.mark.parametrize("shared_bed", sorted(GALLERIES), indirect=True)
def test_rewritten_answers_break_no_image(bed: Bed, driver: Driver, hostility: Hostility) -> None:
    gallery = GALLERIES[bed.kind](bed)
    before = gallery.shown()

    live_of_an_image(gallery, driver, hostility)

    assert hostility.found == {}
    assert gallery.shown() == before


@pytest.mark.parametrize("shared_bed", sorted(POINTS), indirect=True)
def test_rewritten_answers_break_no_snapshot(bed: Bed, driver: Driver, hostility: Hostility) -> None:
    points = POINTS[bed.kind](bed)
    before = points.shown()

    live_of_a_snapshot(points, driver, hostility)

    assert hostility.found == {}
    assert points.shown() == before


@pytest.mark.parametrize("shared_bed", sorted(WALLS), indirect=True)
def test_rewritten_answers_break_no_firewall(bed: Bed, driver: Driver, hostility: Hostility) -> None:
    walls = WALLS[bed.kind](bed)
    before = walls.shown()

    live_of_a_firewall(walls, driver, hostility)

    assert hostility.found == {}
    assert walls.shown() == before


@pytest.mark.parametrize(
    "shared_bed", sorted(kind for kind, points in POINTS.items() if points.of_volumes), indirect=True
)
def test_rewritten_answers_break_no_copy(bed: Bed, driver: Driver, hostility: Hostility) -> None:
    live_of_a_copy(POINTS[bed.kind](bed), driver, hostility)

    assert hostility.found == {}
