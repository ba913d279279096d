"""Three operators and a stranger want the same VMIDs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bed import Lab
from tests.kills import OPTIONS
from tests.operator_bed import OperatorBed
from tests.reliability.report import Report
from tests.reliability.rows import Row
from tests.vmid_race import Creator, connect, race

OPERATORS, NUMBER, ACTS, KILLS, MOST = 3, 12, 90, 9, 12
#: All that there may be at once, and some more.
LAST = 199


@contextlib.contextmanager
def rivals(folder: Path) -> Iterator[list[Creator]]:
    """Operators with an API server each, on the cluster of the first; all are ended afterwards."""
    with contextlib.ExitStack() as ends:
        made: list[Creator] = []
        for number in range(OPERATORS):
            own = folder / f"cluster-{number}"
            lab = ends.enter_context(Lab(own, clouds=[] if made else ["proxmox"], prometheus=False))
            bed = OperatorBed(lab, own, OPTIONS)
            ends.callback(bed.operator.stop)
            bed.operator.start().wait()
            first = made[0].bed if made else bed
            made.append(connect(bed, first.provider("proxmox", sweepInterval="1s"), first.secret("proxmox"), LAST))
        yield made


@pytest.mark.timeout(900)
def test_vmid_race(seed: int, report: Report, tmp_path: Path) -> None:
    """Unique ids, nobody else's guest touched, one machine for each object."""
    with rivals(tmp_path) as creators:
        found, besides = race(
            creators, creators[0].bed.lab.proxmox, seed, number=NUMBER, acts=ACTS, kills=KILLS, most=MOST
        )
        objects = sum(len(creator.wanted) for creator in creators)

    acts = f"{OPERATORS * NUMBER} creations, then {ACTS} creations, deletions and thefts"
    tried = f"{OPERATORS} operators, {acts}, {KILLS} kills"
    report(Row.VMIDS, "proxmox", tried, found, besides=f"{objects} objects in the end; {besides}")
