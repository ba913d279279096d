"""Keys and permissions: what EC2 refuses is told in words that help."""

from __future__ import annotations

from collections import Counter

import pytest

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.driver import connect
from lab.aws import AwsCloud
from tests.integration.drivers.aws.bench import SPEC, Bench, settings


def test_a_missing_permission_is_named_with_its_caller(bench: Bench, cloud: AwsCloud) -> None:
    marker = bench.marker()
    intent = bench.intent(SPEC, marker)
    driver = connect(settings(cloud, Counter(), cloud.readonly_credentials))
    assert driver.check().identity == f"aws:{cloud.account}:{cloud.region}"
    with pytest.raises(Refused, match=r"user/readonly lacks the permission ec2:RunInstances") as refused:
        driver.machines.create(intent, SPEC, marker)
    assert refused.value.reason is Reason.NOT_PERMITTED


def test_a_wrong_key_is_said_so(cloud: AwsCloud) -> None:
    driver = connect(settings(cloud, Counter(), {"accessKeyID": "AKIAX", "secretAccessKey": "x"}))
    with pytest.raises(Refused) as refused:
        driver.check()
    assert refused.value.reason is Reason.AUTHENTICATION_FAILED
