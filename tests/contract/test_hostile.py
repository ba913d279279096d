"""Answers that no cloud should give: a driver says that it cannot read them, and nothing worse comes of it."""

from __future__ import annotations

import os

from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
from tests.hostile.driver import Hostility
from tests.hostile.life import live

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


def test_rewritten_answers_break_nothing(bed: Bed, driver: Driver) -> None:
    """Whatever is in an answer, a call either passes over it or raises an error of the port."""
    print(f"HYBRIDGE_SEED={SEED}")
    hostility = Hostility(bed, SEED)
    before = bed.machines()

    try:
        live(bed, driver, hostility)
    finally:
        hostility.close()
        print(hostility.rewritten, hostility.met)
        print("\n".join(f"{finding}\n    {replay}" for finding, replay in hostility.found.items()))

    assert hostility.found == {}
    assert bed.machines() == before
