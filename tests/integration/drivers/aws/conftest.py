"""The AWS driver against the lab's EC2: what is peculiar to this cloud. What all clouds share is in tests/contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from hybridge.drivers.aws.driver import connect
from lab.aws import AwsCloud
from tests.integration.drivers.aws.bench import Bench, settings


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCloud]:
    with AwsCloud(tmp_path_factory.mktemp("aws"), transition=0.0) as running:
        yield running


@pytest.fixture
def bench(cloud: AwsCloud) -> Iterator[Bench]:
    requests: Counter[str] = Counter()
    driver = connect(settings(cloud, requests))
    yield Bench(driver, requests)
    driver.close()
