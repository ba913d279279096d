"""Credentials of an assumed role: fetched at the first use, and again before they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.client import Client
from hybridge.drivers.base import Settings

KEYS = {"accessKeyID": "AKIABASE", "secretAccessKey": "swordfish"}
ROLE = {"arn": "arn:aws:iam::210987654321:role/hybridge", "externalID": "shop"}


class Sts(ThreadingHTTPServer):
    """Gives out credentials that last ``minutes``, each with another key; EC2's lists are empty."""

    def __init__(self, minutes: float) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.minutes = minutes
        self.assumed: list[dict[str, list[str]]] = []
        self.keys: list[str] = []
        self.denied = False


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sts

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        if form["Action"] == ["AssumeRole"]:
            status, body = self._assume(form)
        else:
            self.server.keys.append(key)
            status, body = 200, "<R></R>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def _assume(self, form: dict[str, list[str]]) -> tuple[int, str]:
        if self.server.denied:
            words = "not authorized to perform: sts:AssumeRole"
            return 403, f"<E><Error><Code>AccessDenied</Code><Message>{words}</Message></Error></E>"
        self.server.assumed.append(form)
        ends = datetime.now(UTC) + timedelta(minutes=self.server.minutes)
        key = f"ASIAROLE{len(self.server.assumed)}"
        given = (
            f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            f"<Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        )
        return 200, f"<A><AssumeRoleResult><Credentials>{given}</Credentials></AssumeRoleResult></A>"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sts(request: pytest.FixtureRequest) -> Iterator[Sts]:
    server = Sts(request.param)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(sts: Sts) -> Iterator[Client]:
    cloud = {"region": "eu-central-1", "endpoint": f"http://127.0.0.1:{sts.server_port}", "assumeRole": ROLE}
    client = Client(Settings("prod", cloud, KEYS, acquire=lambda: None, meter=lambda *_: None))
    yield client
    client.close()


@pytest.mark.parametrize("sts", [60.0], indirect=True)
def test_a_role_is_assumed_once_while_its_credentials_last(sts: Sts, client: Client) -> None:
    for _ in range(3):
        client.call("DescribeSubnets")

    assert sts.keys == ["ASIAROLE1"] * 3
    (asked,) = sts.assumed
    assert (asked["RoleArn"], asked["ExternalId"]) == ([ROLE["arn"]], [ROLE["externalID"]])
    assert asked["RoleSessionName"] == ["hybridge-prod"]


@pytest.mark.parametrize("sts", [5.0], indirect=True)
def test_credentials_that_end_soon_are_replaced_before_they_do(sts: Sts, client: Client) -> None:
    client.call("DescribeSubnets")
    sts.minutes = 60.0
    client.call("DescribeSubnets")
    client.call("DescribeSubnets")

    assert sts.keys[-2:] == ["ASIAROLE2", "ASIAROLE2"]
    assert len(sts.assumed) == 2


@pytest.mark.parametrize("sts", [60.0], indirect=True)
def test_a_role_that_may_not_be_assumed_is_named(sts: Sts, client: Client) -> None:
    sts.denied = True

    with pytest.raises(Refused) as caught:
        client.call("DescribeSubnets")

    assert caught.value.reason is Reason.NOT_PERMITTED
    assert "sts:AssumeRole" in caught.value.message
    assert sts.keys == []
