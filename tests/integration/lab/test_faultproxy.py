"""The fault proxy in front of a small cloud of the test's own."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import msgspec
import pytest
import requests
import typer.testing
from aiohttp import web

from lab.faultproxy import Answer, Dark, Delay, FaultProxy, LoseAnswer, Reset, Rule
from lab.faultproxy_cli import app
from lab.pki import Authority, KeyPair
from lab.process import LabError

FORM = "application/x-www-form-urlencoded"
ZIPPED = gzip.compress(b"plain")
HOST = "ec2.example"
RUN = "ec2:RunInstances"


def eventually(holds: Callable[[], bool]) -> bool:
    """Ask until it holds; False after half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False


class SmallCloud:
    """An HTTP server in a thread that remembers what reached it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.peers: set[object] = set()
        self.finished: list[str] = []
        self.broken_off: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def forget(self) -> None:
        """What a test begins with: nothing seen, the waiting paths closed."""
        for memory in (self.seen, self.finished, self.broken_off):
            memory.clear()
        self.peers.clear()
        self._loop.call_soon_threadsafe(self._gate.clear)

    def open_gate(self) -> None:
        """Answer the requests that wait."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def bodies(self) -> list[bytes]:
        """What reached the cloud, in order."""
        return [body for *_, body in self.seen]

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop, self._gate, self._together = asyncio.Event(), asyncio.Event(), asyncio.Barrier(100)
        runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True, auto_decompress=False))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=256)
        await site.start()
        self.url = site.name
        self._ready.set()
        await self._stop.wait()
        self._gate.set()
        await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        self.peers.add(request.transport and request.transport.get_extra_info("peername"))
        self.seen.append((request.method, request.raw_path, dict(request.headers), body))
        if request.path == "/zipped":
            return web.Response(body=ZIPPED, headers={"Content-Encoding": "gzip"})
        if request.path == "/running":
            return web.Response(status=500, reason="VM 100 already running", text="no")
        if request.path == "/together":
            await self._together.wait()
        if request.path == "/hangup":
            assert request.transport is not None
            request.transport.abort()
        if request.path == "/wait":
            try:
                await self._gate.wait()
            except asyncio.CancelledError:
                self.broken_off.append(request.method)
                raise
        self.finished.append(request.method)
        return web.Response(text=f"{len(body)}", headers={"X-Cloud": "small"})


