"""Dry runs at an endpoint that does not know them: nothing that could change something is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from hybridge.drivers.aws import permissions
from hybridge.drivers.aws.client import Client
from hybridge.drivers.base import Settings

KEYS = {"accessKeyID": "AKIAEXAMPLE", "secretAccessKey": "swordfish"}


class Careless(ThreadingHTTPServer):
    """Answers every action with success, dry run or not, from the ``honest``-th dry run on."""

    def __init__(self, honest: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.honest = honest
        self.actions: list[str] = []


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Careless

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.actions += form["Action"]
        body, status = b"<R></R>", 200
        if "DryRun" in form and self.server.honest:
            self.server.honest -= 1
            body, status = b"<R><Errors><Error><Code>DryRunOperation</Code></Error></Errors></R>", 412
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def careless(request: pytest.FixtureRequest) -> Iterator[Careless]:
    server = Careless(request.param)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def check(server: Careless) -> permissions.Lacking:
    cloud = {"region": "eu-central-1", "endpoint": f"http://127.0.0.1:{server.server_port}"}
    client = Client(Settings("aws", cloud, KEYS, acquire=lambda: None, meter=lambda *_: None))
    try:
        return permissions.check(client, None)
    finally:
        client.close()


@pytest.mark.parametrize("careless", [0], indirect=True)
def test_what_does_not_know_dry_runs_is_asked_no_further(careless: Careless) -> None:
    found = check(careless)

    assert found == permissions.Lacking((), (), proven=False)
    assert careless.actions == ["DescribeInstances", "DescribeImages", "DescribeInstanceTypes"]


@pytest.mark.parametrize("careless", [8], indirect=True)
def test_the_first_dry_run_that_was_none_is_the_last(careless: Careless) -> None:
    found = check(careless)

    assert not found.proven
    assert careless.actions[-2:] == ["CreateTags", "DeleteTags"]


@pytest.mark.parametrize("careless", [100], indirect=True)
def test_without_a_machine_of_ours_nothing_is_missing_and_not_all_is_proven(careless: Careless) -> None:
    assert check(careless) == permissions.Lacking((), (), proven=False)
    assert careless.actions[-1] == "TerminateInstances"
