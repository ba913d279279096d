"""What tests of the lab's AWS ask of it, and how they wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Launch = Callable[..., Any]
EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not become true within 30 s"
        time.sleep(0.02)


def all_ids(ec2: Any, page: int = 1000) -> list[str]:
    pages = ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": page})
    return [item["InstanceId"] for page in pages for group in page["Reservations"] for item in group["Instances"]]


def state(ec2: Any, instance_id: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])
