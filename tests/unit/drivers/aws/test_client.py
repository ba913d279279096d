"""The transport: whom it trusts, what it counts, and what a broken connection means."""

import hashlib
import ssl
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hybridge.core.errors import CloudError, Refused, Unreachable
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.remembered import Remembered
from hybridge.drivers.base import Settings
from lab.pki import Authority, KeyPair
from lab.process import free_port
from tests.unit.drivers.aws.endpoint import Asked, Endpoint, served

_STATE = "<instanceState><name>running</name></instanceState>"
KEYS = {"accessKeyID": "AKIAEXAMPLE", "secretAccessKey": "swordfish"}


class Ec2(Endpoint):
    """Answers each action in its own way."""

    def answer(self, asked: Asked) -> tuple[int, str] | None:
        match asked.action:
            case "RunInstances":
                return None
            case "DescribeInstances":
                more = "" if asked.words.get("NextToken") == ["two"] else "<nextToken>two</nextToken>"
                item = f"<item><instancesSet><item><instanceId>i-1</instanceId>{_STATE}</item></instancesSet></item>"
                told = f"<reservationSet>{item}</reservationSet>{more}"
                return 200, f"<DescribeInstancesResponse>{told}</DescribeInstancesResponse>"
            case "DescribeSubnets":
                return 403, "<R><Errors><Error><Code>UnauthorizedOperation</Code><Message/></Error></Errors></R>"
            case _:
                return 200, "no XML"


Start = Callable[[KeyPair | None], str]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as ends:

        def run(pair: KeyPair | None = None) -> str:
            return ends.enter_context(served(Ec2(pair))).url

        yield run


def client(endpoint: str, *, metered: list[tuple[str, str]] | None = None, **settings: Any) -> Client:
    seen = [] if metered is None else metered
    return Client(
        Settings(
            provider="aws",
            cloud={"region": "eu-central-1", "endpoint": endpoint},
            credentials=settings.pop("credentials", KEYS),
            acquire=lambda: None,
            meter=lambda operation, code, _: seen.append((operation, code)),
            **settings,
        )
    )


def fingerprint(pair: KeyPair) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())).hexdigest()


def test_every_page_is_a_request_that_is_counted(start: Start) -> None:
    metered: list[tuple[str, str]] = []
    aws = client(start(None), metered=metered)
    pages = list(aws.pages("DescribeInstances", "Reservations", size=5))
    assert pages == [[{"Instances": [{"InstanceId": "i-1", "State": {"Name": "running"}}]}]] * 2
    assert metered == [("DescribeInstances", "200")] * 2
    assert aws.sent == 2


def test_a_connection_that_ends_without_an_answer_may_have_changed_something(start: Start) -> None:
    metered: list[tuple[str, str]] = []
    with pytest.raises(Unreachable) as error:
        client(start(None), metered=metered).call("RunInstances", ImageId="ami-1")
    assert error.value.took_effect_possible
    assert metered == [("RunInstances", "ProtocolError")]


def test_an_answer_that_is_no_xml_may_have_changed_something(start: Start) -> None:
    with pytest.raises(Unreachable) as error:
        client(start(None)).call("StartInstances", InstanceIds=["i-1"])
    assert error.value.took_effect_possible


def test_a_refusal_without_a_word_is_one_by_its_code(start: Start) -> None:
    with pytest.raises(Refused) as caught:
        client(start(None)).call("DescribeSubnets")

    assert caught.value.reason is Reason.NOT_PERMITTED
    assert "ec2:DescribeSubnets" in caught.value.message


def test_a_refused_connection_changed_nothing() -> None:
    with pytest.raises(Unreachable) as error:
        client(f"http://127.0.0.1:{free_port()}").call("RunInstances", ImageId="ami-1")
    assert not error.value.took_effect_possible
    assert "swordfish" not in error.value.message


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("trust", ["bundle", "fingerprint", "both", "insecure"])
def test_trusted_servers(start: Start, tmp_path: Path, trust: str) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("ec2")
    choices: dict[str, dict[str, Any]] = {
        "bundle": {"ca_bundle": authority.pem},
        "fingerprint": {"fingerprint": f"sha256:{fingerprint(pair)}"},
        "both": {"ca_bundle": authority.pem, "fingerprint": fingerprint(pair)},
        "insecure": {"insecure_skip_verify": True},
    }
    assert client(start(pair), **choices[trust]).call("DescribeInstances")["Reservations"]


@pytest.mark.parametrize("trust", ["none", "another bundle", "another fingerprint", "one of both"])
def test_servers_that_are_not_trusted(start: Start, tmp_path: Path, trust: str) -> None:
    authority, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    pair = authority.issue("ec2")
    choices: dict[str, dict[str, Any]] = {
        "none": {},
        "another bundle": {"ca_bundle": other.pem},
        "another fingerprint": {"fingerprint": "00" * 32},
        "one of both": {"ca_bundle": other.pem, "fingerprint": fingerprint(pair)},
    }
    with pytest.raises(Refused) as refused:
        client(start(pair), **choices[trust]).call("DescribeInstances")
    assert refused.value.reason is Reason.TLS_NOT_VERIFIED


def test_the_environment_decides_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere")
    assert client(start(None)).call("DescribeInstances")["Reservations"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"credentials": {"accessKeyID": "AKIAEXAMPLE"}}, Reason.SECRET_NOT_FOUND),
        ({"ca_bundle": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"}, Reason.TLS_NOT_VERIFIED),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        client("http://127.0.0.1:1", **settings)
    assert refused.value.reason is reason


def test_an_endpoint_that_is_no_url_is_refused_at_once() -> None:
    with pytest.raises(Refused) as refused:
        client("nonsense")
    assert refused.value.reason is Reason.INVALID_SPEC


def test_answers_are_remembered_for_their_age_and_failures_are_not() -> None:
    now, asked = [0.0], [0]

    def look_up() -> int:
        asked[0] += 1
        if asked[0] == 1:
            raise Unreachable("not now")
        return asked[0]

    known: Remembered[int] = Remembered(lambda: now[0])
    with pytest.raises(CloudError):
        known.get("image", 10.0, look_up)
    assert known.get("image", 10.0, look_up) == 2
    now[0] = 10.0
    assert known.get("image", 10.0, look_up) == 2
    now[0] = 10.5
    assert known.get("image", 10.0, look_up) == 3


def test_what_the_sdk_reads_of_its_files_is_kept_once(start: Start) -> None:
    """Connections come and go with each change of a Provider; each would bring 8 MiB that the collector finds late."""
    endpoint = start(None)
    client(endpoint)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [client(endpoint) for _ in range(3)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (after - before) / len(kept) < 3 * 2**20
