"""Who may use a Provider changes all the time: nothing is done for those who may not, and everything for those who may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from lab.bed import CLOUDS, Lab
from lab.faultproxy import Cloud
from tests.operator_bed import OperatorBed
from tests.reliability.report import Report
from tests.reliability.rows import Row
from tests.tenancy.tenants import NAMES, Tenants

ROUNDS = 40


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_tenants(cloud: Cloud, seed: int, tell: Callable[[str], None], report: Report, tmp_path: Path) -> None:
    """Rounds of granting and taking back, by name and by label, while all tenants want something else."""
    found: list[str] = []
    with Lab(tmp_path, clouds=(cloud,), prometheus=False) as lab:
        bed = OperatorBed(lab, tmp_path)
        try:
            bed.operator.start().wait()
            tenants = Tenants(bed, cloud, Random(seed))
            for number in range(ROUNDS):
                wrong = tenants.round()
                tell(f"round {number + 1}: {'; '.join(wrong) or 'as granted'}")
                found += [f"{one} (round {number + 1})" for one in wrong]
            found += tenants.leave()
        finally:
            bed.operator.stop()
    tried = f"{ROUNDS} rounds of {len(NAMES)} namespaces: {tenants.given} grants, {tenants.taken} taken back"
    report(Row.TENANTS, cloud, tried, found, besides=f"{tenants.denied} wishes without a grant")
