"""Nothing secret is seen anywhere, whatever goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.reliability.report import Report
from tests.reliability.rows import Row
from tests.secrecy.canaries import sung
from tests.secrecy.story import story


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_secrets(cloud: Cloud, report: Report, tmp_path: Path) -> None:
    """A life with errors of each kind."""
    with story(tmp_path, cloud) as told:
        told.live()
        places = told.places()
        found = sung(told.canaries, places)
    size = sum(map(len, places.values())) // 1024
    tried = f"{len(told.canaries)} texts, each in 9 forms, in {len(places)} places"
    report(Row.SECRETS, cloud, tried, found, besides=f"{size} KiB searched")
