"""A fault proxy whose cloud is away."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from lab.faultproxy import FaultProxy
from tests.integration.lab.faultproxy.small import Client, SmallCloud, eventually


def test_a_silent_cloud_accepts_and_never_answers(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.dark()
    with pytest.raises(requests.ReadTimeout):
        client.act("RunInstances", timeout=0.5)
    assert small_cloud.seen == []

    proxy.light()
    assert client.act("RunInstances").status_code == 200


def test_an_answer_that_comes_in_the_dark_is_lost(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/wait")
        assert eventually(lambda: len(small_cloud.seen) == 1)
        proxy.dark()
        small_cloud.open_gate()
        assert eventually(lambda: small_cloud.finished == ["GET"])
        assert eventually(lambda: proxy.counts()["GET /wait"].faults == 1)
        assert not waiting.done()
        proxy.light()
        with pytest.raises(requests.ConnectionError):
            waiting.result()


def test_a_refusing_cloud_breaks_and_refuses_connections(
    client: Client, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/wait")
        assert eventually(lambda: len(small_cloud.seen) == 1)
        proxy.dark("refuse")
        with pytest.raises(requests.ConnectionError):
            waiting.result()
    assert eventually(lambda: small_cloud.broken_off == ["GET"])
    address = urlsplit(proxy.endpoint)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    with pytest.raises(ConnectionRefusedError):
        connection.connect()

    proxy.light()
    assert client.act("RunInstances").status_code == 200
