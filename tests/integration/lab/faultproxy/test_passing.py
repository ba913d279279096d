"""What a fault proxy passes on is what came, in both directions."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from lab.faultproxy import FaultProxy
from lab.pki import Authority, KeyPair
from tests.integration.lab.faultproxy.small import FORM, HOST, RUN, ZIPPED, Client, SmallCloud, eventually


@pytest.fixture
def leaver(proxy: FaultProxy, authority: Authority) -> Iterator[http.client.HTTPConnection]:
    """A connection that can be closed while it waits for an answer."""
    address = urlsplit(proxy.endpoint)
    host, port = str(address.hostname), address.port
    if address.scheme == "https":
        trust = ssl.create_default_context(cafile=authority.bundle)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, context=trust)
    else:
        connection = http.client.HTTPConnection(host, port)
    yield connection
    connection.close()


def test_a_request_and_its_answer_pass_as_they_are(client: Client, small_cloud: SmallCloud) -> None:
    answer = client.post(b"Action=RunInstances&Name=%2Fa", "/some%2Fpath?x=%20y")

    assert (answer.status_code, answer.text, answer.headers["X-Cloud"]) == (200, "29", "small")
    ((method, target, headers, body),) = small_cloud.seen
    assert (method, target, body) == ("POST", "/some%2Fpath?x=%20y", b"Action=RunInstances&Name=%2Fa")
    assert headers["Host"] == HOST
    assert headers["Cookie"] == "a=b"
    assert headers["User-Agent"].startswith("python-requests/")


def test_a_reason_phrase_passes(client: Client) -> None:
    answer = client.get("/running")

    assert (answer.status_code, answer.reason) == (500, "VM 100 already running")


def test_encoded_bodies_pass_unopened(client: Client, small_cloud: SmallCloud) -> None:
    answer = client.get("/zipped")
    client.post(ZIPPED, encoding="gzip")

    assert answer.content == b"plain"
    assert answer.headers["Content-Length"] == str(len(ZIPPED))
    assert small_cloud.bodies()[-1] == ZIPPED


def test_the_length_of_an_unsent_body_passes(client: Client) -> None:
    answer = client.head("/zipped")

    assert (answer.headers["Content-Length"], answer.content) == (str(len(ZIPPED)), b"")


def test_a_big_upload_passes(client: Client) -> None:
    assert client.post(b"x" * 10_000_000).text == "10000000"


def test_connections_to_the_cloud_are_reused(client: Client, small_cloud: SmallCloud) -> None:
    for _ in range(20):
        client.act("DescribeInstances")

    assert len(small_cloud.seen) == 20
    assert len(small_cloud.peers) < 20


def test_a_hundred_requests_are_under_way_at_once(proxy: FaultProxy, authority: Authority) -> None:
    def ask(_: int) -> int:
        with Client(proxy, authority.bundle) as one:
            return one.get("/together").status_code

    with ThreadPoolExecutor(100) as pool:
        # The cloud answers none of them before all have reached it.
        statuses = list(pool.map(ask, range(100)))

    assert statuses == [200] * 100


def test_a_read_ends_with_its_client(
    leaver: http.client.HTTPConnection, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    leaver.request("GET", "/wait")
    assert eventually(lambda: len(small_cloud.seen) == 1)
    leaver.close()

    assert eventually(lambda: small_cloud.broken_off == ["GET"])
    assert eventually(lambda: [entry.status for entry in proxy.log()] == [0])


def test_a_change_is_carried_through_without_its_client(
    leaver: http.client.HTTPConnection, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    leaver.request("POST", "/wait", b"Action=RunInstances", {"Content-Type": FORM})
    assert eventually(lambda: len(small_cloud.seen) == 1)
    leaver.close()
    assert eventually(lambda: [entry.status for entry in proxy.log()] == [0])
    small_cloud.open_gate()

    assert eventually(lambda: small_cloud.finished == ["POST"])
    assert eventually(lambda: proxy.log()[0].upstream == 200)
    assert proxy.log()[0].operation == RUN


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_request_that_the_cloud_drops_is_not_sent_again(
    client: Client, proxy: FaultProxy, small_cloud: SmallCloud, method: str
) -> None:
    send = client.get if method == "GET" else client.delete
    send("/warm")

    with pytest.raises(requests.ConnectionError):
        send("/hangup")

    assert [target for _, target, *_ in small_cloud.seen] == ["/warm", "/hangup"]
    assert proxy.log()[-1].fault.startswith("cloud: ")
    assert proxy.counts()[f"{method} /hangup"].faults == 0


def test_a_cloud_that_is_not_there_is_a_broken_connection(tmp_path: Path, authority: Authority) -> None:
    with (
        FaultProxy(tmp_path, "gone", "proxmox", "http://127.0.0.1:1") as gone,
        Client(gone, authority.bundle) as client,
    ):
        with pytest.raises(requests.ConnectionError):
            client.get("/api2/json/version")
        assert gone.counts()["GET /version"].statuses == {0: 1}


def test_an_upstream_certificate_is_verified(tmp_path: Path, authority: Authority) -> None:
    pair: KeyPair = authority.issue("upstream")
    stranger = Authority(tmp_path / "stranger", "A stranger's CA")
    with (
        SmallCloud() as cloud,
        FaultProxy(tmp_path, "tls", "aws", cloud.url, certificate=pair) as tls,
        FaultProxy(tmp_path, "trusting", "aws", tls.endpoint, upstream_ca=authority.bundle) as trusting,
        FaultProxy(tmp_path, "doubting", "aws", tls.endpoint, upstream_ca=stranger.bundle) as doubting,
        Client(trusting, authority.bundle) as trusted,
        Client(doubting, authority.bundle) as doubted,
    ):
        assert trusted.get("/").status_code == 200
        with pytest.raises(requests.ConnectionError):
            doubted.get("/")
        assert "certificate" in doubting.log()[-1].fault.lower()
        assert len(cloud.seen) == 1
