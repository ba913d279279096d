"""A server in the cloud's place: before it has proven who it is, it is told nothing; and it cannot send us elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybridge.core.errors import CloudError, Refused
from hybridge.core.reasons import Reason
from lab.pki import Authority, KeyPair
from tests.contract.bed import Bed
from tests.impostor import Impostor, redirect

_WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Deceit = Callable[[Bed, Path], tuple[KeyPair, dict[str, Any]]]


def _another_authority(_bed: Bed, folder: Path) -> tuple[KeyPair, dict[str, Any]]:
    return Authority(folder, "Somebody else's CA").issue("impostor"), {}


def _an_authority_of_the_same_name(_bed: Bed, folder: Path) -> tuple[KeyPair, dict[str, Any]]:
    return Authority(folder).issue("impostor"), {}


def _another_name(bed: Bed, _folder: Path) -> tuple[KeyPair, dict[str, Any]]:
    return bed.authority.issue(f"another-{bed.kind}.example", loopback=False), {}


def _expired(bed: Bed, _folder: Path) -> tuple[KeyPair, dict[str, Any]]:
    return bed.authority.issue(f"expired-{bed.kind}", expired=True), {}


def _another_fingerprint(bed: Bed, _folder: Path) -> tuple[KeyPair, dict[str, Any]]:
    return bed.authority.issue(f"same-authority-{bed.kind}"), {"fingerprint": "0" * 64}


DECEITS = [_another_authority, _an_authority_of_the_same_name, _another_name, _expired, _another_fingerprint]


@pytest.mark.parametrize("deceit", DECEITS, ids=lambda deceit: deceit.__name__.strip("_").replace("_", " "))
def test_who_has_not_proven_itself_is_told_nothing(bed: Bed, deceit: Deceit, tmp_path: Path) -> None:
    pair, words = deceit(bed, tmp_path)

    with (
        Impostor(pair) as impostor,
        pytest.raises(Refused) as caught,
        bed.connected(cloud=bed.at(impostor.endpoint), **words) as driver,
    ):
        driver.check()

    assert caught.value.reason is Reason.TLS_NOT_VERIFIED
    assert impostor.met > 0
    assert impostor.heard == b""


def test_who_speaks_no_tls_is_told_no_secret(bed: Bed) -> None:
    with (
        Impostor(None, _WELL) as impostor,
        pytest.raises(CloudError),
        bed.connected(cloud=bed.at(impostor.endpoint)) as driver,
    ):
        driver.check()

    assert impostor.met > 0
    assert b"HTTP/1.1" not in impostor.heard
    assert not any(secret.encode() in impostor.heard for secret in bed.cloud.credentials.values())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_is_not_followed(bed: Bed, status: int, tmp_path: Path) -> None:
    """Not even by a server that has proven itself: to no other scheme, host or port."""
    trusted = bed.authority.issue(f"trusted-{bed.kind}")
    other = Authority(tmp_path, "Somebody else's CA").issue("other")

    for target, scheme in ((None, "http"), (other, "https"), (trusted, "https")):
        with Impostor(target, _WELL) as elsewhere:
            answer = redirect(status, f"{scheme}://127.0.0.1:{elsewhere.port}/")
            with (
                Impostor(trusted, answer) as impostor,
                pytest.raises(CloudError),
                bed.connected(cloud=bed.at(impostor.endpoint)) as driver,
            ):
                driver.check()

            assert impostor.heard
            assert elsewhere.met == 0, scheme


@pytest.mark.parametrize("status", [300, 304])
def test_nor_is_one_that_leads_nowhere(bed: Bed, status: int) -> None:
    trusted = bed.authority.issue(f"trusted-{bed.kind}")
    answer = f"HTTP/1.1 {status} Somewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()

    with (
        Impostor(trusted, answer) as impostor,
        pytest.raises(CloudError),
        bed.connected(cloud=bed.at(impostor.endpoint)) as driver,
    ):
        driver.check()
