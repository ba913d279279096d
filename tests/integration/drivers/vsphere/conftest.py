"""The vSphere driver against the lab's vCenter: what is peculiar to this cloud. The rest is in tests/contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridge.core.identity import Marker
from hybridge.drivers.base import Driver
from lab.pki import Authority
from lab.vsphere import VsphereCloud
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereBed]:
    folder: Path = tmp_path_factory.mktemp("vsphere")
    bed = VsphereBed(folder, Authority(folder / "pki"))
    yield bed
    bed.stop()


@pytest.fixture
def bed(shared: VsphereBed) -> Iterator[VsphereBed]:
    yield shared
    shared.tidy()


@pytest.fixture
def driver(bed: VsphereBed) -> Iterator[Driver]:
    with bed.connected() as driver:
        yield driver


@pytest.fixture
def eye(bed: VsphereBed, driver: Driver) -> Eye:
    return Eye(bed, driver)


@pytest.fixture
def marker(bed: VsphereBed) -> Marker:
    return bed.marker()


@pytest.fixture
def vcenter(bed: VsphereBed) -> VsphereCloud:
    assert isinstance(bed.cloud, VsphereCloud)
    return bed.cloud
