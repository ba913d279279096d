"""The lab's Proxmox VE, which answers as a real cluster does where fakepve alone would not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from proxmoxer import ProxmoxAPI  # type: ignore[import-untyped]  # proxmoxer ships neither annotations nor stubs

from lab.pki import Authority
from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import IDS


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[ProxmoxCloud]:
    with ProxmoxCloud(tmp_path_factory.mktemp("proxmox"), authority) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared: ProxmoxCloud) -> Iterator[ProxmoxCloud]:
    yield shared
    shared.tune(task_seconds=0.0, resources_lag=0.0)


@pytest.fixture
def connect(cloud: ProxmoxCloud, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    # requests prefers this variable to the CA that a session was given.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)

    def api(credentials: dict[str, str] | None = None) -> Any:
        given = credentials or cloud.credentials
        user, _, name = given["tokenID"].partition("!")
        return ProxmoxAPI(
            "127.0.0.1",
            port=int(cloud.endpoint.rpartition(":")[2]),
            user=user,
            token_name=name,
            token_value=given["tokenSecret"],
            verify_ssl=str(authority.bundle),
            timeout=30,
        )

    return api


@pytest.fixture
def pve(connect: Callable[..., Any]) -> Any:
    return connect()


@pytest.fixture
def guest(pve: Any) -> int:
    """A fresh clone of the Debian template on pve1, stopped."""
    vmid = next(IDS)
    pve.nodes("pve1").qemu(9000).clone.post(newid=vmid, name=f"vm-{vmid}")
    return vmid