class Client:
    """One client of a proxy, with connections of its own."""

    def __init__(self, proxy: FaultProxy, ca: Path) -> None:
        self._proxy = proxy
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(ca)

    def get(self, path: str, timeout: float = 60) -> requests.Response:
        return self._session.get(self._proxy.endpoint + path, timeout=timeout)

    def head(self, path: str) -> requests.Response:
        return self._session.head(self._proxy.endpoint + path, timeout=60)

    def delete(self, path: str) -> requests.Response:
        return self._session.delete(self._proxy.endpoint + path, timeout=60)

    def post(
        self, body: bytes, path: str = "/", *, timeout: float = 60, encoding: str | None = None
    ) -> requests.Response:
        headers = {"Content-Type": FORM, "Host": HOST, "Cookie": "a=b", "Content-Encoding": encoding}
        return self._session.post(self._proxy.endpoint + path, data=body, headers=headers, timeout=timeout)

    def act(self, action: str, timeout: float = 60) -> requests.Response:
        return self.post(f"Action={action}&Version=2016-11-15".encode(), timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def small_cloud() -> Iterator[SmallCloud]:
    with SmallCloud() as cloud:
        yield cloud


@pytest.fixture(scope="module", params=["http", "https"])
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


# What passes


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


# Counts and log


def test_counts_are_kept_by_operation_and_reset(client: Client, proxy: FaultProxy) -> None:
    for action in ("RunInstances", "DescribeInstances", "DescribeInstances"):
        client.act(action)
    client.get("/running")

    counts = proxy.counts()
    assert (proxy.total(), proxy.mutating()) == (4, 1)
    assert (counts[RUN].requests, counts[RUN].mutating, counts[RUN].statuses) == (1, True, {200: 1})
    assert (counts["ec2:DescribeInstances"].requests, counts["ec2:DescribeInstances"].mutating) == (2, False)
    assert counts["GET /running"].statuses == {500: 1}
    assert all(count.forwarded == count.requests and count.faults == 0 for count in counts.values())
    log = proxy.log()
    assert [(entry.operation, entry.status, entry.upstream, entry.fault) for entry in log] == [
        (RUN, 200, 200, ""),
        ("ec2:DescribeInstances", 200, 200, ""),
        ("ec2:DescribeInstances", 200, 200, ""),
        ("GET /running", 500, 500, ""),
    ]
    assert [entry.time for entry in log] == sorted(entry.time for entry in log)

    proxy.reset_counts()
    assert (proxy.counts(), proxy.log()) == ({}, [])


# Faults


@pytest.mark.parametrize("how", ["500", "503"])
def test_a_lost_answer_becomes_an_error(client: Client, proxy: FaultProxy, small_cloud: SmallCloud, how: str) -> None:
    proxy.inject(Rule(RUN, LoseAnswer("500" if how == "500" else "503"), times=1))

    assert client.act("RunInstances").status_code == int(how)
    assert len(small_cloud.seen) == 1
    count = proxy.counts()[RUN]
    assert (count.requests, count.forwarded, count.faults, count.statuses) == (1, 1, 1, {int(how): 1})
    assert (proxy.log()[-1].upstream, proxy.log()[-1].fault) == (200, f"lose_answer {how}")
    assert client.act("RunInstances").status_code == 200


def test_a_lost_answer_breaks_the_connection(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.inject(Rule("mutating", LoseAnswer("reset"), times=1))

    assert client.act("DescribeInstances").status_code == 200
    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        client.act("RunInstances")
    assert [body[:19] for body in small_cloud.bodies()] == [b"Action=DescribeInst", b"Action=RunInstances"]
    assert client.act("RunInstances").status_code == 200


def test_a_lost_answer_leaves_the_client_waiting(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.inject(Rule(RUN, LoseAnswer("timeout")))

    with pytest.raises(requests.ReadTimeout):
        client.act("RunInstances", timeout=0.5)
    assert eventually(lambda: [(entry.status, entry.upstream) for entry in proxy.log()] == [(0, 200)])
    assert len(small_cloud.seen) == 1


def test_a_reset_comes_before_the_cloud(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.inject(Rule(RUN, Reset()))

    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        client.act("RunInstances")
    assert small_cloud.seen == []
    assert proxy.counts()[RUN].forwarded == 0


def test_an_answer_comes_instead_of_the_cloud(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.inject(Rule("ec2:*", Answer(418, body="short", headers={"Retry-After": "7", "Content-Type": "text/tea"})))

    answer = client.act("RunInstances")

    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (418, "short", "7")
    assert answer.headers["Content-Type"] == "text/tea"
    assert small_cloud.seen == []
    assert proxy.counts()[RUN].statuses == {418: 1}


def test_delays_let_requests_pass_and_other_rules_apply(
    client: Client, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    proxy.inject(Rule("*", Delay(0.2)))
    assert client.act("RunInstances").status_code == 200
    assert proxy.log()[-1].seconds >= 0.2

    proxy.inject(Rule("*", Answer(503)))
    assert client.act("RunInstances").status_code == 503
    assert proxy.log()[-1].fault == "delay, answer 503"
    assert proxy.counts()[RUN].faults == 2
    assert len(small_cloud.seen) == 1


def test_a_dark_operation_is_held_until_the_faults_are_cleared(
    client: Client, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    proxy.inject(Rule(RUN, Dark()))
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.act, "RunInstances")
        assert eventually(lambda: proxy.counts().get(RUN) is not None)
        assert client.act("DescribeInstances").status_code == 200
        assert not held.done()
        proxy.clear()
        with pytest.raises(requests.ConnectionError):
            held.result()
    assert [body[:20] for body in small_cloud.bodies()] == [b"Action=DescribeInsta"]


def test_rules_skip_then_hit_then_are_spent(client: Client, proxy: FaultProxy) -> None:
    number = proxy.inject(Rule("ec2:Run*", Answer(503), times=2, after=1))

    assert [client.act("RunInstances").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    (active,) = proxy.faults()
    assert (active.id, active.matched, active.hit) == (number, 5, 2)


def test_a_seed_repeats_its_chances(client: Client, proxy: FaultProxy) -> None:
    def statuses() -> list[int]:
        number = proxy.inject(Rule("*", Answer(503), probability=0.5, seed=3))
        found = [client.act("RunInstances").status_code for _ in range(30)]
        proxy.lift(number)
        return found

    first = statuses()
    assert set(first) == {200, 503}
    assert statuses() == first


def test_orders_that_make_no_sense_are_refused(proxy: FaultProxy) -> None:
    with pytest.raises(LabError, match="probability"):
        proxy.inject(Rule("*", Reset(), probability=2))
    with pytest.raises(LabError, match="no rule 4711"):
        proxy.lift(4711)
    assert proxy.faults() == []


# Dark and light


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


# The command line


def test_the_command_line_orders_the_running_proxy(
    tmp_path: Path, client: Client, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    state = tmp_path / "lab.json"
    addresses = {"endpoint": proxy.endpoint, "control": proxy.control}
    state.write_bytes(msgspec.json.encode({"proxies": {"aws": addresses}, "others": 1}))

    def fault(*words: str, cloud: str = "aws") -> typer.testing.Result:
        return typer.testing.CliRunner().invoke(app, ["--state", str(state), cloud, *words], env={"COLUMNS": "200"})

    assert fault("lose", "503", "-o", RUN, "--times", "1").exit_code == 0
    assert client.act("RunInstances").status_code == 503
    assert len(small_cloud.seen) == 1
    assert "lose_answer" in fault("list").stdout
    assert RUN in fault("counts", "--reset").stdout
    assert proxy.total() == 0
    assert fault("answer", "403", "--code", "Denied").exit_code == 0
    assert "Denied" in client.act("RunInstances").text
    assert fault("clear").exit_code == 0
    assert fault("delay", "0.01", "--after", "2").exit_code == 0
    (active,) = proxy.faults()
    assert active.rule == Rule("*", Delay(0.01), after=2)
    assert fault("clear", str(active.id)).exit_code == 0
    assert proxy.faults() == []
    assert fault("dark", "--refuse").exit_code == 0
    with pytest.raises(requests.ConnectionError):
        client.act("RunInstances")
    assert fault("light").exit_code == 0
    assert client.act("RunInstances").status_code == 200

    unknown = fault("list", cloud="azure")
    assert (unknown.exit_code, "the lab has no cloud azure" in unknown.output) == (1, True)
