"""States of the lab's instances: each takes its time, and new ones are unknown for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws import AwsCloud
from tests.integration.lab.aws.calls import Launch, all_ids, eventually, refusal, state


def test_a_new_instance_is_unknown_for_a_while(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(consistency_lag=3600.0)
    made = launch(ClientToken="late")["InstanceId"]
    calls: list[Callable[[], Any]] = [
        lambda: ec2.describe_instances(InstanceIds=[made]),
        lambda: ec2.terminate_instances(InstanceIds=[made]),
        lambda: ec2.create_tags(Resources=[made], Tags=[{"Key": "a", "Value": "b"}]),
    ]

    assert made not in all_ids(ec2)
    assert made in [machine.id for machine in cloud.machines()]
    for call in calls:
        with pytest.raises(ClientError) as error:
            call()
        assert refusal(error) == (400, "InvalidInstanceID.NotFound")
    assert launch(ClientToken="late")["InstanceId"] == made

    cloud.tune(consistency_lag=0.0)
    assert made in all_ids(ec2)


def test_new_instances_have_lags_of_their_own_and_then_come_and_go(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(consistency_lag=3600.0, consistency_seed=7, flapping_seconds=0.0)
    made = {launch()["InstanceId"] for _ in range(4)}
    assert not made & set(all_ids(ec2))

    cloud.tune(consistency_lag=0.0, flapping_seconds=3600.0)
    seen = [len(made & set(all_ids(ec2))) for _ in range(12)]
    assert len(set(seen)) > 2, "not each for itself"
    answers = [_is_known(ec2, min(made)) for _ in range(12)]
    assert set(answers) == {True, False}
    assert made <= {machine.id for machine in cloud.machines()}

    cloud.tune(flapping_seconds=0.0)
    assert made <= set(all_ids(ec2))


def _is_known(ec2: Any, instance: str) -> bool:
    try:
        ec2.describe_instances(InstanceIds=[instance])
    except ec2.exceptions.ClientError as error:
        return bool(error.response["Error"]["Code"] != "InvalidInstanceID.NotFound")
    return True


def test_states_take_time_in_both_directions(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(transition_seconds=3600.0)
    waiting = launch()["InstanceId"]
    assert state(ec2, waiting) == "pending"
    with pytest.raises(ClientError) as error:
        ec2.stop_instances(InstanceIds=[waiting])
    assert refusal(error) == (400, "IncorrectInstanceState")

    cloud.tune(transition_seconds=0.0)
    made = launch()["InstanceId"]
    cloud.tune(transition_seconds=3600.0)
    cloud.power(made, on=False)
    assert state(ec2, made) == "stopping"
    with pytest.raises(ClientError) as error:
        ec2.start_instances(InstanceIds=[made])
    assert refusal(error) == (400, "IncorrectInstanceState")
    cloud.terminate(made)
    assert state(ec2, made) == "shutting-down"


def test_a_state_is_reached_by_the_clock(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    made = launch()["InstanceId"]
    eventually(lambda: state(ec2, made) == "running")
    cloud.power(made, on=False)
    eventually(lambda: state(ec2, made) == "stopped")
    cloud.power(made, on=True)
    eventually(lambda: state(ec2, made) == "running")
    cloud.terminate(made)
    eventually(lambda: state(ec2, made) == "terminated")


def test_the_type_changes_only_while_stopped(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(transition_seconds=0.0)
    made = launch()["InstanceId"]
    wanted = {"InstanceId": made, "InstanceType": {"Value": "t3.large"}}

    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(**wanted)
    assert refusal(error) == (400, "IncorrectInstanceState")

    cloud.power(made, on=False)
    ec2.modify_instance_attribute(**wanted)
    assert {machine.id: machine.type for machine in cloud.machines()}[made] == "t3.large"
