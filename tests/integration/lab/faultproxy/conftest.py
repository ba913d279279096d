"""The fault proxy before a small cloud, with and without TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.faultproxy import FaultProxy
from lab.pki import Authority
from tests.integration.lab.faultproxy.small import Client, SmallCloud


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def small_cloud() -> Iterator[SmallCloud]:
    with SmallCloud() as cloud:
        yield cloud


@pytest.fixture(scope="session", params=["http", "https"])
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    small_cloud: SmallCloud,
) -> Iterator[FaultProxy]:
    certificate = authority.issue("proxy") if request.param == "https" else None
    with FaultProxy(tmp_path_factory.mktemp("proxy"), "aws", "aws", small_cloud.url, certificate=certificate) as proxy:
        yield proxy


@pytest.fixture
def proxy(running: FaultProxy, small_cloud: SmallCloud) -> FaultProxy:
    running.light()
    running.clear()
    running.reset_counts()
    small_cloud.forget()
    return running


@pytest.fixture
def client(proxy: FaultProxy, authority: Authority) -> Iterator[Client]:
    with Client(proxy, authority.bundle) as client:
        yield client
