"""The lab's Prometheus: scrapes what it is told to, and answers queries."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.process import LabError
from lab.prometheus import Prometheus, Sample, available


@pytest.fixture(autouse=True, scope="module")
def needs_prometheus() -> None:
    if not available():
        pytest.skip("no Prometheus on this machine, and none can be fetched")


def test_it_scrapes_targets_that_are_named_later(tmp_path: Path) -> None:
    with Prometheus(tmp_path) as prometheus:
        assert prometheus.query("up") == []
        target = f"127.0.0.1:{prometheus.port}"
        prometheus.watch([target])
        deadline = time.monotonic() + 60
        while not (found := prometheus.query("up == 1")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [sample.labels["instance"] for sample in found] == [target]


def test_it_refuses_a_query_with_a_reason(tmp_path: Path) -> None:
    with Prometheus(tmp_path) as prometheus:
        assert prometheus.query("scalar(vector(3))") == [Sample({}, 3.0)]
        with pytest.raises(LabError, match="parse error"):
            prometheus.query("up{")
