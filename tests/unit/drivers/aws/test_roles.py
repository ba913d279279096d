"""Credentials of an assumed role: fetched at the first use, and again before they end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.client import Client
from hybridge.drivers.base import Settings
from tests.unit.drivers.aws.endpoint import Asked, Endpoint, served, success

KEYS = {"accessKeyID": "AKIABASE", "secretAccessKey": "swordfish"}
ROLE = {"arn": "arn:aws:iam::210987654321:role/hybridge", "externalID": "shop"}


class Sts(Endpoint):
    """Gives out credentials that last ``minutes``, each with another key; EC2's lists are empty."""

    def __init__(self, minutes: float) -> None:
        super().__init__()
        self.minutes = minutes
        self.assumed: list[Mapping[str, Sequence[str]]] = []
        self.keys: list[str] = []
        self.denied = False

    def answer(self, asked: Asked) -> tuple[int, str]:
        if asked.action == "AssumeRole":
            return self._assume(asked)
        self.keys.append(asked.key)
        return 200, success(asked.action)

    def _assume(self, asked: Asked) -> tuple[int, str]:
        if self.denied:
            words = "not authorized to perform: sts:AssumeRole"
            return 403, f"<E><Error><Code>AccessDenied</Code><Message>{words}</Message></Error></E>"
        self.assumed.append(asked.words)
        ends = datetime.now(UTC) + timedelta(minutes=self.minutes)
        key = f"ASIAROLE{len(self.assumed)}"
        given = (
            f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            f"<Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        )
        return (
            200,
            f"<AssumeRoleResponse><AssumeRoleResult><Credentials>{given}</Credentials></AssumeRoleResult></AssumeRoleResponse>",
        )


@pytest.fixture
def sts(request: pytest.FixtureRequest) -> Iterator[Sts]:
    with served(Sts(request.param)) as endpoint:
        yield endpoint


@pytest.fixture
def client(sts: Sts) -> Iterator[Client]:
    cloud = {"region": "eu-central-1", "endpoint": sts.url, "assumeRole": ROLE}
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
