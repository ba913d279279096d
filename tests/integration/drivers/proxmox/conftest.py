"""The Proxmox VE driver against the lab's cluster: what is peculiar to this cloud. The rest is in tests/contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridge.drivers.proxmox.driver import connect
from tests.integration.drivers.proxmox.bench import Bench, Lab, settings


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.stop()


@pytest.fixture
def bench(lab: Lab) -> Iterator[Bench]:
    requests: Counter[str] = Counter()
    driver = connect(settings(lab, requests))
    yield Bench(driver, requests)
    driver.close()
