"""Dry runs at an endpoint that does not know them: nothing that could change something is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hybridge.drivers.aws import permissions
from hybridge.drivers.aws.client import Client
from hybridge.drivers.base import Settings
from tests.unit.drivers.aws.endpoint import Asked, Endpoint, served, success

KEYS = {"accessKeyID": "AKIAEXAMPLE", "secretAccessKey": "swordfish"}


class Careless(Endpoint):
    """Answers every action with success, dry run or not, from the ``honest``-th dry run on."""

    def __init__(self, honest: int) -> None:
        super().__init__()
        self.honest = honest
        self.actions: list[str] = []

    def answer(self, asked: Asked) -> tuple[int, str]:
        self.actions.append(asked.action)
        if "DryRun" in asked.words and self.honest:
            self.honest -= 1
            return 412, "<R><Errors><Error><Code>DryRunOperation</Code></Error></Errors></R>"
        return 200, success(asked.action)


@pytest.fixture
def careless(request: pytest.FixtureRequest) -> Iterator[Careless]:
    with served(Careless(request.param)) as endpoint:
        yield endpoint


def check(server: Careless) -> permissions.Lacking:
    cloud = {"region": "eu-central-1", "endpoint": server.url}
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


@pytest.mark.parametrize("careless", [15], indirect=True)
def test_the_first_dry_run_that_was_none_is_the_last(careless: Careless) -> None:
    found = check(careless)

    assert not found.proven
    assert careless.actions[-2:] == ["CreateTags", "DeleteTags"]


@pytest.mark.parametrize("careless", [100], indirect=True)
def test_without_a_machine_of_ours_nothing_is_missing_and_not_all_is_proven(careless: Careless) -> None:
    assert check(careless) == permissions.Lacking((), (), proven=False)
    assert careless.actions[-1] == "TerminateInstances"
