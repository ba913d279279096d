"""How many words the lab's EC2 takes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws_words import LONGEST, MOST_VALUES
from tests.integration.lab.aws.calls import refusal


def test_a_filter_has_so_many_values(ec2: Any) -> None:
    values = [f"subnet-{number}" for number in range(MOST_VALUES + 1)]
    ec2.describe_subnets(
        Filters=[{"Name": "subnet-id", "Values": values[1:]}, {"Name": "state", "Values": ["available"]}]
    )
    with pytest.raises(ClientError) as error:
        ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": values}])
    assert refusal(error) == (400, "FilterLimitExceeded")


def test_a_description_is_so_long(ec2: Any) -> None:
    made = ec2.create_security_group(GroupName="long", Description="d" * LONGEST)["GroupId"]
    ec2.delete_security_group(GroupId=made)
    with pytest.raises(ClientError) as error:
        ec2.create_security_group(GroupName="longer", Description="d" * (LONGEST + 1))
    assert refusal(error) == (400, "InvalidParameterValue")
