"""The lab's AWS, which answers as EC2 does where moto alone would not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.aws import AwsCloud
from tests.integration.lab.aws.calls import EVERYTHING, Launch


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCloud]:
    with AwsCloud(tmp_path_factory.mktemp("aws"), transition=0.05) as cloud:
        cloud.tune(policies={"operator": EVERYTHING})
        yield cloud


@pytest.fixture
def cloud(shared: AwsCloud) -> Iterator[AwsCloud]:
    yield shared
    shared.tune(
        consistency_lag=0.0,
        consistency_seed=None,
        flapping_seconds=0.0,
        limits={},
        no_capacity=[],
        vcpu_limit=None,
        transition_seconds=0.05,
    )
    shared.tune(refuse_terminated_token=False, terminated_seconds=3600.0, zone_states={})
    shared.tune(modification_seconds=0.0, encrypt_volumes=False, snapshots_kept="")


@pytest.fixture(scope="session")
def ec2(shared: AwsCloud) -> Any:
    return shared.client(credentials=shared.credentials)


@pytest.fixture
def launch(cloud: AwsCloud, ec2: Any) -> Launch:
    def call(**wanted: Any) -> Any:
        defaults = {"InstanceType": "t3.micro", "SubnetId": cloud.subnets[0], "ImageId": cloud.images["debian-12"]}
        return ec2.run_instances(**{**defaults, "MinCount": 1, "MaxCount": 1, **wanted})["Instances"][0]

    return call
