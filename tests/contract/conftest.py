"""Every test of the contract runs for every cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from hybridge.drivers.base import Driver
from lab.pki import Authority
from lab.process import CA_VARIABLES
from tests.contract.bed import Bed, Requests
from tests.contract.clouds import BEDS
from tests.contract.eye import Eye


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Iterator[None]:
    """What a shell may export must neither help nor hinder a driver's TLS: each driver is told what to trust."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*CA_VARIABLES, *(name for name in os.environ if name.lower().endswith("_proxy"))]:
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", params=sorted(BEDS))
def shared_bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp(request.param)
    bed = BEDS[request.param](folder, Authority(folder / "pki"))
    yield bed
    bed.stop()


@pytest.fixture
def bed(shared_bed: Bed) -> Iterator[Bed]:
    yield shared_bed
    shared_bed.tidy()


@pytest.fixture
def requests() -> Requests:
    """What ``driver`` tells of its requests."""
    return Requests()


@pytest.fixture
def driver(bed: Bed, requests: Requests) -> Iterator[Driver]:
    with bed.connected(requests) as driver:
        yield driver


@pytest.fixture
def eye(bed: Bed, driver: Driver) -> Eye:
    return Eye(bed, driver)


@pytest.fixture
def short_deadlines(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transports give up after a second. Use it before ``driver``."""
    for name, value in bed.deadlines.items():
        monkeypatch.setattr(name, value)
