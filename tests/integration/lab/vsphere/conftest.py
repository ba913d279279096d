"""The lab's vCenter, which answers as a real one does where the simulator alone would not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from lab.pki import Authority
from lab.vsphere import VsphereCloud
from tests.integration.lab.vsphere.client import Client


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereCloud]:
    folder = tmp_path_factory.mktemp("vsphere")
    with VsphereCloud(folder, Authority(folder / "pki")) as cloud:
        cloud.grant_everything()
        yield cloud


@pytest.fixture
def cloud(shared: VsphereCloud) -> Iterator[VsphereCloud]:
    yield shared
    shared.tune(task_delay=0.0, boot_delay=0.0, hot_plug_not_supported=False)
    shared.deny([])


@pytest.fixture
def client(cloud: VsphereCloud) -> Client:
    return Client(cloud)


@pytest.fixture
def debian(cloud: VsphereCloud) -> str:
    return cloud.templates["debian-12"]


@pytest.fixture
def name() -> str:
    return f"vm-{uuid.uuid4()}"
