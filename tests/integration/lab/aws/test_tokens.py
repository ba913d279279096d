"""Client tokens of the lab's EC2: a launch that is repeated makes one instance."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import AwsCloud
from tests.integration.lab.aws.calls import Launch, refusal


def test_the_same_token_and_parameters_give_the_same_instance(launch: Launch) -> None:
    first = launch(ClientToken="same", UserData="#!/bin/sh")

    assert launch(ClientToken="same", UserData="#!/bin/sh")["InstanceId"] == first["InstanceId"]


def test_the_same_token_with_other_parameters_is_refused(launch: Launch) -> None:
    launch(ClientToken="other", UserData="one")

    with pytest.raises(ClientError) as error:
        launch(ClientToken="other", UserData="two")

    assert refusal(error) == (400, "IdempotentParameterMismatch")


def test_concurrent_calls_with_one_token_make_one_instance(launch: Launch) -> None:
    together = threading.Barrier(8)

    def call(_: int) -> str:
        together.wait()
        return str(launch(ClientToken="concurrent")["InstanceId"])

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(call, range(8)))

    assert len(made) == 1


def test_a_token_outlives_its_instance(cloud: AwsCloud, launch: Launch) -> None:
    first = launch(ClientToken="terminated")
    cloud.terminate(first["InstanceId"])

    again = launch(ClientToken="terminated")

    assert again["InstanceId"] == first["InstanceId"]
    assert again["State"]["Name"] in {"shutting-down", "terminated"}


def test_a_token_of_a_terminated_instance_can_be_refused(cloud: AwsCloud, launch: Launch) -> None:
    cloud.tune(refuse_terminated_token=True)
    cloud.terminate(launch(ClientToken="refused")["InstanceId"])

    with pytest.raises(ClientError) as error:
        launch(ClientToken="refused")

    assert refusal(error) == (400, "IdempotentInstanceTerminated")


def test_a_token_is_forgotten_together_with_its_instance(cloud: AwsCloud, launch: Launch) -> None:
    first = launch(ClientToken="forgotten")
    cloud.terminate(first["InstanceId"])
    cloud.tune(terminated_seconds=0.0)

    assert launch(ClientToken="forgotten")["InstanceId"] != first["InstanceId"]


def test_a_refused_launch_does_not_use_up_its_token(cloud: AwsCloud, launch: Launch) -> None:
    cloud.tune(no_capacity=[{"type": "t3.micro"}])
    with pytest.raises(ClientError):
        launch(ClientToken="unused")
    cloud.tune(no_capacity=[])

    assert launch(ClientToken="unused")["InstanceId"].startswith("i-")


def test_a_volume_is_made_once_for_a_token(ec2: Any) -> None:
    wanted = {"AvailabilityZone": "eu-central-1a", "Size": 3, "VolumeType": "gp3", "ClientToken": "volume"}
    first = ec2.create_volume(**wanted)["VolumeId"]

    assert ec2.create_volume(**wanted)["VolumeId"] == first
    with pytest.raises(ClientError) as error:
        ec2.create_volume(**{**wanted, "Size": 4})
    assert refusal(error) == (400, "IdempotentParameterMismatch")
