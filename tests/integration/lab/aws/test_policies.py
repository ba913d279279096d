"""Policies of the lab's accounts: who may do what with which instance."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab import permissions
from lab.aws import AwsCloud
from lab.permissions import Grant
from tests.integration.lab.aws.calls import EVERYTHING, Launch, refusal, state


def test_a_policy_says_which_action_on_which_instance(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(policies={})
    marked = cloud.launch_by_hand({"hybridge.io/owner": "somebody"})
    plain = cloud.launch_by_hand({})

    for made, code in ((marked, "DryRunOperation"), (plain, "UnauthorizedOperation")):
        with pytest.raises(ClientError) as error:
            ec2.terminate_instances(InstanceIds=[made], DryRun=True)
        assert refusal(error)[1] == code
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=["i-0123456789abcdef0"], DryRun=True)
    assert refusal(error) == (400, "InvalidInstanceID.NotFound")
    with pytest.raises(ClientError) as error:
        ec2.create_key_pair(KeyName="not-allowed")
    assert refusal(error) == (403, "UnauthorizedOperation")
    ec2.terminate_instances(InstanceIds=[marked])
    cloud.tune(policies={"operator": EVERYTHING})
    assert state(ec2, plain) in {"pending", "running"}


def test_a_dry_run_makes_nothing(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    before = {machine.id for machine in cloud.machines()}

    with pytest.raises(ClientError) as error:
        launch(DryRun=True)

    assert refusal(error) == (412, "DryRunOperation")
    assert {machine.id for machine in cloud.machines()} == before


def test_passing_a_role_is_a_permission_of_its_own(cloud: AwsCloud, launch: Launch) -> None:
    policy = permissions.aws()
    role = Grant("GiveInstanceProfiles", "iam:PassRole")
    codes = []
    for given in (policy, permissions.aws_without(policy, role)):
        cloud.tune(policies={"operator": given})
        with pytest.raises(ClientError) as error:
            launch(IamInstanceProfile={"Name": "web"}, DryRun=True)
        codes.append(refusal(error)[1])
        words = str(error.value)
    cloud.tune(policies={"operator": EVERYTHING})

    assert codes == ["DryRunOperation", "UnauthorizedOperation"]
    assert "iam:PassRole" in words
