"""Grants that come and go, in small: ``make chaos`` does it at length, for every cloud."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from lab.bed import Lab
from tests.operator_bed import OperatorBed
from tests.tenancy.tenants import Tenants

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)


@pytest.mark.timeout(200)
def test_nothing_is_done_for_those_who_may_not_and_everything_for_those_who_may(tmp_path: Path) -> None:
    print(f"HYBRIDGE_SEED={SEED}")
    with Lab(tmp_path, clouds=("proxmox",), prometheus=False) as lab:
        bed = OperatorBed(lab, tmp_path)
        try:
            bed.operator.start().wait()
            tenants = Tenants(bed, "proxmox", Random(SEED))
            found = [wrong for _ in range(5) for wrong in tenants.round()]
            found += tenants.leave()
        finally:
            bed.operator.stop()

    assert found == []
    assert tenants.given
    assert tenants.taken
