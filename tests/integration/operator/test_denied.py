"""Each right of the policy that docs/permissions ships for AWS, alone, is taken away: it is named, and a grant heals.

What a dry run can try the Provider tells before a machine needs it. The rest is told by the machine that needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from hybridge.core.reasons import Reason
from lab import permissions
from lab.aws import AwsCloud
from lab.aws_names import PROFILES
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of

GRANTS = permissions.aws_grants(permissions.aws())
RIGHTS = sorted({grant.right for grant in GRANTS})
#: Statements about what is marked alone, which are not tried.
UNTRIED = (
    "ChangeOnlyNetworksThatAreMarked",
    "ConnectGatewaysThatAreMarked",
    "ConnectVPCs",
    "ChangeOnlyFirewallsThatAreMarked",
    "DeleteOnlyImagesAndSnapshotsThatAreMarked",
)


@dataclass(frozen=True, slots=True)
class Need:
    """What a right is needed for: a machine with ``profile``, made so, or made with ``before`` and changed."""

    right: str
    profile: str
    changed: bool = True
    before: str | None = None


WEB, DB = PROFILES
#: What knows no dry run.
NEEDS = {
    "made with a profile": Need("iam:PassRole", WEB, changed=False),
    "given a first one, whose role may not be passed": Need("iam:PassRole", WEB),
    "given another one, whose role may not be passed": Need("iam:PassRole", DB, before=WEB),
    "given a first one": Need("ec2:AssociateIamInstanceProfile", WEB),
    "given another one": Need("ec2:ReplaceIamInstanceProfileAssociation", DB, before=WEB),
}
TOLD_BY_MACHINES = {need.right for need in NEEDS.values()}
TRIED = {grant.right for grant in GRANTS if grant.place not in UNTRIED}
TOLD_BY_THE_PROVIDER = [right for right in RIGHTS if right in TRIED - TOLD_BY_MACHINES]


@pytest.fixture
def account(make_scene: MakeScene, bed: Any) -> Iterator[Scene]:
    """A Provider whose access key nobody else has, so that its policy is the test's own."""
    scene = make_scene("aws", keys=bed.lab.aws.limited_credentials)
    yield scene
    scene.bed.lab.aws.withhold()


@pytest.mark.parametrize("need", NEEDS.values(), ids=NEEDS)
def test_the_machine_that_needs_what_no_check_can_try_names_it(account: Scene, need: Need) -> None:
    if need.changed:
        account.make(aws=_with(need.before))
    before, aws = _state(account), account.bed.lab.aws
    aws.withhold(need.right)

    if need.changed:
        account.change(aws=_with(need.profile))
    else:
        account.apply(aws=_with(need.profile))

    synced = account.wait("web", "Synced", "False", "NotPermitted")
    assert f"user/limited lacks the permission {need.right}. " in synced["message"]
    assert f"is not authorized to perform: {need.right} because" in synced["message"]
    stalled = account.wait("web", "Stalled", "True", "NotPermitted")
    assert need.right in stalled["message"]
    assert stalled["message"].endswith(Reason.NOT_PERMITTED.hint)
    assert condition_of(account.body(), "Ready")["status"] == ("True" if need.changed else "False")
    assert _state(account) == before

    aws.withhold()
    account.annotate(sync_now="granted")
    account.wait("web", "Synced", "True")
    account.ready()
    assert not condition_of(account.body(), "Stalled")
    machine = account.machine()
    assert account.here() == {machine.id}
    assert _profile(aws, machine.id) == need.profile


@pytest.mark.timeout(300)
def test_the_provider_names_whatever_a_check_can_try(account: Scene) -> None:
    """One after the other, on one Provider and with one machine: some can be tried only on what is marked."""
    account.make()
    before, aws = _state(account), account.bed.lab.aws
    asked = 0

    def look_again() -> None:
        nonlocal asked
        asked += 1
        change = {"metadata": {"annotations": {"hybridge.io/sync-now": str(asked)}}}
        account.bed.patch("provider", account.provider, change)

    for right in TOLD_BY_THE_PROVIDER:
        aws.withhold(right)
        look_again()
        account.until(partial(_lacks, account, right), f"{right} to be named, and no other")
        assert _state(account) == before, right

    aws.withhold()
    look_again()
    account.until(partial(_lacks, account), "nothing to be lacking")
    account.wait_provider("Synced", "True")
    account.wait_provider("Ready", "True")


def test_the_page_says_which_rights_only_machines_can_tell() -> None:
    items = (permissions.DOCS / "aws.md").read_text().split("\n- ")
    (untold,) = [item for item in items if "cannot be tried" in item]

    assert set(re.findall(r"`(\w+:\w+)`", untold)) == TOLD_BY_MACHINES


def test_the_page_says_which_statements_are_not_tried() -> None:
    items = (permissions.DOCS / "aws.md").read_text().split("\n- ")
    (untried,) = [item for item in items if "not tried" in item]

    assert set(re.findall(r"`(\w+)`", untried)) == set(UNTRIED)


def _with(profile: str | None) -> Mapping[str, str]:
    return {"iamInstanceProfile": profile} if profile else {}


def _lacks(scene: Scene, *rights: str) -> bool:
    """Whether a Provider's condition Synced names just these rights."""
    synced = condition_of(scene.bed.get("provider", scene.provider), "Synced")
    named = [right for right in RIGHTS if re.search(rf"{right}\b", synced.get("message", ""))]
    assert not named or synced["status"] == "True" or synced["reason"] == "NotPermitted", synced
    return named == [*rights]


def _state(scene: Scene) -> list[object]:
    """The machines that are this namespace's, and their profiles."""
    aws = scene.bed.lab.aws
    mine = [machine for machine in scene.person.machines() if machine.namespace == scene.namespace]
    return [(machine, _profile(aws, machine.id)) for machine in mine]


def _profile(aws: AwsCloud, machine_id: str) -> str | None:
    """The name of an instance's profile."""
    filters = [{"Name": "instance-id", "Values": [machine_id]}]
    found = aws.client().describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"]
    return found[0]["IamInstanceProfile"]["Arn"].rpartition("/")[2] if found else None
