"""The tables of the bench have a row for every kind that was measured."""

from __future__ import annotations

from collections.abc import Mapping

from lab.faultproxy import Cloud
from tests.bench.clouds import WARES_EACH, Fleet, Report, Rest
from tests.bench.tables import of_clouds


def report(**wares: int) -> Report:
    fleet = Fleet(40.0, 1.0, 1.0)
    return Report([fleet], fleet, [80.0], [1.0], {}, {}, 2**26, 1.0, Rest(60.0, {}, 2, 0, 0.1), wares)


def test_each_kind_has_its_requests_and_a_cloud_without_it_has_none() -> None:
    reports: Mapping[Cloud, Report] = {"aws": report(Volume=3 * WARES_EACH), "proxmox": report()}

    rows = {row.name: [cell.text for cell in row.cells] for row in of_clouds(reports)[0].rows}

    assert rows["requests a Volume"] == ["3.00", "none"]
    assert not [name for name in rows if name.startswith("requests a ") and name.endswith("VirtualMachine")]
