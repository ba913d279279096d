"""The model that the driver loads, and the permissions that it needs, follow from one list of calls."""

import json
from pathlib import Path

from hybridge.drivers.aws import subset

ROOT = Path(__file__).parents[4]


def test_the_stored_subset_is_what_the_installed_botocore_describes() -> None:
    assert json.loads((subset.DATA / subset.MODEL).read_text()) == subset.cut()


def test_the_documented_policy_allows_exactly_the_calls_that_are_made() -> None:
    policy = json.loads((ROOT / "docs/permissions/aws.json").read_text())
    actions = [statement["Action"] for statement in policy["Statement"]]
    listed = {name for action in actions for name in ([action] if isinstance(action, str) else action)}
    assert listed == {f"ec2:{name}" for name in subset.OPERATIONS} | {"iam:PassRole"}
