"""Creators and a stranger want the same VMIDs: three Providers of one operator; ``make chaos`` has three operators."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kills import OPTIONS
from tests.operator_bed import operator_bed
from tests.vmid_race import connect, race

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)
NAMES = ("one", "two", "three")


@pytest.mark.timeout(240)
def test_nobody_else_s_guest_is_touched_and_each_object_has_one(tmp_path: Path) -> None:
    print(f"HYBRIDGE_SEED={SEED}")
    with operator_bed(tmp_path, clouds=["proxmox"], options=OPTIONS) as bed:
        creators = [
            connect(bed, bed.provider("proxmox", name, sweepInterval="1s"), bed.secret("proxmox", name), last=149)
            for name in NAMES
        ]
        found, besides = race(creators, bed.lab.proxmox, SEED, number=3, acts=15, kills=1, most=6)

    assert found == []
    print(besides)
