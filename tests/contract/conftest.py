"""Every test of the contract runs for every cloud."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

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


class Beds:
    """The clouds, each started when a test first asks for it. pytest would end one whenever the next test is another's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Bed] = {}

    def get(self, kind: str) -> Bed:
        """One of ``BEDS``, running."""
        if kind not in self._running:
            folder = self._folder / kind
            folder.mkdir()
            self._running[kind] = BEDS[kind](folder, Authority(folder / "pki"))
        return self._running[kind]

    def stop(self) -> None:
        """Ends them all."""
        with contextlib.ExitStack() as stack:
            for bed in self._running.values():
                stack.callback(bed.stop)


@pytest.fixture(scope="session")
def beds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beds]:
    beds = Beds(tmp_path_factory.mktemp("clouds"))
    yield beds
    beds.stop()


@pytest.fixture(scope="session", params=sorted(BEDS))
def shared_bed(request: pytest.FixtureRequest, beds: Beds) -> Bed:
    return beds.get(request.param)


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
